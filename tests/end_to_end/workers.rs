//! What tests of the resident worker share.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use postgres::{NoTls, Row};
use simulated_control_plane::{ControlPlane, Endpoint};
use synapsor_testbed::{Cluster, ClusterOptions, major_version, quote, wait_for};

use crate::stage::{PATIENCE, Stage};

/// What "at once" may take on a busy machine, where the promise is a second.
pub const A_SECOND: Duration = Duration::from_secs(1);

/// A cluster that has the library preloaded, and polls often.
pub fn preloaded() -> ClusterOptions {
    ClusterOptions::default()
        .setting("shared_preload_libraries", "synapsor_writeback")
        .setting("synapsor.poll_interval", "100ms")
}

/// The processes of this kind (`worker`, `launcher`) in the whole cluster, of which `pg_stat_activity` says this.
pub fn processes(cluster: &Cluster, kind: &str, condition: &str) -> Vec<i32> {
    let query = format!(
        "SELECT pid FROM pg_stat_activity
         WHERE backend_type = 'synapsor_writeback {kind}' AND {condition}"
    );
    let pids = cluster.database("postgres").rows(&query);
    pids.iter().map(|pid| pid.parse().unwrap()).collect()
}

/// `SELECT * FROM synapsor_status()`.
#[derive(Debug)]
pub struct Status(pub Row);

impl Status {
    /// `running`, `idle`, `backing off`, `paused` or `stopped`.
    pub fn state(&self) -> String {
        self.0.get("state")
    }

    /// Why, in words.
    pub fn reason(&self) -> String {
        self.0.get("reason")
    }

    /// The worker's process.
    pub fn worker_pid(&self) -> Option<i32> {
        self.0.get("worker_pid")
    }
}

/// Databases with a worker that was started by hand.
static STARTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// On a cluster that tests share, a worker that stays would take other tests' slots.
impl Drop for Stage {
    fn drop(&mut self) {
        let name = self.database.name();
        if STARTED.lock().is_ok_and(|mut started| started.remove(name)) {
            let session = self
                .database
                .config("postgres")
                .dbname("postgres")
                .connect(NoTls);
            let _ = session.map(|mut session| {
                session.batch_execute(&format!(
                    "DROP DATABASE IF EXISTS {} WITH (FORCE)",
                    quote(name)
                ))
            });
        }
    }
}

impl Stage {
    /// On a cluster whose launcher is to keep a worker for the new database.
    pub fn kept_on(cluster: &Cluster) -> Self {
        let stage = Self::on(cluster);
        stage.allow_worker();
        stage.keep();
        stage
    }

    /// Adds the database to `synapsor.databases`.
    pub fn keep(&self) {
        let mut session = self.database.connect();
        let kept: String = session
            .query_one("SHOW synapsor.databases", &[])
            .unwrap()
            .get(0);
        let separator = if kept.is_empty() { "" } else { ", " };
        let name = self.database.name();
        let sql = format!("ALTER SYSTEM SET synapsor.databases = '{kept}{separator}{name}'");
        session.batch_execute(&sql).unwrap();
        session.batch_execute("SELECT pg_reload_conf()").unwrap();
    }

    /// The database gets another name; nobody is connected to it.
    pub fn renamed(mut self, cluster: &Cluster, name: &str) -> Self {
        let (before, after) = (quote(self.database.name()), quote(name));
        let rename = format!("ALTER DATABASE {before} RENAME TO {after}");
        cluster.database("postgres").execute(&rename);
        self.database = cluster.database(name);
        self
    }

    /// Lets a worker connect as the writer: before 17 that takes LOGIN.
    pub fn allow_worker(&self) {
        // Two sessions that alter a role at the same moment get in each other's way.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        if major_version() < 17 {
            self.database.execute("ALTER ROLE writer LOGIN");
        }
    }

    /// `SELECT synapsor_start_worker()`, and waits until it is there.
    pub fn start_worker(&self) {
        self.allow_worker();
        STARTED
            .lock()
            .unwrap()
            .insert(self.database.name().to_owned());
        self.operator().run("SELECT synapsor_start_worker()");
        wait_for("the worker is there", PATIENCE, || {
            self.status().worker_pid().is_some()
        });
    }

    /// `SELECT * FROM synapsor_status()`.
    pub fn status(&self) -> Status {
        let row = self
            .operator()
            .0
            .query_one("SELECT * FROM synapsor_status()", &[]);
        Status(row.unwrap())
    }

    /// Waits until the worker says so.
    pub fn wait_for_state(&self, state: &str) {
        wait_for(&format!("the worker is {state}"), PATIENCE, || {
            self.status().state() == state
        });
    }

    /// Waits until it is running, and says which process it is.
    pub fn running_worker(&self) -> i32 {
        self.wait_for_state("running");
        self.status().worker_pid().unwrap()
    }

    /// Waits until this many proposals were applied and reported.
    pub fn wait_for_applied(&self, count: i64) {
        wait_for("applied and reported", PATIENCE, || {
            self.ledger("status = 'applied' AND report_state = 'delivered'") == count
        });
    }

    /// On the shared cluster, with a worker that polls this often and has begun to.
    pub fn polling_every(interval: &str) -> Self {
        let stage = Self::new();
        stage.database.set("synapsor.poll_interval", interval);
        stage.start_worker();
        stage.wait_for_reason("polling");
        stage
    }

    /// `SELECT synapsor_wake()`.
    pub fn wake(&self) {
        self.operator().run("SELECT synapsor_wake()");
    }

    /// Waits until the worker's reason has this in it.
    pub fn wait_for_reason(&self, part: &str) {
        wait_for(&format!("the reason is {part}"), PATIENCE, || {
            self.status().reason().contains(part)
        });
    }

    /// Waits until the worker has ended this many polls from now on.
    pub fn wait_for_polls(&self, count: u64) {
        let polled = self.simulator.calls(Endpoint::List) + count;
        // One more has begun, so that the one before it has ended.
        let has_polled = |c: &ControlPlane| c.calls(Endpoint::List) > polled;
        let in_time = self.simulator.wait_for(has_polled, PATIENCE);
        assert!(in_time, "{count} polls");
    }

    /// What was logged about this database, and by its workers.
    pub fn logged(&self, cluster: &Cluster) -> Vec<String> {
        let here = format!(
            "synapsor_writeback: database \"{}\": ",
            self.database.name()
        );
        let log = cluster.log();
        let lines = log.lines().filter_map(|line| line.split_once(&here));
        lines.map(|(_, text)| text.to_owned()).collect()
    }

    /// The resident workers of this database, seen from outside.
    pub fn workers(&self) -> Vec<i32> {
        let query = "SELECT pid FROM pg_stat_activity
                     WHERE backend_type = 'synapsor_writeback worker' AND datname = current_database()";
        let mut session = self.database.connect();
        let rows = session.query(query, &[]).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Waits until `pg_stat_activity` says this of the worker, and says which process it is.
    pub fn worker_that(&self, condition: &str) -> i32 {
        let query = format!(
            "SELECT pid FROM pg_stat_activity
             WHERE backend_type = 'synapsor_writeback worker' AND datname = current_database()
               AND {condition}"
        );
        let mut session = self.database.connect();
        let mut found = None;
        wait_for(&format!("the worker's {condition}"), PATIENCE, || {
            let row = session.query_opt(&query, &[]).unwrap();
            found = row.map(|row| row.get(0));
            found.is_some()
        });
        found.unwrap()
    }

    /// Waits until the worker sleeps till the next poll, and says which process it is.
    pub fn worker_that_sleeps(&self) -> i32 {
        self.worker_that(
            "query = 'synapsor_writeback: waiting for the next poll' AND wait_event_type = 'Extension'",
        )
    }

    /// The launcher that keeps this database, and no other.
    pub fn launcher(&self) -> i32 {
        let query = format!(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'synapsor_writeback launcher'
             AND query = 'synapsor_writeback: keeping a worker for {}'",
            self.database.name()
        );
        let mut session = self.database.connect();
        let mut found = None;
        wait_for("the launcher is there", PATIENCE, || {
            let row = session.query_opt(&query, &[]).unwrap();
            found = row.map(|row| row.get(0));
            found.is_some()
        });
        found.unwrap()
    }

    /// `SELECT pg_terminate_backend(pid)`.
    pub fn terminate(&self, pid: i32) {
        let sql = format!("SELECT pg_terminate_backend({pid})");
        assert!(self.database.value::<bool>(&sql));
    }
}
