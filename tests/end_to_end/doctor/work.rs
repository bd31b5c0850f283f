//! The database that works, its worker, and what is owed.

use simulated_control_plane::{Endpoint, Fault, Rule, Source};
use synapsor_testbed::{Cluster, ClusterOptions, Shutdown, major_version, wait_for};

use super::Ward;
use crate::copies;
use crate::pair::Pair;
use crate::stage::{PATIENCE, SHARED, Stage, statuses};
use crate::workers::preloaded;

#[test]
fn a_standby_is_named_until_it_is_promoted() {
    let mut pair = Pair::without_worker();
    pair.wait_until_caught_up();
    pair.move_to_standby();
    let Pair {
        mut primary,
        standby,
        stage,
    } = pair;
    stage.simulator.add_source(Source::new("src_1", "shop"));
    let ward = Ward(stage);
    ward.diagnosed("database", "this is a standby");
    primary.stop(Shutdown::Fast);
    standby.promote();
    ward.is_well("database");
}

#[test]
fn a_pause_is_named_and_ended_by_the_hint() {
    let ward = Ward::open();
    ward.0.operator().run("SELECT synapsor_pause()");
    let hint = ward.healed(
        "pause",
        "PAUSED: write-back is paused in this database since",
    );
    assert_eq!(hint, "SELECT synapsor_resume();");
    assert_eq!(statuses(&ward.0.poll()), ["applied"]);
}

#[test]
fn a_restored_copy_is_named_and_becomes_a_database_of_its_own_by_the_hint() {
    let original = copies::original();
    let file = copies::dump(&SHARED, &original.database, "plain");
    let elsewhere = copies::elsewhere(ClusterOptions::default());
    let copy = copies::set_up_again(&elsewhere, elsewhere.create_database("restored"));
    copies::restore(&elsewhere, &file, &copy.database);
    let ward = Ward::with(copy);
    ward.healed("copy", "DATABASE_COPIED");
}

#[test]
fn a_server_without_a_free_worker_slot_is_named_and_has_one_after_the_hint_and_a_restart() {
    let options = preloaded().setting("max_worker_processes", 2);
    let mut cluster = Cluster::start(options);
    let ward = Ward::with(Stage::kept_on(&cluster));
    let is_refused = || {
        ward.0
            .status()
            .reason()
            .contains("no background worker slot")
    };
    wait_for("no worker comes", PATIENCE, is_refused);
    let row = ward.row("worker slots");
    assert_eq!(row.ok, Some(false), "{row:?}");
    assert!(row.detail.contains("none is free for ours"), "{row:?}");
    ward.run(&row.hint);
    cluster.restart(Shutdown::Fast);
    ward.0.wait_for_applied(1);
    ward.is_well("worker slots");
    ward.is_well("worker");
}

#[test]
fn a_report_that_was_refused_is_named_and_sent_again_by_the_hint() {
    let ward = Ward::open();
    let refusal = Rule::on(Endpoint::Report, Fault::status(409));
    ward.0.simulator.inject(refusal);
    assert_eq!(statuses(&ward.0.poll()), ["applied"]);
    wait_for("the report is rejected", PATIENCE, || {
        ward.0.ledger("report_state = 'rejected'") == 1
    });
    ward.diagnosed(
        "reports",
        "refused the report of proposal wrp_1, which is applied here",
    );
    ward.0.simulator.clear_faults();
    ward.healed("reports", "HTTP 409");
    assert_eq!(ward.0.ledger("report_state = 'delivered'"), 1);
}

#[test]
fn a_report_that_is_late_is_named_and_sent_by_the_hint() {
    let ward = Ward::open();
    let rule = ward
        .0
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::status(503)));
    ward.0.poll();
    ward.0.wait_for_a_failed_report();
    ward.execute("UPDATE synapsor.ledger SET decided_at = now() - interval '10 minutes'");
    ward.0.simulator.withdraw(rule);
    ward.healed("reports", "reports that wait for more than five minutes: 1");
}

#[test]
fn a_worker_that_was_stopped_is_named_and_started_by_the_hint() {
    let ward = Ward::open();
    ward.0.start_worker();
    ward.0.operator().run("SELECT synapsor_stop_worker()");
    ward.0.wait_for_state("stopped");
    let hint = ward.diagnosed("worker", "synapsor_stop_worker() was called");
    ward.run(&hint);
    ward.0.wait_for_reason("polling");
    ward.is_well("worker");
}

#[test]
fn a_role_that_a_worker_can_t_connect_as_is_named_and_may_by_the_hint() {
    let cluster = Cluster::start(preloaded());
    let stage = Stage::on(&cluster);
    stage.keep();
    let ward = Ward::with(stage);
    if major_version() >= 17 {
        let database = ward.0.database.name();
        ward.execute(&format!(
            "REVOKE CONNECT ON DATABASE {database} FROM PUBLIC"
        ));
    }
    wait_for("the worker idles", PATIENCE, || {
        ward.0.database.rows("SELECT state FROM synapsor_status()") == ["idle"]
    });
    let hint = ward.diagnosed("worker", "APPLY_ROLE_CANNOT_CONNECT");
    let expected = if major_version() >= 17 {
        "GRANT CONNECT ON DATABASE"
    } else {
        "ALTER ROLE writer LOGIN;"
    };
    assert!(hint.starts_with(expected), "{hint}");
    ward.run(&hint);
    wait_for("the worker works", PATIENCE, || {
        ward.0
            .ledger("status = 'applied' AND report_state = 'delivered'")
            == 1
    });
    wait_for("the worker is well", PATIENCE, || {
        ward.row("worker").ok == Some(true)
    });
}

#[test]
fn settings_that_keep_it_from_working_are_named_and_put_right_where_they_were_set() {
    let cluster = Cluster::start(ClusterOptions::default().setting("synapsor.dry_run", "on"));
    let ward = Ward::on(&cluster);
    let hint = ward.diagnosed("settings", "synapsor.dry_run is on");
    assert_eq!(
        hint,
        "ALTER SYSTEM SET synapsor.dry_run = 'off'; SELECT pg_reload_conf();"
    );
    ward.run(&hint);
    wait_for("the reload", PATIENCE, || {
        ward.row("settings").ok == Some(true)
    });
    ward.execute("ALTER ROLE postgres SET synapsor.dry_run = on");
    ward.healed("settings", "synapsor.dry_run is on");
    ward.set("tenant_setting", "tenant");
    ward.healed("settings", "synapsor.tenant_setting is tenant");
    ward.set("databases", "nowhere, \"Else where\"");
    ward.run(&ward.row("settings").hint);
    ward.healed("settings", "synapsor.databases names \"Else where\"");
}
