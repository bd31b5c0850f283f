//! A COMMIT whose answer is lost: whether it happened is read from the receipt, and never guessed.

use std::thread;

use mysql::prelude::Queryable;
use simulated_control_plane::{Endpoint, Status};
use synapsor_mysql_testbed::Flavor;

use crate::agreement::Deed;
use crate::stage::Stage;
use crate::steps::{COMMIT, Step, poll_held_at, poll_with_held_at};
use crate::victims::victim;

on_both! {
    a_commit_whose_answer_was_lost_is_reported_as_applied_by_the_same_poll
    a_commit_that_never_arrived_is_made_later_and_the_others_go_on
    commits_that_never_arrive_count_as_attempts
    a_lost_answer_makes_no_other_word_of_a_conflict_or_a_failure
    a_failure_whose_record_never_arrived_is_told_later_and_once
    a_lost_answer_to_the_marking_of_a_report_repeats_the_report_at_most
    a_report_is_sent_after_a_commit_of_its_own
    a_commit_that_hangs_is_neither_repeated_nor_reported_until_it_is_known
    a_commit_that_the_server_refuses_is_no_success
}

fn ids(tickets: impl IntoIterator<Item = i64>) -> impl Iterator<Item = String> {
    tickets.into_iter().map(|ticket| Deed::Close.id(ticket))
}

fn a_commit_whose_answer_was_lost_is_reported_as_applied_by_the_same_poll(flavor: Flavor) {
    let (stage, proxy) = Stage::new(flavor).with_effects().behind_a_proxy();
    let mut applied = Vec::new();
    for (number, deed) in (1..).zip(Deed::ALL) {
        let ticket = deed.ticket(number);
        stage.approve(stage.propose(deed, ticket));
        proxy.cut_after_commit();
        let polled = stage.poll();
        assert_eq!(polled.code, Some(0), "{polled:?}");
        assert_eq!(polled.result(&deed.id(ticket))["status"], "applied");
        assert!(polled.stderr.contains("the answer to a commit was lost"));
        assert_eq!(proxy.cuts() as i64, number);
        applied.push(deed.id(ticket));
        stage.assert_applied_once(&applied);
    }
}

fn a_commit_that_never_arrived_is_made_later_and_the_others_go_on(flavor: Flavor) {
    let (stage, proxy) = Stage::new(flavor).with_effects().behind_a_proxy();
    let mut applied = Vec::new();
    for (number, deed) in (1..).zip(Deed::ALL) {
        let (ticket, other) = (deed.ticket(number), 10 + number);
        stage.approve(stage.propose(deed, ticket));
        stage.approve(stage.close(other));
        proxy.cut_before_commit();
        let polled = stage.poll();
        assert_eq!(polled.code, Some(0), "{polled:?}");
        let cut = polled.result(&deed.id(ticket));
        assert_eq!(cut["status"], "retrying", "{cut}");
        let error = cut["error"].as_str().unwrap();
        assert!(error.starts_with("DATABASE_CONNECTION_LOST: "), "{error}");
        assert_eq!(polled.result(&Deed::Close.id(other))["status"], "applied");
        assert_eq!(stage.simulator.reports_for(&deed.id(ticket)).len(), 0);
        assert_eq!(stage.poll().summary()["applied"], 1);
        applied.extend([deed.id(ticket), Deed::Close.id(other)]);
        stage.assert_applied_once(&applied);
    }
}

fn commits_that_never_arrive_count_as_attempts(flavor: Flavor) {
    let (stage, proxy) = Stage::new(flavor).with_effects().behind_a_proxy();
    stage.approve(stage.close(1));
    for (status, attempts) in [("retrying", "1"), ("retrying", "2"), ("failed", "3")] {
        stage.shop.execute(&format!(
            "UPDATE `{}`.ledger SET next_attempt_at = UTC_TIMESTAMP(6)",
            stage.ledger()
        ));
        proxy.cut_before_commit();
        let polled = stage.run(&["poll-once", "--max-attempts", "3"]);
        assert_eq!(polled.result("close_1")["status"], status, "{polled:?}");
        let counted = stage.ledger_column("close_1", "attempts");
        assert_eq!(counted.as_deref(), Some(attempts));
    }
    assert_eq!(stage.word("close_1"), Some(Status::Failed));
    stage.assert_no_lie();
}

/// A conflict, because ticket 1 is not at version 7, and a failure, because there is a ticket 2.
fn approve_a_conflict_and_a_failure(stage: &Stage) {
    stage.approve(stage.close(1).conflict("version", 7));
    stage.approve(stage.propose(Deed::Open, 2));
}

fn assert_a_conflict_and_a_failure(stage: &Stage) {
    stage.assert_no_lie();
    let words = [
        (Deed::Close.id(1), Status::Conflict),
        (Deed::Open.id(2), Status::Failed),
    ];
    for (id, status) in words {
        assert_eq!(stage.word(&id), Some(status));
        let state = stage.ledger_column(&id, "report_state");
        assert_eq!(state.as_deref(), Some("delivered"));
    }
}

fn a_lost_answer_makes_no_other_word_of_a_conflict_or_a_failure(flavor: Flavor) {
    for lost in [1, 2] {
        let (stage, proxy) = Stage::new(flavor).with_effects().behind_a_proxy();
        approve_a_conflict_and_a_failure(&stage);
        let polled = match lost {
            1 => {
                proxy.cut_after_commit();
                stage.poll()
            }
            _ => {
                let mut poll = poll_held_at(&stage, &proxy, &Step::After(COMMIT.to_owned()));
                proxy.cut_after_commit();
                proxy.thaw();
                assert_eq!(poll.wait().code(), Some(1), "a failure is to be looked at");
                stage.poll()
            }
        };
        assert_eq!(proxy.cuts(), 1);
        assert_eq!(stage.simulator.calls(Endpoint::Report), 2, "{polled:?}");
        assert_a_conflict_and_a_failure(&stage);
    }
}

fn a_failure_whose_record_never_arrived_is_told_later_and_once(flavor: Flavor) {
    let (stage, proxy) = Stage::new(flavor).with_effects().behind_a_proxy();
    approve_a_conflict_and_a_failure(&stage);
    let mut poll = poll_held_at(&stage, &proxy, &Step::After(COMMIT.to_owned()));
    proxy.cut_before_commit();
    proxy.thaw();
    poll.wait();
    assert_eq!(proxy.cuts(), 1);
    stage.poll();
    assert_a_conflict_and_a_failure(&stage);
    assert_eq!(stage.simulator.calls(Endpoint::Report), 2);
}

fn a_lost_answer_to_the_marking_of_a_report_repeats_the_report_at_most(flavor: Flavor) {
    for cut_before in [true, false] {
        let (stage, proxy) = Stage::new(flavor).with_effects().behind_a_proxy();
        stage.approve(stage.close(1));
        let marking = Step::Before("SET report_state = 'delivered'".to_owned());
        let mut poll = poll_held_at(&stage, &proxy, &marking);
        if cut_before {
            proxy.cut_before_commit();
        } else {
            proxy.cut_after_commit();
        }
        proxy.thaw();
        assert_eq!(poll.wait().code(), Some(75), "trying again may help");
        assert_eq!(stage.poll().code, Some(0));
        stage.assert_applied_once(ids([1]));
        let reports = stage.simulator.calls(Endpoint::Report);
        assert_eq!(reports, if cut_before { 2 } else { 1 });
    }
}

/// The server shows a commit to others before it is on disk: one of our own, of a row that was read, takes all earlier ones along.
fn a_report_is_sent_after_a_commit_of_its_own(flavor: Flavor) {
    let (stage, proxy) = Stage::new(flavor).with_effects().behind_a_proxy();
    stage.approve(stage.close(1));
    let touch = Step::Before("SET next_report_at = UTC_TIMESTAMP(6) WHERE key_hash".to_owned());
    let mut poll = poll_held_at(&stage, &proxy, &touch);
    assert_eq!(stage.simulator.calls(Endpoint::Report), 0);
    proxy.thaw();
    assert_eq!(poll.wait().code(), Some(0));
    stage.assert_applied_once(ids([1]));
}

/// The COMMIT is on its way, or its answer is, and the connection says nothing.
fn a_commit_that_hangs_is_neither_repeated_nor_reported_until_it_is_known(flavor: Flavor) {
    let hang = |step: Step, word: &str| {
        let (stage, proxy) = Stage::new(flavor).with_effects().behind_a_proxy();
        stage.approve(stage.close(1));
        step.hold(&proxy);
        let limits = ["--statement-timeout", "1s", "--lock-timeout", "1s"];
        let polled = stage.run(&[&["poll-once"], &limits[..]].concat());
        assert_eq!(polled.code, Some(0), "{polled:?}");
        assert_eq!(polled.result("close_1")["status"], word, "{polled:?}");
        stage.assert_no_lie();
        assert_eq!(stage.word("close_1").is_some(), word == "applied");
        proxy.thaw();
        assert_eq!(stage.poll().code, Some(0));
        stage.assert_applied_once(ids([1]));
    };
    thread::scope(|scope| {
        scope.spawn(|| hang(Step::Before(COMMIT.to_owned()), "skipped"));
        scope.spawn(|| hang(Step::After(COMMIT.to_owned()), "applied"));
    });
}

/// Somebody makes a backup: nobody can commit meanwhile.
fn a_commit_that_the_server_refuses_is_no_success(flavor: Flavor) {
    let server = victim(flavor);
    let (stage, proxy) = Stage::on(&server).with_effects().behind_a_proxy();
    stage.approve(stage.close(1));
    let step = Step::Before(COMMIT.to_owned());
    let flags = ["--lock-timeout", "1s"];
    let mut poll = poll_with_held_at(&stage, &flags, &proxy, &step);
    let mut backup = server.root();
    backup.query_drop("FLUSH TABLES WITH READ LOCK").unwrap();
    proxy.thaw();
    assert_eq!(poll.wait().code(), Some(0));
    stage.assert_no_lie();
    assert_eq!(stage.word("close_1"), None);
    backup.query_drop("UNLOCK TABLES").unwrap();
    assert_eq!(stage.poll().code, Some(0));
    stage.assert_applied_once(ids([1]));
}
