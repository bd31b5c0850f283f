//! The resident worker: nothing to call.

use simulated_control_plane::{Endpoint, Fault, Rule};
use synapsor_testbed::{Cluster, Proposal, wait_for};

use crate::background::Background;
use crate::stage::{PATIENCE, Stage, close};
use crate::workers::preloaded;

#[test]
fn a_started_worker_applies_and_reports_what_is_approved() {
    let stage = Stage::new();
    stage.start_worker();
    stage.approve_closing(1..=3);
    stage.wait_for_applied(3);
    assert_eq!(stage.tickets("closed"), 3);
}

#[test]
fn a_preloaded_library_keeps_a_worker_for_each_database_of_the_setting() {
    let cluster = Cluster::start(preloaded());
    let stage = Stage::kept_on(&cluster);
    stage.approve_closing(1..=3);
    stage.wait_for_applied(3);
    assert_eq!(stage.workers().len(), 1);
}

/// Closes a ticket of a table whose trigger ends whoever does it, and two ordinary ones.
#[test]
fn a_proposal_whose_trigger_ends_the_worker_keeps_nobody_from_his_turn() {
    let cluster = Cluster::start(preloaded().setting("synapsor.max_attempts", 1));
    let stage = Stage::kept_on(&cluster);
    stage.running_worker();
    stage.database.execute(
        "CREATE TABLE fatal (LIKE tickets INCLUDING ALL);
         INSERT INTO fatal SELECT * FROM tickets;
         GRANT SELECT, UPDATE (status) ON fatal TO writer;
         CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END';
         CREATE TRIGGER leave BEFORE UPDATE ON fatal FOR EACH ROW EXECUTE FUNCTION leave();",
    );
    let fatal = Proposal::update("fatal")
        .id("wrp_fatal")
        .key("id", 1)
        .change("status", "closed");
    stage
        .simulator
        .add_proposals([fatal, close(1), close(2)])
        .unwrap();
    stage.wait_for_applied(2);
    wait_for("the fatal one is given up", PATIENCE, || {
        stage.ledger("status = 'failed' AND report_state = 'delivered'") == 1
    });
    let error: String = stage
        .database
        .value("SELECT error FROM synapsor.ledger WHERE status = 'failed'");
    assert_eq!(error, "WRITEBACK_WORKER_ENDED");
    stage.running_worker();
}

/// A deferred trigger of a foreign server's would do the same; `dblink` is refused to ordinary roles, so a ledger that can't be written for one
/// proposal plays its part.
#[test]
fn a_proposal_that_spoils_its_transaction_keeps_nobody_from_his_turn() {
    let stage = Stage::new();
    stage.database.execute(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN IF NEW.status = ''applied'' THEN RAISE ''spoiled'' USING ERRCODE = ''ZZ001''; END IF; RETURN NEW; END';
         CREATE TRIGGER spoil BEFORE INSERT OR UPDATE ON synapsor.ledger FOR EACH ROW
             WHEN (NEW.key = 'key_2') EXECUTE FUNCTION spoil()",
    );
    stage.approve_closing(1..=3);
    stage.start_worker();
    stage.wait_for_applied(2);
    wait_for("the attempt is written down", PATIENCE, || {
        stage.ledger("key = 'key_2' AND status = 'retrying' AND sqlstate = 'ZZ001'") == 1
    });
    assert_eq!(stage.tickets("closed"), 2);
    stage
        .database
        .execute("DROP TRIGGER spoil ON synapsor.ledger");
    stage.wait_for_applied(3);
}

/// An update whose table's triggers do this on behalf of whoever applies it.
fn with_trigger(stage: &Stage, table: &str, body: &str) -> Proposal {
    stage.database.execute(&format!(
        "CREATE TABLE {table} (LIKE tickets INCLUDING ALL);
         INSERT INTO {table} SELECT * FROM tickets;
         GRANT SELECT, UPDATE (status) ON {table} TO writer;
         CREATE FUNCTION {table}() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN PERFORM {body}; RETURN NEW; END';
         CREATE TRIGGER t BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}();"
    ));
    Proposal::update(table)
        .id(&format!("wrp_{table}"))
        .key("id", 1)
        .change("status", "closed")
}

#[test]
fn a_proposal_whose_trigger_cancels_the_worker_keeps_nobody_from_his_turn() {
    let stage = Stage::new();
    stage.database.set("synapsor.poll_interval", "100ms");
    stage.database.set("synapsor.max_attempts", 1);
    let cancels = with_trigger(&stage, "cancelled", "pg_cancel_backend(pg_backend_pid())");
    stage
        .simulator
        .add_proposals([cancels, close(1), close(2)])
        .unwrap();
    stage.start_worker();
    stage.wait_for_applied(2);
    wait_for("it is given up", PATIENCE, || {
        stage.ledger("status = 'failed' AND error = 'WRITEBACK_WORKER_ENDED'") == 1
    });
}

#[test]
fn an_advisory_lock_that_a_trigger_takes_does_not_stay_with_the_worker() {
    let stage = Stage::new();
    let locks = with_trigger(
        &stage,
        "locking",
        "pg_advisory_lock(7), pg_advisory_lock(7)",
    );
    stage.approve(locks);
    stage.start_worker();
    stage.wait_for_applied(1);
    wait_for("the lock is free", PATIENCE, || {
        stage.database.value("SELECT pg_try_advisory_lock(7)")
    });
    stage.running_worker();
}

/// The lock on a row has numbers in the same places as ours: its page and its place in it.
#[test]
fn a_lock_on_a_row_is_not_taken_for_a_worker() {
    let stage = Stage::new();
    stage
        .database
        .execute("CREATE TABLE innocent AS SELECT g AS id, 0 AS n FROM generate_series(1, 3000) g");
    for page in [4, 6] {
        let update = format!("UPDATE innocent SET n = n + 1 WHERE ctid = '({page},83)'");
        let mut holder = stage.database.connect();
        let mut transaction = holder.transaction().unwrap();
        assert_eq!(transaction.execute(&update, &[]).unwrap(), 1);
        let waiter = Background::run_in(stage.database.connect(), &update);
        waiter.wait_until_blocked(&stage);
        assert_eq!(stage.status().worker_pid(), None);
        stage.operator().run("SELECT synapsor_stop_worker()");
        assert!(!waiter.has_ended());
        stage.start_worker();
        stage.operator().run("SELECT synapsor_stop_worker()");
        wait_for("the worker has left", PATIENCE, || {
            stage.workers().is_empty()
        });
        transaction.rollback().unwrap();
        waiter.end().1.unwrap();
    }
}

#[test]
fn a_report_that_somebody_else_has_delivered_is_no_trouble_any_more() {
    let stage = Stage::new();
    stage.database.set("synapsor.poll_interval", "100ms");
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::status(503)));
    stage.approve_closing([1]);
    stage.start_worker();
    let says = |text: &str| stage.status().reason().contains(text);
    wait_for("it says so", PATIENCE, || says("reports are not accepted"));
    stage.simulator.clear_faults();
    stage.operator().report();
    wait_for("it says so no more", PATIENCE, || {
        !says("reports are not accepted") && says("polling")
    });
}
