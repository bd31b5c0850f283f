//! The same key again: the same work is not done twice, and other work under that key is not done at all.

use simulated_control_plane::{Endpoint, Fault, Quirk, Rule, Status, Verdict};
use synapsor_testbed::wait_for;

use crate::stage::{PATIENCE, Stage, close, statuses};

/// The control plane accepts reports, and lists their proposals all the same.
fn never_shrinking() -> Rule {
    Rule::on(Endpoint::Report, Fault::quirk(Quirk::KeepListed))
}

#[test]
fn what_is_listed_again_is_not_applied_again_and_its_outcome_is_reported_again() {
    let stage = Stage::new();
    stage.simulator.inject(never_shrinking());
    stage.approve(close(1));
    stage.approve(close(2).conflict("version", 9));
    let mut operator = stage.operator();
    assert_eq!(statuses(&operator.poll()), ["applied", "conflict"]);
    stage.wait_for_reports();
    stage
        .database
        .execute("UPDATE tickets SET status = 'reopened', version = 9 WHERE id IN (1, 2)");
    let again = operator.poll();
    assert_eq!(statuses(&again), ["applied", "conflict"]);
    assert_eq!(again["results"][0]["already_decided"], true);
    assert_eq!(stage.tickets("reopened"), 2);
    for id in ["wrp_1", "wrp_2"] {
        let told = stage
            .simulator
            .wait_for(|c| c.report_count(id) == 2, PATIENCE);
        assert!(told, "the outcome of {id} is reported again");
        let verdicts: Vec<_> = stage
            .simulator
            .reports_for(id)
            .iter()
            .map(|r| r.verdict)
            .collect();
        assert_eq!(verdicts, [Verdict::Stored, Verdict::Repeated]);
    }
    assert_eq!(stage.ledger("true"), 2);
}

#[test]
fn the_same_key_with_other_content_is_refused_and_nothing_is_written_or_reported() {
    let stage = Stage::new();
    stage.approve(close(1));
    stage.poll();
    stage.wait_for_reports();
    let before = stage.database.rows("SELECT * FROM synapsor.ledger");
    stage.approve(close(1).id("wrp_other").change("status", "deleted"));
    stage.approve(close(2).idempotency_key("key_1"));
    let answer = stage.poll();
    assert_eq!(statuses(&answer), ["refused", "refused"]);
    assert_eq!(
        answer["results"][0]["error"],
        "WRITEBACK_IDEMPOTENCY_MISMATCH"
    );
    stage.operator().report();
    assert_eq!(stage.database.rows("SELECT * FROM synapsor.ledger"), before);
    assert_eq!(stage.simulator.calls(Endpoint::Report), 1);
    assert_eq!((stage.tickets("closed"), stage.tickets("deleted")), (1, 0));
}

#[test]
fn the_operator_is_warned_of_a_key_with_other_content() {
    use std::sync::{Arc, Mutex};
    let stage = Stage::new();
    stage.approve(close(1));
    stage.approve(close(1).id("wrp_other").change("status", "deleted"));
    let notices = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&notices);
    let mut config = stage.database.config(synapsor_testbed::OPERATOR);
    config.notice_callback(move |notice| heard.lock().unwrap().push(notice.message().to_owned()));
    let mut session = config.connect(postgres::NoTls).unwrap();
    session
        .query_one("SELECT synapsor_poll_once()", &[])
        .unwrap();
    let notices = notices.lock().unwrap();
    let warned = |text: &String| {
        text.contains("WRITEBACK_IDEMPOTENCY_MISMATCH") && text.contains("wrp_other")
    };
    assert!(notices.iter().any(warned), "{notices:?}");
}

#[test]
fn one_key_under_two_proposal_ids_is_applied_once_and_both_are_told() {
    let stage = Stage::new();
    stage.approve(close(1));
    stage.poll();
    stage.wait_for_reports();
    stage.approve(close(1).id("wrp_twin"));
    assert_eq!(statuses(&stage.poll()), ["applied"]);
    for id in ["wrp_1", "wrp_twin"] {
        let told = stage
            .simulator
            .wait_for(|c| c.final_word(id).is_some(), PATIENCE);
        assert!(told, "{id} is told");
        assert_eq!(
            stage.simulator.final_word(id).unwrap().status,
            Status::Applied
        );
    }
    assert_eq!(stage.ledger("attempts = 1"), 1);
}

#[test]
fn one_key_under_two_proposal_ids_of_one_list_is_applied_once_and_both_are_told() {
    let stage = Stage::new();
    let insert = || {
        synapsor_testbed::Proposal::insert("tickets")
            .idempotency_key("one_key")
            .change("id", 300)
            .change("status", "new")
            .change("version", 1)
            .tenant("tenant_id", "acme")
    };
    stage.approve(insert().id("wrp_a"));
    stage.approve(insert().id("wrp_b"));
    let mut operator = stage.operator();
    assert_eq!(statuses(&operator.poll()), ["applied", "applied"]);
    assert_eq!(stage.tickets("new"), 1);
    stage.wait_for_reports();
    wait_for("both are told", PATIENCE, || {
        operator.poll();
        let told = |id| {
            stage
                .simulator
                .final_word(id)
                .is_some_and(|w| w.status == Status::Applied)
        };
        told("wrp_a") && told("wrp_b")
    });
    assert_eq!(stage.tickets("new"), 1);
}

#[test]
fn an_element_that_is_listed_twice_is_applied_once() {
    let stage = Stage::new();
    stage.approve(close(1));
    stage.approve(close(1));
    assert_eq!(statuses(&stage.poll()), ["applied"]);
    assert_eq!(stage.ledger("attempts = 1"), 1);
    stage.wait_for_reports();
}
