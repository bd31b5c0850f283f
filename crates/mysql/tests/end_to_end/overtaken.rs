//! What another instance decides while this one is on its way: it stays, and is never taken for one's own.

use mysql::prelude::Queryable;
use simulated_control_plane::Status;
use synapsor_mysql_testbed::{Flavor, Proxy, wait_for};

use crate::program::{Ended, PATIENCE, Running};
use crate::stage::Stage;
use crate::steps::{self, COMMIT, Step, poll_held_at, wait_until_held};

on_both! {
    a_key_that_another_content_has_taken_before_a_lost_commit_is_known_is_refused
    what_another_instance_has_applied_before_a_failure_is_recorded_stays_applied
    a_ledger_that_is_locked_as_a_whole_is_not_waited_for_once_for_each_proposal
}

/// A stage whose program goes through the proxy, and the URL by which another goes past it.
fn stage_for_two(flavor: Flavor) -> (Stage, Proxy, String) {
    let stage = Stage::new(flavor).with_effects();
    let direct = stage.shop.url(&stage.user, &stage.password);
    let (stage, proxy) = stage.behind_a_proxy();
    (stage, proxy, direct)
}

/// A poll of another instance.
fn poll_beside(stage: &Stage, direct: &str) -> Ended {
    let mut beside = stage.program(&["poll-once"]);
    Ended::of(beside.env("SYNAPSOR_DATABASE_URL", direct))
}

fn wait_until_it_says(poll: &Running, text: &str) {
    wait_for(text, PATIENCE, || poll.stdout().contains(text));
}

fn a_key_that_another_content_has_taken_before_a_lost_commit_is_known_is_refused(flavor: Flavor) {
    let (stage, proxy, direct) = stage_for_two(flavor);
    stage.approve(stage.close(1).idempotency_key("key"));
    let mut poll = poll_held_at(&stage, &proxy, &Step::Before(COMMIT.to_owned()));
    let [asks, _] = steps::of_trying_again().try_into().unwrap();
    asks.hold(&proxy);
    let held_before = proxy.holds();
    proxy.cut_now();
    wait_until_held(&proxy, held_before + 1, &asks);
    stage.simulator.set_status("close_1", Status::Canceled);
    stage.approve(stage.close(2).idempotency_key("key"));
    let beside = poll_beside(&stage, &direct);
    assert_eq!(beside.outcome("close_2"), "applied", "{beside:?}");
    proxy.thaw();
    assert_eq!(poll.wait().code(), Some(1), "somebody should look");
    wait_until_it_says(&poll, "WRITEBACK_IDEMPOTENCY_MISMATCH");
    stage.assert_applied_once(["close_2"]);
}

fn what_another_instance_has_applied_before_a_failure_is_recorded_stays_applied(flavor: Flavor) {
    let (stage, proxy, direct) = stage_for_two(flavor);
    stage.shop.execute(
        "CREATE TRIGGER busy BEFORE UPDATE ON tickets FOR EACH ROW SIGNAL SQLSTATE '40001'",
    );
    stage.approve(stage.close(1));
    assert_eq!(stage.poll().result("close_1")["status"], "retrying");
    // Ahead of its time, so that both tries count as none.
    stage.shop.execute(&format!(
        "UPDATE `{}`.ledger SET next_attempt_at = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR",
        stage.ledger()
    ));
    let mut poll = poll_held_at(&stage, &proxy, &Step::After("ROLLBACK".to_owned()));
    stage.shop.execute("DROP TRIGGER busy");
    let beside = poll_beside(&stage, &direct);
    assert_eq!(beside.outcome("close_1"), "applied", "{beside:?}");
    proxy.thaw();
    assert_eq!(poll.wait().code(), Some(0));
    wait_until_it_says(&poll, "\"already_decided\":true");
    stage.assert_applied_once(["close_1"]);
}

/// Rows can be read, and none can be added.
fn a_ledger_that_is_locked_as_a_whole_is_not_waited_for_once_for_each_proposal(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    (1..=5).for_each(|ticket| stage.approve(stage.close(ticket)));
    let mut holder = stage.shop.root();
    let lock = format!(
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION;
         SELECT * FROM `{}`.ledger FOR UPDATE",
        stage.ledger()
    );
    holder.query_drop(lock).unwrap();
    let polled = stage.run(&["poll-once", "--lock-timeout", "1s"]);
    assert_eq!(polled.code, Some(75), "{polled:?}");
    assert!(
        polled.message().contains("ER_LOCK_WAIT_TIMEOUT"),
        "{polled:?}"
    );
    assert_eq!(polled.summary()["skipped"], 2, "the third gives it up");
    holder.query_drop("ROLLBACK").unwrap();
    assert_eq!(stage.poll().code, Some(0));
    stage.assert_applied_once((1..=5).map(|ticket| format!("close_{ticket}")));
}
