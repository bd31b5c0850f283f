//! Several instances: they share the work, and nothing is done twice.

use std::collections::HashSet;
use std::thread;

use serde_json::Value;
use simulated_control_plane::{Endpoint, Fault, Quirk, Rule, Status};
use synapsor_mysql_testbed::{Flavor, shared};

use crate::agreement::Deed;
use crate::program::{Ended, PATIENCE, Running};
use crate::stage::Stage;

on_both! {
    two_instances_apply_a_thousand_inserts_a_thousand_times
    polls_beside_a_running_instance_apply_nothing_twice
    what_stays_listed_is_met_by_all_and_applied_by_one
    a_key_that_is_listed_twice_is_applied_once_by_two_instances
    an_instance_that_hangs_in_its_report_holds_up_nobody_s_changes
    instances_on_different_ledgers_do_not_hold_each_other_up
}

/// The tickets that an instance says it applied.
fn applied_by(program: &Running) -> HashSet<String> {
    let events = program.stderr();
    let events = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let applied = events.filter(|event| event["status"] == "applied");
    let ids: Vec<_> = applied
        .map(|event| event["proposal_id"].as_str().unwrap().to_owned())
        .collect();
    let distinct: HashSet<_> = ids.iter().cloned().collect();
    assert_eq!(distinct.len(), ids.len(), "none is applied twice");
    distinct
}

fn opened(tickets: std::ops::Range<i64>) -> impl Iterator<Item = String> {
    tickets.map(|ticket| Deed::Open.id(ticket))
}

fn two_instances_apply_a_thousand_inserts_a_thousand_times(flavor: Flavor) {
    const TICKETS: std::ops::Range<i64> = 1_000..2_000;
    let stage = Stage::new(flavor).with_effects();
    let mut instances = [0, 1].map(|_| stage.start_with(&["--batch-size", "10"]));
    instances
        .iter()
        .for_each(|instance| instance.wait_for_event("running"));
    stage.approve_opening(TICKETS);
    stage.wait_for_reports(TICKETS.count());
    let ended = instances.each_mut().map(|instance| instance.terminate().0);
    assert_eq!(ended, [Some(0); 2]);
    stage.assert_applied_once(opened(TICKETS));
    let [one, other] = instances.each_ref().map(applied_by);
    assert_eq!(one.intersection(&other).count(), 0, "applied by both");
    assert_eq!(one.len() + other.len(), TICKETS.count());
    assert!(
        !one.is_empty() && !other.is_empty(),
        "{} and {}",
        one.len(),
        other.len()
    );
}

fn polls_beside_a_running_instance_apply_nothing_twice(flavor: Flavor) {
    const TICKETS: std::ops::Range<i64> = 1_000..1_200;
    let stage = Stage::new(flavor).with_effects();
    let mut instance = stage.start_with(&["--batch-size", "10"]);
    stage.approve_opening(TICKETS);
    let polled: Vec<Ended> = (0..3).map(|_| stage.poll()).collect();
    stage.wait_for_reports(TICKETS.count());
    assert_eq!(instance.terminate().0, Some(0));
    for poll in &polled {
        assert_eq!(poll.code, Some(0), "{poll:?}");
    }
    stage.assert_applied_once(opened(TICKETS));
}

fn what_stays_listed_is_met_by_all_and_applied_by_one(flavor: Flavor) {
    const TICKETS: std::ops::Range<i64> = 1_000..1_050;
    let stage = Stage::new(flavor).with_effects();
    let listed = Fault::quirk(Quirk::KeepListed);
    stage.simulator.inject(Rule::on(Endpoint::Report, listed));
    stage.approve_opening(TICKETS);
    let polled = thread::scope(|scope| {
        let poll = || scope.spawn(|| stage.poll());
        [poll(), poll(), poll()].map(|poll| poll.join().unwrap())
    });
    for poll in polled {
        assert_eq!(poll.code, Some(0), "{poll:?}");
        let statuses: HashSet<_> = poll
            .lines()
            .iter()
            .map(|line| line["status"].to_string())
            .collect();
        assert!(!statuses.contains("\"failed\""), "{poll:?}");
    }
    assert_eq!(stage.poll().code, Some(0));
    stage.assert_applied_once(opened(TICKETS));
}

fn a_key_that_is_listed_twice_is_applied_once_by_two_instances(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    for ticket in 1_000..1_020 {
        let open = stage
            .propose(Deed::Open, ticket)
            .idempotency_key(&format!("key_{ticket}"));
        stage.approve(open.clone());
        stage.approve(open.id(&format!("again_{ticket}")));
    }
    let mut instances = [0, 1].map(|_| stage.start_with(&["--batch-size", "5"]));
    stage.wait_for_reports(40);
    for instance in &mut instances {
        assert_eq!(instance.terminate().0, Some(0));
    }
    let rows = "SELECT count(*), count(DISTINCT ticket) FROM effects";
    let rows = stage.shop.query_rows(rows);
    assert_eq!(rows, [[Some("20".to_owned()), Some("20".to_owned())]]);
    let receipts = format!(
        "SELECT count(*) FROM `{}`.ledger WHERE status = 'applied' AND report_state = 'delivered'",
        stage.ledger()
    );
    assert_eq!(stage.number(&receipts), 20);
    for ticket in 1_000..1_020 {
        for id in [Deed::Open.id(ticket), format!("again_{ticket}")] {
            assert_eq!(stage.word(&id), Some(Status::Applied), "{id}");
        }
    }
}

fn an_instance_that_hangs_in_its_report_holds_up_nobody_s_changes(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    stage.approve(stage.close(1));
    let hang = Rule::on(Endpoint::Report, Fault::hang()).for_proposal("close_1");
    stage.simulator.inject(hang);
    let mut hanging = stage.start();
    let is_hanging = stage
        .simulator
        .wait_for(|c| c.calls(Endpoint::Report) == 1, PATIENCE);
    assert!(is_hanging, "it reports");
    stage.approve(stage.close(2));
    let polled = stage.run(&["poll-once", "--statement-timeout", "1s"]);
    assert_eq!(polled.result("close_2")["status"], "applied", "{polled:?}");
    stage.assert_no_lie();
    // One instance reports at a time: the other's report waits for it, and that is said.
    assert_eq!(stage.word("close_2"), None);
    assert_eq!(polled.code, Some(1), "{polled:?}");
    let lock = format!("synapsor.deliver.{}", stage.ledger());
    let holder = stage.number(&format!("SELECT IS_USED_LOCK('{lock}')"));
    let why = format!("connection {holder} has the right to deliver");
    assert_eq!(polled.summary()["report_error"], why);
    hanging.kill();
    let reported = stage.run(&["report-once", "--request-timeout", "400ms"]);
    assert_eq!(reported.code, Some(1), "close_1 hangs still: {reported:?}");
    assert_eq!(stage.word("close_2"), Some(Status::Applied));
    stage.simulator.clear_faults();
    assert_eq!(stage.run(&["report-once"]).code, Some(0));
    stage.assert_applied_once(["close_1", "close_2"]);
}

fn instances_on_different_ledgers_do_not_hold_each_other_up(flavor: Flavor) {
    let [one, other] = [0, 1].map(|_| Stage::on(shared(flavor)).with_effects());
    one.approve(one.close(1));
    one.simulator
        .inject(Rule::on(Endpoint::Report, Fault::hang()));
    let mut hanging = one.start();
    assert!(
        one.simulator
            .wait_for(|c| c.calls(Endpoint::Report) == 1, PATIENCE)
    );
    other.approve(other.close(1));
    assert_eq!(other.poll().code, Some(0));
    other.assert_applied_once(["close_1"]);
    hanging.kill();
    one.simulator.clear_faults();
    assert_eq!(one.poll().code, Some(0));
    one.assert_applied_once(["close_1"]);
}
