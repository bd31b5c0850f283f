//! A primary and its standby, for tests of both.

use std::ops::RangeInclusive;
use std::time::Duration;

use simulated_control_plane::Endpoint;
use synapsor_testbed::{Cluster, ClusterOptions, Shutdown, wait_for, within};

use crate::background::Background;
use crate::stage::{PATIENCE, Stage};
use crate::workers::preloaded;

/// Long enough for a worker that polls ten times a second to do what it must not.
pub const A_WHILE: Duration = Duration::from_secs(2);

/// Picks the resident worker from `pg_stat_activity`.
pub const WORKER: &str = "backend_type = 'synapsor_writeback worker'";

/// Picks the one-shot worker.
pub const REPORTER: &str = "backend_type = 'synapsor_writeback reporter'";

/// A primary, its standby, and a stage that is played on one of them.
pub struct Pair {
    pub primary: Cluster,
    pub standby: Cluster,
    pub stage: Stage,
}

impl Pair {
    /// Both keep a worker for the stage's database, where they are primaries.
    pub fn with_worker() -> Self {
        Self::start(preloaded(), Stage::kept_on)
    }

    /// Whoever wants anything has to call.
    pub fn without_worker() -> Self {
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
    pub fn make_synchronous(&self) {
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
    pub fn wait_until_caught_up(&self) {
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
    pub fn move_to_standby(&mut self) {
        self.stage.database = self.standby.database(self.stage.database.name());
    }

    /// Commits wait from now on, for good unless the standby comes back.
    pub fn stop_standby(&mut self) {
        self.standby.stop(Shutdown::Fast);
    }

    /// Kills the primary as a power cut would, and starts it again without its standby.
    pub fn crash_primary(&mut self) {
        self.primary.kill_all();
        self.primary.resume();
    }

    /// Starts an operator's statement whose commit waits for the standby.
    pub fn start_waiting(&self, sql: &str) -> Background {
        let call = Background::run(&self.stage, sql);
        self.wait_for_waiting(&format!("pid = {}", call.pid));
        call
    }

    pub fn wait_for_waiting(&self, who: &str) {
        wait_for(&format!("{who} waits for the standby"), PATIENCE, || {
            self.waiting(who).is_some()
        });
    }

    /// The process of the stage's database that waits for the standby.
    pub fn waiting(&self, who: &str) -> Option<i32> {
        let query = format!(
            "SELECT max(pid) FROM pg_stat_activity
             WHERE wait_event = 'SyncRep' AND datname = current_database() AND {who}"
        );
        self.stage.database.value(&query)
    }

    /// Waits until the worker waits for the standby, and says which process it is.
    pub fn waiting_worker(&self) -> i32 {
        self.wait_for_waiting(WORKER);
        self.waiting(WORKER).unwrap()
    }

    /// Nothing is reported now, nor in a while.
    pub fn assert_silent(&self) {
        let calls = || self.stage.simulator.calls(Endpoint::Report);
        let spoke = within(A_WHILE, || calls() > 0);
        assert!(!spoke, "something was reported without the standby");
    }

    /// Once the standby is back, these tickets' proposals are reported, each once.
    pub fn assert_reported_with_the_standby(&mut self, tickets: RangeInclusive<i64>) {
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
