//! Standbys: idle until promotion; then the worker is there by itself, and what was reported holds.

use std::ops::Range;
use std::time::Duration;

use simulated_control_plane::{ControlPlane, Endpoint, Fault, Rule, Status};
use synapsor_testbed::{Proposal, wait_for, within};

use crate::pair::{A_WHILE, Pair};
use crate::stage::{PATIENCE, Stage, Told};

#[test]
fn a_standby_is_idle_and_says_why_until_it_is_promoted() {
    let mut pair = Pair::with_worker();
    pair.stage.approve_closing(1..=2);
    pair.stage.wait_for_applied(2);
    pair.wait_until_caught_up();
    pair.primary.kill_all();
    pair.stage.simulator.clear_journal();
    pair.move_to_standby();
    pair.stage.approve_closing(3..=3);

    let called = within(A_WHILE, || !pair.stage.simulator.journal().is_empty());
    assert!(!called, "{:?}", pair.stage.simulator.journal());
    assert_idle_standby(&pair.stage);

    pair.standby.promote();
    pair.stage.wait_for_applied(3);
    assert_eq!(pair.stage.tickets("closed"), 3);
    assert_eq!(pair.stage.workers().len(), 1);
    assert_eq!(pair.stage.status().state(), "running");
}

fn assert_idle_standby(stage: &Stage) {
    let status = stage.status();
    assert_eq!(
        (status.state().as_str(), status.worker_pid()),
        ("idle", None)
    );
    let reason = status.reason();
    assert!(reason.contains("this is a standby"), "{reason}");
    let ours = "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'synapsor%'";
    assert_eq!(stage.database.value::<i64>(ours), 0);
    for call in [
        "SELECT synapsor_poll_once()",
        "SELECT synapsor_report_once()",
        "CALL synapsor_poll()",
        "SELECT synapsor_start_worker()",
        "SELECT synapsor_stop_worker()",
        "SELECT synapsor_pause()",
        "SELECT synapsor_resume()",
        "SELECT synapsor_retry('key_1')",
        "SELECT synapsor_discard('key_1', 'why not')",
    ] {
        let told = Told::by(stage.operator().0.batch_execute(call));
        let found = (told.code(), told.sqlstate.as_str());
        assert_eq!(found, ("DATABASE_READ_ONLY", "25006"), "{call}");
    }
    assert_eq!(stage.tickets("closed"), 2);
}

#[test]
fn a_pause_goes_along_to_the_standby() {
    let mut pair = Pair::with_worker();
    pair.stage.operator().run("SELECT synapsor_pause()");
    pair.wait_until_caught_up();
    pair.primary.kill_all();
    pair.move_to_standby();
    pair.stage.approve_closing(1..=1);
    pair.standby.promote();
    wait_for("a worker comes", PATIENCE, || {
        pair.stage.workers().len() == 1
    });
    let applied = within(A_WHILE, || pair.stage.ledger("true") > 0);
    assert!(!applied);
    assert_eq!(pair.stage.status().state(), "paused");
    pair.stage.operator().run("SELECT synapsor_resume()");
    pair.stage.wait_for_applied(1);
}

/// Inserts into a table without any key: a second application would leave a second row.
const COUNT: usize = 300;

/// Has the primary apply in small steps, and report slowly.
fn prepare_notes(stage: &Stage) {
    stage
        .database
        .execute("CREATE TABLE notes (note text); GRANT INSERT ON notes TO writer");
    stage.database.set("synapsor.max_proposals", 10);
    let slow = Rule::on(Endpoint::Report, Fault::latency(Duration::from_millis(200)));
    stage.simulator.inject(slow);
}

fn approve_notes(stage: &Stage, notes: Range<usize>) {
    stage
        .simulator
        .add_proposals(notes.map(|n| {
            Proposal::insert("notes")
                .id(&format!("note_{n}"))
                .change("note", format!("note_{n}"))
        }))
        .unwrap();
}

fn wait_until_told(stage: &Stage, count: usize) {
    let told = stage
        .simulator
        .wait_for(|c| c.count(Status::Applied) >= count, PATIENCE);
    assert!(told, "not told of {count}");
}

/// The proposals that the control plane was told were applied.
fn told_applied(stage: &Stage) -> Vec<String> {
    let ids = (0..COUNT).map(|n| format!("note_{n}"));
    ids.filter(|id| stage.simulator.status(id) == Some(Status::Applied))
        .collect()
}

fn notes(stage: &Stage) -> Vec<String> {
    stage.database.rows("SELECT note FROM notes ORDER BY note")
}

/// Waits until nothing is approved and no report is owed.
fn wait_until_drained(stage: &Stage) {
    let all = |c: &ControlPlane| c.count(Status::Applied) == COUNT;
    assert!(stage.simulator.wait_for(all, 2 * PATIENCE));
    stage.wait_for_reports();
}

#[test]
fn what_was_reported_is_there_after_a_failover_to_a_synchronous_standby() {
    let mut pair = Pair::with_worker();
    pair.make_synchronous();
    prepare_notes(&pair.stage);
    approve_notes(&pair.stage, 0..COUNT);
    wait_until_told(&pair.stage, 40);
    pair.primary.kill_all();
    let told = told_applied(&pair.stage);
    assert!(told.len() < COUNT, "the crash came too late");

    pair.move_to_standby();
    pair.standby.promote();
    let there = notes(&pair.stage);
    let lost: Vec<_> = told.iter().filter(|id| !there.contains(id)).collect();
    assert!(lost.is_empty(), "reported, and lost: {lost:?}");

    wait_until_drained(&pair.stage);
    let mut expected: Vec<_> = (0..COUNT).map(|n| format!("note_{n}")).collect();
    expected.sort();
    assert_eq!(notes(&pair.stage), expected);
    let applied = "status = 'applied' AND report_state = 'delivered'";
    assert_eq!(pair.stage.ledger(applied), COUNT as i64);
}

#[test]
fn table_and_ledger_agree_after_a_failover_to_a_standby_that_lags() {
    let mut pair = Pair::with_worker();
    prepare_notes(&pair.stage);
    approve_notes(&pair.stage, 0..20);
    wait_until_told(&pair.stage, 20);
    pair.stop_standby();
    approve_notes(&pair.stage, 20..COUNT);
    wait_until_told(&pair.stage, 60);
    pair.primary.kill_all();
    assert!(told_applied(&pair.stage).len() < COUNT, "too late");

    pair.standby.resume();
    pair.move_to_standby();
    pair.standby.promote();
    wait_until_drained(&pair.stage);
    let there = notes(&pair.stage);
    let in_ledger = pair.stage.database.rows(
        "SELECT proposal_id FROM synapsor.ledger WHERE status = 'applied' ORDER BY proposal_id",
    );
    assert_eq!(there, in_ledger);
    assert!(there.len() < COUNT, "the standby did not lag");
    assert_eq!(pair.stage.ledger("report_state <> 'delivered'"), 0);
}
