//! A report that is not accepted is sent again, the change is not made again, and the final word is the true one.

use simulated_control_plane::{ControlPlane, Delivery, Endpoint, Fault, HeaderValue, Rule, Status};
use synapsor_mysql_testbed::{Flavor, wait_for};

use crate::agreement::Deed;
use crate::program::PATIENCE;
use crate::stage::Stage;

on_both! {
    a_change_is_made_once_and_reported_again_whatever_happens_to_its_report
    a_conflict_and_a_failure_keep_their_word_whatever_happens_to_their_reports
    a_running_program_repeats_a_report_until_it_is_accepted
    a_refused_report_keeps_its_outcome_is_told_and_never_repeated_blindly
    a_contradiction_at_the_control_plane_changes_no_local_outcome
    one_report_that_always_fails_holds_up_no_other
    a_control_plane_that_is_down_after_the_commit_is_told_when_it_is_back
    a_wait_that_the_control_plane_asks_for_is_kept
    a_wrong_key_between_two_reports_loses_none
}

/// Everything that can happen to a report, and passes.
fn passing_faults() -> Vec<(&'static str, Fault)> {
    vec![
        ("500", Fault::status(500)),
        ("503", Fault::status(503)),
        ("closed connection", Fault::close()),
        ("reset", Fault::reset()),
        ("stored, then reset", Fault::answer_lost()),
        ("stored, then 500", Fault::status(500).after_the_work()),
        ("stored, then silence", Fault::hang().after_the_work()),
        ("silence", Fault::hang()),
        ("half a body", Fault::delivered(Delivery::HalfBody)),
        ("endless body", Fault::delivered(Delivery::EndlessBody)),
        ("429", Fault::status(429).retry_after(1)),
        ("a gateway's page", Fault::html(502)),
        ("401", Fault::status(401)),
        ("a web page", Fault::html(200)),
        ("404 of a bystander", Fault::html(404)),
        (
            "a redirect",
            Fault::redirect(307, HeaderValue::from_static("https://example.org/")),
        ),
    ]
}

/// A poll whose report meets the fault, and is owed; then `report-once`, which delivers it.
fn report_late(stage: &Stage, name: &str, fault: Fault, id: &str) {
    stage.simulator.inject(Rule::on(Endpoint::Report, fault));
    let polled = stage.run(&["poll-once", "--request-timeout", "400ms"]);
    assert_eq!(polled.code, Some(1), "{name}: a report is owed: {polled:?}");
    assert_eq!(polled.summary()["reports_postponed"], 1, "{name}");
    let state = || stage.ledger_column(id, "report_state");
    assert_eq!(state().as_deref(), Some("pending"), "{name}");
    stage.simulator.clear_faults();
    let reported = stage.run(&["report-once"]);
    assert_eq!(reported.code, Some(0), "{name}: {reported:?}");
    assert_eq!(reported.summary()["delivered"], 1, "{name}");
    assert_eq!(state().as_deref(), Some("delivered"), "{name}");
    assert_eq!(stage.ledger_column(id, "attempts").as_deref(), Some("1"));
}

fn a_change_is_made_once_and_reported_again_whatever_happens_to_its_report(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    let mut applied = Vec::new();
    for (number, (name, fault)) in (1..).zip(passing_faults()) {
        let deed = Deed::ALL[applied.len() % 3];
        let ticket = deed.ticket(number);
        stage.approve(stage.propose(deed, ticket));
        applied.push(deed.id(ticket));
        report_late(&stage, name, fault, &deed.id(ticket));
        stage.assert_applied_once(&applied);
    }
}

fn a_conflict_and_a_failure_keep_their_word_whatever_happens_to_their_reports(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    let faults = [Fault::status(500), Fault::answer_lost(), Fault::html(200)];
    for (ticket, fault) in (1..).zip(faults) {
        let conflict = Deed::Close.id(ticket);
        stage.approve(stage.close(ticket).conflict("version", 7));
        report_late(&stage, "a conflict", fault.clone(), &conflict);
        assert_eq!(stage.word(&conflict), Some(Status::Conflict));
        // There is one of that number.
        let failure = Deed::Open.id(50 + ticket);
        stage.approve(stage.propose(Deed::Open, 50 + ticket));
        report_late(&stage, "a failure", fault, &failure);
        assert_eq!(stage.word(&failure), Some(Status::Failed));
        stage.assert_no_lie();
    }
}

fn a_running_program_repeats_a_report_until_it_is_accepted(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    let faults = [Fault::reset(), Fault::status(503), Fault::answer_lost()];
    for fault in faults {
        stage
            .simulator
            .inject(Rule::on(Endpoint::Report, fault).times(1));
    }
    let mut program = stage.start();
    stage.approve(stage.close(1));
    wait_for("the report is accepted", PATIENCE, || {
        stage.ledger_column("close_1", "report_state").as_deref() == Some("delivered")
    });
    assert_eq!(program.terminate().0, Some(0));
    assert_eq!(stage.simulator.calls(Endpoint::Report), 4);
    stage.assert_applied_once(["close_1"]);
}

fn a_refused_report_keeps_its_outcome_is_told_and_never_repeated_blindly(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    for (ticket, status) in (1..).zip([409, 412, 422]) {
        stage.simulator.clear_journal();
        stage
            .simulator
            .inject(Rule::on(Endpoint::Report, Fault::status(status)));
        let id = Deed::Close.id(ticket);
        stage.approve(stage.close(ticket));
        let polled = stage.poll();
        assert_eq!(polled.code, Some(1), "somebody should look: {polled:?}");
        assert_eq!(polled.summary()["reports_rejected"], 1);
        assert!(
            polled.stderr.contains("the control plane refused a report"),
            "{polled:?}"
        );
        let states = ["status", "report_state"].map(|column| stage.ledger_column(&id, column));
        let expected = ["applied", "rejected"].map(|text| Some(text.to_owned()));
        assert_eq!(states, expected);
        // The control plane goes on listing it: it is neither applied nor reported again.
        let again = stage.poll();
        assert_eq!(again.result(&id)["already_decided"], true);
        assert_eq!(stage.run(&["report-once"]).summary()["pending"], 0);
        let mut program = stage.start();
        let polled = |c: &ControlPlane| c.calls(Endpoint::List) >= 10;
        assert!(stage.simulator.wait_for(polled, PATIENCE));
        assert_eq!(program.terminate().0, Some(0));
        assert_eq!(stage.simulator.calls(Endpoint::Report), 1, "{status}");
        stage.simulator.clear_faults();
        stage.simulator.set_status(&id, Status::Canceled);
        stage.assert_no_lie();
    }
}

fn a_contradiction_at_the_control_plane_changes_no_local_outcome(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    stage.approve(stage.close(1));
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::status(503)));
    assert_eq!(stage.poll().code, Some(1));
    stage.simulator.clear_faults();
    stage.simulator.set_status("close_1", Status::Canceled);
    let reported = stage.run(&["report-once"]);
    assert_eq!(reported.code, Some(1), "somebody should look: {reported:?}");
    assert_eq!(reported.summary()["rejected"], 1);
    let status = stage.ledger_column("close_1", "status");
    assert_eq!(status.as_deref(), Some("applied"));
    let error = stage.ledger_column("close_1", "report_error").unwrap();
    assert!(error.starts_with("PROPOSAL_NOT_APPROVED: "), "{error}");
    let reports = stage.simulator.calls(Endpoint::Report);
    assert_eq!(stage.poll().summary()["count"], 0);
    assert_eq!(stage.simulator.calls(Endpoint::Report), reports);
    assert_eq!(stage.number("SELECT count(*) FROM effects"), 1);
}

fn one_report_that_always_fails_holds_up_no_other(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    let broken = Rule::on(Endpoint::Report, Fault::status(500)).for_proposal("open_1005");
    stage.simulator.inject(broken);
    stage.approve_opening(1_000..1_020);
    let polled = stage.poll();
    assert_eq!(
        (polled.code, &polled.summary()["reported"]),
        (Some(1), &19.into())
    );
    assert_eq!(stage.word("open_1005"), None);
    stage.assert_no_lie();
    stage.simulator.clear_faults();
    assert_eq!(stage.run(&["report-once"]).code, Some(0));
    stage.assert_applied_once((1_000..1_020).map(|n| Deed::Open.id(n)));
}

fn a_control_plane_that_is_down_after_the_commit_is_told_when_it_is_back(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::reset()));
    stage.approve_opening(1_000..1_005);
    assert_eq!(stage.poll().code, Some(1));
    stage.simulator.clear_faults();
    stage.simulator.go_down();
    let reported = stage.run(&["report-once"]);
    assert_eq!(
        (reported.code, &reported.summary()["pending"]),
        (Some(1), &5.into())
    );
    assert_eq!(stage.poll().code, Some(75));
    stage.simulator.come_back().unwrap();
    assert_eq!(stage.run(&["report-once"]).summary()["delivered"], 5);
    stage.assert_applied_once((1_000..1_005).map(|n| Deed::Open.id(n)));
}

fn a_wait_that_the_control_plane_asks_for_is_kept(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    let busy = Fault::status(429).retry_after(2);
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, busy).times(1));
    stage.approve(stage.close(1));
    let mut program = stage.start();
    stage.wait_for_word("close_1");
    assert_eq!(program.terminate().0, Some(0));
    let reports = stage
        .simulator
        .requests_matching(|entry| entry.endpoint == Endpoint::Report);
    let waited = reports[1].elapsed - reports[0].elapsed;
    assert!(waited.as_millis() >= 2_000, "{waited:?}");
    // Somebody who asks for reports by hand gets them.
    let busy = Fault::status(429).retry_after(3_600);
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, busy).times(1));
    stage.approve(stage.close(2));
    assert_eq!(stage.poll().code, Some(1));
    assert_eq!(stage.run(&["report-once"]).summary()["delivered"], 1);
    stage.assert_applied_once(["close_1", "close_2"]);
}

fn a_wrong_key_between_two_reports_loses_none(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::status(403)).skip(3));
    stage.approve_opening(1_000..1_020);
    assert_eq!(stage.poll().code, Some(1));
    stage.assert_no_lie();
    stage.simulator.clear_faults();
    assert_eq!(stage.run(&["report-once"]).code, Some(0));
    stage.assert_applied_once((1_000..1_020).map(|n| Deed::Open.id(n)));
}
