//! What a test plays on: a database with the extension, and a control plane that it is set up for.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use postgres::{Client, Error, Row};
use serde_json::Value;
use simulated_control_plane::{Options, Simulator};
use synapsor_testbed::{Cluster, ClusterOptions, Database, OPERATOR, Proposal, wait_for};

/// The longest that anything takes that has no promise of its own.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The cluster that tests share.
pub static SHARED: LazyLock<Cluster> = LazyLock::new(|| {
    Cluster::start(
        ClusterOptions::default()
            .setting("max_connections", 200)
            .setting("max_worker_processes", 64),
    )
});

/// A hundred tickets of tenant `acme`, all open, at version 1, and what the writer may do with them.
const TICKETS: &str = "
    CREATE TABLE tickets (
        id bigint PRIMARY KEY, tenant_id text NOT NULL, status text, version int NOT NULL, amount numeric(10,2));
    INSERT INTO tickets SELECT n, 'acme', 'open', 1, 10 FROM generate_series(1, 100) n;
    GRANT SELECT, INSERT, DELETE, UPDATE (status, amount, version) ON tickets TO writer;
";

/// A database of a shared or an own cluster, and its control plane.
pub struct Stage {
    pub simulator: Simulator,
    pub database: Database,
}

impl Stage {
    /// On the shared cluster.
    pub fn new() -> Self {
        Self::on(&SHARED)
    }

    /// On a cluster of the test's own.
    pub fn on(cluster: &Cluster) -> Self {
        Self::set_up(cluster, |database| database.create_extension())
    }

    /// With an extension that this creates.
    pub fn set_up(cluster: &Cluster, create_extension: impl FnOnce(&Database)) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        let name = format!("stage_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let options = Options::default();
        let key = cluster.key_file(&format!("key_{name}"), &options.api_key);
        let simulator = Simulator::start(options).unwrap();
        let database = cluster.create_database(&name);
        create_extension(&database);
        database.create_roles();
        database.execute(TICKETS);
        database.set("synapsor.base_url", simulator.base_url());
        database.set("synapsor.api_key_file", key.display());
        database.set("synapsor.source_id", "src_1");
        Stage {
            simulator,
            database,
        }
    }

    /// A session of the operator.
    pub fn operator(&self) -> Operator {
        Operator(self.database.connect_as(OPERATOR))
    }

    /// One poll, in a session of its own.
    pub fn poll(&self) -> Value {
        self.operator().poll()
    }

    /// Lists an approved proposal.
    pub fn approve(&self, proposal: impl ToString) {
        self.simulator.add_proposal(proposal).unwrap();
    }

    /// Lists [`close`] for these tickets.
    pub fn approve_closing(&self, tickets: impl IntoIterator<Item = i64>) {
        let proposals = tickets.into_iter().map(close);
        self.simulator.add_proposals(proposals).unwrap();
    }

    /// How many tickets have this status.
    pub fn tickets(&self, status: &str) -> i64 {
        let query = format!("SELECT count(*) FROM tickets WHERE status = '{status}'");
        self.database.value(&query)
    }

    /// How many rows the ledger has for which this holds.
    pub fn ledger(&self, condition: &str) -> i64 {
        let query = format!("SELECT count(*) FROM synapsor.ledger WHERE {condition}");
        self.database.value(&query)
    }

    /// Waits until no report is owed.
    pub fn wait_for_reports(&self) {
        wait_for("all reports are delivered", PATIENCE, || {
            self.ledger("report_state = 'pending'") == 0
        });
    }
}

impl Stage {
    /// How many one-shot workers are there.
    pub fn reporters(&self) -> i64 {
        self.database.value(
            "SELECT count(*) FROM pg_stat_activity
             WHERE backend_type = 'synapsor_writeback reporter' AND datname = current_database()",
        )
    }

    /// Waits until the one-shot worker has tried to report, and has left: it failed, and nobody tries again by himself.
    pub fn wait_for_a_failed_report(&self) {
        wait_for("a report fails", PATIENCE, || {
            self.ledger("report_state = 'pending' AND report_error IS NOT NULL") > 0
        });
        wait_for("the reporter leaves", PATIENCE, || self.reporters() == 0);
    }
}

/// A session of the operator.
pub struct Operator(pub Client);

impl Operator {
    /// `SELECT synapsor_poll_once()`.
    pub fn try_poll(&mut self) -> Result<Value, Error> {
        self.value("SELECT synapsor_poll_once()")
    }

    /// A poll that works.
    pub fn poll(&mut self) -> Value {
        self.try_poll().unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// `SELECT synapsor_report_once()` that works.
    pub fn report(&mut self) -> Value {
        self.value("SELECT synapsor_report_once()").unwrap()
    }

    /// `CALL synapsor_poll()` that works.
    pub fn call(&mut self) {
        self.run("CALL synapsor_poll()");
    }

    /// Statements that work, as one simple query.
    pub fn run(&mut self, sql: &str) {
        let done = self.0.batch_execute(sql);
        done.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    fn value(&mut self, sql: &str) -> Result<Value, Error> {
        self.0.query_one(sql, &[]).map(|row: Row| row.get(0))
    }
}

/// The proposal that closes a ticket: `wrp_<n>` with the key `key_<n>`.
pub fn close(ticket: i64) -> Proposal {
    Proposal::update("tickets")
        .id(&format!("wrp_{ticket}"))
        .idempotency_key(&format!("key_{ticket}"))
        .key("id", ticket)
        .change("status", "closed")
        .tenant("tenant_id", "acme")
        .conflict("version", 1)
}

/// The statuses of a poll's results, in order.
pub fn statuses(answer: &Value) -> Vec<&str> {
    let results = answer["results"].as_array().unwrap();
    results
        .iter()
        .map(|result| result["status"].as_str().unwrap())
        .collect()
}

/// What a client is told of an error: SQLSTATE, message and hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub sqlstate: String,
    pub message: String,
    pub hint: String,
}

impl Told {
    /// The error of something that has to fail.
    pub fn by<T: std::fmt::Debug>(result: Result<T, Error>) -> Self {
        let error = result.expect_err("this has to fail");
        let error = error.as_db_error().unwrap_or_else(|| panic!("{error:?}"));
        Told {
            sqlstate: error.code().code().to_owned(),
            message: error.message().to_owned(),
            hint: error.hint().unwrap_or_default().to_owned(),
        }
    }

    /// The message's code: its text up to the first colon.
    pub fn code(&self) -> &str {
        self.message.split(':').next().unwrap()
    }
}
