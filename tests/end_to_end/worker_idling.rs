//! A worker that finds nothing to do costs next to nothing, and leaves no trace.

use std::fs;
use std::time::Duration;

use simulated_control_plane::{ControlPlane, Endpoint, Fault, Quirk, Rule};
use synapsor_testbed::{Cluster, wait_for};

use crate::stage::{PATIENCE, Stage, close};
use crate::workers::preloaded;

/// An hour of idling is 720 polls; this is more than a day of it.
const POLLS: u64 = 20_000;

/// Workers that idle at the same time, so that it does not take longer than it must.
const WORKERS: u64 = 8;

/// The processor time that a poll may take. The promise is one millisecond; on a machine that does other things as well,
/// processes are charged for more.
const A_POLL: Duration = Duration::from_millis(2);

const MEGABYTE: u64 = 1024 * 1024;

/// A cluster where nobody writes but sessions and workers: no autovacuum, no checkpoint, no snapshots for standbys.
fn quiet_cluster() -> Cluster {
    let options = preloaded()
        .setting("max_worker_processes", 32)
        .setting("autovacuum", "off")
        .setting("wal_level", "minimal")
        .setting("max_wal_senders", 0)
        .setting("checkpoint_timeout", "1h")
        .setting("synapsor.poll_interval", "10ms");
    Cluster::start(options)
}

/// What idling must not touch: the next transaction id, the end of the WAL, the rows of the ledger.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    next_xid: String,
    end_of_wal: String,
    ledger: Vec<String>,
}

impl Traces {
    fn of(stage: &Stage) -> Self {
        let text = |query: &str| stage.database.value::<String>(query);
        Traces {
            next_xid: text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text"),
            end_of_wal: text("SELECT pg_current_wal_insert_lsn()::text"),
            ledger: stage.database.rows(
                "SELECT l.xmin, l.key, l.report_attempts, l.attempts FROM synapsor.ledger l ORDER BY key",
            ),
        }
    }
}

/// Waits until all is as it will be: what reading a table for the first time leaves in its pages is there, and on disk.
fn settle(stages: &[&Stage]) {
    stages.iter().for_each(|stage| stage.wait_for_polls(50));
    // Whoever reads a page first that has dead rows on it cleans it up, and writes it into the log as a whole.
    stages
        .iter()
        .for_each(|stage| stage.database.execute("VACUUM"));
    for _ in 0..2 {
        stages.iter().for_each(|stage| drop(Traces::of(stage)));
        stages[0].database.execute("CHECKPOINT");
    }
}

/// What the system knows of a process.
struct Usage {
    processor: Duration,
    /// Bytes that are its own, and no file's.
    memory: u64,
}

impl Usage {
    fn of(pid: i32) -> Self {
        Usage {
            processor: processor_time(pid),
            memory: own_memory(pid),
        }
    }
}

fn processor_time(pid: i32) -> Duration {
    const TICK: Duration = Duration::from_millis(10);
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks
        .map(|ticks| TICK * ticks.parse::<u32>().unwrap())
        .sum()
}

fn own_memory(pid: i32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = rollup.lines().find(|line| line.starts_with("Anonymous:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<u64>().unwrap() * 1024
}

/// Workers that idle on one cluster, half of them with a ledger of what they did and reported.
fn idlers(cluster: &Cluster) -> Vec<Stage> {
    let idler = |n| {
        let stage = Stage::kept_on(cluster);
        if n % 2 == 0 {
            stage.approve_closing(1..=100);
            stage.wait_for_applied(100);
        }
        stage
    };
    (0..WORKERS).map(idler).collect()
}

/// How often each of them has polled.
fn polls(stages: &[Stage]) -> Vec<u64> {
    let calls = |stage: &Stage| stage.simulator.calls(Endpoint::List);
    stages.iter().map(calls).collect()
}

/// Waits until this many polls are done, all in all.
fn wait_for_all(stages: &[Stage], count: u64) {
    let wanted = polls(stages).iter().sum::<u64>() + count;
    wait_for("they have polled", 12 * PATIENCE, || {
        polls(stages).iter().sum::<u64>() >= wanted
    });
}

#[test]
fn an_hour_of_idling_takes_no_transaction_id_no_log_no_memory_and_next_to_no_time() {
    let cluster = quiet_cluster();
    let stages = idlers(&cluster);
    let workers: Vec<_> = stages.iter().map(Stage::running_worker).collect();
    wait_for_all(&stages, 200 * WORKERS);
    settle(&stages.iter().collect::<Vec<_>>());
    let all = || stages.iter().map(Traces::of).collect::<Vec<_>>();
    let usages = || {
        workers
            .iter()
            .map(|pid| Usage::of(*pid))
            .collect::<Vec<_>>()
    };
    let (traces, before, polls_before) = (all(), usages(), polls(&stages));

    wait_for_all(&stages, POLLS);

    assert_eq!(all(), traces);
    let (after, polls_after) = (usages(), polls(&stages));
    for (n, stage) in stages.iter().enumerate() {
        let (before, after) = (&before[n], &after[n]);
        let grown = after.memory.saturating_sub(before.memory);
        assert!(
            grown < MEGABYTE,
            "{} bytes became {}",
            before.memory,
            after.memory
        );
        let polls = (polls_after[n] - polls_before[n]) as u32;
        let of_each = (after.processor - before.processor) / polls;
        eprintln!("{of_each:?} of processor time for each poll");
        assert!(of_each < A_POLL, "{of_each:?} for each poll");
        assert_eq!(stage.running_worker(), workers[n]);
        assert_eq!(stage.logged(&cluster).len(), 2, "it started, and it runs");
    }
}

#[test]
fn a_worker_that_starts_and_finds_nothing_leaves_no_trace() {
    let cluster = quiet_cluster();
    let stage = Stage::kept_on(&cluster);
    stage.approve_closing(1..=10);
    stage.wait_for_applied(10);
    let first = stage.running_worker();
    settle(&[&stage]);
    let traces = Traces::of(&stage);
    let mut killer = stage.database.connect();
    killer
        .query("SELECT pg_terminate_backend($1)", &[&first])
        .unwrap();
    wait_for("another worker comes", PATIENCE, || {
        stage.status().worker_pid().is_some_and(|pid| pid != first)
    });
    stage.wait_for_polls(50);
    assert_eq!(Traces::of(&stage), traces);
}

/// A retrying proposal that is due in an hour.
fn approve_one_for_later(stage: &Stage) {
    let mut holder = stage.database.connect();
    holder
        .batch_execute("BEGIN; SELECT FROM tickets WHERE id = 1 FOR UPDATE")
        .unwrap();
    stage.approve_closing(1..=1);
    wait_for("it is to be tried again", PATIENCE, || {
        stage.ledger("status = 'retrying'") == 1
    });
    // Before the worker tries again, or after it: an hour from now it is.
    wait_for("it is put off", PATIENCE, || {
        stage.database.execute(
            "UPDATE synapsor.ledger SET next_attempt_at = now() + interval '1 hour' WHERE status = 'retrying'",
        );
        stage.wait_for_polls(1);
        stage.ledger("next_attempt_at > now() + interval '50 minutes'") == 1
    });
    holder.batch_execute("ROLLBACK").unwrap();
}

/// A proposal that was applied, and whose report the control plane refused.
fn approve_one_whose_report_is_refused(stage: &Stage) {
    let refusal = Rule::on(Endpoint::Report, Fault::status(422)).for_proposal("wrp_2");
    stage.simulator.inject(refusal);
    stage.approve_closing(2..=2);
    wait_for("its report is rejected", PATIENCE, || {
        stage.ledger("report_state = 'rejected'") == 1
    });
}

/// One that has the key of another, one of another source, and one without an id.
fn approve_strangers(stage: &Stage) {
    stage.approve_closing(3..=3);
    wait_for("it is reported", PATIENCE, || {
        stage.ledger("key = 'key_3' AND report_state = 'delivered'") == 1
    });
    stage.approve(close(3).id("wrp_30").change("status", "other"));
    let foreign = close(4).field("source_id", "src_2").to_string();
    stage.simulator.add_raw(foreign, Some("wrp_4"));
    stage.simulator.add_raw(r#"{"changes": {}}"#, None);
}

#[test]
fn proposals_that_cannot_be_done_are_listed_again_and_again_without_a_trace_and_logged_once() {
    let cluster = quiet_cluster();
    let stage = Stage::on(&cluster);
    stage.database.set("synapsor.lock_timeout", "50ms");
    stage.allow_worker();
    stage.keep();
    approve_one_for_later(&stage);
    approve_one_whose_report_is_refused(&stage);
    approve_strangers(&stage);
    settle(&[&stage]);
    let (traces, logged) = (Traces::of(&stage), stage.logged(&cluster));
    stage.wait_for_polls(200);
    assert_eq!(Traces::of(&stage), traces);
    assert_eq!(stage.logged(&cluster), logged);
    for once in ["another content", "no usable id", "refused the report"] {
        let count = logged.iter().filter(|line| line.contains(once)).count();
        assert_eq!(count, 1, "{once}: {logged:#?}");
    }
    assert_eq!(stage.ledger("true"), 3);
    assert_eq!(stage.tickets("open"), 98, "2 and 3 are closed");
}

#[test]
fn what_stays_listed_after_its_report_is_reported_again_ever_more_seldom_and_nothing_is_written_meanwhile()
 {
    let cluster = quiet_cluster();
    let stage = Stage::kept_on(&cluster);
    let keep = Rule::on(Endpoint::Report, Fault::quirk(Quirk::KeepListed));
    stage.simulator.inject(keep);
    stage.approve_closing(1..=1);
    let reported = |times| {
        let heard = move |c: &ControlPlane| c.report_count("wrp_1") >= times;
        assert!(stage.simulator.wait_for(heard, PATIENCE), "{times} reports");
    };
    reported(3);
    wait_for("it is noted", PATIENCE, || {
        stage.ledger("report_attempts = 3") == 1
    });
    settle(&[&stage]);
    // The fourth report is eight seconds after the third.
    let traces = Traces::of(&stage);
    stage.wait_for_polls(100);
    assert_eq!(Traces::of(&stage), traces);

    let reports = stage.simulator.reports_for("wrp_1");
    let times: Vec<_> = reports.iter().map(|report| report.elapsed).collect();
    let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps.len(), 2, "{gaps:?}");
    assert!(gaps[0] > Duration::from_millis(1_900), "{gaps:?}");
    assert!(gaps[1] > Duration::from_millis(3_900), "{gaps:?}");
    assert_eq!(stage.tickets("closed"), 1);
}
