//! A report that is not accepted is sent again, the change is not made again, and the final word is the true one.

use simulated_control_plane::{Delivery, Endpoint, Fault, Rule, Status, Verdict};
use synapsor_testbed::{Proposal, wait_for};

use crate::stage::{PATIENCE, Stage, close};

/// Everything that can happen to a report, and passes.
fn passing_faults() -> Vec<(&'static str, Fault)> {
    vec![
        ("500", Fault::status(500)),
        ("503", Fault::status(503)),
        ("closed connection", Fault::close()),
        ("reset", Fault::reset()),
        ("stored, then reset", Fault::answer_lost()),
        ("stored, then 500", Fault::status(500).after_the_work()),
        ("half a body", Fault::delivered(Delivery::HalfBody)),
        ("429", Fault::status(429).retry_after(1)),
        ("not JSON", Fault::html(502)),
        ("401", Fault::status(401)),
        ("a web page", Fault::html(200)),
    ]
}

/// The proposal is applied once, as `count` shows, and told truly, after one report that failed.
fn assert_reported_late_but_truly(proposal: &Proposal, count: &str) {
    for (name, fault) in passing_faults() {
        let stage = Stage::new();
        stage
            .database
            .execute("CREATE TABLE notes (note text); GRANT INSERT ON notes TO writer");
        stage
            .simulator
            .inject(Rule::on(Endpoint::Report, fault).times(1));
        stage.approve(proposal);
        let mut operator = stage.operator();
        operator.poll();
        stage.wait_for_a_failed_report();
        // Polling again delivers first, and then finds nothing to apply.
        operator.poll();
        assert_eq!(
            stage.ledger("report_state = 'delivered' AND report_attempts = 2"),
            1,
            "{name}"
        );
        assert_eq!(
            stage.ledger("status = 'applied' AND attempts = 1"),
            1,
            "{name}"
        );
        assert_eq!(stage.database.value::<i64>(count), 1, "{name}");
        assert_eq!(
            stage.simulator.final_word("wrp_1").unwrap().status,
            Status::Applied,
            "{name}"
        );
        assert_eq!(stage.simulator.calls(Endpoint::Report), 2, "{name}");
        let reports = stage.simulator.reports_for("wrp_1");
        let refused = |verdict| matches!(verdict, Verdict::Contradicted | Verdict::NotApproved);
        assert!(
            !reports.iter().any(|report| refused(report.verdict)),
            "{name}"
        );
    }
}

#[test]
fn an_update_is_applied_once_and_reported_again_whatever_happens_to_its_report() {
    let closed = "SELECT count(*) FROM tickets WHERE status = 'closed'";
    assert_reported_late_but_truly(&close(1), closed);
}

#[test]
fn an_insert_leaves_one_row_whatever_happens_to_its_report() {
    // No key in the table, so that nothing but the ledger prevents a second row.
    let insert = Proposal::insert("notes").change("note", "one");
    assert_reported_late_but_truly(&insert, "SELECT count(*) FROM notes");
}

#[test]
fn a_refused_report_keeps_its_outcome_and_waits_for_a_person() {
    for status in [409, 412, 422] {
        let stage = Stage::new();
        stage
            .simulator
            .inject(Rule::on(Endpoint::Report, Fault::status(status)));
        stage.approve(close(1));
        let mut operator = stage.operator();
        operator.poll();
        wait_for("the report is refused", PATIENCE, || {
            stage.ledger("report_state = 'rejected' AND status = 'applied'") == 1
        });
        // The control plane goes on listing it: it is neither applied nor reported again.
        let answer = operator.poll();
        assert_eq!(answer["results"][0]["status"], "applied");
        assert_eq!(answer["results"][0]["already_decided"], true);
        assert_eq!(operator.report()["pending"], 0);
        operator.call();
        assert_eq!(stage.simulator.calls(Endpoint::Report), 1, "{status}");
        assert_eq!(
            stage.ledger("report_state = 'rejected' AND attempts = 1"),
            1,
            "{status}"
        );
        assert_eq!(stage.tickets("closed"), 1);
    }
}

#[test]
fn a_contradiction_at_the_control_plane_changes_no_local_outcome() {
    let stage = Stage::new();
    stage.approve(close(1));
    stage.simulator.set_status("wrp_1", Status::Approved);
    let mut operator = stage.operator();
    operator.run("BEGIN");
    operator.poll();
    stage.simulator.set_status("wrp_1", Status::Canceled);
    operator.run("COMMIT");
    wait_for("the report is refused", PATIENCE, || {
        stage.ledger("report_state = 'rejected'") == 1
    });
    assert_eq!(stage.ledger("status = 'applied'"), 1);
    assert_eq!(stage.simulator.final_word("wrp_1"), None);
    let error: String = stage
        .database
        .value("SELECT report_error FROM synapsor.ledger");
    assert!(error.starts_with("PROPOSAL_NOT_APPROVED: "), "{error}");
}

#[test]
fn a_wait_that_the_control_plane_asks_for_is_kept_by_the_procedure() {
    let stage = Stage::new();
    let busy = Fault::status(429).retry_after(3600);
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, busy).times(1));
    stage.approve(close(1));
    let mut operator = stage.operator();
    operator.poll();
    stage.wait_for_a_failed_report();
    assert_eq!(
        stage.ledger("next_report_at > now() + interval '59 minutes'"),
        1
    );
    operator.call();
    assert_eq!(stage.simulator.calls(Endpoint::Report), 1);
    // Somebody who asks for reports by hand gets them.
    assert_eq!(operator.report()["delivered"], 1);
}

#[test]
fn one_report_that_always_fails_holds_up_no_other() {
    let stage = Stage::new();
    let broken = Rule::on(Endpoint::Report, Fault::status(500)).for_proposal("wrp_1");
    stage.simulator.inject(broken);
    stage.approve_closing(1..=20);
    let mut operator = stage.operator();
    operator.poll();
    wait_for("the others are delivered", PATIENCE, || {
        stage.ledger("report_state = 'delivered'") == 19
    });
    assert_eq!(stage.simulator.final_word("wrp_1"), None);
    stage.simulator.clear_faults();
    let delivered = operator.report()["delivered"].clone();
    assert_eq!(delivered, 1, "the others are not sent again");
    assert_eq!(
        stage.simulator.final_word("wrp_1").unwrap().status,
        Status::Applied
    );
}

#[test]
fn a_control_plane_that_is_down_after_the_commit_is_told_when_it_is_back() {
    let stage = Stage::new();
    stage.approve_closing(1..=5);
    let mut operator = stage.operator();
    operator.run("BEGIN");
    operator.poll();
    stage.simulator.go_down();
    operator.run("COMMIT");
    stage.wait_for_a_failed_report();
    let answer = operator.report();
    assert_eq!(
        (&answer["ok"], &answer["pending"]),
        (&false.into(), &5.into())
    );
    stage.simulator.come_back().unwrap();
    assert_eq!(operator.report()["delivered"], 5);
    assert_eq!(stage.simulator.read(|c| c.count(Status::Applied)), 5);
    assert_eq!(stage.tickets("closed"), 5);
}
