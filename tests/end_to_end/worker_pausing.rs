//! A pause: nothing is applied, whoever asks, until somebody resumes; what was decided is still reported.

use std::time::SystemTime;

use simulated_control_plane::{Endpoint, Fault, Rule};
use synapsor_testbed::{Cluster, OPERATOR, Shutdown, wait_for};

use crate::background::{Background, timed};
use crate::stage::{PATIENCE, Stage, Told, statuses};
use crate::workers::{A_SECOND, preloaded};

impl Stage {
    /// `SELECT synapsor_pause()`
    pub fn pause(&self) {
        self.operator().run("SELECT synapsor_pause()");
    }

    /// Waits until the worker itself has taken note of the pause.
    pub fn wait_until_worker_pauses(&self) {
        self.worker_that("state = 'idle' AND query LIKE 'synapsor_writeback: paused: %'");
    }
}

#[test]
fn nothing_is_applied_from_the_commit_of_a_pause_on_by_worker_call_or_procedure() {
    // Only the resume brings the next poll.
    let stage = Stage::polling_every("1h");
    stage.pause();
    stage.wait_until_worker_pauses();
    stage.approve_closing(1..=3);
    stage.wake();
    let mut operator = stage.operator();
    for told in [
        Told::by(operator.try_poll()),
        Told::by(operator.0.batch_execute("CALL synapsor_poll()")),
    ] {
        assert_eq!(
            (told.code(), told.sqlstate.as_str()),
            ("PAUSED", "55000"),
            "{told:?}"
        );
    }
    let dry: serde_json::Value = operator
        .0
        .query_one("SELECT synapsor_poll_once(dry_run => true)", &[])
        .unwrap()
        .get(0);
    assert_eq!(statuses(&dry), ["applied"; 3]);
    assert_eq!((stage.tickets("closed"), stage.ledger("true")), (0, 0));

    let status = stage.status();
    assert_eq!(status.state(), "paused");
    let reason = status.reason();
    assert!(
        reason.contains("since 20") && reason.contains(&format!("by {OPERATOR}")),
        "{reason}"
    );
    let next: Option<SystemTime> = status.0.get("next_attempt_at");
    assert_eq!(next, None);

    let (took, ()) = timed(|| {
        operator.run("SELECT synapsor_resume()");
        stage.wait_for_applied(3);
    });
    assert!(took < 3 * A_SECOND, "it took {took:?}");
    assert_eq!(stage.status().state(), "running");
}

#[test]
fn a_pause_in_the_middle_of_a_backlog_leaves_the_rest_of_it_but_for_the_batch_under_way() {
    let stage = Stage::new();
    stage.database.set("synapsor.batch_size", 1);
    stage.database.execute(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END';
         CREATE TRIGGER dawdle BEFORE UPDATE ON tickets FOR EACH ROW EXECUTE FUNCTION dawdle()",
    );
    stage.approve_closing(1..=100);
    stage.start_worker();
    wait_for("it has begun", PATIENCE, || stage.tickets("closed") >= 5);
    stage.pause();
    let at_the_pause = stage.tickets("closed");
    stage.wait_until_worker_pauses();
    let left = stage.tickets("closed");
    assert!(left <= at_the_pause + 1, "{at_the_pause} became {left}");
    assert!(left < 100);
    stage.wait_for_applied(left);
    stage.operator().run("SELECT synapsor_resume()");
    stage.wait_for_applied(100);
}

#[test]
fn what_was_decided_before_a_pause_is_reported_during_it() {
    let stage = Stage::polling_every("50ms");
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::status(503)));
    stage.approve_closing(1..=3);
    wait_for("they are applied, and not reported", PATIENCE, || {
        stage.ledger("report_state = 'pending' AND report_error IS NOT NULL") == 3
    });
    stage.pause();
    stage.wait_until_worker_pauses();
    assert_eq!(stage.status().0.get::<_, i64>("pending_reports"), 3);
    stage.simulator.clear_faults();
    stage.wait_for_applied(3);
    assert_eq!(stage.status().state(), "paused");
}

#[test]
fn a_pause_outlives_the_server() {
    let mut cluster = Cluster::start(preloaded());
    let stage = Stage::kept_on(&cluster);
    stage.running_worker();
    stage.pause();
    let reason = stage.status().reason();
    cluster.restart(Shutdown::Fast);
    stage.approve_closing(1..=1);
    stage.wait_until_worker_pauses();
    let status = stage.status();
    assert_eq!(
        (status.state(), status.reason()),
        ("paused".to_owned(), reason)
    );
    assert!(status.worker_pid().is_some());
    assert_eq!(
        (
            stage.tickets("closed"),
            stage.simulator.calls(Endpoint::Report)
        ),
        (0, 0)
    );
    stage.operator().run("SELECT synapsor_resume()");
    stage.wait_for_applied(1);
}

#[test]
fn a_pause_or_resume_that_is_rolled_back_has_no_effect() {
    let stage = Stage::polling_every("50ms");
    let mut operator = stage.operator();
    operator.run("BEGIN; SELECT synapsor_pause(); ROLLBACK");
    stage.approve_closing(1..=1);
    stage.wait_for_applied(1);
    stage.pause();
    stage.wait_until_worker_pauses();
    let calls = stage.simulator.calls(Endpoint::List);
    operator.run("BEGIN; SELECT synapsor_resume(); ROLLBACK");
    stage.approve_closing(2..=2);
    let goes_on = stage
        .simulator
        .wait_for(|c| c.calls(Endpoint::List) > calls, A_SECOND);
    assert!(!goes_on);
    assert_eq!(
        (stage.tickets("closed"), stage.status().state()),
        (1, "paused".to_owned())
    );
}

#[test]
fn of_two_who_resume_a_copy_at_once_only_the_first_is_told_that_it_was_one() {
    let stage = Stage::new();
    stage
        .database
        .execute("UPDATE synapsor.home SET database_oid = 1");
    let resume =
        |is_news: bool| format!("DO $$ BEGIN ASSERT synapsor_resume() = {is_news}; END $$");
    let mut first = stage.operator();
    first.run("BEGIN");
    first.run(&resume(true));
    let second = Background::run(&stage, &resume(false));
    second.wait_until_blocked(&stage);
    first.run("COMMIT");
    second.end().1.unwrap();
    let homes: i64 = stage.database.value("SELECT count(*) FROM synapsor.home");
    assert_eq!(homes, 1);
}
