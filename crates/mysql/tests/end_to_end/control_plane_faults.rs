//! A control plane that misbehaves while proposals are fetched: nothing is lost, nothing is done twice, nothing hangs.

use std::time::{Duration, Instant};

use simulated_control_plane::{
    ControlPlane, Delivery, Endpoint, Entry, Fault, HeaderValue, Quirk, Rule, Status,
};
use synapsor_mysql_testbed::Flavor;

use crate::agreement::Deed;
use crate::program::PATIENCE;
use crate::stage::Stage;

on_both! {
    a_fetch_that_fails_says_why_and_leaves_everything_approved
    an_answer_that_never_ends_is_given_up_in_time
    what_is_not_ours_is_never_applied_however_it_gets_into_the_list
    a_list_that_ignores_its_limits_is_worked_off_whole
    a_cursor_that_loops_ends_the_poll_once_everything_is_done
    a_list_that_never_shrinks_ends_the_poll
    what_stays_listed_is_not_reported_at_full_speed
    a_control_plane_that_goes_down_and_comes_back_needs_nobody
    a_wrong_key_is_tried_slowly_until_somebody_has_acted
    a_wait_that_the_control_plane_asks_for_is_kept
}

/// A fault, the exit code, and the error's code.
type Case = (&'static str, Fault, i32, &'static str);

fn cases() -> Vec<Case> {
    let slowly = Duration::from_millis(100);
    let elsewhere = HeaderValue::from_static("https://example.org/");
    let retryable = r#"{"ok": false, "error_code": "MAINTENANCE", "retryable": true}"#;
    vec![
        ("hang", Fault::hang(), 75, "CONTROL_PLANE_TIMEOUT"),
        ("reset", Fault::reset(), 75, "CONTROL_PLANE_INTERRUPTED"),
        ("close", Fault::close(), 75, "CONTROL_PLANE_INTERRUPTED"),
        (
            "half a body",
            Fault::delivered(Delivery::HalfBody),
            75,
            "CONTROL_PLANE_INTERRUPTED",
        ),
        (
            "slow body",
            Fault::delivered(Delivery::SlowBody(slowly)),
            75,
            "CONTROL_PLANE_TIMEOUT",
        ),
        (
            "slow head",
            Fault::delivered(Delivery::SlowHeaders(slowly)),
            75,
            "CONTROL_PLANE_TIMEOUT",
        ),
        ("a web page", Fault::html(200), 69, "CONTROL_PLANE_NOT_JSON"),
        (
            "a gateway's page",
            Fault::html(502),
            75,
            "CONTROL_PLANE_UNAVAILABLE",
        ),
        (
            "empty",
            Fault::empty_body(),
            69,
            "CONTROL_PLANE_UNEXPECTED_ANSWER",
        ),
        (
            "no list",
            Fault::body(200, r#"{"proposals": {}}"#),
            69,
            "CONTROL_PLANE_UNEXPECTED_ANSWER",
        ),
        (
            "too much",
            Fault::huge_body(200_000),
            69,
            "CONTROL_PLANE_TOO_LARGE",
        ),
        ("not ok", Fault::not_ok("OUT_OF_ORDER"), 69, "OUT_OF_ORDER"),
        ("400", Fault::status(400), 69, "BAD_REQUEST"),
        ("404", Fault::status(404), 69, "NOT_FOUND"),
        ("retryable", Fault::body(400, retryable), 75, "MAINTENANCE"),
        ("401", Fault::status(401), 77, "UNAUTHORIZED"),
        ("403", Fault::status(403), 77, "FORBIDDEN"),
        (
            "429",
            Fault::status(429).retry_after(1),
            75,
            "TOO_MANY_REQUESTS",
        ),
        ("500", Fault::status(500), 75, "INTERNAL_SERVER_ERROR"),
        (
            "503",
            Fault::status(503).retry_after_ms(10),
            75,
            "SERVICE_UNAVAILABLE",
        ),
        (
            "redirect",
            Fault::redirect(302, elsewhere),
            69,
            "CONTROL_PLANE_REDIRECT",
        ),
    ]
}

fn a_fetch_that_fails_says_why_and_leaves_everything_approved(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    stage.approve(stage.close(1));
    stage.approve(stage.propose(Deed::Remove, 2));
    for (name, fault, exit, code) in cases() {
        stage.simulator.inject(Rule::on(Endpoint::List, fault));
        let limits = ["--request-timeout", "400ms", "--max-response-size", "64kB"];
        let polled = stage.run(&[&["poll-once"], &limits[..]].concat());
        stage.simulator.clear_faults();
        let told = polled.error();
        assert_eq!(
            (polled.code, &told["error"]),
            (Some(exit), &code.into()),
            "{name}: {polled:?}"
        );
        assert!(!polled.stderr.contains("syn_simulated_key"), "{name}");
        assert_eq!(stage.ledger_rows(), 0, "{name}");
        assert_eq!(
            stage.simulator.read(|c| c.count(Status::Approved)),
            2,
            "{name}"
        );
    }
    assert_eq!(stage.poll().code, Some(0));
    stage.assert_applied_once(["close_1", "remove_2"]);
}

fn an_answer_that_never_ends_is_given_up_in_time(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    stage.approve(stage.close(1));
    let endless = Fault::delivered(Delivery::EndlessBody);
    stage.simulator.inject(Rule::on(Endpoint::List, endless));
    for limit in ["64kB", "1GB"] {
        let flags = [
            "poll-once",
            "--request-timeout",
            "1s",
            "--max-response-size",
            limit,
        ];
        let start = Instant::now();
        let polled = stage.run(&flags);
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{:?}",
            start.elapsed()
        );
        assert!(matches!(polled.code, Some(69 | 75)), "{polled:?}");
    }
    assert_eq!(stage.ledger_rows(), 0);
    stage.simulator.clear_faults();
    assert_eq!(stage.poll().code, Some(0));
    stage.assert_applied_once(["close_1"]);
}

fn what_is_not_ours_is_never_applied_however_it_gets_into_the_list(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    stage
        .simulator
        .inject(Rule::on(Endpoint::List, Fault::quirk(Quirk::IgnoreFilters)));
    stage.approve(stage.close(1));
    let others = [
        ("source_id", "src_2"),
        ("status", "pending_review"),
        ("status", "rejected"),
    ];
    for (ticket, (field, value)) in (2..).zip(others) {
        stage.approve(stage.close(ticket).field(field, value));
    }
    let polled = stage.poll();
    assert_eq!(polled.code, Some(0), "{polled:?}");
    assert_eq!(polled.summary()["skipped"], 3);
    stage.assert_applied_once(["close_1"]);
    assert_eq!(stage.simulator.calls(Endpoint::Report), 1);
}

fn a_list_that_ignores_its_limits_is_worked_off_whole(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    stage
        .simulator
        .inject(Rule::on(Endpoint::List, Fault::quirk(Quirk::IgnorePaging)));
    stage.approve_opening(1_000..1_030);
    let polled = stage.run(&["poll-once", "--max-proposals", "7", "--batch-size", "5"]);
    assert_eq!(polled.code, Some(0), "{polled:?}");
    stage.assert_applied_once((1_000..1_030).map(|n| Deed::Open.id(n)));
}

fn a_cursor_that_loops_ends_the_poll_once_everything_is_done(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    stage
        .simulator
        .inject(Rule::on(Endpoint::List, Fault::quirk(Quirk::LoopingCursor)));
    stage.approve_opening(1_000..1_010);
    let polled = stage.poll();
    assert_eq!(polled.code, Some(0), "{polled:?}");
    stage.assert_applied_once((1_000..1_010).map(|n| Deed::Open.id(n)));
    assert!(stage.simulator.calls(Endpoint::List) < 20);
}

fn a_list_that_never_shrinks_ends_the_poll(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::quirk(Quirk::KeepListed)));
    stage.approve_opening(1_000..1_010);
    for poll in 1..=3 {
        let polled = stage.run(&["poll-once", "--max-proposals", "4"]);
        assert_eq!(polled.code, Some(0), "{polled:?}");
        assert_eq!(polled.summary()["applied"], 10, "poll {poll}");
        assert!(stage.simulator.calls(Endpoint::List) < 20 * poll);
        stage.assert_applied_once((1_000..1_010).map(|n| Deed::Open.id(n)));
    }
}

fn what_stays_listed_is_not_reported_at_full_speed(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::quirk(Quirk::KeepListed)));
    stage.approve(stage.close(1));
    let mut program = stage.start();
    let polled = |c: &ControlPlane| c.calls(Endpoint::List) >= 30;
    assert!(stage.simulator.wait_for(polled, PATIENCE), "many polls");
    assert_eq!(program.terminate().0, Some(0));
    // Two seconds after the first report, four after the second, …
    let reports = stage.simulator.calls(Endpoint::Report);
    assert!(reports <= 3, "{reports} reports");
    stage.assert_applied_once(["close_1"]);
}

fn a_control_plane_that_goes_down_and_comes_back_needs_nobody(flavor: Flavor) {
    const TICKETS: std::ops::Range<i64> = 1_000..1_200;
    let stage = Stage::new(flavor).with_effects();
    stage.approve_opening(TICKETS);
    let mut program = stage.start_with(&["--batch-size", "20"]);
    for outage in 1..=2 {
        stage.wait_for_effects(60 * outage);
        stage.simulator.go_down();
        stage.simulator.come_back().unwrap();
    }
    stage.wait_for_effects(160);
    stage.simulator.go_down();
    let polled = stage.poll();
    assert_eq!(polled.code, Some(75), "{polled:?}");
    stage.simulator.come_back().unwrap();
    stage.wait_for_reports(TICKETS.count());
    assert_eq!(program.terminate().0, Some(0));
    stage.assert_applied_once(TICKETS.map(|n| Deed::Open.id(n)));
}

fn a_wrong_key_is_tried_slowly_until_somebody_has_acted(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    for status in [401, 403] {
        stage.simulator.clear_journal();
        stage
            .simulator
            .inject(Rule::on(Endpoint::List, Fault::status(status)));
        let mut program = stage.start();
        program.wait_for_event("a poll failed; it is tried again");
        // Ten intervals, and some more.
        let waited = stage
            .simulator
            .wait_for(|c| c.calls(Endpoint::List) > 1, Duration::from_secs(1));
        assert!(!waited, "it asks again at once");
        assert!(program.is_running());
        stage.simulator.clear_faults();
        program.signal(libc::SIGHUP);
        stage.approve(stage.close(i64::from(status) % 10));
        stage.wait_for_word(&Deed::Close.id(i64::from(status) % 10));
        assert_eq!(program.terminate().0, Some(0));
    }
    stage.assert_applied_once(["close_1", "close_3"]);
}

fn a_wait_that_the_control_plane_asks_for_is_kept(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    stage.approve(stage.close(1));
    let asking = [
        Fault::status(429).retry_after(2),
        Fault::status(503).retry_after_ms(2_000),
    ];
    for fault in asking {
        stage.simulator.clear_journal();
        stage
            .simulator
            .inject(Rule::on(Endpoint::List, fault).times(1));
        let mut program = stage.start();
        let asked_again = |c: &ControlPlane| c.calls(Endpoint::List) >= 2;
        assert!(stage.simulator.wait_for(asked_again, PATIENCE));
        let times: Vec<_> = stage
            .simulator
            .journal()
            .iter()
            .map(time_of_a_list)
            .collect();
        let times: Vec<_> = times.into_iter().flatten().collect();
        let waited = times[1] - times[0];
        assert!(waited >= Duration::from_secs(2), "{waited:?}");
        stage.wait_for_word("close_1");
        assert_eq!(program.terminate().0, Some(0));
    }
    stage.assert_applied_once(["close_1"]);
}

fn time_of_a_list(entry: &Entry) -> Option<Duration> {
    (entry.endpoint == Endpoint::List).then_some(entry.elapsed)
}
