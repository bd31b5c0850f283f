//! The worker reports what it has decided at once, and does not look it up in the ledger first: what is said is the same, and
//! nothing is left out or said twice.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde_json::Value;
use simulated_control_plane::{Endpoint, Fault, Rule};
use synapsor_testbed::{Proposal, wait_for};

use crate::stage::{PATIENCE, Stage, close};

/// The bodies of all reports, in order, by the proposal's id.
fn bodies(stage: &Stage) -> HashMap<String, Vec<Value>> {
    let mut bodies = HashMap::new();
    for call in stage.simulator.journal() {
        if call.endpoint == Endpoint::Report {
            let body = call.json().unwrap();
            bodies.entry(call.id).or_insert_with(Vec::new).push(body);
        }
    }
    bodies
}

/// Lists so many proposals, each for a ticket of its own.
fn approve_many(stage: &Stage, count: i64) {
    let tickets = 1_001..=1_000 + count;
    stage.database.execute(&format!(
        "INSERT INTO tickets SELECT n, 'acme', 'open', 1, 10 FROM generate_series({}, {}) n",
        tickets.start(),
        tickets.end()
    ));
    stage.approve_closing(tickets);
}

#[test]
fn a_report_says_the_same_whether_it_is_sent_at_once_or_taken_from_the_ledger() {
    let stage = Stage::new();
    let long = "x".repeat(5_000);
    let proposals = BTreeMap::from([
        ("applied", close(1)),
        ("with_a_key", close(2).idempotency_key("its own")),
        ("conflict", close(777)),
        ("no_such_column", close(3).change("no_such_column", 1)),
        ("long_name", Proposal::insert(&long).change("a", 1)),
        ("odd_name", Proposal::insert("a\0b").change("a", 1)),
    ]);
    let count = proposals.len();
    let first = Rule::on(Endpoint::Report, Fault::status(500)).times(count as u64);
    stage.simulator.inject(first);
    for (id, proposal) in &proposals {
        stage.approve(proposal.clone().id(id));
    }
    stage.start_worker();
    wait_for("each is reported twice", PATIENCE, || {
        let twice = "report_state = 'delivered' AND report_attempts = 2";
        stage.ledger(twice) == count as i64
    });
    let bodies = bodies(&stage);
    for id in proposals.keys() {
        let [at_once, later] = &bodies[*id][..] else {
            panic!("{id}: {:?}", bodies[*id]);
        };
        assert_eq!(at_once, later, "{id}");
    }
}

#[test]
fn what_is_decided_faster_than_it_can_be_reported_is_all_reported_and_once() {
    const COUNT: i64 = 6_000;
    let stage = Stage::new();
    stage.database.set("synapsor.batch_size", "1000");
    let far = Fault::latency(Duration::from_millis(20));
    stage.simulator.inject(Rule::on(Endpoint::Report, far));
    approve_many(&stage, COUNT);
    stage.start_worker();
    wait_for("all are reported", 2 * PATIENCE, || {
        stage.ledger("report_state = 'delivered'") == COUNT
    });
    assert_eq!(stage.tickets("closed"), COUNT);
    let bodies = bodies(&stage);
    assert_eq!(bodies.len(), COUNT as usize);
    let repeated: Vec<_> = bodies.iter().filter(|(_, b)| b.len() > 1).collect();
    assert!(repeated.is_empty(), "{repeated:?}");
}

#[test]
fn reports_that_can_t_go_now_stay_owed_and_keep_nobody_from_applying() {
    const COUNT: i64 = 3_000;
    let stage = Stage::polling_every("50ms");
    let busy = Fault::status(503).retry_after(3600);
    let rule = stage.simulator.inject(Rule::on(Endpoint::Report, busy));
    approve_many(&stage, COUNT);
    let applied = |count| {
        wait_for("they are applied", PATIENCE, || {
            stage.tickets("closed") == count
        });
    };
    applied(COUNT);
    let sent = stage.simulator.calls(Endpoint::Report);
    assert!(sent < 500, "{sent} were sent, though none was taken");
    assert_eq!(stage.ledger("report_state = 'pending'"), COUNT);
    stage.approve_closing(1..=1);
    applied(COUNT + 1);

    stage.simulator.withdraw(rule);
    stage.wake();
    stage.wait_for_reports();
    let bodies = bodies(&stage);
    assert_eq!(bodies.len() as i64, COUNT + 1);
}
