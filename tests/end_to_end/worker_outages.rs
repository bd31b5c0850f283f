//! A control plane that is away or out of its mind, and rows that others keep: the worker waits as long as it should, and loses
//! nothing.

use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use simulated_control_plane::{ControlPlane, Delivery, Endpoint, Fault, Rule, Status};
use synapsor_testbed::{wait_for, within};

use crate::background::timed;
use crate::stage::{PATIENCE, SHARED, Stage};

/// What "at once" may take on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(3);

/// How long it is until the worker polls again; nothing while it does not say.
fn next_attempt_in(stage: &Stage) -> Option<f64> {
    let query = "SELECT EXTRACT(epoch FROM next_attempt_at - clock_timestamp())::float8 FROM synapsor_status()";
    stage.operator().0.query_one(query, &[]).unwrap().get(0)
}

/// Wakes the worker, and says how long it waits after the failure that comes of it.
fn wait_after_another_failure(stage: &Stage) -> f64 {
    let query = "SELECT next_attempt_at::text FROM synapsor_status()";
    let mut session = stage.operator().0;
    let mut next = || {
        session
            .query_one(query, &[])
            .unwrap()
            .get::<_, Option<String>>(0)
    };
    let before = next();
    stage.wake();
    wait_for("it has failed once more", PATIENCE, || next() != before);
    next_attempt_in(stage).unwrap()
}

/// Fails every call of this kind with this status.
fn fail(stage: &Stage, endpoint: Endpoint, status: u16) -> simulated_control_plane::RuleId {
    stage
        .simulator
        .inject(Rule::on(endpoint, Fault::status(status)))
}

#[test]
fn an_outage_is_two_lines_in_the_log_and_is_tried_ever_more_seldom_up_to_every_five_minutes() {
    const OUTAGE: Duration = Duration::from_secs(30);
    let stage = Stage::new();
    stage.database.set("synapsor.poll_interval", "10ms");
    let start = Instant::now();
    stage.simulator.go_down();
    stage.start_worker();
    stage.wait_for_state("backing off");
    let first = next_attempt_in(&stage).unwrap();
    assert!(first < 60.0, "{first} s");

    let waits: Vec<_> = (0..40)
        .map(|_| wait_after_another_failure(&stage))
        .collect();
    assert!(waits.iter().all(|wait| *wait <= 300.0), "{waits:?}");
    let late = &waits[20..];
    assert!(late.iter().any(|wait| *wait > 100.0), "{waits:?}");

    stage.approve_closing(1..=20);
    thread::sleep(OUTAGE.saturating_sub(start.elapsed()));
    let lines = stage.logged(&SHARED);
    assert_eq!(lines.len(), 2, "it started, and it backs off: {lines:#?}");
    assert!(
        lines[1].contains("backing off: CONTROL_PLANE_UNREACHABLE"),
        "{lines:#?}"
    );

    stage.simulator.come_back().unwrap();
    let (took, ()) = timed(|| {
        stage.wake();
        stage.wait_for_applied(20);
    });
    assert!(took < AT_ONCE, "it took {took:?}");
    stage.wait_for_polls(20);
    assert_eq!(stage.status().state(), "running");
}

#[test]
fn the_first_attempt_that_works_brings_back_full_speed_without_anybody_s_doing() {
    let stage = Stage::new();
    stage.database.set("synapsor.poll_interval", "10ms");
    let outage = Rule::on(Endpoint::List, Fault::status(503)).times(3);
    stage.simulator.inject(outage);
    stage.approve_closing(1..=20);
    stage.start_worker();
    stage.wait_for_applied(20);
    let (took, ()) = timed(|| stage.wait_for_polls(50));
    assert!(took < AT_ONCE, "50 polls took {took:?}");
}

#[test]
fn a_server_that_asks_for_patience_gets_it_until_somebody_wakes_the_worker() {
    let stage = Stage::polling_every("50ms");
    for (ticket, status) in [(1, 429), (2, 503)] {
        let patience = Fault::status(status).retry_after(120);
        stage
            .simulator
            .inject(Rule::on(Endpoint::List, patience).times(1));
        stage.wait_for_state("backing off");
        wait_for("it waits as long as it was asked to", PATIENCE, || {
            next_attempt_in(&stage).is_some_and(|wait| wait > 100.0)
        });
        stage.approve_closing(ticket..=ticket);
        let calls = stage.simulator.calls(Endpoint::List);
        let impatient = |c: &ControlPlane| c.calls(Endpoint::List) > calls;
        assert!(!stage.simulator.wait_for(impatient, Duration::from_secs(1)));
        let (took, ()) = timed(|| {
            stage.wake();
            stage.wait_for_applied(ticket);
        });
        assert!(took < AT_ONCE, "it took {took:?}");
        stage.wait_for_state("running");
    }
}

#[test]
fn a_wrong_key_is_tried_once_a_minute_and_a_new_one_in_the_file_is_taken_up() {
    const WRONG: &str = "syn_planted_wrong_key";
    let stage = Stage::new();
    let file = format!("key_{}", stage.database.name());
    let _ = SHARED.key_file(&file, WRONG);
    stage.database.set("synapsor.poll_interval", "50ms");
    stage.approve_closing(1..=1);
    stage.start_worker();
    stage.wait_for_state("backing off");
    wait_for("it has said when it tries again", PATIENCE, || {
        next_attempt_in(&stage).is_some_and(|wait| wait > 50.0)
    });
    let reason = stage.status().reason();
    assert!(
        reason.contains("HTTP 401") && reason.contains("key"),
        "{reason}"
    );
    let said = format!("{reason}{}", stage.logged(&SHARED).join("\n"));
    assert!(!said.contains(WRONG), "{said}");

    let _ = SHARED.key_file(&file, "syn_simulated_key");
    stage.wake();
    stage.wait_for_applied(1);
    stage.wait_for_state("running");
}

#[test]
fn reports_go_out_while_nothing_can_be_fetched() {
    let stage = Stage::polling_every("50ms");
    let deaf = fail(&stage, Endpoint::Report, 503);
    stage.approve_closing(1..=5);
    wait_for("they are applied, and not reported", PATIENCE, || {
        stage.ledger("report_state = 'pending' AND report_error IS NOT NULL") == 5
    });
    fail(&stage, Endpoint::List, 500);
    stage.wait_for_state("backing off");
    stage.simulator.withdraw(deaf);
    stage.wait_for_reports();
    assert_eq!(stage.simulator.read(|c| c.count(Status::Applied)), 5);
    assert_eq!(stage.status().state(), "backing off");
}

#[test]
fn proposals_are_applied_while_nothing_can_be_reported_and_all_reports_go_out_in_the_end() {
    let stage = Stage::polling_every("50ms");
    fail(&stage, Endpoint::Report, 503);
    for tickets in [1..=5, 6..=20] {
        let last = *tickets.end();
        stage.approve_closing(tickets);
        wait_for("they are applied", PATIENCE, || {
            stage.tickets("closed") == last
        });
    }
    assert_eq!(
        stage.ledger("status = 'applied' AND report_state = 'pending'"),
        20
    );
    assert_eq!(stage.status().state(), "running");
    stage.simulator.clear_faults();
    stage.wait_for_applied(20);
    assert_eq!(stage.simulator.read(|c| c.count(Status::Applied)), 20);
}

/// A session that keeps a ticket's row locked.
fn lock_row(stage: &Stage, ticket: i64) -> Client {
    let mut session = stage.database.connect();
    let lock = format!("BEGIN; SELECT FROM tickets WHERE id = {ticket} FOR UPDATE");
    session.batch_execute(&lock).unwrap();
    session
}

#[test]
fn a_locked_row_is_tried_again_on_its_own_schedule_while_others_go_on() {
    let stage = Stage::new();
    // Nothing but its own schedule brings the next try.
    stage.database.set("synapsor.poll_interval", "1h");
    stage.database.set("synapsor.lock_timeout", "50ms");
    let mut holder = lock_row(&stage, 2);
    stage.approve_closing(1..=5);
    stage.start_worker();
    stage.wait_for_applied(4);
    wait_for("it is tried again", PATIENCE, || {
        stage.ledger(
            "key = 'key_2' AND status = 'retrying' AND sqlstate = '55P03' AND attempts >= 4",
        ) == 1
    });
    stage.approve_closing(6..=6);
    stage.wake();
    stage.wait_for_applied(5);
    assert_eq!(
        stage.simulator.reports_for("wrp_2").len(),
        0,
        "it is not final"
    );
    assert_eq!(stage.status().state(), "running");
    holder.batch_execute("ROLLBACK").unwrap();
    stage.wait_for_applied(6);
    assert_eq!(stage.tickets("closed"), 6);
}

#[test]
fn a_row_that_stays_locked_fails_after_the_last_attempt_and_that_is_reported() {
    let stage = Stage::new();
    stage.database.set("synapsor.lock_timeout", "50ms");
    stage.database.set("synapsor.max_attempts", 3);
    let mut holder = lock_row(&stage, 1);
    stage.approve_closing(1..=1);
    stage.start_worker();
    wait_for("it has failed", PATIENCE, || {
        stage.ledger("status = 'failed' AND report_state = 'delivered'") == 1
    });
    assert_eq!(stage.ledger("sqlstate = '55P03' AND attempts = 3"), 1);
    let word = stage.simulator.final_word("wrp_1").unwrap();
    assert_eq!(word.status, Status::Failed);
    let told = format!("{word:?}");
    assert!(
        told.contains("SQLSTATE 55P03: lock_not_available"),
        "{told}"
    );
    holder.batch_execute("ROLLBACK").unwrap();
    stage.wake();
    stage.wait_for_polls(0);
    assert_eq!(stage.tickets("closed"), 0, "final is final");
    let lines = stage.logged(&SHARED);
    let failures = lines.iter().filter(|line| line.contains("wrp_1"));
    assert_eq!(failures.count(), 1, "{lines:#?}");
}

/// Answers that can't be read.
fn unreadable_answers() -> Vec<Fault> {
    vec![
        Fault::html(200),
        Fault::huge_body(2 * 1024 * 1024),
        Fault::delivered(Delivery::HalfBody),
        Fault::reset(),
    ]
}

#[test]
fn a_list_that_is_none_is_backed_off_from_and_nothing_is_lost() {
    let stage = Stage::new();
    stage.database.set("synapsor.poll_interval", "50ms");
    stage.database.set("synapsor.max_response_size", "1MB");
    stage.start_worker();
    let no_lists = [Fault::body(200, r#"{"proposals": 7}"#), Fault::empty_body()];
    let answers = unreadable_answers().into_iter().chain(no_lists);
    for (ticket, answer) in (1..).zip(answers) {
        stage.wait_for_state("running");
        let name = answer.to_string();
        stage.simulator.inject(Rule::on(Endpoint::List, answer));
        stage.wait_for_state("backing off");
        stage.approve_closing(ticket..=ticket);
        assert_eq!(stage.tickets("closed"), ticket - 1, "{name}");
        stage.simulator.clear_faults();
        stage.wake();
        stage.wait_for_applied(ticket);
    }
}

#[test]
fn an_answer_to_a_report_that_is_none_leaves_it_owed_until_it_is_accepted() {
    let stage = Stage::new();
    stage.database.set("synapsor.poll_interval", "50ms");
    stage.database.set("synapsor.max_response_size", "1MB");
    stage.start_worker();
    for (ticket, answer) in (1..).zip(unreadable_answers()) {
        let name = answer.to_string();
        stage.simulator.inject(Rule::on(Endpoint::Report, answer));
        stage.approve_closing(ticket..=ticket);
        let failed = within(PATIENCE, || {
            stage.ledger("report_state = 'pending' AND report_error IS NOT NULL") == 1
        });
        assert!(failed, "{name}");
        stage.simulator.clear_faults();
        stage.wake();
        stage.wait_for_applied(ticket);
    }
    assert_eq!(stage.ledger("report_state <> 'delivered'"), 0);
}
