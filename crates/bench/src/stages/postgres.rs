//! A private Postgres with the extension.

use std::cell::RefCell;
use std::time::Duration;

use postgres::Client;
use synapsor_testbed::{Cluster, ClusterOptions, Database, WRITER, wait_for};

use super::{Counters, PATIENCE, Stage};
use crate::control_plane::{API_KEY, ControlPlane, SOURCE_ID};
use crate::processes::Process;
use crate::reference::{Kind, Reference};
use crate::tickets::{TENANT, Tickets};

/// A cluster with default durability, one database, and its control plane.
pub struct PostgresStage {
    /// The database.
    pub database: Database,
    /// The server.
    pub cluster: Cluster,
    session: RefCell<Client>,
    control_plane: ControlPlane,
    tickets: Tickets,
}

impl PostgresStage {
    /// Sets one up, with so many tickets.
    pub fn new(tickets: usize) -> Self {
        // The testbed's own clusters are small, and have fsync off.
        let options = ClusterOptions::default()
            .setting("fsync", "on")
            .setting("shared_buffers", "128MB");
        let cluster = Cluster::start(options);
        let control_plane = ControlPlane::start();
        let database = cluster.create_database("bench");
        database.create_extension();
        database.create_roles();
        // For the reference, and before 17 for the worker.
        database.execute(&format!("ALTER ROLE {WRITER} LOGIN"));
        database.set("synapsor.base_url", control_plane.base_url());
        database.set("synapsor.source_id", SOURCE_ID);
        let key = cluster.key_file("synapsor.key", API_KEY);
        database.set("synapsor.api_key_file", key.display());
        let stage = PostgresStage {
            session: RefCell::new(database.connect()),
            tickets: Tickets::new(tickets, "public", "postgres"),
            database,
            cluster,
            control_plane,
        };
        stage.create_tickets("tickets");
        stage.fill_tickets("tickets", tickets);
        stage
    }

    /// Makes a table of tickets that the writer may do anything to.
    pub fn create_tickets(&self, table: &str) {
        self.database.execute(&format!(
            "CREATE TABLE {table} (
                 id bigint PRIMARY KEY, tenant_id text NOT NULL, status text NOT NULL, note text, version int NOT NULL);
             GRANT SELECT, INSERT, DELETE, UPDATE (status, note) ON {table} TO {WRITER}"
        ));
    }

    /// Fills a table with tickets, in place of what is in it.
    pub fn fill_tickets(&self, table: &str, count: usize) {
        self.database.execute(&format!(
            "TRUNCATE {table};
             INSERT INTO {table} SELECT n, '{TENANT}', 'open', NULL, 1 FROM generate_series(1, {count}) n"
        ));
        self.tidy(table);
    }

    /// Leaves nothing to do for those who tidy up by themselves.
    pub fn tidy(&self, tables: &str) {
        self.database.execute(&format!("VACUUM (ANALYZE) {tables}"));
        self.database.execute("CHECKPOINT");
    }

    /// The worker's process id, while there is one.
    fn worker_pid(&self) -> Option<i32> {
        let query = "SELECT pid FROM pg_stat_activity
                     WHERE backend_type = 'synapsor_writeback worker' AND datname = current_database()";
        let found = self.session.borrow_mut().query_opt(query, &[]);
        found.expect("the server answers").map(|row| row.get(0))
    }

    fn number(&self, query: &str) -> i64 {
        let row = self.session.borrow_mut().query_one(query, &[]);
        row.unwrap_or_else(|error| panic!("{query}: {error:?}"))
            .get(0)
    }

    fn run(&self, sql: &str) {
        let done = self.session.borrow_mut().batch_execute(sql);
        done.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
}

impl Stage for PostgresStage {
    fn name(&self) -> String {
        let version: String = self
            .database
            .value("SELECT current_setting('server_version')");
        format!("PostgreSQL {version}")
    }

    fn control_plane(&self) -> &ControlPlane {
        &self.control_plane
    }

    fn tickets(&self) -> &Tickets {
        &self.tickets
    }

    fn start_worker(&self, poll_interval: Duration) -> Process {
        let interval = format!("{}ms", poll_interval.as_millis());
        self.database.set("synapsor.poll_interval", interval);
        let polls = self.control_plane.polls();
        self.run("SELECT synapsor_start_worker()");
        wait_for("the worker polls", PATIENCE, || {
            self.control_plane.polls() > polls
        });
        let pid = self.worker_pid().expect("the worker that polls is there");
        Process::new("worker", pid)
    }

    fn stop_worker(&self) {
        self.run("SELECT synapsor_stop_worker()");
        wait_for("the worker stops", PATIENCE, || self.worker_pid().is_none());
    }

    fn wake(&self) {
        self.run("SELECT synapsor_wake()");
    }

    fn settle(&self) {
        let owed = "SELECT count(*) FROM synapsor.ledger WHERE report_state = 'pending'";
        wait_for("no report is owed", PATIENCE, || self.number(owed) == 0);
    }

    fn reference(&self) -> Reference {
        let address = format!(
            "host={} port={} user={WRITER} dbname={}",
            self.cluster.socket_directory().display(),
            self.cluster.port(),
            self.database.name(),
        );
        Reference::start(Kind::Postgres, self.control_plane.base_url(), &address)
    }

    /// The worker is the server's own process.
    fn servers(&self) -> Vec<Process> {
        Vec::new()
    }

    fn counters(&self) -> Counters {
        let bytes = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint";
        // Asking for the next id takes none.
        let next = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint";
        Counters {
            log_bytes: self.number(bytes).unsigned_abs(),
            transactions: self.number(next).unsigned_abs(),
        }
    }
}
