//! Failures that pass: nothing is final before its time, and nobody else is harmed.

use std::time::Duration;

use simulated_control_plane::Endpoint;
use synapsor_testbed::wait_for;

use crate::background::Background;
use crate::stage::{PATIENCE, Stage, close, statuses};

const POLL: &str = "SELECT synapsor_poll_once()";

/// A trigger that sleeps on the ticket with this number.
fn sleep_on(stage: &Stage, ticket: i64) {
    stage.database.execute(&format!(
        "CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN IF NEW.id = {ticket} THEN PERFORM pg_sleep(60); END IF; RETURN NEW; END';
         CREATE TRIGGER sleep BEFORE UPDATE ON tickets FOR EACH ROW EXECUTE FUNCTION sleep()"
    ));
}

#[test]
fn a_locked_row_is_retried_and_applied_once_it_is_free() {
    let stage = Stage::new();
    stage.database.set("synapsor.lock_timeout", "200ms");
    stage.approve_closing(1..=3);
    let mut holder = stage.database.connect();
    holder
        .batch_execute("BEGIN; UPDATE tickets SET amount = 11 WHERE id = 2")
        .unwrap();
    let answer = stage.poll();
    assert_eq!(statuses(&answer), ["applied", "retrying", "applied"]);
    assert_eq!(
        answer["results"][1]["error"],
        "SQLSTATE 55P03: lock_not_available"
    );
    stage.wait_for_reports();
    assert_eq!(
        stage.ledger("status = 'retrying' AND report_state IS NULL AND decided_at IS NULL"),
        1
    );
    assert_eq!(
        stage.simulator.reports_for("wrp_2").len(),
        0,
        "nothing is said before it is final"
    );
    holder.batch_execute("COMMIT").unwrap();
    assert_eq!(statuses(&stage.poll()), ["applied"]);
    stage.wait_for_reports();
    assert_eq!(stage.tickets("closed"), 3);
    assert_eq!(stage.simulator.reports_for("wrp_2").len(), 1);
}

#[test]
fn the_loser_of_a_deadlock_is_retried_and_the_winner_goes_on() {
    let stage = Stage::new();
    stage.database.set("synapsor.lock_timeout", "20s");
    stage.approve_closing(1..=2);
    let mut winner = stage.database.connect();
    winner
        .batch_execute("SET deadlock_timeout = '1min'")
        .unwrap();
    winner
        .batch_execute("BEGIN; UPDATE tickets SET amount = 11 WHERE id = 2")
        .unwrap();
    let poll = Background::run(&stage, POLL);
    poll.wait_until_blocked(&stage);
    winner
        .batch_execute("UPDATE tickets SET amount = 11 WHERE id = 1; COMMIT")
        .unwrap();
    poll.end().1.unwrap();
    let rows = "SELECT proposal_id, status, sqlstate FROM synapsor.ledger ORDER BY 1";
    assert_eq!(
        stage.database.rows(rows),
        ["wrp_1|applied|", "wrp_2|retrying|40P01"]
    );
    stage.poll();
    stage.wait_for_reports();
    assert_eq!(
        stage.database.rows(rows),
        ["wrp_1|applied|", "wrp_2|applied|"]
    );
    let both = "SELECT count(*) FROM tickets WHERE status = 'closed' AND amount = 11";
    assert_eq!(stage.database.value::<i64>(both), 2);
}

#[test]
fn a_statement_that_takes_too_long_harms_only_its_own_proposal() {
    let stage = Stage::new();
    stage.database.set("synapsor.statement_timeout", "300ms");
    sleep_on(&stage, 2);
    stage.approve_closing(1..=3);
    let answer = stage.poll();
    assert_eq!(statuses(&answer), ["applied", "retrying", "applied"]);
    assert_eq!(
        answer["results"][1]["error"],
        "SQLSTATE 57014: query_canceled"
    );
    stage.wait_for_reports();
    assert_eq!(stage.tickets("closed"), 2);
    stage.database.execute("DROP TRIGGER sleep ON tickets");
    assert_eq!(statuses(&stage.poll()), ["applied"]);
    stage.wait_for_reports();
    assert_eq!(stage.tickets("closed"), 3);
}

#[test]
fn a_poll_that_waits_in_vain_again_and_again_leaves_the_rest_for_another() {
    let stage = Stage::new();
    stage.database.set("synapsor.lock_timeout", "100ms");
    stage.database.set("synapsor.statement_timeout", "100ms");
    stage.approve_closing(1..=6);
    let mut holder = stage.database.connect();
    holder
        .batch_execute("BEGIN; UPDATE tickets SET amount = 11 WHERE id BETWEEN 2 AND 4")
        .unwrap();
    let answer = stage.poll();
    let expected = [
        "applied", "retrying", "retrying", "skipped", "skipped", "skipped",
    ];
    assert_eq!(statuses(&answer), expected);
    // What has failed before comes last, and so can't keep the others from their turn.
    stage.wait_for_reports();
    let expected = ["retrying", "skipped", "retrying", "applied", "applied"];
    assert_eq!(statuses(&stage.poll()), expected);
    assert_eq!(stage.tickets("closed"), 3);
    holder.batch_execute("COMMIT").unwrap();
    stage.poll();
    stage.wait_for_reports();
    assert_eq!(stage.tickets("closed"), 6);
}

#[test]
fn the_procedure_goes_on_in_another_transaction_after_each_wait_in_vain() {
    let stage = Stage::new();
    stage.database.set("synapsor.lock_timeout", "100ms");
    stage.approve_closing(1..=6);
    let mut holder = stage.database.connect();
    holder
        .batch_execute("BEGIN; UPDATE tickets SET amount = 11 WHERE id BETWEEN 2 AND 4")
        .unwrap();
    stage.operator().call();
    assert_eq!(stage.tickets("closed"), 3);
    let transactions =
        "SELECT count(DISTINCT xmin::text) FROM synapsor.ledger WHERE status = 'retrying'";
    assert_eq!(stage.database.value::<i64>(transactions), 3);
    holder.batch_execute("COMMIT").unwrap();
    stage.poll();
    stage.wait_for_reports();
    assert_eq!(stage.tickets("closed"), 6);
}

#[test]
fn a_cancel_is_never_taken_for_the_time_limit_of_a_proposal() {
    let stage = Stage::new();
    stage.database.set("synapsor.statement_timeout", "20s");
    sleep_on(&stage, 2);
    stage.approve_closing(1..=3);
    let poll = Background::run(&stage, POLL);
    let asleep = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = {} AND wait_event = 'PgSleep'",
        poll.pid
    );
    wait_for("the trigger sleeps", PATIENCE, || {
        stage.database.value::<i64>(&asleep) == 1
    });
    poll.cancel();
    let told = crate::stage::Told::by(poll.end().1);
    assert_eq!(told.sqlstate, "57014");
    assert_eq!((stage.tickets("closed"), stage.ledger("true")), (0, 0));
}

#[test]
fn a_proposal_that_never_gets_through_fails_in_the_end_with_the_last_cause() {
    let stage = Stage::new();
    stage.database.set("synapsor.lock_timeout", "50ms");
    stage.database.set("synapsor.max_attempts", 3);
    stage.approve(close(1));
    let mut holder = stage.database.connect();
    holder
        .batch_execute("BEGIN; UPDATE tickets SET amount = 11 WHERE id = 1")
        .unwrap();
    let mut operator = stage.operator();
    for attempt in 1..3 {
        assert_eq!(
            statuses(&operator.poll()),
            ["retrying"],
            "attempt {attempt}"
        );
        // Asking ahead of its time is no attempt of its own.
        stage
            .database
            .execute("UPDATE synapsor.ledger SET next_attempt_at = now() + interval '1 hour'");
        assert_eq!(statuses(&operator.poll()), ["retrying"]);
        assert_eq!(stage.ledger(&format!("attempts = {attempt}")), 1);
        stage
            .database
            .execute("UPDATE synapsor.ledger SET next_attempt_at = now()");
    }
    let answer = operator.poll();
    assert_eq!(statuses(&answer), ["failed"]);
    assert_eq!(
        answer["results"][0]["error"],
        "SQLSTATE 55P03: lock_not_available"
    );
    stage.wait_for_reports();
    assert_eq!(
        stage.ledger("status = 'failed' AND attempts = 3 AND sqlstate = '55P03'"),
        1
    );
    let word = stage.simulator.final_word("wrp_1").unwrap();
    assert_eq!(
        word.error.as_deref(),
        Some("SQLSTATE 55P03: lock_not_available")
    );
}

#[test]
fn the_procedure_leaves_a_retrying_proposal_alone_until_its_time_has_come() {
    let stage = Stage::new();
    stage.database.set("synapsor.lock_timeout", "50ms");
    stage.approve_closing(1..=2);
    let mut holder = stage.database.connect();
    holder
        .batch_execute("BEGIN; UPDATE tickets SET amount = 11 WHERE id = 1")
        .unwrap();
    let mut operator = stage.operator();
    operator.call();
    assert_eq!(stage.ledger("status = 'retrying' AND attempts = 1"), 1);
    holder.batch_execute("COMMIT").unwrap();
    stage.database.execute(
        "UPDATE synapsor.ledger SET next_attempt_at = now() + interval '1 hour' WHERE status = 'retrying'",
    );
    operator.call();
    assert_eq!(stage.ledger("status = 'retrying' AND attempts = 1"), 1);
    stage
        .database
        .execute("UPDATE synapsor.ledger SET next_attempt_at = now() WHERE status = 'retrying'");
    operator.call();
    assert_eq!(
        stage.ledger("status = 'applied' AND report_state = 'delivered'"),
        2
    );
    assert_eq!(stage.simulator.calls(Endpoint::Report), 2);
}

#[test]
fn a_poll_waits_for_a_lock_no_longer_than_its_setting_says() {
    let stage = Stage::new();
    stage.database.set("synapsor.lock_timeout", "200ms");
    stage.approve(close(1));
    let mut holder = stage.database.connect();
    holder.batch_execute("BEGIN; LOCK TABLE tickets").unwrap();
    let (took, answer) = crate::background::timed(|| stage.poll());
    assert_eq!(statuses(&answer), ["retrying"]);
    assert!(took < Duration::from_secs(2), "it took {took:?}");
    holder.batch_execute("COMMIT").unwrap();
    assert_eq!(statuses(&stage.poll()), ["applied"]);
    stage.wait_for_reports();
}
