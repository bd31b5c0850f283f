//! The resident worker: nothing to call.

use synapsor_testbed::{Cluster, Proposal, wait_for};

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
