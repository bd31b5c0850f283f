//! Failures that pass: nothing is final before its time, and nobody else is harmed.

use std::thread;
use std::time::Instant;

use mysql::prelude::Queryable;
use simulated_control_plane::Status;
use synapsor_mysql_testbed::Flavor;

use crate::agreement::{Deed, IN_TIME};
use crate::program::Ended;
use crate::stage::Stage;
use crate::steps::{COMMIT, Step, poll_held_at};
use crate::victims::{Changed, victim};

on_both! {
    a_locked_row_is_tried_again_and_applied_once_it_is_free
    a_locked_table_is_waited_for_no_longer_than_the_setting_says
    the_loser_of_a_deadlock_is_tried_again_and_the_others_go_on
    a_statement_that_takes_too_long_is_ended_and_harms_only_its_own_proposal
    a_trigger_that_takes_too_long_holds_up_nobody_and_fails_in_the_end
    a_proposal_that_never_gets_through_fails_in_the_end_with_the_last_cause
    a_retrying_proposal_is_left_alone_until_its_time_has_come
    tries_that_failed_together_do_not_come_back_together
    a_read_only_server_is_waited_for
    a_server_that_turns_read_only_before_a_commit_has_not_applied_anything
}

/// How a lock that was waited for in vain shows.
const LOCKED: &str = "SQLSTATE HY000: ER_LOCK_WAIT_TIMEOUT";

/// How the time limit shows.
const TOO_LONG: &str = "STATEMENT_TIMEOUT: a statement took longer than statement_timeout";

/// Tickets that are closed.
const TICKETS: std::ops::RangeInclusive<i64> = 1..=3;

fn stage_with_three(flavor: Flavor) -> Stage {
    let stage = Stage::new(flavor).with_effects();
    TICKETS.for_each(|ticket| stage.approve(stage.close(ticket)));
    stage
}

fn assert_all_applied(stage: &Stage) {
    stage.assert_applied_once(TICKETS.map(|n| Deed::Close.id(n)));
}

/// Ticket 2 is tried again, for this reason, and nothing is said of it; the others are applied and reported.
fn assert_the_second_is_tried_again(stage: &Stage, polled: &Ended, error: &str) {
    assert_eq!(polled.code, Some(0), "{polled:?}");
    let summary = polled.summary();
    let counts = ["applied", "retrying", "reported"].map(|name| summary[name].clone());
    assert_eq!(counts, [2, 1, 2].map(serde_json::Value::from), "{summary}");
    let second = polled.result("close_2");
    assert_eq!(
        (&second["status"], &second["error"]),
        (&"retrying".into(), &error.into())
    );
    assert_eq!(stage.word("close_2"), None);
    stage.assert_no_lie();
}

/// The ledger's row of ticket 2 is due in so many hours.
fn due_in(stage: &Stage, hours: u32) {
    stage.shop.execute(&format!(
        "UPDATE `{}`.ledger SET next_attempt_at = UTC_TIMESTAMP(6) + INTERVAL {hours} HOUR WHERE status = 'retrying'",
        stage.ledger()
    ));
}

fn a_locked_row_is_tried_again_and_applied_once_it_is_free(flavor: Flavor) {
    let stage = stage_with_three(flavor);
    let mut holder = stage.hold(2);
    let polled = stage.run(&["poll-once", "--lock-timeout", "1s"]);
    assert_the_second_is_tried_again(&stage, &polled, LOCKED);
    holder.query_drop("ROLLBACK").unwrap();
    assert_eq!(stage.poll().summary()["applied"], 1);
    assert_all_applied(&stage);
    assert_eq!(stage.simulator.reports_for("close_2").len(), 1);
}

fn a_locked_table_is_waited_for_no_longer_than_the_setting_says(flavor: Flavor) {
    let stage = stage_with_three(flavor);
    let mut holder = stage.shop.root();
    holder.query_drop("LOCK TABLES tickets WRITE").unwrap();
    let start = Instant::now();
    let polled = stage.run(&["poll-once", "--lock-timeout", "1s"]);
    let took = start.elapsed();
    assert!(took < 3 * IN_TIME, "three seconds, and the rest: {took:?}");
    assert_eq!(polled.summary()["retrying"], 3, "{polled:?}");
    holder.query_drop("UNLOCK TABLES").unwrap();
    assert_eq!(stage.poll().summary()["applied"], 3);
    assert_all_applied(&stage);
}

fn the_loser_of_a_deadlock_is_tried_again_and_the_others_go_on(flavor: Flavor) {
    let stage = stage_with_three(flavor);
    stage.shop.execute(
        "CREATE TABLE counter (id int PRIMARY KEY, n int NOT NULL) ENGINE = InnoDB;
         INSERT INTO counter VALUES (2, 0);
         CREATE TABLE others LIKE tickets;
         INSERT INTO others SELECT * FROM tickets;
         CREATE TRIGGER counts BEFORE UPDATE ON tickets FOR EACH ROW
             UPDATE counter SET n = n + 1 WHERE id = NEW.id",
    );
    // Of two, the one that has changed less is rolled back.
    let mut winner = stage.shop.root();
    winner.query_drop("START TRANSACTION").unwrap();
    winner.query_drop("UPDATE others SET amount = 11").unwrap();
    winner
        .query_drop("UPDATE counter SET n = 10 WHERE id = 2")
        .unwrap();
    let polled = thread::scope(|scope| {
        let poll = scope.spawn(|| stage.poll());
        // Ticket 2 is locked, and its trigger waits.
        stage.wait_until_stuck("UPDATE");
        let crossing = "SELECT id FROM tickets WHERE id = 2 FOR UPDATE";
        winner.query_drop(crossing).unwrap();
        winner.query_drop("COMMIT").unwrap();
        poll.join().unwrap()
    });
    let error = "SQLSTATE 40001: ER_LOCK_DEADLOCK";
    assert_the_second_is_tried_again(&stage, &polled, error);
    assert_eq!(stage.poll().summary()["applied"], 1);
    assert_all_applied(&stage);
    assert_eq!(stage.number("SELECT n FROM counter"), 11);
}

fn a_statement_that_takes_too_long_is_ended_and_harms_only_its_own_proposal(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    // A view that sleeps on ticket 2, and runs as the writer.
    stage.shop.execute(&format!(
        "CREATE SQL SECURITY INVOKER VIEW slow AS SELECT * FROM tickets WHERE IF(id = 2, SLEEP(60), 0) = 0;
         GRANT SELECT, SHOW VIEW, UPDATE ON slow TO '{}'@'%'",
        stage.user
    ));
    for ticket in TICKETS {
        let close = stage.update("slow").id(&Deed::Close.id(ticket));
        stage.approve(close.key("id", ticket).change("status", "closed"));
    }
    let polled = stage.run(&["poll-once", "--statement-timeout", "1s"]);
    assert_the_second_is_tried_again(&stage, &polled, TOO_LONG);
    stage.wait_until_alone();
    stage
        .shop
        .execute("ALTER SQL SECURITY INVOKER VIEW slow AS SELECT * FROM tickets");
    assert_eq!(stage.poll().summary()["applied"], 1);
    assert_all_applied(&stage);
}

/// A trigger runs as its definer, whose statements MySQL does not let us end: it goes on for some time, and holds its locks.
fn a_trigger_that_takes_too_long_holds_up_nobody_and_fails_in_the_end(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    stage.shop.execute(
        "CREATE TRIGGER sleeps BEFORE UPDATE ON tickets FOR EACH ROW
             SET NEW.status = IF(NEW.id = 2 AND SLEEP(60) >= 0, 'slept', NEW.status)",
    );
    let limits = [
        "--statement-timeout",
        "1s",
        "--lock-timeout",
        "1s",
        "--max-attempts",
        "1",
    ];
    let mut program = stage.start_with(&limits);
    TICKETS.for_each(|ticket| stage.approve(stage.close(ticket)));
    stage.wait_for_word("close_1");
    stage.wait_for_word("close_3");
    assert_eq!(stage.wait_for_word("close_2"), Status::Failed);
    let word = stage.simulator.final_word("close_2").unwrap();
    assert_eq!(word.error.as_deref(), Some(TOO_LONG));
    assert_eq!(program.terminate().0, Some(0));
    stage.wait_until_alone();
    stage.assert_no_lie();
    assert_eq!(
        stage.number("SELECT count(*) FROM tickets WHERE status = 'closed'"),
        2
    );
}

fn a_proposal_that_never_gets_through_fails_in_the_end_with_the_last_cause(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    stage.approve(stage.close(2));
    let _holder = stage.hold(2);
    let poll = || stage.run(&["poll-once", "--lock-timeout", "1s", "--max-attempts", "2"]);
    assert_eq!(poll().result("close_2")["status"], "retrying");
    // Asking ahead of its time is no attempt of its own.
    due_in(&stage, 1);
    assert_eq!(poll().result("close_2")["status"], "retrying");
    assert_eq!(
        stage.ledger_column("close_2", "attempts").as_deref(),
        Some("1")
    );
    due_in(&stage, 0);
    let polled = poll();
    assert_eq!(polled.code, Some(1), "somebody should look: {polled:?}");
    assert_eq!(polled.result("close_2")["status"], "failed");
    assert_eq!(stage.word("close_2"), Some(Status::Failed));
    let word = stage.simulator.final_word("close_2").unwrap();
    assert_eq!(word.error.as_deref(), Some(LOCKED));
    assert_eq!(
        stage.ledger_column("close_2", "attempts").as_deref(),
        Some("2")
    );
    stage.assert_no_lie();
}

fn a_retrying_proposal_is_left_alone_until_its_time_has_come(flavor: Flavor) {
    let stage = stage_with_three(flavor);
    let mut holder = stage.hold(2);
    stage.run(&["poll-once", "--lock-timeout", "1s"]);
    due_in(&stage, 1);
    holder.query_drop("ROLLBACK").unwrap();
    let mut program = stage.start();
    stage.approve(stage.close(4));
    stage.wait_for_word("close_4");
    assert_eq!(
        stage.ledger_column("close_2", "status").as_deref(),
        Some("retrying")
    );
    due_in(&stage, 0);
    stage.wait_for_word("close_2");
    assert_eq!(program.terminate().0, Some(0));
    stage.assert_applied_once((1..=4).map(|n| Deed::Close.id(n)));
}

fn tries_that_failed_together_do_not_come_back_together(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.shop.execute(
        "CREATE TRIGGER busy BEFORE UPDATE ON tickets FOR EACH ROW SIGNAL SQLSTATE '40001'",
    );
    (1..=30).for_each(|ticket| stage.approve(stage.close(ticket)));
    assert_eq!(stage.poll().summary()["retrying"], 30);
    let wait = |which: &str| {
        stage.number(&format!(
            "SELECT {which}(TIMESTAMPDIFF(MICROSECOND, first_seen_at, next_attempt_at)) FROM `{}`.ledger",
            stage.ledger()
        ))
    };
    let (shortest, longest) = (wait("min"), wait("max"));
    assert!(shortest < 900_000, "of up to a second: {shortest} µs");
    assert!(longest > 500_000, "of up to a second: {longest} µs");
}

fn a_read_only_server_is_waited_for(flavor: Flavor) {
    let server = victim(flavor);
    let stage = Stage::on(&server).with_effects();
    stage.approve(stage.close(1));
    let read_only = Changed::set(&server, "read_only", 1);
    let polled = stage.poll();
    assert_eq!(polled.code, Some(75), "{polled:?}");
    let error = polled.error()["message"].as_str().unwrap().to_owned();
    assert!(error.contains("read"), "it says why: {error}");
    let mut program = stage.start();
    program.wait_for_event("ER_OPTION_PREVENTS_STATEMENT");
    drop(read_only);
    stage.wait_for_word("close_1");
    assert_eq!(program.terminate().0, Some(0));
    stage.assert_applied_once(["close_1"]);
}

/// As when another server takes over.
fn a_server_that_turns_read_only_before_a_commit_has_not_applied_anything(flavor: Flavor) {
    let server = victim(flavor);
    let (stage, proxy) = Stage::on(&server).with_effects().behind_a_proxy();
    stage.approve(stage.close(1));
    let mut poll = poll_held_at(&stage, &proxy, &Step::Before(COMMIT.to_owned()));
    let read_only = Changed::set(&server, "read_only", 1);
    proxy.thaw();
    let code = poll.wait().code();
    assert_ne!(code, Some(0), "the ledger can't be written");
    assert_eq!(stage.number("SELECT count(*) FROM effects"), 0);
    assert_eq!(stage.word("close_1"), None);
    stage.assert_no_lie();
    drop(read_only);
    assert_eq!(stage.poll().code, Some(0));
    stage.assert_applied_once(["close_1"]);
}
