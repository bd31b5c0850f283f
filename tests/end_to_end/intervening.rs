//! `synapsor_retry()` and `synapsor_discard()`: what a person does about what is stuck, and what it never does.

use std::time::Duration;

use postgres::Client;
use simulated_control_plane::{Endpoint, Fault, Quirk, Rule, Status};
use synapsor_testbed::{OPERATOR, wait_for};

use crate::background::{Background, timed};
use crate::copies;
use crate::stage::{PATIENCE, SHARED, Stage, Told, statuses};
use crate::workers::A_SECOND;

/// The first ticket's row, locked by somebody until his session ends.
fn holder(stage: &Stage) -> Client {
    let mut holder = stage.database.connect();
    holder
        .batch_execute("BEGIN; SELECT FROM tickets WHERE id = 1 FOR UPDATE")
        .unwrap();
    holder
}

/// A stage whose first proposal waits in vain for the row, and is due in an hour.
fn stuck(stage: &Stage) -> Client {
    stage.database.set("synapsor.lock_timeout", "50ms");
    let holder = holder(stage);
    stage.approve_closing(1..=1);
    assert_eq!(statuses(&stage.poll()), ["retrying"]);
    stage
        .database
        .execute("UPDATE synapsor.ledger SET next_attempt_at = now() + interval '1 hour'");
    holder
}

/// A stage whose first proposal is applied, and whose report was refused; the control plane goes on listing it.
fn refused() -> Stage {
    let stage = Stage::new();
    let rule = Rule::on(Endpoint::Report, Fault::status(409));
    let rule = stage.simulator.inject(rule);
    stage.approve_closing(1..=1);
    assert_eq!(statuses(&stage.poll()), ["applied"]);
    wait_for("the report is rejected", PATIENCE, || {
        stage.ledger("report_state = 'rejected'") == 1
    });
    stage.simulator.withdraw(rule);
    stage
}

fn final_word(stage: &Stage) -> Option<Status> {
    stage.simulator.final_word("wrp_1").map(|word| word.status)
}

impl Stage {
    /// `SELECT synapsor_retry('key_1')`
    fn retry(&self) {
        self.operator().run("SELECT synapsor_retry('key_1')");
    }

    /// `SELECT synapsor_discard('key_1', …)`
    fn discard(&self) {
        self.operator()
            .run("SELECT synapsor_discard('key_1', 'the order was cancelled')");
    }

    /// What is kept of who did what.
    fn acts(&self) -> String {
        self.database.value(
            "SELECT concat_ws('|', action, acted_by, acted_at > now() - interval '1 minute', action_reason)
             FROM synapsor.ledger WHERE key = 'key_1'",
        )
    }
}

#[test]
fn a_proposal_that_is_due_in_an_hour_is_tried_at_once() {
    let stage = Stage::polling_every("1h");
    let mut holder = stuck(&stage);
    holder.batch_execute("ROLLBACK").unwrap();
    let (took, ()) = timed(|| {
        stage.retry();
        stage.wait_for_applied(1);
    });
    assert!(took < 3 * A_SECOND, "it took {took:?}");
    assert_eq!(stage.acts(), format!("retry|{OPERATOR}|t"));
    stage.wait_for_reports();
    assert_eq!(final_word(&stage), Some(Status::Applied));
}

#[test]
fn a_refused_report_is_sent_again_and_accepted_though_no_worker_runs() {
    let stage = refused();
    stage.retry();
    stage.wait_for_reports();
    assert_eq!(
        stage.ledger("report_state = 'delivered' AND attempts = 1"),
        1
    );
    assert_eq!(final_word(&stage), Some(Status::Applied));
    assert_eq!(stage.simulator.calls(Endpoint::Report), 2);
    let told = Told::by(
        stage
            .operator()
            .0
            .batch_execute("SELECT synapsor_retry('key_1')"),
    );
    assert_eq!(
        (told.code(), told.sqlstate.as_str()),
        ("NOTHING_TO_RETRY", "55000")
    );
}

#[test]
fn a_retry_that_is_rolled_back_has_not_happened() {
    let stage = refused();
    let mut operator = stage.operator();
    operator.run("BEGIN; SELECT synapsor_retry('key_1'); ROLLBACK");
    operator.run("BEGIN; SELECT synapsor_discard('key_1', 'no'); ROLLBACK");
    assert_eq!(
        stage.ledger("report_state = 'rejected' AND action IS NULL"),
        1
    );
    assert_eq!(stage.simulator.calls(Endpoint::Report), 1);
}

#[test]
fn a_discarded_proposal_ends_failed_is_reported_so_and_is_never_applied() {
    let stage = Stage::new();
    let mut holder = stuck(&stage);
    stage.discard();
    holder.batch_execute("ROLLBACK").unwrap();
    stage.wait_for_reports();
    let word = stage.simulator.final_word("wrp_1").unwrap();
    assert_eq!(word.status, Status::Failed);
    let journal = format!("{:?}", stage.simulator.reports_for("wrp_1"));
    assert!(journal.contains("WRITEBACK_DISCARDED"), "{journal}");
    assert!(!journal.contains("cancelled"), "the reason left: {journal}");
    assert_eq!(
        stage.acts(),
        format!("discard|{OPERATOR}|t|the order was cancelled")
    );
    // Even if it is listed again.
    stage.simulator.set_status("wrp_1", Status::Approved);
    let answer = stage.poll();
    assert_eq!(answer["results"][0]["already_decided"], true, "{answer}");
    assert_eq!(stage.tickets("closed"), 0);
}

#[test]
fn a_discarded_report_is_not_sent_any_more_not_even_when_the_proposal_is_listed_again() {
    let stage = refused();
    stage.discard();
    let mut operator = stage.operator();
    let answer = operator.poll();
    assert_eq!(answer["results"][0]["already_decided"], true, "{answer}");
    operator.call();
    assert_eq!(operator.report()["delivered"], 0);
    stage.start_worker();
    stage.wait_for_reason("polling");
    stage.simulator.clear_journal();
    stage.wait_for_polls(2);
    stage.operator().run("SELECT synapsor_stop_worker()");
    assert_eq!(stage.simulator.calls(Endpoint::Report), 0);
    assert_eq!(
        stage.ledger("report_state = 'discarded' AND status = 'applied'"),
        1
    );
    assert_eq!(stage.tickets("closed"), 1);
    // A person may change his mind.
    stage.retry();
    stage.wait_for_reports();
    assert_eq!(final_word(&stage), Some(Status::Applied));
    assert_eq!(stage.acts(), format!("retry|{OPERATOR}|t"));
}

#[test]
fn a_pending_report_can_be_discarded_while_the_control_plane_is_down() {
    let stage = Stage::new();
    let rule = Rule::on(Endpoint::Report, Fault::status(503));
    let rule = stage.simulator.inject(rule);
    stage.approve_closing(1..=1);
    stage.poll();
    stage.wait_for_a_failed_report();
    stage.discard();
    stage.simulator.withdraw(rule);
    stage.simulator.clear_journal();
    assert_eq!(stage.operator().report()["delivered"], 0);
    assert_eq!(stage.simulator.calls(Endpoint::Report), 0);
}

#[test]
fn each_thing_that_can_t_be_done_has_its_error() {
    let stage = refused();
    let cases = [
        ("synapsor_retry('no')", "LEDGER_KEY_UNKNOWN", "42704"),
        ("synapsor_retry(NULL)", "LEDGER_KEY_UNKNOWN", "42704"),
        ("synapsor_discard('no', 'x')", "LEDGER_KEY_UNKNOWN", "42704"),
        ("synapsor_discard('key_1', ' ')", "REASON_MISSING", "22023"),
        ("synapsor_discard('key_1', NULL)", "REASON_MISSING", "22023"),
    ];
    for (call, code, sqlstate) in cases {
        let told = Told::by(stage.operator().0.batch_execute(&format!("SELECT {call}")));
        assert_eq!(
            (told.code(), told.sqlstate.as_str()),
            (code, sqlstate),
            "{call}"
        );
        assert_ne!(told.hint, "", "{call}");
    }
    stage.discard();
    let discard = "SELECT synapsor_discard('key_1', 'x')";
    let told = Told::by(stage.operator().0.batch_execute(discard));
    assert_eq!(
        (told.code(), told.sqlstate.as_str()),
        ("NOTHING_TO_DISCARD", "55000")
    );
}

#[test]
fn a_discard_waits_for_a_worker_that_is_applying_and_loses_nothing() {
    let stage = Stage::polling_every("1h");
    let mut first = stuck(&stage);
    stage.database.set("synapsor.lock_timeout", "20s");
    // Or else the report might be accepted before the discard finds it.
    let unheard = Rule::on(Endpoint::Report, Fault::status(503)).for_proposal("wrp_1");
    stage.simulator.inject(unheard);
    stage.wait_for_reason("polling");
    stage.approve_closing(2..=2);
    stage.retry();
    // The worker has begun to try it again, and waits for the row.
    stage.worker_that("wait_event_type = 'Lock'");
    let call = Background::run(&stage, "SELECT synapsor_discard('key_1', 'too late')");
    std::thread::sleep(Duration::from_millis(300));
    assert!(!call.has_ended(), "it waits for the worker");
    first.batch_execute("ROLLBACK").unwrap();
    call.end().1.unwrap();
    // The worker was first: what it did stands, and only the report was given up.
    assert_eq!(
        stage.ledger("key = 'key_1' AND status = 'applied' AND action = 'discard'"),
        1
    );
    wait_for("the other one is applied", PATIENCE, || {
        stage.tickets("closed") == 2
    });
    stage.wait_for_reports();
}

#[test]
fn a_discard_gives_up_when_somebody_else_goes_on_applying_and_changes_nothing() {
    let stage = Stage::new();
    let _holder = stuck(&stage);
    let mut applying = stage.operator();
    stage.approve_closing(2..=2);
    applying.run("BEGIN");
    applying.poll();
    let told = Told::by(
        stage
            .operator()
            .0
            .batch_execute("SELECT synapsor_discard('key_1', 'x')"),
    );
    assert_eq!(
        (told.code(), told.sqlstate.as_str()),
        ("APPLYING_ELSEWHERE", "55P03")
    );
    applying.run("ROLLBACK");
    assert_eq!(stage.ledger("status = 'retrying' AND action IS NULL"), 1);
}

#[test]
fn in_a_pause_reports_are_sent_and_nothing_is_tried_before_the_resume() {
    let stage = Stage::polling_every("1h");
    let mut holder = stuck(&stage);
    holder.batch_execute("ROLLBACK").unwrap();
    stage.pause();
    stage.wait_until_worker_pauses();
    stage.retry();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(stage.ledger("status = 'retrying'"), 1);
    stage.operator().run("SELECT synapsor_resume()");
    stage.wait_for_applied(1);

    let stage = refused();
    stage.pause();
    stage.retry();
    stage.wait_for_reports();
    assert_eq!(final_word(&stage), Some(Status::Applied));
}

#[test]
fn in_a_copy_nothing_is_retried_or_discarded() {
    let original = copies::original();
    let file = copies::dump(&SHARED, &original.database, "plain");
    let elsewhere = copies::elsewhere(synapsor_testbed::ClusterOptions::default());
    let copy = copies::set_up_again(&elsewhere, elsewhere.create_database("restored"));
    copies::restore(&elsewhere, &file, &copy.database);
    copy.database
        .execute(&format!("SELECT synapsor_grant_usage('{OPERATOR}')"));
    for call in [
        "SELECT synapsor_retry('key_2')",
        "SELECT synapsor_discard('key_2', 'x')",
    ] {
        let told = Told::by(copy.operator().0.batch_execute(call));
        assert_eq!(
            (told.code(), told.sqlstate.as_str()),
            ("DATABASE_COPIED", "55000")
        );
    }
    assert_eq!(
        copy.ledger("key = 'key_2' AND report_state = 'pending' AND action IS NULL"),
        1
    );
    assert_eq!(copy.simulator.calls(Endpoint::Report), 0);
}

/// The control plane keeps what it was told of listed, so that nothing but the ledger keeps it from being applied again.
#[test]
fn a_final_key_is_applied_once_whatever_is_called_and_however_often() {
    let stage = Stage::new();
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::quirk(Quirk::KeepListed)));
    stage
        .database
        .execute("CREATE TABLE notes (note text); GRANT INSERT ON notes TO writer");
    stage.approve(
        synapsor_testbed::Proposal::insert("notes")
            .id("wrp_1")
            .idempotency_key("key_1")
            .change("note", "one"),
    );
    for act in ["rejected", "discarded", "pending"] {
        stage.poll();
        stage.wait_for_reports();
        // In one transaction: nobody reports in between.
        stage.database.execute(&format!(
            "UPDATE synapsor.ledger SET report_state = '{act}', next_report_at = now(); SELECT synapsor_retry('key_1')"
        ));
        stage.poll();
    }
    assert_eq!(stage.database.value::<i64>("SELECT count(*) FROM notes"), 1);
    assert_eq!(stage.ledger("status = 'applied' AND attempts = 1"), 1);
}

#[test]
fn what_was_done_is_told_by_explain_which_names_the_calls_that_fit() {
    let lines = |stage: &Stage| {
        stage
            .database
            .rows("SELECT synapsor_explain('key_1')")
            .join("\n")
    };
    let stage = Stage::new();
    let _holder = stuck(&stage);
    let told = lines(&stage);
    for call in [
        "synapsor_retry('key_1')",
        "synapsor_discard('key_1', 'reason')",
    ] {
        assert!(told.contains(call), "{told}");
    }
    stage.retry();
    let told = lines(&stage);
    assert!(
        told.contains(&format!(
            "Role \"{OPERATOR}\" had it tried or reported again."
        )),
        "{told}"
    );
    stage.discard();
    let told = lines(&stage);
    let who = format!("Discarded by role \"{OPERATOR}\": the order was cancelled.");
    assert!(told.contains(&who), "{told}");
    assert!(told.contains("WRITEBACK_DISCARDED. Somebody"), "{told}");

    let stage = refused();
    let told = lines(&stage);
    assert!(
        told.contains("SELECT synapsor_retry('key_1') sends the report again"),
        "{told}"
    );
    stage.discard();
    let told = lines(&stage);
    assert!(
        told.contains("Its report is not sent any more.")
            && told.contains("synapsor_retry('key_1')"),
        "{told}"
    );
}
