//! Synchronous standbys: nothing is reported before the standby has it, whatever becomes of the wait.

use std::time::Duration;

use synapsor_testbed::{Shutdown, wait_for};

use crate::background::timed;
use crate::pair::{Pair, REPORTER};
use crate::stage::{PATIENCE, Stage, Told};

/// What "at once" may take on a busy machine, where the promise is a second.
const PROMPT: Duration = Duration::from_secs(3);

const REPORT: &str = "SELECT synapsor_report_once()";

#[test]
fn a_poll_is_reported_once_the_synchronous_standby_has_it() {
    let mut pair = Pair::without_worker();
    pair.make_synchronous();
    pair.stop_standby();
    pair.stage.approve_closing(1..=1);
    let call = pair.start_waiting("SELECT synapsor_poll_once()");
    pair.assert_silent();
    assert!(!call.has_ended());
    assert_eq!(pair.stage.tickets("closed"), 0);
    pair.assert_reported_with_the_standby(1..=1);
    call.end().1.unwrap();
}

#[test]
fn a_poll_whose_wait_for_the_standby_is_cancelled_is_not_reported_before_either() {
    let mut pair = Pair::without_worker();
    pair.make_synchronous();
    pair.stop_standby();
    pair.stage.approve_closing(1..=1);
    let call = pair.start_waiting("SELECT synapsor_poll_once()");
    call.cancel();
    call.end().1.unwrap();
    assert_eq!(pair.stage.tickets("closed"), 1);
    pair.wait_for_waiting(REPORTER);
    pair.assert_silent();
    pair.assert_reported_with_the_standby(1..=1);
}

#[test]
fn a_call_is_reported_once_the_synchronous_standby_has_it() {
    let mut pair = Pair::without_worker();
    pair.make_synchronous();
    pair.stop_standby();
    pair.stage.approve_closing(1..=3);
    let call = pair.start_waiting("CALL synapsor_poll()");
    pair.assert_silent();
    pair.assert_reported_with_the_standby(1..=3);
    call.end().1.unwrap();
}

#[test]
fn the_worker_reports_once_the_synchronous_standby_has_it() {
    let mut pair = Pair::with_worker();
    pair.make_synchronous();
    pair.stage.running_worker();
    pair.stop_standby();
    pair.stage.approve_closing(1..=3);
    pair.waiting_worker();
    pair.assert_silent();
    assert_eq!(pair.stage.tickets("closed"), 0);
    pair.assert_reported_with_the_standby(1..=3);
}

#[test]
fn a_worker_does_not_report_what_a_crash_made_visible_before_the_standby_has_it() {
    let mut pair = Pair::with_worker();
    pair.make_synchronous();
    pair.stage.running_worker();
    pair.stop_standby();
    pair.stage.approve_closing(1..=3);
    pair.waiting_worker();
    pair.crash_primary();
    assert_eq!(
        pair.stage.tickets("closed"),
        3,
        "visible, and not replicated"
    );
    pair.waiting_worker();
    pair.assert_silent();
    pair.assert_reported_with_the_standby(1..=3);
}

#[test]
fn a_poll_that_a_crash_made_visible_is_reported_by_nobody_before_the_standby_has_it() {
    let mut pair = Pair::without_worker();
    pair.make_synchronous();
    pair.stop_standby();
    pair.stage.approve_closing(1..=1);
    let call = pair.start_waiting("SELECT synapsor_poll_once()");
    pair.crash_primary();
    assert!(call.end().1.is_err());
    assert_eq!(
        pair.stage.tickets("closed"),
        1,
        "visible, and not replicated"
    );
    assert_eq!(pair.stage.ledger("report_state = 'pending'"), 1);

    for statement in [
        REPORT,
        "SELECT synapsor_poll_once()",
        "CALL synapsor_poll()",
    ] {
        let call = pair.start_waiting(statement);
        call.cancel();
        let told = Told::by(call.end().1);
        let found = (told.code(), told.sqlstate.as_str());
        assert_eq!(found, ("COMMIT_NOT_REPLICATED", "57014"), "{statement}");
    }
    let report = pair.start_waiting(REPORT);
    pair.assert_silent();
    report.cancel();
    assert!(report.end().1.is_err());
    pair.stage.operator().run("SELECT synapsor_start_worker()");
    pair.waiting_worker();
    pair.assert_silent();
    pair.assert_reported_with_the_standby(1..=1);
}

/// A worker that waits for the standby: in the commit of what it applied, or, where its role commits with
/// `synchronous_commit = off`, before it reports that.
fn pair_with_a_waiting_worker(synchronous_commit: &str) -> Pair {
    let mut pair = Pair::with_worker();
    pair.make_synchronous();
    let before = pair.stage.running_worker();
    pair.stage.database.execute(&format!(
        "ALTER ROLE writer SET synchronous_commit = '{synchronous_commit}'"
    ));
    wait_for("another worker comes", PATIENCE, || {
        let status = pair.stage.status();
        status.state() == "running" && status.worker_pid().is_some_and(|pid| pid != before)
    });
    pair.stop_standby();
    pair.stage.approve_closing(1..=3);
    pair.waiting_worker();
    pair
}

fn assert_ends_promptly(pair: &Pair, worker: i32, ask: impl FnOnce()) {
    let (took, ()) = timed(|| {
        ask();
        wait_for("the worker ends", PATIENCE, || {
            !pair.stage.workers().contains(&worker)
        });
    });
    assert!(took < PROMPT, "it took {took:?}");
}

fn assert_can_be_ended_and_reports_nothing(synchronous_commit: &str) {
    let mut pair = pair_with_a_waiting_worker(synchronous_commit);
    let first = pair.waiting_worker();
    assert_ends_promptly(&pair, first, || {
        let sql = format!("SELECT pg_terminate_backend({first})");
        pair.stage.database.execute(&sql);
    });
    let second = pair.waiting_worker();
    assert_ends_promptly(&pair, second, || {
        let mut operator = pair.stage.operator();
        // Its own commit would wait as well.
        operator.run("SET synchronous_commit = local");
        operator.run("SELECT synapsor_stop_worker()");
    });
    pair.assert_silent();
    assert_eq!(pair.stage.status().state(), "stopped");
    assert_eq!(pair.stage.tickets("closed"), 3);
    let mut operator = pair.stage.operator();
    operator.run("SET synchronous_commit = local");
    operator.run("SELECT synapsor_start_worker()");
    pair.waiting_worker();
    let (took, ()) = timed(|| pair.primary.stop(Shutdown::Fast));
    assert!(took < PROMPT, "it took {took:?}");
    pair.primary.resume();
    pair.waiting_worker();
    pair.assert_silent();
    pair.assert_reported_with_the_standby(1..=3);
}

#[test]
fn status_says_that_the_worker_waits_for_the_standby() {
    let pair = pair_with_a_waiting_worker("on");
    let reason = pair.stage.status().reason();
    let wait = "at the moment it waits for a synchronous standby: see pg_stat_replication";
    assert!(reason.ends_with(wait), "{reason}");
}

#[test]
fn a_worker_that_waits_in_a_commit_can_be_ended_and_reports_nothing() {
    assert_can_be_ended_and_reports_nothing("on");
}

#[test]
fn a_worker_that_waits_before_it_reports_can_be_ended_and_reports_nothing() {
    assert_can_be_ended_and_reports_nothing("off");
}

/// `pg_cancel_backend` of the worker that waits.
fn cancel_wait(pair: &Pair) {
    let worker = pair.waiting_worker();
    let cancel = format!("SELECT pg_cancel_backend({worker})");
    pair.stage.database.execute(&cancel);
}

/// What went wrong last.
fn last_error(stage: &Stage) -> String {
    let error: Option<String> = stage.status().0.get("last_error");
    error.unwrap_or_default()
}

#[test]
fn a_worker_whose_waits_are_cancelled_in_a_commit_reports_nothing() {
    let mut pair = pair_with_a_waiting_worker("on");
    let worker = pair.waiting_worker();
    cancel_wait(&pair);
    wait_for("what it applied is visible", PROMPT, || {
        pair.stage.tickets("closed") == 3
    });
    // Each step towards the report waits again.
    for _ in 0..3 {
        cancel_wait(&pair);
    }
    assert_eq!(pair.waiting_worker(), worker);
    let error = last_error(&pair.stage);
    assert!(error.starts_with("COMMIT_NOT_REPLICATED: "), "{error}");
    pair.assert_silent();
    pair.assert_reported_with_the_standby(1..=3);
}

#[test]
fn a_worker_that_commits_without_a_wait_still_waits_before_it_reports() {
    let mut pair = pair_with_a_waiting_worker("off");
    assert_eq!(pair.stage.tickets("closed"), 3);
    pair.assert_silent();
    pair.stage.approve_closing(4..=4);
    cancel_wait(&pair);
    wait_for("it says so", PROMPT, || {
        last_error(&pair.stage).starts_with("COMMIT_NOT_REPLICATED: ")
    });
    wait_for("it goes on applying", PATIENCE, || {
        pair.stage.tickets("closed") == 4
    });
    pair.assert_silent();
    pair.assert_reported_with_the_standby(1..=4);
}
