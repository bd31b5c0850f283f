//! Standbys: idle until promotion, and nothing is reported that a failover could undo.

use std::time::Duration;

use simulated_control_plane::{Endpoint, Fault, Rule, Status};
use synapsor_testbed::{Cluster, ClusterOptions, Proposal, Shutdown, wait_for, within};

use crate::background::{Background, timed};
use crate::stage::{PATIENCE, Stage, Told};
use crate::workers::preloaded;

/// Long enough for a worker that polls ten times a second to do what it must not.
const A_WHILE: Duration = Duration::from_secs(2);

/// What "at once" may take on a busy machine, where the promise is a second.
const PROMPT: Duration = Duration::from_secs(3);

const REPORT: &str = "SELECT synapsor_report_once()";

/// A primary, its standby, and a stage that is played on one of them.
struct Pair {
    primary: Cluster,
    standby: Cluster,
    stage: Stage,
}

impl Pair {
    /// Both keep a worker for the stage's database, where they are primaries.
    fn with_worker() -> Self {
        Self::start(preloaded(), Stage::kept_on)
    }

    /// Whoever wants anything has to call.
    fn without_worker() -> Self {
        Self::start(ClusterOptions::default(), Stage::on)
    }

    fn start(options: ClusterOptions, set_stage: fn(&Cluster) -> Stage) -> Self {
        let options = options
            .setting("wal_keep_size", "128MB")
            .setting("wal_retrieve_retry_interval", "100ms");
        let primary = Cluster::start(options);
        let stage = set_stage(&primary);
        stage.allow_worker();
        let standby = primary.start_standby("standby");
        let pair = Pair {
            primary,
            standby,
            stage,
        };
        pair.wait_for_replication("state = 'streaming'");
        pair
    }

    /// From now on every commit of the primary waits for the standby.
    fn make_synchronous(&self) {
        let database = self.primary.database("postgres");
        database.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'");
        database.execute("SELECT pg_reload_conf()");
        self.wait_for_replication("sync_state = 'sync'");
    }

    fn wait_for_replication(&self, condition: &str) {
        let query = format!("SELECT count(*) FROM pg_stat_replication WHERE {condition}");
        let database = self.primary.database("postgres");
        wait_for("the standby is connected", PATIENCE, || {
            database.value::<i64>(&query) == 1
        });
    }

    /// Waits until everything that is committed on the primary can be seen on the standby.
    fn wait_until_caught_up(&self) {
        let here: String = self
            .primary
            .database("postgres")
            .value("SELECT pg_current_wal_lsn()::text");
        let query = format!("SELECT pg_last_wal_replay_lsn() >= '{here}'");
        let standby = self.standby.database("postgres");
        wait_for("the standby has caught up", PATIENCE, || {
            standby.value(&query)
        });
    }

    /// The stage is played on the standby from now on.
    fn move_to_standby(&mut self) {
        self.stage.database = self.standby.database(self.stage.database.name());
    }

    /// Commits wait from now on, for good unless the standby comes back.
    fn stop_standby(&mut self) {
        self.standby.stop(Shutdown::Fast);
    }

    /// Kills the primary as a power cut would, and starts it again without its standby.
    fn crash_primary(&mut self) {
        self.primary.kill_all();
        self.primary.resume();
    }

    /// Starts an operator's statement whose commit waits for the standby.
    fn start_waiting(&self, sql: &str) -> Background {
        let call = Background::run(&self.stage, sql);
        self.wait_for_waiting(&format!("pid = {}", call.pid));
        call
    }

    fn wait_for_waiting(&self, who: &str) {
        wait_for(&format!("{who} waits for the standby"), PATIENCE, || {
            self.waiting(who).is_some()
        });
    }

    /// The process of the stage's database that waits for the standby.
    fn waiting(&self, who: &str) -> Option<i32> {
        let query = format!(
            "SELECT max(pid) FROM pg_stat_activity
             WHERE wait_event = 'SyncRep' AND datname = current_database() AND {who}"
        );
        self.stage.database.value(&query)
    }

    /// Waits until the worker waits for the standby, and says which process it is.
    fn waiting_worker(&self) -> i32 {
        self.wait_for_waiting(WORKER);
        self.waiting(WORKER).unwrap()
    }

    /// Nothing is reported now, nor in a while.
    fn assert_silent(&self) {
        let calls = || self.stage.simulator.calls(Endpoint::Report);
        let spoke = within(A_WHILE, || calls() > 0);
        assert!(!spoke, "something was reported without the standby");
    }

    /// Once the standby is back, these tickets' proposals are reported, each once.
    fn assert_reported_with_the_standby(&mut self, tickets: std::ops::RangeInclusive<i64>) {
        self.standby.resume();
        self.stage
            .wait_for_applied(*tickets.end() - *tickets.start() + 1);
        for ticket in tickets {
            let id = format!("wrp_{ticket}");
            let count = self.stage.simulator.read(|c| c.report_count(&id));
            assert_eq!(count, 1, "{id}");
        }
    }
}

const WORKER: &str = "backend_type = 'synapsor_writeback worker'";
const REPORTER: &str = "backend_type = 'synapsor_writeback reporter'";

#[test]
fn a_standby_is_idle_and_says_why_until_it_is_promoted() {
    let mut pair = Pair::with_worker();
    pair.stage.approve_closing(1..=2);
    pair.stage.wait_for_applied(2);
    pair.wait_until_caught_up();
    pair.primary.kill_all();
    pair.stage.simulator.clear_journal();
    pair.move_to_standby();
    pair.stage.approve_closing(3..=3);

    let called = within(A_WHILE, || !pair.stage.simulator.journal().is_empty());
    assert!(!called, "{:?}", pair.stage.simulator.journal());
    assert_idle_standby(&pair.stage);

    pair.standby.promote();
    pair.stage.wait_for_applied(3);
    assert_eq!(pair.stage.tickets("closed"), 3);
    assert_eq!(pair.stage.workers().len(), 1);
    assert_eq!(pair.stage.status().state(), "running");
}

fn assert_idle_standby(stage: &Stage) {
    let status = stage.status();
    assert_eq!(
        (status.state().as_str(), status.worker_pid()),
        ("idle", None)
    );
    let reason = status.reason();
    assert!(reason.contains("this is a standby"), "{reason}");
    let ours = "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'synapsor%'";
    assert_eq!(stage.database.value::<i64>(ours), 0);
    for call in [
        "SELECT synapsor_poll_once()",
        "SELECT synapsor_report_once()",
        "CALL synapsor_poll()",
        "SELECT synapsor_start_worker()",
        "SELECT synapsor_stop_worker()",
        "SELECT synapsor_pause()",
        "SELECT synapsor_resume()",
    ] {
        let told = Told::by(stage.operator().0.batch_execute(call));
        let found = (told.code(), told.sqlstate.as_str());
        assert_eq!(found, ("DATABASE_READ_ONLY", "25006"), "{call}");
    }
    assert_eq!(stage.tickets("closed"), 2);
}

#[test]
fn a_pause_goes_along_to_the_standby() {
    let mut pair = Pair::with_worker();
    pair.stage.operator().run("SELECT synapsor_pause()");
    pair.wait_until_caught_up();
    pair.primary.kill_all();
    pair.move_to_standby();
    pair.stage.approve_closing(1..=1);
    pair.standby.promote();
    wait_for("a worker comes", PATIENCE, || {
        pair.stage.workers().len() == 1
    });
    let applied = within(A_WHILE, || pair.stage.ledger("true") > 0);
    assert!(!applied);
    assert_eq!(pair.stage.status().state(), "paused");
    pair.stage.operator().run("SELECT synapsor_resume()");
    pair.stage.wait_for_applied(1);
}

/// Inserts into a table without any key: a second application would leave a second row.
const COUNT: usize = 300;

/// Has the primary apply and report in many small steps.
fn approve_notes(stage: &Stage) {
    stage
        .database
        .execute("CREATE TABLE notes (note text); GRANT INSERT ON notes TO writer");
    stage.database.set("synapsor.batch_size", 10);
    let slow = Rule::on(Endpoint::Report, Fault::latency(Duration::from_millis(20)));
    stage.simulator.inject(slow);
    stage
        .simulator
        .add_proposals((0..COUNT).map(|n| {
            Proposal::insert("notes")
                .id(&format!("note_{n}"))
                .change("note", format!("note_{n}"))
        }))
        .unwrap();
}

fn wait_until_told(stage: &Stage, count: usize) {
    let told = stage
        .simulator
        .wait_for(|c| c.count(Status::Applied) >= count, PATIENCE);
    assert!(told, "not told of {count}");
}

/// The proposals that the control plane was told were applied.
fn told_applied(stage: &Stage) -> Vec<String> {
    let ids = (0..COUNT).map(|n| format!("note_{n}"));
    ids.filter(|id| stage.simulator.status(id) == Some(Status::Applied))
        .collect()
}

fn notes(stage: &Stage) -> Vec<String> {
    stage.database.rows("SELECT note FROM notes ORDER BY note")
}

/// Waits until nothing is approved and no report is owed.
fn wait_until_drained(stage: &Stage) {
    let all = |c: &simulated_control_plane::ControlPlane| c.count(Status::Applied) == COUNT;
    assert!(stage.simulator.wait_for(all, 2 * PATIENCE));
    stage.wait_for_reports();
}

#[test]
fn what_was_reported_is_there_after_a_failover_to_a_synchronous_standby() {
    let mut pair = Pair::with_worker();
    pair.make_synchronous();
    approve_notes(&pair.stage);
    wait_until_told(&pair.stage, 40);
    pair.primary.kill_all();
    let told = told_applied(&pair.stage);
    assert!(told.len() < COUNT, "the crash came too late");

    pair.move_to_standby();
    pair.standby.promote();
    let there = notes(&pair.stage);
    let lost: Vec<_> = told.iter().filter(|id| !there.contains(id)).collect();
    assert!(lost.is_empty(), "reported, and lost: {lost:?}");

    wait_until_drained(&pair.stage);
    let mut expected: Vec<_> = (0..COUNT).map(|n| format!("note_{n}")).collect();
    expected.sort();
    assert_eq!(notes(&pair.stage), expected);
    let applied = "status = 'applied' AND report_state = 'delivered'";
    assert_eq!(pair.stage.ledger(applied), COUNT as i64);
}

#[test]
fn table_and_ledger_agree_after_a_failover_to_a_standby_that_lags() {
    let mut pair = Pair::with_worker();
    approve_notes(&pair.stage);
    wait_until_told(&pair.stage, 20);
    pair.stop_standby();
    wait_until_told(&pair.stage, 60);
    pair.primary.kill_all();
    assert!(told_applied(&pair.stage).len() < COUNT, "too late");

    pair.standby.resume();
    pair.move_to_standby();
    pair.standby.promote();
    wait_until_drained(&pair.stage);
    let there = notes(&pair.stage);
    let in_ledger = pair.stage.database.rows(
        "SELECT proposal_id FROM synapsor.ledger WHERE status = 'applied' ORDER BY proposal_id",
    );
    assert_eq!(there, in_ledger);
    assert!(there.len() < COUNT, "the standby did not lag");
    assert_eq!(pair.stage.ledger("report_state <> 'delivered'"), 0);
}

#[test]
fn a_poll_is_reported_once_the_synchronous_standby_has_it() {
    let mut pair = Pair::without_worker();
    pair.make_synchronous();
    pair.stop_standby();
    pair.stage.approve_closing(1..=1);
    let call = pair.start_waiting("SELECT synapsor_poll_once()");
    pair.assert_silent();
    assert!(!call.has_ended());
    assert_eq!(pair.stage.tickets("closed"), 0);
    pair.assert_reported_with_the_standby(1..=1);
    call.end().1.unwrap();
}

#[test]
fn a_poll_whose_wait_for_the_standby_is_cancelled_is_not_reported_before_either() {
    let mut pair = Pair::without_worker();
    pair.make_synchronous();
    pair.stop_standby();
    pair.stage.approve_closing(1..=1);
    let call = pair.start_waiting("SELECT synapsor_poll_once()");
    call.cancel();
    call.end().1.unwrap();
    assert_eq!(pair.stage.tickets("closed"), 1);
    pair.wait_for_waiting(REPORTER);
    pair.assert_silent();
    pair.assert_reported_with_the_standby(1..=1);
}

#[test]
fn a_call_is_reported_once_the_synchronous_standby_has_it() {
    let mut pair = Pair::without_worker();
    pair.make_synchronous();
    pair.stage.operator().run("SELECT 1");
    pair.stop_standby();
    pair.stage.approve_closing(1..=3);
    let call = pair.start_waiting("CALL synapsor_poll()");
    pair.assert_silent();
    pair.assert_reported_with_the_standby(1..=3);
    call.end().1.unwrap();
}

#[test]
fn the_worker_reports_once_the_synchronous_standby_has_it() {
    let mut pair = Pair::with_worker();
    pair.make_synchronous();
    pair.stage.running_worker();
    pair.stop_standby();
    pair.stage.approve_closing(1..=3);
    pair.waiting_worker();
    pair.assert_silent();
    assert_eq!(pair.stage.tickets("closed"), 0);
    pair.assert_reported_with_the_standby(1..=3);
}

#[test]
fn a_worker_does_not_report_what_a_crash_made_visible_before_the_standby_has_it() {
    let mut pair = Pair::with_worker();
    pair.make_synchronous();
    pair.stage.running_worker();
    pair.stop_standby();
    pair.stage.approve_closing(1..=3);
    pair.waiting_worker();
    pair.crash_primary();
    assert_eq!(
        pair.stage.tickets("closed"),
        3,
        "visible, and not replicated"
    );
    pair.waiting_worker();
    pair.assert_silent();
    pair.assert_reported_with_the_standby(1..=3);
}

#[test]
fn a_poll_that_a_crash_made_visible_is_reported_by_nobody_before_the_standby_has_it() {
    let mut pair = Pair::without_worker();
    pair.make_synchronous();
    pair.stop_standby();
    pair.stage.approve_closing(1..=1);
    let call = pair.start_waiting("SELECT synapsor_poll_once()");
    pair.crash_primary();
    assert!(call.end().1.is_err());
    assert_eq!(
        pair.stage.tickets("closed"),
        1,
        "visible, and not replicated"
    );
    assert_eq!(pair.stage.ledger("report_state = 'pending'"), 1);

    for statement in [
        REPORT,
        "SELECT synapsor_poll_once()",
        "CALL synapsor_poll()",
    ] {
        let call = pair.start_waiting(statement);
        call.cancel();
        let told = Told::by(call.end().1);
        assert_eq!(told.sqlstate, "57014", "{statement}: {told:?}");
    }
    let report = pair.start_waiting(REPORT);
    pair.assert_silent();
    report.cancel();
    assert!(report.end().1.is_err());
    pair.stage.operator().run("SELECT synapsor_start_worker()");
    pair.waiting_worker();
    pair.assert_silent();
    pair.assert_reported_with_the_standby(1..=1);
}

/// A worker that waits for the standby: in the commit of what it applied, or, where its role commits with
/// `synchronous_commit = off`, before it reports that.
fn pair_with_a_waiting_worker(synchronous_commit: &str) -> Pair {
    let mut pair = Pair::with_worker();
    pair.make_synchronous();
    pair.stage.database.execute(&format!(
        "ALTER ROLE writer SET synchronous_commit = '{synchronous_commit}'"
    ));
    // Past the look that notices the role's new setting.
    let before = pair.stage.running_worker();
    pair.stage
        .database
        .execute(&format!("SELECT pg_terminate_backend({before})"));
    wait_for("another worker comes", PATIENCE, || {
        let status = pair.stage.status();
        status.state() == "running" && status.worker_pid().is_some_and(|pid| pid != before)
    });
    pair.stop_standby();
    pair.stage.approve_closing(1..=3);
    pair.waiting_worker();
    pair
}

fn assert_ends_promptly(pair: &Pair, worker: i32, ask: impl FnOnce()) {
    let (took, ()) = timed(|| {
        ask();
        wait_for("the worker ends", PATIENCE, || {
            !pair.stage.workers().contains(&worker)
        });
    });
    assert!(took < PROMPT, "it took {took:?}");
}

fn assert_can_be_ended_and_reports_nothing(synchronous_commit: &str) {
    let mut pair = pair_with_a_waiting_worker(synchronous_commit);
    let first = pair.waiting_worker();
    assert_ends_promptly(&pair, first, || {
        let sql = format!("SELECT pg_terminate_backend({first})");
        pair.stage.database.execute(&sql);
    });
    let second = pair.waiting_worker();
    assert_ends_promptly(&pair, second, || {
        let mut operator = pair.stage.operator();
        // Its own commit would wait as well.
        operator.run("SET synchronous_commit = local");
        operator.run("SELECT synapsor_stop_worker()");
    });
    pair.assert_silent();
    assert_eq!(pair.stage.status().state(), "stopped");
    assert_eq!(pair.stage.tickets("closed"), 3);
    let mut operator = pair.stage.operator();
    operator.run("SET synchronous_commit = local");
    operator.run("SELECT synapsor_start_worker()");
    pair.waiting_worker();
    let (took, ()) = timed(|| pair.primary.stop(Shutdown::Fast));
    assert!(took < PROMPT, "it took {took:?}");
    pair.primary.resume();
    pair.waiting_worker();
    pair.assert_silent();
    pair.assert_reported_with_the_standby(1..=3);
}

#[test]
fn a_worker_that_waits_in_a_commit_can_be_ended_and_reports_nothing() {
    assert_can_be_ended_and_reports_nothing("on");
}

#[test]
fn a_worker_that_waits_before_it_reports_can_be_ended_and_reports_nothing() {
    assert_can_be_ended_and_reports_nothing("off");
}

#[test]
fn a_cancel_of_the_worker_s_wait_makes_it_report_nothing() {
    let mut pair = pair_with_a_waiting_worker("on");
    let worker = pair.waiting_worker();
    let cancel = format!("SELECT pg_cancel_backend({worker})");
    pair.stage.database.execute(&cancel);
    wait_for("what it applied is visible", PROMPT, || {
        pair.stage.tickets("closed") == 3
    });
    // It waits again, now because it wants to report.
    assert_eq!(pair.waiting_worker(), worker);
    pair.stage.database.execute(&cancel);
    wait_for("it says so", PROMPT, || {
        last_error(&pair.stage).starts_with("COMMIT_NOT_REPLICATED")
    });
    assert_eq!(pair.waiting_worker(), worker);
    pair.assert_silent();
    pair.assert_reported_with_the_standby(1..=3);
}

fn last_error(stage: &Stage) -> String {
    let error: Option<String> = stage.status().0.get("last_error");
    error.unwrap_or_default()
}

#[test]
fn synchronous_commit_off_does_not_make_the_worker_report_before_the_standby_has_it() {
    let mut pair = pair_with_a_waiting_worker("off");
    assert_eq!(pair.stage.tickets("closed"), 3, "committed without a wait");
    pair.assert_silent();
    let worker = pair.waiting_worker();
    let cancel = format!("SELECT pg_cancel_backend({worker})");
    pair.stage.database.execute(&cancel);
    pair.stage.approve_closing(4..=4);
    wait_for("it goes on applying", PATIENCE, || {
        pair.stage.tickets("closed") == 4
    });
    pair.assert_silent();
    pair.assert_reported_with_the_standby(1..=4);
}
