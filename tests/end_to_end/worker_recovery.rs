//! A worker that sleeps is woken, and one that is ended, however, comes back by itself and goes on where it was.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use simulated_control_plane::{Endpoint, Fault, Rule, Status, Verdict};
use synapsor_testbed::{Cluster, ClusterOptions, Proposal, Shutdown, wait_for};

use crate::stage::{PATIENCE, SHARED, Stage};
use crate::workers::{A_SECOND, preloaded};

/// A table without any key, where a second application would leave a second row; each takes its time.
const NOTES: &str = "
    CREATE TABLE notes (note text);
    GRANT INSERT ON notes TO writer;
    CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(0.005); RETURN NEW; END';
    CREATE TRIGGER take_time BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION take_time();
";

/// The notes of a backlog.
const COUNT: usize = 300;

/// How long each answer of the control plane takes.
const LATENCY: Duration = Duration::from_millis(50);

/// How many tries a time is measured in.
const TRIES: i64 = 9;

/// Approves a backlog that takes seconds.
fn approve_notes(stage: &Stage) {
    stage.database.execute(NOTES);
    stage.database.set("synapsor.batch_size", 20);
    stage
        .simulator
        .inject(Rule::on_any(Fault::latency(LATENCY)));
    let note = |n| {
        Proposal::insert("notes")
            .id(&format!("note_{n}"))
            .change("note", format!("note_{n}"))
    };
    stage.simulator.add_proposals((0..COUNT).map(note)).unwrap();
}

fn reported(stage: &Stage) -> usize {
    stage.simulator.read(|c| c.count(Status::Applied))
}

/// Waits until some of the backlog has been applied, and not all of it.
fn while_it_applies(stage: &Stage, at_least: i64) {
    let mut applied = 0;
    wait_for("a part is applied", PATIENCE, || {
        applied = stage.ledger("true");
        applied >= at_least
    });
    assert!(applied < COUNT as i64, "there is work left");
}

/// Waits until some of the backlog has been reported, and not all of it.
fn while_it_reports(stage: &Stage, at_least: usize) {
    let is_under_way = stage
        .simulator
        .wait_for(|c| c.count(Status::Applied) >= at_least, PATIENCE);
    assert!(is_under_way, "a part is reported");
    assert!(reported(stage) < COUNT, "there is work left");
}

/// Waits until nothing is left to do: each proposal was applied once and reported, and everybody says the same.
fn assert_all_done_once(stage: &Stage) {
    let is_done = |c: &simulated_control_plane::ControlPlane| c.count(Status::Applied) == COUNT;
    assert!(
        stage.simulator.wait_for(is_done, 2 * PATIENCE),
        "{} are reported; {:?}",
        reported(stage),
        stage.status()
    );
    stage.wait_for_reports();
    let mut expected: Vec<_> = (0..COUNT).map(|n| format!("note_{n}")).collect();
    expected.sort();
    let notes = stage
        .database
        .rows("SELECT note FROM notes ORDER BY note COLLATE \"C\"");
    assert_eq!(notes, expected);
    let applied = "status = 'applied' AND report_state = 'delivered' AND attempts = 1";
    assert_eq!(stage.ledger(applied), COUNT as i64);
    for id in expected {
        let reports = stage.simulator.reports_for(&id);
        assert_eq!(reports[0].verdict, Verdict::Stored, "{id}");
        let repeated = reports[1..].iter().map(|report| report.verdict);
        assert!(repeated.into_iter().all(|v| v == Verdict::Repeated), "{id}");
    }
    assert_eq!(stage.simulator.breaches().len(), 0);
    assert_eq!(stage.workers().len(), 1);
}

/// Waits until another process than this one is the worker.
fn wait_for_another_worker(stage: &Stage, before: i32) {
    wait_for("another worker is there", PATIENCE, || {
        let worker = stage.status().worker_pid();
        worker.is_some_and(|worker| worker != before)
    });
}

fn worker(stage: &Stage) -> i32 {
    stage.worker_that("state IS NOT NULL")
}

/// Ends the worker in every way in which one process can, while it applies and while it reports.
fn terminate_the_worker_again_and_again(stage: &Stage) {
    while_it_applies(stage, 20);
    let first = worker(stage);
    let sent = Command::new("kill").arg(first.to_string()).status();
    assert!(sent.unwrap().success());
    wait_for_another_worker(stage, first);

    while_it_applies(stage, 80);
    let second = worker(stage);
    stage.terminate(second);
    wait_for_another_worker(stage, second);

    while_it_reports(stage, 20);
    stage.terminate(worker(stage));
}

/// The worker goes on meanwhile, and makes room for one of the new launcher when it has time for that.
fn terminate_the_launcher_again_and_again(stage: &Stage) {
    let first_worker = worker(stage);
    while_it_applies(stage, 20);
    terminate_the_launcher(stage);
    while_it_reports(stage, 20);
    terminate_the_launcher(stage);
    wait_for_another_worker(stage, first_worker);
}

fn terminate_the_launcher(stage: &Stage) {
    let before = stage.launcher();
    stage.terminate(before);
    wait_for("another launcher is there", PATIENCE, || {
        stage.launcher() != before
    });
}

/// Kills the worker while it applies, and while it reports.
fn kill_the_worker_again_and_again(cluster: &Cluster, stage: &Stage) {
    while_it_applies(stage, 20);
    cluster.kill_backend(worker(stage));
    while_it_reports(stage, 20);
    cluster.kill_backend(worker(stage));
}

/// Measures some times, in order of length.
fn times(
    tries: impl IntoIterator<Item = i64>,
    measure: impl FnMut(i64) -> Duration,
) -> Vec<Duration> {
    let mut times: Vec<_> = tries.into_iter().map(measure).collect();
    times.sort();
    times
}

/// Waits until the control plane has heard of the ticket, and says how long that took.
fn time_to_report(stage: &Stage, ticket: i64, start: Instant) -> Duration {
    let id = format!("wrp_{ticket}");
    let is_heard = stage
        .simulator
        .wait_for(|c| c.final_word(&id).is_some(), PATIENCE);
    assert!(is_heard, "ticket {ticket} is reported");
    start.elapsed()
}

/// A worker that does nothing by itself for the next hour.
fn stage_asleep_on(cluster: &Cluster) -> Stage {
    let stage = Stage::on(cluster);
    stage.database.set("synapsor.poll_interval", "1h");
    stage.start_worker();
    stage.worker_that_sleeps();
    stage
}

#[test]
fn what_is_approved_while_the_worker_sleeps_is_done_within_a_poll_interval() {
    let stage = Stage::new();
    let interval = Duration::from_millis(600);
    stage.database.set("synapsor.poll_interval", "600ms");
    stage.start_worker();
    stage.worker_that_sleeps();
    let times = times(1..=TRIES, |ticket| {
        // At any moment between two polls.
        thread::sleep(interval * ticket as u32 / TRIES as u32);
        stage.approve_closing([ticket]);
        time_to_report(&stage, ticket, Instant::now())
    });
    assert!(times[times.len() / 2] < interval, "{times:?}");
    assert!(times[times.len() - 1] < interval + A_SECOND, "{times:?}");
    stage.wait_for_applied(TRIES);
}

#[test]
fn a_wake_up_has_it_done_in_a_fifth_of_a_second() {
    let stage = stage_asleep_on(&SHARED);
    let mut operator = stage.operator();
    let times = times(1..=TRIES, |ticket| {
        stage.worker_that_sleeps();
        let start = Instant::now();
        stage.approve_closing([ticket]);
        operator.run("SELECT synapsor_wake()");
        time_to_report(&stage, ticket, start)
    });
    let median = times[times.len() / 2];
    assert!(median < Duration::from_millis(200), "{times:?}");
    stage.wait_for_applied(TRIES);
}

#[test]
fn the_commit_of_a_poll_wakes_the_worker_and_no_one_shot_reporter() {
    // The log then names every worker that is asked for.
    let options = ClusterOptions::default().setting("log_min_messages", "debug1");
    let cluster = Cluster::start(options);
    let reporters = || {
        cluster
            .log()
            .matches(" registering background worker \"synapsor_writeback reporter\"")
            .count()
    };
    let stage = stage_asleep_on(&cluster);
    let mut operator = stage.operator();
    stage.approve_closing(1..=3);
    operator.run("BEGIN");
    assert_eq!(operator.poll()["count"], 3);
    assert_eq!(stage.simulator.calls(Endpoint::Report), 0);
    let start = Instant::now();
    operator.run("COMMIT");
    let took = time_to_report(&stage, 3, start);
    assert!(took < A_SECOND, "it took {took:?}");
    stage.wait_for_applied(3);
    assert_eq!(reporters(), 0);

    operator.run("SELECT synapsor_stop_worker()");
    wait_for("the worker has gone", PATIENCE, || {
        stage.workers().is_empty()
    });
    stage.approve_closing(4..=4);
    assert_eq!(operator.poll()["count"], 1);
    stage.wait_for_applied(4);
    assert_eq!(reporters(), 1);
}

#[test]
fn a_reload_of_the_configuration_wakes_the_worker() {
    // On a cluster of its own, since it would wake everybody's.
    let cluster = Cluster::start(ClusterOptions::default());
    let stage = stage_asleep_on(&cluster);
    stage.approve_closing(1..=1);
    let start = Instant::now();
    stage.database.execute("SELECT pg_reload_conf()");
    let took = time_to_report(&stage, 1, start);
    assert!(took < 2 * A_SECOND, "it took {took:?}");
    stage.wait_for_applied(1);
}

#[test]
fn a_worker_that_is_killed_comes_back_and_goes_on() {
    let cluster = Cluster::start(preloaded());
    let stage = Stage::kept_on(&cluster);
    approve_notes(&stage);
    kill_the_worker_again_and_again(&cluster, &stage);
    assert_all_done_once(&stage);
}

#[test]
fn a_worker_that_is_terminated_comes_back_and_goes_on() {
    let cluster = Cluster::start(preloaded());
    let stage = Stage::kept_on(&cluster);
    approve_notes(&stage);
    terminate_the_worker_again_and_again(&stage);
    assert_all_done_once(&stage);
}

#[test]
fn a_launcher_that_is_terminated_comes_back_and_its_worker_goes_on() {
    let cluster = Cluster::start(preloaded());
    let stage = Stage::kept_on(&cluster);
    approve_notes(&stage);
    terminate_the_launcher_again_and_again(&stage);
    assert_all_done_once(&stage);
}

#[test]
fn a_worker_goes_on_when_the_server_is_there_again() {
    let mut cluster = Cluster::start(preloaded());
    let stage = Stage::kept_on(&cluster);
    approve_notes(&stage);
    while_it_applies(&stage, 20);
    cluster.restart(Shutdown::Fast);
    while_it_applies(&stage, 80);
    cluster.restart(Shutdown::Immediate);
    while_it_reports(&stage, 20);
    cluster.restart(Shutdown::Immediate);
    while_it_reports(&stage, 50);
    cluster.restart(Shutdown::Fast);
    assert_all_done_once(&stage);
}

#[test]
fn a_worker_started_by_hand_comes_back_as_well() {
    let stage = Stage::new();
    stage.start_worker();
    approve_notes(&stage);
    terminate_the_worker_again_and_again(&stage);
    assert_all_done_once(&stage);

    let stage = Stage::new();
    stage.start_worker();
    approve_notes(&stage);
    terminate_the_launcher_again_and_again(&stage);
    assert_all_done_once(&stage);
}

#[test]
fn a_worker_started_by_hand_survives_crashes_and_ends_with_the_server() {
    let mut cluster = Cluster::start(ClusterOptions::default());
    let stage = Stage::on(&cluster);
    stage.start_worker();
    approve_notes(&stage);
    kill_the_worker_again_and_again(&cluster, &stage);
    while_it_reports(&stage, 50);

    cluster.restart(Shutdown::Fast);
    let before = reported(&stage);
    let watch = Instant::now();
    while watch.elapsed() < 2 * A_SECOND {
        let status = stage.status();
        assert_eq!(status.state(), "stopped");
        assert!(status.reason().contains("nobody has started"), "{status:?}");
        assert_eq!((stage.workers().len(), reported(&stage)), (0, before));
        thread::sleep(A_SECOND / 10);
    }
    stage.start_worker();
    assert_all_done_once(&stage);
}

#[test]
fn a_cancel_while_it_waits_for_a_row_ends_no_worker_and_loses_nothing() {
    let stage = Stage::new();
    stage.database.set("synapsor.poll_interval", "100ms");
    stage.database.set("synapsor.lock_timeout", "1h");
    let mut other = stage.database.connect();
    other
        .batch_execute("BEGIN; SELECT FROM tickets WHERE id = 2 FOR UPDATE")
        .unwrap();
    stage.approve_closing(1..=3);
    stage.start_worker();
    let blocked = stage.worker_that("wait_event_type = 'Lock'");
    stage
        .database
        .execute(&format!("SELECT pg_cancel_backend({blocked})"));
    assert_eq!(stage.worker_that("wait_event_type = 'Extension'"), blocked);
    assert_eq!((stage.tickets("closed"), stage.ledger("true")), (0, 0));
    let survivor = stage.worker_that("wait_event_type = 'Lock'");
    other.batch_execute("ROLLBACK").unwrap();
    stage.wait_for_applied(3);
    assert_eq!(stage.workers(), [survivor]);
    assert_eq!(stage.ledger("attempts = 1"), 3);
}

#[test]
fn a_cancel_ends_no_worker_that_sleeps_or_waits_for_the_control_plane() {
    let stage = stage_asleep_on(&SHARED);
    let cancel = |pid| {
        let sql = format!("SELECT pg_cancel_backend({pid})");
        assert!(stage.database.value::<bool>(&sql));
    };
    let survivor = stage.worker_that_sleeps();
    cancel(survivor);
    for (ticket, endpoint) in [(1, Endpoint::List), (2, Endpoint::Report)] {
        stage.approve_closing([ticket]);
        let hang = Rule::on(endpoint, Fault::hang()).times(1);
        let hang = stage.simulator.inject(hang);
        stage.wake();
        wait_for("a call hangs", PATIENCE, || {
            stage.simulator.applied(hang) == 1
        });
        cancel(survivor);
        stage.worker_that("query LIKE '%backing off%'");
        stage.wake();
        stage.wait_for_applied(ticket);
    }
    assert_eq!(stage.workers(), [survivor]);
}
