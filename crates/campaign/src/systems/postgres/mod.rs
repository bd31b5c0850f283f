//! Postgres with the extension: a resident worker, sessions that poll, and an application.

mod actors;

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use postgres::{Client, Config, Error, NoTls};
use simulated_control_plane::Simulator;
use synapsor_crash_points::{DEFECT, DIRECTORY, Defect, Order, Point};
use synapsor_testbed::process::send;
use synapsor_testbed::{Cluster, ClusterOptions, Database, OPERATOR, Shutdown, major_version};

use actors::Session;

use crate::case::{Rows, TENANT};
use crate::evidence::{Change, LedgerRow, Mark};
use crate::system::{Actor, Orders, Stop, System, persist};

/// The application, whose changes are its own.
const APPLICATION: &str = "app";

/// Whoever runs the server.
const SUPERUSER: &str = "postgres";

/// Errors of each class: those that pass, and those that do not.
const ERRORS: [(&str, &str); 8] = [
    ("40001", "serialization"),
    ("40P01", "deadlock"),
    ("55P03", "lock"),
    ("53200", "memory"),
    ("53100", "disk"),
    ("23514", "constraint"),
    ("22003", "value"),
    ("XX000", "internal"),
];

/// A cluster with a database that is kept by a worker.
pub struct Postgres {
    cluster: Cluster,
    database: Database,
    /// The database, for those who run beside us: after a failover it is elsewhere.
    address: Arc<Mutex<Database>>,
    /// Primaries that were lost.
    lost: Vec<Cluster>,
    orders: Orders,
}

impl Postgres {
    /// Starts it.
    pub fn start(simulator: &Simulator, api_key: &str, defect: Option<Defect>) -> Self {
        let orders = Orders::new();
        let mut options = ClusterOptions::default()
            .setting("shared_preload_libraries", "synapsor_writeback")
            .setting("synapsor.databases", "campaign")
            .setting("max_worker_processes", 32)
            .setting("track_commit_timestamp", "on")
            .variable(DIRECTORY, &orders.path().display().to_string());
        if let Some(defect) = defect {
            options = options.variable(DEFECT, defect.name());
        }
        let cluster = Cluster::start(options);
        let key = cluster.key_file("campaign_key", api_key);
        let database = cluster.create_database("campaign");
        database.create_extension();
        database.create_roles();
        database.execute(include_str!("shop.sql"));
        if major_version() < 17 {
            database.execute("ALTER ROLE writer LOGIN");
        }
        let set =
            |name: &str, value: &dyn Display| database.set(&format!("synapsor.{name}"), value);
        set("api_key_file", &key.display());
        set("source_id", &"src_1");
        set("advance_guard", &"on");
        set("poll_interval", &"50ms");
        set("request_timeout", &"1s");
        set("connect_timeout", &"1s");
        set("lock_timeout", &"300ms");
        set("statement_timeout", &"2s");
        set("max_response_size", &"1MB");
        // Last: with it, the worker has everything it needs.
        set("base_url", &simulator.base_url());
        Postgres {
            cluster,
            address: Arc::new(Mutex::new(database.clone())),
            database,
            lost: Vec::new(),
            orders,
        }
    }

    fn config(&self, role: &str) -> Config {
        let mut config = self.database.config(role);
        config.connect_timeout(Duration::from_secs(2));
        config
    }

    fn query<T>(&self, what: &str, ask: impl Fn(&mut Client) -> Result<T, Error>) -> T {
        let config = self.config(SUPERUSER);
        persist(what, || ask(&mut config.connect(NoTls)?))
    }

    /// Signals processes of our database, of which `pg_stat_activity` says this.
    fn signal(&self, condition: &str, signal: i32) -> bool {
        let query = format!(
            "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'campaign' AND {condition}"
        );
        let pids: Vec<i32> = self.query("processes", |session| {
            let rows = session.query(&query, &[])?;
            Ok(rows.iter().map(|row| row.get(0)).collect())
        });
        pids.iter().for_each(|pid| send(*pid, signal));
        !pids.is_empty()
    }

    /// Holds a lock for a while.
    fn hold(&self, sql: &str) -> bool {
        const A_WHILE: Duration = Duration::from_millis(700);
        let held = self
            .config(SUPERUSER)
            .connect(NoTls)
            .and_then(|mut session| {
                let mut transaction = session.transaction()?;
                transaction.batch_execute(sql)?;
                thread::sleep(A_WHILE);
                transaction.rollback()
            });
        held.is_ok()
    }

    /// A clock that steps back is one to which everything that was written down has moved into the future.
    fn shift_ledger(&self, sign: &str) -> bool {
        const COLUMNS: [&str; 5] = [
            "first_seen_at",
            "decided_at",
            "next_attempt_at",
            "reported_at",
            "next_report_at",
        ];
        let shift = COLUMNS.map(|column| format!("{column} = {column} {sign} interval '1 hour'"));
        let sql = format!("UPDATE synapsor.ledger SET {}", shift.join(", "));
        let session = self.config(SUPERUSER).connect(NoTls);
        session.is_ok_and(|mut session| session.batch_execute(&sql).is_ok())
    }

    /// Makes a synchronous standby, loses the primary, and goes on with the standby.
    fn fail_over(&mut self) -> bool {
        const IN_STEP: &str = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        let standby = self.cluster.start_standby("heir");
        self.query("synchronous", |session| {
            session.batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'heir'")?;
            session.batch_execute("SELECT pg_reload_conf()")
        });
        let is_in_step = || self.database.value::<i64>(IN_STEP) == 1;
        if !synapsor_testbed::within(Duration::from_secs(10), is_in_step) {
            self.query("alone again", |session| {
                session.batch_execute("ALTER SYSTEM RESET synchronous_standby_names")?;
                session.batch_execute("SELECT pg_reload_conf()")
            });
            return false;
        }
        thread::sleep(Duration::from_millis(300));
        self.cluster.kill_all();
        standby.promote();
        self.database = standby.database("campaign");
        *self.address() = self.database.clone();
        // Its home holds the key, and a late session may still look for its socket.
        let lost = std::mem::replace(&mut self.cluster, standby);
        self.lost.push(lost);
        true
    }

    fn address(&self) -> MutexGuard<'_, Database> {
        self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pause(&self) -> bool {
        const A_WHILE: Duration = Duration::from_millis(300);
        let paused = self
            .config(SUPERUSER)
            .connect(NoTls)
            .and_then(|mut session| {
                session.batch_execute("SELECT synapsor_pause()")?;
                thread::sleep(A_WHILE);
                session.batch_execute("SELECT synapsor_resume()")
            });
        paused.is_ok()
    }
}

const WORKER: &str = "backend_type = 'synapsor_writeback worker'";
const REPORTER: &str = "backend_type = 'synapsor_writeback reporter'";
const SESSION: &str = "usename = 'ops'";

impl System for Postgres {
    fn label(&self) -> String {
        format!("PostgreSQL {}", major_version())
    }

    fn source_kind(&self) -> &'static str {
        "postgres"
    }

    fn schema(&self) -> String {
        "public".to_owned()
    }

    fn in_order(&self) -> bool {
        true
    }

    fn orders(&self) -> &Orders {
        &self.orders
    }

    fn errors(&self) -> &'static [(&'static str, &'static str)] {
        &ERRORS
    }

    fn can_raise_at(&self, _point: Point) -> bool {
        true
    }

    fn own_faults(&self) -> &'static [&'static str] {
        &[
            "kill worker",
            "kill session",
            "kill reporter",
            "terminate worker",
            "terminate session",
            "cancel worker",
            "cancel session",
            "power cut",
            "kill postmaster",
            "immediate shutdown",
            "fast shutdown",
            "lock rows",
            "lock table",
            "pause",
            "failover",
            "clock steps back",
            "clock steps forward",
        ]
    }

    fn inflict(&mut self, fault: &str, rows: Rows, _random: &mut fastrand::Rng) -> bool {
        match fault {
            "kill worker" => self.signal(WORKER, libc::SIGKILL),
            "kill session" => self.signal(SESSION, libc::SIGKILL),
            "kill reporter" => self.signal(REPORTER, libc::SIGKILL),
            "terminate worker" => self.signal(WORKER, libc::SIGTERM),
            "terminate session" => self.signal(SESSION, libc::SIGTERM),
            "cancel worker" => self.signal(WORKER, libc::SIGINT),
            "cancel session" => self.signal(SESSION, libc::SIGINT),
            "power cut" => {
                self.cluster.kill_all();
                true
            }
            "kill postmaster" => {
                self.cluster.kill_postmaster();
                true
            }
            "immediate shutdown" => {
                self.cluster.stop(Shutdown::Immediate);
                true
            }
            "fast shutdown" => {
                self.cluster.stop(Shutdown::Fast);
                true
            }
            "lock rows" => self.hold(&format!(
                "SELECT 1 FROM tickets WHERE id >= {} FOR UPDATE",
                rows.first
            )),
            "lock table" => self.hold("LOCK TABLE tickets, credits"),
            "pause" => self.pause(),
            "failover" => self.fail_over(),
            "clock steps back" => self.shift_ledger("+"),
            "clock steps forward" => self.shift_ledger("-"),
            _ => false,
        }
    }

    fn stopping(&self, how: Stop) -> Order {
        let signal = match how {
            Stop::Immediate => libc::SIGQUIT,
            Stop::Orderly => libc::SIGINT,
        };
        Order::Signal {
            pid: self.cluster.postmaster_pid(),
            signal,
        }
    }

    fn wait_for_end(&mut self) {
        self.cluster.wait_for_end();
    }

    fn heal(&mut self) {
        self.cluster.revive();
        self.query("resume", |session| {
            session.batch_execute("SELECT synapsor_resume()")
        });
    }

    fn make_rows(&mut self, rows: Rows) {
        let insert = |table: &str| {
            format!(
                "INSERT INTO {table} (id, tenant_id)
                 SELECT n, CASE WHEN n = {foreign} THEN 'globex' ELSE '{TENANT}' END
                 FROM generate_series({first}, {foreign}) n ON CONFLICT DO NOTHING;",
                first = rows.first,
                foreign = rows.foreign(),
            )
        };
        let sql = insert("tickets") + &insert("orders");
        let config = self.config(APPLICATION);
        persist("rows", || config.connect(NoTls)?.batch_execute(&sql));
    }

    fn actors(&self, seed: u64, current: &Arc<AtomicI64>) -> Vec<Actor> {
        let session = |role| Session::new(&self.address, role);
        vec![
            actors::traffic(session(APPLICATION), seed, Arc::clone(current)),
            actors::poller(session(OPERATOR), seed + 1),
            actors::poller(session(OPERATOR), seed + 2),
        ]
    }

    fn hurry(&mut self) {
        let operator = self.database.config(OPERATOR);
        let hurried = operator.connect(NoTls).and_then(|mut session| {
            session.batch_execute("SELECT synapsor_poll_once()")?;
            session.batch_execute("SELECT synapsor_report_once()")
        });
        drop(hurried);
    }

    fn last_change(&mut self) -> i64 {
        self.query("history", |session| {
            let row = session.query_one("SELECT coalesce(max(number), 0) FROM history", &[])?;
            row.try_get(0)
        })
    }

    fn history(&mut self, after: i64) -> Vec<Change> {
        const QUERY: &str = "
            SELECT number, coalesce(pg_xact_commit_timestamp(xmin), at), table_name, by_writer, before, after FROM history WHERE number > $1 ORDER BY number";
        let object = |value: Option<serde_json::Value>| value?.as_object().cloned();
        self.query("history", |session| {
            let rows = session.query(QUERY, &[&after])?;
            let changes = rows.iter().map(|row| Change {
                number: row.get(0),
                at: row.get::<_, SystemTime>(1),
                table: row.get(2),
                by_writer: row.get(3),
                before: object(row.get(4)),
                after: object(row.get(5)),
            });
            Ok(changes.collect())
        })
    }

    fn marks(&mut self, prefix: &str) -> Vec<Mark> {
        const QUERY: &str = "SELECT key, proposal_id, at FROM marks WHERE starts_with(key, $1)";
        self.query("marks", |session| {
            let rows = session.query(QUERY, &[&prefix])?;
            let marks = rows.iter().map(|row| Mark {
                key: row.get(0),
                proposal_id: row.get(1),
                at: row.get(2),
            });
            Ok(marks.collect())
        })
    }

    fn ledger(&mut self, prefix: &str) -> HashMap<String, LedgerRow> {
        const QUERY: &str = "
            SELECT key, status, coalesce(report_state, ''), to_jsonb(l)::text
            FROM synapsor.ledger l WHERE starts_with(key, $1)";
        self.query("ledger", |session| {
            let rows = session.query(QUERY, &[&prefix])?;
            let entries = rows.iter().map(|row| {
                let entry = LedgerRow {
                    status: row.get(1),
                    report_state: row.get(2),
                    rest: row.get(3),
                };
                (row.get(0), entry)
            });
            Ok(entries.collect())
        })
    }
}
