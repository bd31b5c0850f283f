//! What the settings do, and when a change of one counts.

use simulated_control_plane::{Certificate, Endpoint, Options, Simulator, Source};
use synapsor_testbed::{Cluster, ClusterOptions, wait_for};

use crate::stage::{PATIENCE, SHARED, Stage, Told, statuses};

/// Names the simulator's certificate authority in `synapsor.ca_file`.
pub fn trust(stage: &Stage, cluster: &Cluster) {
    let pem = stage.simulator.ca_pem().unwrap();
    let file = cluster.file(&format!("ca_{}", stage.database.name()), pem, 0o644);
    stage.database.set("synapsor.ca_file", file.display());
}

#[test]
fn a_certificate_of_a_private_authority_is_trusted_once_ca_file_names_it() {
    let mut stage = Stage::new();
    let tls = Some(Certificate::Valid);
    stage.simulator = Simulator::start(Options {
        tls,
        ..Options::default()
    })
    .unwrap();
    stage.approve_closing(1..=3);
    stage
        .database
        .set("synapsor.base_url", stage.simulator.base_url());
    trust(&stage, &SHARED);
    assert_eq!(statuses(&stage.poll()), ["applied"; 3]);
    stage.wait_for_reports();
}

#[test]
fn a_source_is_found_by_its_name_once() {
    let stage = Stage::new();
    stage.simulator.add_source(Source::new("src_1", "shop"));
    stage.approve_closing(1..=3);
    stage.database.set("synapsor.source_id", "");
    stage.database.set("synapsor.source_name", "shop");
    let mut operator = stage.operator();
    assert_eq!(statuses(&operator.poll()), ["applied"; 3]);
    stage.wait_for_reports();
    operator.poll();
    assert_eq!(stage.simulator.calls(Endpoint::ListSources), 1);
}

#[test]
fn the_caller_applies_as_himself_where_no_role_is_set_and_never_as_a_superuser() {
    let stage = Stage::new();
    stage.approve_closing(1..=3);
    stage.database.set("synapsor.apply_role", "");
    let mut superuser = stage.database.connect();
    let told = Told::by(superuser.query_one("SELECT synapsor_poll_once()", &[]));
    assert_eq!(
        (told.sqlstate.as_str(), told.code()),
        ("42501", "APPLY_ROLE_UNSAFE")
    );
    assert_eq!(stage.simulator.journal().len(), 0);
    assert_eq!(statuses(&stage.poll()), ["applied"; 3]);
    assert_eq!(stage.ledger("applied_as = 'ops'"), 3);
    stage.wait_for_reports();
}

#[test]
fn the_key_can_come_from_the_server_s_environment() {
    let options =
        ClusterOptions::default().variable("SYNAPSOR_API_KEY", &Options::default().api_key);
    let cluster = Cluster::start(options);
    let stage = Stage::on(&cluster);
    stage.database.set("synapsor.api_key_file", "");
    stage.approve_closing(1..=3);
    assert_eq!(statuses(&stage.poll()), ["applied"; 3]);
    stage.wait_for_reports();
}

#[test]
fn a_key_that_is_replaced_counts_from_the_next_poll_on() {
    let stage = Stage::new();
    let file = SHARED.key_file(&format!("rotated_{}", stage.database.name()), "syn_old");
    stage.database.set("synapsor.api_key_file", file.display());
    stage.approve_closing(1..=3);
    let mut operator = stage.operator();
    assert_eq!(Told::by(operator.try_poll()).sqlstate, "28P01");
    let name = file.file_name().unwrap().to_str().unwrap();
    let _ = SHARED.key_file(name, &Options::default().api_key);
    assert_eq!(statuses(&operator.poll()), ["applied"; 3]);
    stage.wait_for_reports();
}

#[test]
fn a_setting_changes_what_an_open_session_does_after_a_reload() {
    let cluster = Cluster::start(ClusterOptions::default());
    let stage = Stage::on(&cluster);
    let mut operator = stage.operator();
    assert_eq!(operator.poll()["dry_run"], false);
    stage.approve_closing(1..=3);
    let mut superuser = stage.database.connect();
    // Before 16, ALTER SYSTEM knows the settings only once the session has loaded the library.
    for statement in [
        "LOAD 'synapsor_writeback'",
        "ALTER SYSTEM SET synapsor.dry_run = on",
    ] {
        superuser.batch_execute(statement).unwrap();
    }
    stage.database.execute("SELECT pg_reload_conf()");
    wait_for("the reload", PATIENCE, || {
        let row = operator
            .0
            .query_one("SELECT current_setting('synapsor.dry_run')", &[])
            .unwrap();
        row.get::<_, String>(0) == "on"
    });
    assert_eq!(operator.poll()["dry_run"], true);
    assert_eq!(stage.tickets("closed"), 0);
}
