//! A control plane that hangs holds nobody up.

use std::time::{Duration, Instant};

use simulated_control_plane::{Endpoint, Fault, Rule};
use synapsor_testbed::{ClusterOptions, wait_for};

use crate::background::{Background, timed};
use crate::slow_resolver::cluster_with_a_slow_resolver;
use crate::stage::{PATIENCE, SHARED, Stage, Told};

const POLL: &str = "SELECT synapsor_poll_once()";

/// What "at once" means to a person.
const AT_ONCE: Duration = Duration::from_millis(200);

fn hang(stage: &Stage, endpoint: Endpoint) {
    stage.simulator.inject(Rule::on(endpoint, Fault::hang()));
}

/// A statement that hangs in a call of this kind.
fn hanging_in(stage: &Stage, endpoint: Endpoint, sql: &str) -> Background {
    let before = stage.simulator.calls(endpoint);
    hang(stage, endpoint);
    let call = Background::run(stage, sql);
    let arrived = stage
        .simulator
        .wait_for(|c| c.calls(endpoint) > before, PATIENCE);
    assert!(arrived, "the call is under way");
    call
}

/// The call ends at once with this SQLSTATE, and has changed nothing; the next poll applies it all.
fn assert_ends_at_once(stage: &Stage, call: Background, asked: Instant, sqlstate: &str) {
    let (ended, result) = call.end();
    let took = ended - asked;
    assert!(took < AT_ONCE, "it took {took:?}");
    // A client may find that the connection is closed before it has read why.
    let is_told = !result.as_ref().is_err_and(postgres::Error::is_closed);
    if is_told || sqlstate != "57P01" {
        assert_eq!(Told::by(result).sqlstate, sqlstate);
    }
    assert_eq!((stage.tickets("closed"), stage.ledger("true")), (0, 0));
    stage.simulator.clear_faults();
    stage.poll();
    stage.wait_for_reports();
    assert_eq!(stage.tickets("closed"), 3);
}

#[test]
fn a_poll_ends_with_a_clear_error_at_the_time_out_and_changes_nothing() {
    let stage = Stage::new();
    stage.database.set("synapsor.request_timeout", "400ms");
    stage.approve_closing(1..=3);
    hang(&stage, Endpoint::List);
    let (took, result) = timed(|| stage.operator().try_poll());
    let told = Told::by(result);
    assert_eq!(
        (told.sqlstate.as_str(), told.code()),
        ("08006", "CONTROL_PLANE_TIMEOUT")
    );
    assert!(
        told.hint.contains("synapsor.request_timeout"),
        "{}",
        told.hint
    );
    let expected = Duration::from_millis(400)..Duration::from_millis(1_500);
    assert!(expected.contains(&took), "it took {took:?}");
    assert_eq!((stage.tickets("closed"), stage.ledger("true")), (0, 0));
}

#[test]
fn pg_cancel_backend_ends_a_poll_at_once() {
    let stage = Stage::new();
    stage.approve_closing(1..=3);
    let call = hanging_in(&stage, Endpoint::List, POLL);
    let mut killer = stage.database.connect();
    let asked = Instant::now();
    killer
        .query("SELECT pg_cancel_backend($1)", &[&call.pid])
        .unwrap();
    assert_ends_at_once(&stage, call, asked, "57014");
}

#[test]
fn a_client_s_cancel_ends_a_poll_at_once() {
    let stage = Stage::new();
    stage.approve_closing(1..=3);
    let call = hanging_in(&stage, Endpoint::List, POLL);
    let asked = Instant::now();
    call.cancel();
    assert_ends_at_once(&stage, call, asked, "57014");
}

#[test]
fn pg_terminate_backend_ends_a_poll_at_once() {
    let stage = Stage::new();
    stage.approve_closing(1..=3);
    let call = hanging_in(&stage, Endpoint::List, POLL);
    let mut killer = stage.database.connect();
    let asked = Instant::now();
    killer
        .query("SELECT pg_terminate_backend($1)", &[&call.pid])
        .unwrap();
    assert_ends_at_once(&stage, call, asked, "57P01");
}

#[test]
fn the_caller_s_statement_timeout_ends_a_poll() {
    let stage = Stage::new();
    stage.approve_closing(1..=3);
    hang(&stage, Endpoint::List);
    let mut operator = stage.operator();
    operator.run("SET statement_timeout = '300ms'");
    let (took, result) = timed(|| operator.try_poll());
    let told = Told::by(result);
    assert_eq!(told.sqlstate, "57014");
    assert!(
        told.message.contains("statement timeout"),
        "{}",
        told.message
    );
    assert!(
        took < Duration::from_millis(300) + AT_ONCE,
        "it took {took:?}"
    );
    assert_eq!(stage.tickets("closed"), 0);
}

#[test]
fn the_procedure_and_reports_can_be_cancelled_at_once_as_well() {
    let stage = Stage::new();
    stage.approve_closing(1..=3);
    let call = hanging_in(&stage, Endpoint::List, "CALL synapsor_poll()");
    let asked = Instant::now();
    call.cancel();
    assert_ends_at_once(&stage, call, asked, "57014");

    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::status(500)));
    stage.approve_closing(4..=4);
    stage.poll();
    stage.wait_for_a_failed_report();
    stage.simulator.clear_faults();
    let call = hanging_in(&stage, Endpoint::Report, "SELECT synapsor_report_once()");
    let asked = Instant::now();
    call.cancel();
    let (ended, result) = call.end();
    assert_eq!(Told::by(result).sqlstate, "57014");
    assert!(ended - asked < AT_ONCE, "it took {:?}", ended - asked);
    assert_eq!(stage.ledger("report_state = 'pending'"), 1);
}

#[test]
fn a_worker_that_hangs_in_a_report_can_be_terminated_and_its_reports_stay_owed() {
    let stage = Stage::new();
    stage.approve_closing(1..=1);
    hang(&stage, Endpoint::Report);
    stage.poll();
    assert!(
        stage
            .simulator
            .wait_for(|c| c.calls(Endpoint::Report) > 0, PATIENCE)
    );
    assert_eq!(stage.reporters(), 1);
    stage.database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE backend_type = 'synapsor_writeback reporter' AND datname = current_database()",
    );
    wait_for("the worker ends", Duration::from_secs(1), || {
        stage.reporters() == 0
    });
    assert_eq!(stage.ledger("report_state = 'pending'"), 1);
    stage.simulator.clear_faults();
    assert_eq!(stage.operator().report()["delivered"], 1);
}

#[test]
fn dropping_another_database_is_not_held_up() {
    let stage = Stage::new();
    let other = SHARED.create_database("dropped_meanwhile");
    let call = hanging_in(&stage, Endpoint::List, POLL);
    let drop_it = format!("DROP DATABASE {}", other.name());
    let (took, ()) = timed(|| stage.database.execute(&drop_it));
    assert!(took < Duration::from_secs(1), "it took {took:?}");
    assert!(!call.has_ended());
    call.cancel();
    let (_, result) = call.end();
    assert_eq!(Told::by(result).sqlstate, "57014");
}

#[test]
fn a_session_is_fit_for_use_after_a_cancel() {
    let stage = Stage::new();
    stage.approve_closing(1..=3);
    hang(&stage, Endpoint::List);
    let mut operator = stage.operator();
    operator.run("SET statement_timeout = '100ms'");
    for _ in 0..5 {
        assert_eq!(Told::by(operator.try_poll()).sqlstate, "57014");
    }
    stage.simulator.clear_faults();
    operator.run("RESET statement_timeout");
    assert_eq!(operator.poll()["count"], 3);
}

#[test]
fn a_name_server_that_hangs_holds_nobody_up_either() {
    let cluster = cluster_with_a_slow_resolver(ClusterOptions::default());
    let stage = Stage::on(&cluster);
    stage
        .database
        .set("synapsor.base_url", "https://hung.example");
    let call = Background::run(&stage, POLL);
    let busy = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = {} AND state = 'active'",
        call.pid
    );
    wait_for("the poll is under way", PATIENCE, || {
        stage.database.value::<i64>(&busy) == 1
    });
    let (took, other) = timed(|| cluster.create_database("other"));
    assert!(took < Duration::from_secs(1), "it took {took:?}");
    let drop_it = format!("DROP DATABASE {}", other.name());
    let (took, ()) = timed(|| stage.database.execute(&drop_it));
    assert!(took < Duration::from_secs(1), "it took {took:?}");
    let asked = Instant::now();
    call.cancel();
    let (ended, result) = call.end();
    assert_eq!(Told::by(result).sqlstate, "57014");
    assert!(ended - asked < AT_ONCE, "it took {:?}", ended - asked);

    stage.database.set("synapsor.connect_timeout", "300ms");
    let (took, result) = timed(|| stage.operator().try_poll());
    assert_eq!(Told::by(result).sqlstate, "08006");
    assert!(took < Duration::from_millis(1_500), "it took {took:?}");
}
