//! What tests of the resident worker share.

use std::time::Duration;

use postgres::Row;
use synapsor_testbed::{Cluster, ClusterOptions, major_version, wait_for};

use crate::stage::{PATIENCE, Stage};

/// What "at once" may take on a busy machine, where the promise is a second.
pub const A_SECOND: Duration = Duration::from_secs(1);

/// A cluster that has the library preloaded, and polls often.
pub fn preloaded() -> ClusterOptions {
    ClusterOptions::default()
        .setting("shared_preload_libraries", "synapsor_writeback")
        .setting("synapsor.poll_interval", "100ms")
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

    /// Lets a worker connect as the writer: before 17 that takes LOGIN.
    pub fn allow_worker(&self) {
        if major_version() < 17 {
            self.database.execute("ALTER ROLE writer LOGIN");
        }
    }

    /// `SELECT synapsor_start_worker()`, and waits until it is there.
    pub fn start_worker(&self) {
        self.allow_worker();
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

    /// The resident workers of this database, seen from outside.
    pub fn workers(&self) -> Vec<i32> {
        let query = "SELECT pid FROM pg_stat_activity
                     WHERE backend_type = 'synapsor_writeback worker' AND datname = current_database()";
        let mut session = self.database.connect();
        let rows = session.query(query, &[]).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}
