//! Crashes: table, ledger and control plane agree afterwards, and each proposal was applied once.

use std::time::Duration;

use simulated_control_plane::{Endpoint, Fault, Rule, Status};
use synapsor_testbed::{Cluster, ClusterOptions, Proposal, Shutdown};

use crate::background::{Background, timed};
use crate::stage::{PATIENCE, Stage};

/// A table without any key: a second application would leave a second row.
const NOTES: &str = "CREATE TABLE notes (note text); GRANT INSERT ON notes TO writer";

const COUNT: i64 = 20;

/// A cluster whose WAL reaches the disk when somebody asks for it, and not by the way.
fn cluster() -> Cluster {
    Cluster::start(ClusterOptions::default().setting("wal_writer_delay", "10s"))
}

/// Twenty inserts that nothing but the ledger keeps from being made twice.
fn stage_on(cluster: &Cluster) -> Stage {
    let stage = Stage::on(cluster);
    stage.database.execute(NOTES);
    for n in 0..COUNT {
        let note = Proposal::insert("notes")
            .id(&format!("note_{n}"))
            .change("note", format!("note_{n}"));
        stage.approve(note);
    }
    stage
}

fn notes(stage: &Stage) -> Vec<String> {
    stage.database.rows("SELECT note FROM notes ORDER BY note")
}

/// What the control plane was told is in the table.
fn assert_no_lie(stage: &Stage) {
    let notes = notes(stage);
    for n in 0..COUNT {
        let id = format!("note_{n}");
        if let Some(word) = stage.simulator.final_word(&id) {
            assert_eq!(word.status, Status::Applied);
            assert!(
                notes.contains(&id),
                "{id} was reported as applied, and is not there"
            );
        }
    }
}

/// After one more call everything is applied once, and everybody knows.
fn assert_all_agree_after_a_call(stage: &Stage) {
    assert_no_lie(stage);
    stage.simulator.clear_faults();
    let mut operator = stage.operator();
    operator.poll();
    operator.report();
    let mut expected: Vec<_> = (0..COUNT).map(|n| format!("note_{n}")).collect();
    expected.sort();
    assert_eq!(notes(stage), expected);
    let applied = "status = 'applied' AND report_state = 'delivered' AND attempts = 1";
    assert_eq!(stage.ledger(applied), COUNT);
    assert_eq!(
        stage.simulator.read(|c| c.count(Status::Applied)),
        COUNT as usize
    );
}

/// A statement of the operator that hangs in a call of this kind.
fn hanging_in(stage: &Stage, endpoint: Endpoint, sql: &str) -> Background {
    stage.simulator.inject(Rule::on(endpoint, Fault::hang()));
    let before = stage.simulator.calls(endpoint);
    let call = Background::run(stage, sql);
    assert!(
        stage
            .simulator
            .wait_for(|c| c.calls(endpoint) > before, PATIENCE)
    );
    call
}

/// A poll whose reports are owed, because the control plane can't take any.
fn poll_with_reports_pending(stage: &Stage) {
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::status(503)));
    stage.poll();
    stage.wait_for_a_failed_report();
    assert_eq!(stage.ledger("report_state = 'pending'"), COUNT);
}

#[test]
fn a_backend_killed_while_it_fetches_leaves_nothing_behind() {
    let cluster = cluster();
    let stage = stage_on(&cluster);
    for statement in ["SELECT synapsor_poll_once()", "CALL synapsor_poll()"] {
        let call = hanging_in(&stage, Endpoint::List, statement);
        cluster.kill_backend(call.pid);
        assert!(call.end().1.is_err());
        assert_eq!((notes(&stage).len(), stage.ledger("true")), (0, 0));
    }
    assert_all_agree_after_a_call(&stage);
}

#[test]
fn a_backend_killed_while_it_reports_owes_its_reports_still() {
    let cluster = cluster();
    let stage = stage_on(&cluster);
    let call = hanging_in(&stage, Endpoint::Report, "CALL synapsor_poll()");
    cluster.kill_backend(call.pid);
    assert!(call.end().1.is_err());
    assert_eq!(notes(&stage).len() as i64, COUNT);
    assert_eq!(stage.ledger("report_state = 'pending'"), COUNT);
    assert_all_agree_after_a_call(&stage);
}

#[test]
fn a_backend_killed_between_apply_and_commit_leaves_nothing_behind() {
    let cluster = cluster();
    let stage = stage_on(&cluster);
    let call = Background::run(
        &stage,
        "BEGIN; SELECT synapsor_poll_once(); SELECT pg_sleep(60)",
    );
    let asleep = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = {} AND wait_event = 'PgSleep'",
        call.pid
    );
    synapsor_testbed::wait_for("it sleeps", PATIENCE, || {
        stage.database.value::<i64>(&asleep) == 1
    });
    cluster.kill_backend(call.pid);
    assert!(call.end().1.is_err());
    assert_eq!((notes(&stage).len(), stage.ledger("true")), (0, 0));
    assert_eq!(stage.simulator.calls(Endpoint::Report), 0);
    assert_all_agree_after_a_call(&stage);
}

#[test]
fn reports_pending_at_an_immediate_shutdown_go_out_at_the_next_call() {
    let mut cluster = cluster();
    let stage = stage_on(&cluster);
    poll_with_reports_pending(&stage);
    cluster.restart(Shutdown::Immediate);
    assert_eq!(notes(&stage).len() as i64, COUNT);
    assert_eq!(stage.ledger("report_state = 'pending'"), COUNT);
    assert_all_agree_after_a_call(&stage);
}

#[test]
fn an_answer_lost_in_a_crash_is_asked_for_again() {
    let mut cluster = cluster();
    let stage = stage_on(&cluster);
    // Stored at the control plane, and the server dies before it can write that down.
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::hang().after_the_work()));
    stage.poll();
    assert!(
        stage
            .simulator
            .wait_for(|c| c.count(Status::Applied) > 0, PATIENCE)
    );
    cluster.kill_all();
    cluster.resume();
    assert_eq!(stage.ledger("report_state = 'pending'"), COUNT);
    assert_all_agree_after_a_call(&stage);
}

#[test]
fn nothing_is_reported_that_a_crash_can_undo_with_synchronous_commit_off() {
    let mut cluster = cluster();
    let stage = stage_on(&cluster);
    stage.database.set("synchronous_commit", "off");
    // The first report is heard; the server dies before it has the answer.
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::hang().after_the_work()));
    stage.poll();
    assert!(
        stage
            .simulator
            .wait_for(|c| c.count(Status::Applied) > 0, PATIENCE)
    );
    cluster.kill_all();
    cluster.resume();
    assert_all_agree_after_a_call(&stage);
}

#[test]
fn what_synchronous_commit_off_loses_is_applied_anew_and_was_never_reported() {
    let mut cluster = cluster();
    let stage = stage_on(&cluster);
    stage.database.execute("CHECKPOINT");
    cluster.configure("max_worker_processes", 0);
    cluster.restart(Shutdown::Fast);
    let mut operator = stage.operator();
    operator.run("SET synchronous_commit = off");
    operator.poll();
    cluster.kill_all();
    cluster.resume();
    assert_eq!(
        notes(&stage).len() as i64,
        stage.ledger("true"),
        "change and receipt share their fate"
    );
    assert_eq!(stage.simulator.calls(Endpoint::Report), 0);
    assert_all_agree_after_a_call(&stage);
}

#[test]
fn no_process_outlives_a_killed_postmaster() {
    let mut cluster = cluster();
    let stage = stage_on(&cluster);
    let call = hanging_in(&stage, Endpoint::List, "SELECT synapsor_poll_once()");
    let (took, ()) = timed(|| cluster.kill_postmaster());
    assert!(took < Duration::from_secs(2), "it took {took:?}");
    assert!(call.end().1.is_err());
    cluster.resume();
    assert_all_agree_after_a_call(&stage);
}

#[test]
fn a_fast_shutdown_waits_for_no_network() {
    let mut cluster = cluster();
    let stage = stage_on(&cluster);
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::hang()));
    stage.poll();
    assert!(
        stage
            .simulator
            .wait_for(|c| c.calls(Endpoint::Report) > 0, PATIENCE)
    );
    let call = hanging_in(&stage, Endpoint::List, "SELECT synapsor_poll_once()");
    let (took, ()) = timed(|| cluster.stop(Shutdown::Fast));
    assert!(took < Duration::from_secs(2), "it took {took:?}");
    assert!(call.end().1.is_err());
    cluster.resume();
    assert_all_agree_after_a_call(&stage);
}
