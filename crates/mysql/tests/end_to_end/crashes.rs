//! The program and the database server are killed at each step: one effect, one receipt, one true word.

use simulated_control_plane::{Endpoint, Fault, Rule};
use synapsor_mysql_testbed::{Flavor, Proxy};

use crate::agreement::Deed;
use crate::program::{Ended, PATIENCE, Running};
use crate::stage::Stage;
use crate::steps::{self, COMMIT, Step, poll_held_at, wait_until_held};
use crate::victims::victim;

on_both! {
    a_program_killed_at_any_step_of_a_transaction_leaves_nothing_half_done
    a_program_killed_while_it_tries_again_leaves_nothing_half_done
    a_program_killed_while_it_reports_owes_its_report_still
    a_program_killed_while_it_marks_a_report_reports_once_more
    a_program_killed_again_and_again_under_load_applies_each_insert_once
    what_a_dead_program_s_session_still_holds_is_left_alone_and_nothing_else
    a_server_killed_at_any_step_has_made_the_change_with_its_receipt_or_neither
    a_server_that_is_killed_and_shut_down_under_load_loses_nothing_and_nobody_has_to_be_called
}

/// What was on its way when the program was killed.
fn arrives_or_does_not(proxy: &Proxy, arrives: bool) {
    if arrives {
        proxy.thaw();
    } else {
        proxy.cut_now();
    }
}

fn a_program_killed_at_any_step_of_a_transaction_leaves_nothing_half_done(flavor: Flavor) {
    let (stage, proxy) = Stage::new(flavor).with_effects().behind_a_proxy();
    let mut applied = Vec::new();
    for (n, deed) in (0..).zip(Deed::ALL) {
        for (step, number) in steps::of_applying(&stage, deed).iter().zip(1..) {
            let ticket = deed.ticket(number + 20 * n);
            stage.approve(stage.propose(deed, ticket));
            poll_held_at(&stage, &proxy, step).kill();
            // Before a statement and after it, and not always alike.
            arrives_or_does_not(&proxy, (number + n) % 2 == 0);
            let polled = stage.poll();
            assert_eq!(polled.code, Some(0), "{deed:?}, {step:?}: {polled:?}");
            applied.push(deed.id(ticket));
            stage.assert_applied_once(&applied);
        }
    }
}

fn a_program_killed_while_it_tries_again_leaves_nothing_half_done(flavor: Flavor) {
    let (stage, proxy) = Stage::new(flavor).with_effects().behind_a_proxy();
    let steps = [
        steps::of_trying_again(),
        steps::of_applying(&stage, Deed::Close).split_off(4),
    ];
    let mut applied = Vec::new();
    for (step, ticket) in steps.concat().iter().zip(1..) {
        stage.approve(stage.close(ticket));
        proxy.cut_before_commit();
        stage.poll();
        let status = stage.ledger_column(&Deed::Close.id(ticket), "status");
        assert_eq!(status.as_deref(), Some("retrying"));
        poll_held_at(&stage, &proxy, step).kill();
        arrives_or_does_not(&proxy, ticket % 4 < 2);
        assert_eq!(stage.poll().code, Some(0), "{step:?}");
        applied.push(Deed::Close.id(ticket));
        stage.assert_applied_once(&applied);
    }
}

fn a_program_killed_while_it_reports_owes_its_report_still(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    let heard_or_not = [Fault::hang(), Fault::hang().after_the_work()];
    let mut applied = Vec::new();
    for (fault, deed) in heard_or_not.iter().flat_map(|f| Deed::ALL.map(|d| (f, d))) {
        let ticket = deed.ticket(applied.len() as i64 + 1);
        stage.approve(stage.propose(deed, ticket));
        stage
            .simulator
            .inject(Rule::on(Endpoint::Report, fault.clone()));
        let before = stage.simulator.calls(Endpoint::Report);
        let mut poll = Running::start(&mut stage.program(&["poll-once"]));
        let is_sent = stage
            .simulator
            .wait_for(|c| c.calls(Endpoint::Report) > before, PATIENCE);
        assert!(is_sent, "the report is under way");
        poll.kill();
        let state = stage.ledger_column(&deed.id(ticket), "report_state");
        assert_eq!(state.as_deref(), Some("pending"));
        stage.simulator.clear_faults();
        assert_eq!(stage.poll().code, Some(0));
        applied.push(deed.id(ticket));
        stage.assert_applied_once(&applied);
    }
}

fn a_program_killed_while_it_marks_a_report_reports_once_more(flavor: Flavor) {
    let (stage, proxy) = Stage::new(flavor).with_effects().behind_a_proxy();
    let [marking, marked] = steps::of_marking();
    let commit = COMMIT.to_owned();
    let moments = [
        (marking.clone(), None),
        (marked, None),
        (marking.clone(), Some(Step::Before(commit.clone()))),
        (marking, Some(Step::After(commit))),
    ];
    let mut applied = Vec::new();
    for (ticket, (step, later)) in (1..).zip(moments) {
        stage.approve(stage.close(ticket));
        let mut poll = poll_held_at(&stage, &proxy, &step);
        if let Some(later) = later {
            later.hold(&proxy);
            let held_before = proxy.holds();
            proxy.thaw();
            wait_until_held(&proxy, held_before + 1, &later);
        }
        poll.kill();
        proxy.cut_now();
        assert_eq!(stage.poll().code, Some(0));
        applied.push(Deed::Close.id(ticket));
        stage.assert_applied_once(&applied);
    }
}

fn a_program_killed_again_and_again_under_load_applies_each_insert_once(flavor: Flavor) {
    const TICKETS: std::ops::Range<i64> = 1_000..1_300;
    let stage = Stage::new(flavor).with_effects();
    stage.approve_opening(TICKETS);
    for kill in 0..5 {
        let mut program = stage.start_with(&["--batch-size", "20"]);
        stage.wait_for_effects(30 + 50 * kill);
        program.kill();
        stage.wait_until_alone();
        stage.assert_no_lie();
    }
    assert_eq!(stage.poll().code, Some(0));
    stage.assert_applied_once(TICKETS.map(|n| Deed::Open.id(n)));
}

/// The program's machine is gone, and the server does not know: its session stays, with all it has locked.
fn what_a_dead_program_s_session_still_holds_is_left_alone_and_nothing_else(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    let direct = stage.shop.url(&stage.user, &stage.password);
    let (stage, proxy) = stage.behind_a_proxy();
    let mut applied = Vec::new();
    for (ticket, arrives) in [(1, true), (3, false)] {
        stage.approve(stage.close(ticket));
        poll_held_at(&stage, &proxy, &Step::Before(COMMIT.to_owned())).kill();
        stage.approve(stage.close(ticket + 1));
        let mut beside = stage.program(&["poll-once", "--lock-timeout", "1s"]);
        let polled = Ended::of(beside.env("SYNAPSOR_DATABASE_URL", &direct));
        assert_eq!(polled.code, Some(0), "{polled:?}");
        let held = polled.result(&Deed::Close.id(ticket));
        assert_eq!(
            held["status"], "skipped",
            "it may be applied, or may not: {held}"
        );
        applied.push(Deed::Close.id(ticket + 1));
        stage.assert_applied_once(&applied);
        arrives_or_does_not(&proxy, arrives);
        assert_eq!(stage.poll().code, Some(0));
        applied.push(Deed::Close.id(ticket));
        stage.assert_applied_once(&applied);
    }
}

/// A program for each step, all held at once, so that the server is killed once.
fn a_server_killed_at_any_step_has_made_the_change_with_its_receipt_or_neither(flavor: Flavor) {
    let mut server = victim(flavor);
    let stage_with = |deed: Deed, ticket: i64| {
        let (stage, proxy) = Stage::on(&server).with_effects().behind_a_proxy();
        stage.approve(stage.propose(deed, deed.ticket(ticket)));
        (stage, proxy)
    };
    let mut stories = Vec::new();
    let count = steps::of_applying(&stage_with(Deed::Close, 1).0, Deed::Close).len();
    for n in 0..count {
        let deed = Deed::ALL[n % 3];
        let (stage, proxy) = stage_with(deed, 1);
        let step = steps::of_applying(&stage, deed)[n].clone();
        let poll = poll_held_at(&stage, &proxy, &step);
        stories.push((stage, proxy, deed, step, poll));
    }
    for step in steps::of_marking() {
        let (stage, proxy) = stage_with(Deed::Close, 1);
        let poll = poll_held_at(&stage, &proxy, &step);
        stories.push((stage, proxy, Deed::Close, step, poll));
    }
    server.kill();
    for (_, proxy, _, step, poll) in &mut stories {
        proxy.thaw();
        assert_eq!(poll.wait().code(), Some(75), "killed at {step:?}");
    }
    server.start_again();
    for (stage, _, deed, step, _) in &stories {
        let polled = stage.poll();
        assert_eq!(polled.code, Some(0), "{deed:?}, {step:?}: {polled:?}");
        stage.assert_applied_once([deed.id(deed.ticket(1))]);
    }
}

fn a_server_that_is_killed_and_shut_down_under_load_loses_nothing_and_nobody_has_to_be_called(
    flavor: Flavor,
) {
    const TICKETS: std::ops::Range<i64> = 1_000..1_200;
    let mut server = victim(flavor);
    let stage = Stage::on(&server).with_effects();
    stage.approve_opening(TICKETS);
    let mut program = stage.start_with(&["--batch-size", "20"]);
    stage.wait_for_effects(50);
    server.kill();
    server.start_again();
    stage.wait_for_effects(120);
    server.restart();
    stage.wait_for_reports(TICKETS.count());
    assert_eq!(program.terminate().0, Some(0));
    stage.assert_applied_once(TICKETS.map(|n| Deed::Open.id(n)));
}
