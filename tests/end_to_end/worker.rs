//! The resident worker: nothing to call.

use std::time::Duration;

use synapsor_testbed::{Cluster, ClusterOptions, wait_for};

use crate::stage::{PATIENCE, Stage};

#[test]
fn a_started_worker_applies_and_reports_what_is_approved() {
    let stage = Stage::new();
    stage.with_worker_role();
    stage.start_worker();
    stage.approve_closing(1..=3);
    wait_for("applied and reported", PATIENCE, || {
        stage.ledger("report_state = 'delivered'") == 3
    });
    assert_eq!(stage.tickets("closed"), 3);
}

#[test]
fn a_preloaded_library_keeps_a_worker_for_each_database_of_the_setting() {
    let cluster = Cluster::start(
        ClusterOptions::default()
            .setting("shared_preload_libraries", "synapsor_writeback")
            .setting("synapsor.poll_interval", "100ms"),
    );
    let stage = Stage::on(&cluster);
    stage.with_worker_role();
    stage.database.execute(&format!(
        "ALTER SYSTEM SET synapsor.databases = '{}'",
        stage.database.name()
    ));
    stage.database.execute("SELECT pg_reload_conf()");
    stage.approve_closing(1..=3);
    wait_for("applied and reported", PATIENCE, || {
        stage.ledger("report_state = 'delivered'") == 3
    });
    std::thread::sleep(Duration::from_millis(500));
    for row in stage.database.rows("SELECT * FROM synapsor_status()") { eprintln!("{row}"); }
    for row in stage.database.rows("SELECT pid, backend_type, usename, application_name, state, query FROM pg_stat_activity WHERE backend_type like 'syn%'") { eprintln!("{row}"); }
    eprintln!("{}", cluster.log());
}
