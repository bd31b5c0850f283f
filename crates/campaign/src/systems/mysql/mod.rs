//! MariaDB with instances of the companion program, behind a proxy that cuts connections, and an application.

mod instances;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::thread;
use std::time::{Duration, SystemTime};

use mysql::Conn;
use mysql::prelude::Queryable;
use simulated_control_plane::Simulator;
use synapsor_crash_points::{DEFECT, DIRECTORY, Defect, Order, Point};
use synapsor_mysql_testbed::{Flavor, Proxy, Server, Shop};

use instances::Instances;

use crate::case::{Rows, TENANT};
use crate::evidence::{Change, LedgerRow, Mark, Row};
use crate::system::{Actor, Orders, Stop, System, persist};

/// Errors of each class, by their numbers: those that pass, and those that do not.
const ERRORS: [(&str, &str); 7] = [
    ("1205", "lock"),
    ("1213", "deadlock"),
    ("1290", "read-only"),
    ("1053", "shutdown"),
    ("1114", "disk"),
    ("3819", "constraint"),
    ("1264", "value"),
];

/// A server with a shop, and the instances that work on it.
pub struct MySql {
    instances: Instances,
    proxy: Proxy,
    shop: Shop,
    server: Server,
    orders: Orders,
    label: String,
}

impl MySql {
    /// Starts it.
    ///
    /// # Panics
    /// When `SYNAPSOR_MYSQL_PROGRAM` names no program.
    pub fn start(simulator: &Simulator, api_key: &str, defect: Option<Defect>) -> Self {
        let server = Server::start(Flavor::MariaDb);
        let shop = Shop::new(&server);
        shop.execute(include_str!("shop.sql"));
        let moody = include_str!("moody.sql");
        shop.root().query_drop(moody).expect("the moody trigger");
        let (user, password) = shop.create_writer(&[
            "SELECT, INSERT, DELETE, UPDATE (status, note, version) ON tickets",
            "SELECT, UPDATE (status, note) ON orders",
            "SELECT, INSERT ON credits",
        ]);
        let orders = Orders::new();
        let proxy = Proxy::start(&server);
        let mut instances = Instances::new(simulator, api_key);
        instances.migrate(&shop, &user);
        let marked = include_str!("marked.sql").replace("{shop}", shop.name());
        shop.root()
            .query_drop(marked)
            .expect("the ledger's trigger");
        instances.set(DIRECTORY, orders.path());
        let url = proxy.url(&user, &password, shop.name());
        instances.set("SYNAPSOR_DATABASE_URL", url);
        if let Some(defect) = defect {
            instances.set(DEFECT, defect.name());
        }
        instances.start_missing();
        let version: String = server.query_value("SELECT VERSION()");
        MySql {
            instances,
            proxy,
            shop,
            server,
            orders,
            label: format!("MariaDB {}", version.split('-').next().unwrap_or_default()),
        }
    }

    fn query<T>(&self, what: &str, ask: impl Fn(&mut Conn) -> mysql::Result<T>) -> T {
        let (address, name) = (self.shop.address().clone(), self.shop.name());
        persist(what, || ask(&mut address.try_root(Some(name))?))
    }

    /// Holds something for a while.
    fn hold(&self, begin: &str, end: &str) -> bool {
        const A_WHILE: Duration = Duration::from_millis(1500);
        let session = self.shop.address().try_root(Some(self.shop.name()));
        let held = session.and_then(|mut session| {
            for statement in begin.split(';') {
                session.query_drop(statement)?;
            }
            thread::sleep(A_WHILE);
            session.query_drop(end)
        });
        held.is_ok()
    }

    /// Sets a trap of the proxy, and waits until it has been sprung.
    fn spring(&self, trap: impl FnOnce(&Proxy)) -> bool {
        const A_WHILE: Duration = Duration::from_secs(2);
        let before = self.proxy.cuts();
        trap(&self.proxy);
        synapsor_testbed::within(A_WHILE, || self.proxy.cuts() > before)
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
        let shift = COLUMNS.map(|column| format!("{column} = {column} {sign} INTERVAL 1 HOUR"));
        let sql = format!("UPDATE synapsor.ledger SET {}", shift.join(", "));
        let session = self.shop.address().try_root(Some("synapsor"));
        session.is_ok_and(|mut session| session.query_drop(sql).is_ok())
    }

    fn kill_sessions(&self) -> bool {
        const QUERY: &str =
            "SELECT id FROM information_schema.PROCESSLIST WHERE user LIKE 'writer%'";
        self.query("sessions", |session| {
            let ids: Vec<u64> = session.query(QUERY)?;
            ids.iter().for_each(|id| {
                let _ = session.query_drop(format!("KILL {id}"));
            });
            Ok(!ids.is_empty())
        })
    }
}

impl System for MySql {
    fn label(&self) -> String {
        self.label.clone()
    }

    fn source_kind(&self) -> &'static str {
        "mysql"
    }

    fn schema(&self) -> String {
        self.shop.name().to_owned()
    }

    fn in_order(&self) -> bool {
        false
    }

    fn orders(&self) -> &Orders {
        &self.orders
    }

    fn errors(&self) -> &'static [(&'static str, &'static str)] {
        &ERRORS
    }

    fn can_raise_at(&self, point: Point) -> bool {
        !matches!(point, Point::BeforeFetch | Point::AfterFetch)
    }

    fn own_faults(&self) -> &'static [&'static str] {
        &[
            "kill instance",
            "terminate instance",
            "hang up instance",
            "kill server",
            "stop server",
            "cut connections",
            "cut before commit",
            "cut after commit",
            "cut before statement",
            "cut after statement",
            "freeze connections",
            "kill sessions",
            "lock rows",
            "lock table",
            "read-only",
            "clock steps back",
            "clock steps forward",
        ]
    }

    fn inflict(&mut self, fault: &str, rows: Rows, random: &mut fastrand::Rng) -> bool {
        match fault {
            "kill instance" => self.instances.signal(libc::SIGKILL, random),
            "terminate instance" => self.instances.signal(libc::SIGTERM, random),
            "hang up instance" => self.instances.signal(libc::SIGHUP, random),
            "kill server" => {
                self.server.kill();
                true
            }
            "stop server" => {
                self.server.stop();
                true
            }
            "cut connections" => {
                self.proxy.cut_now();
                true
            }
            "cut before commit" => self.spring(Proxy::cut_before_commit),
            "cut after commit" => self.spring(Proxy::cut_after_commit),
            "cut before statement" => self.spring(|proxy| proxy.cut_before_statement("`tickets`")),
            "cut after statement" => self.spring(|proxy| proxy.cut_after_statement("`tickets`")),
            "freeze connections" => {
                self.proxy.freeze();
                thread::sleep(Duration::from_millis(700));
                self.proxy.thaw();
                true
            }
            "kill sessions" => self.kill_sessions(),
            "lock rows" => {
                let rows = format!(
                    "SELECT id FROM tickets WHERE id >= {} FOR UPDATE",
                    rows.first
                );
                self.hold(&format!("BEGIN;{rows}"), "ROLLBACK")
            }
            "lock table" => self.hold("LOCK TABLES tickets WRITE, credits WRITE", "UNLOCK TABLES"),
            "read-only" => self.hold("SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0"),
            "clock steps back" => self.shift_ledger("+"),
            "clock steps forward" => self.shift_ledger("-"),
            _ => false,
        }
    }

    fn stopping(&self, how: Stop) -> Order {
        let signal = match how {
            Stop::Immediate => libc::SIGKILL,
            Stop::Orderly => libc::SIGTERM,
        };
        Order::Signal {
            pid: self.server.pid(),
            signal,
        }
    }

    fn wait_for_end(&mut self) {
        self.server.wait_for_end();
    }

    fn heal(&mut self) {
        self.server.revive();
        self.query("writable", |session| {
            session.query_drop("SET GLOBAL read_only = 0")
        });
        self.instances.start_missing();
    }

    fn make_rows(&mut self, rows: Rows) {
        let values: Vec<_> = (rows.first..=rows.foreign())
            .map(|id| {
                let tenant = if id == rows.foreign() {
                    "globex"
                } else {
                    TENANT
                };
                format!("({id}, '{tenant}')")
            })
            .collect();
        let values = values.join(", ");
        for table in ["tickets", "orders"] {
            let sql = format!("INSERT IGNORE INTO {table} (id, tenant_id) VALUES {values}");
            self.query("rows", |session| session.query_drop(&sql));
        }
    }

    fn actors(&self, seed: u64, current: &Arc<AtomicI64>) -> Vec<Actor> {
        let (address, name) = (self.shop.address().clone(), self.shop.name().to_owned());
        let mut random = fastrand::Rng::with_seed(seed + 1);
        let mut poll = self.instances.command(&["poll-once"]);
        vec![
            instances::traffic(address, name, seed, Arc::clone(current)),
            Box::new(move || {
                let _ = poll.status();
                thread::sleep(Duration::from_millis(random.u64(100..600)));
            }),
        ]
    }

    fn hurry(&mut self) {
        let _ = self.instances.command(&["poll-once"]).status();
        let _ = self.instances.command(&["report-once"]).status();
    }

    fn last_change(&mut self) -> i64 {
        self.query("history", |session| {
            let last = session.query_first("SELECT coalesce(max(number), 0) FROM history")?;
            Ok(last.unwrap_or_default())
        })
    }

    fn history(&mut self, after: i64) -> Vec<Change> {
        type Found = (i64, i64, String, bool, Option<String>, Option<String>);
        let query = format!(
            "SELECT number, CAST(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', at) AS SIGNED), table_name, by_writer, before_it, after_it
             FROM history WHERE number > {after} ORDER BY number"
        );
        let object = |text: Option<String>| -> Option<Row> { serde_json::from_str(&text?).ok() };
        let found: Vec<Found> = self.query("history", |session| session.query(&query));
        let change = |(number, at, table, by_writer, before, after): Found| Change {
            number,
            at: moment(at),
            table,
            by_writer,
            before: object(before),
            after: object(after),
        };
        found.into_iter().map(change).collect()
    }

    fn marks(&mut self, prefix: &str) -> Vec<Mark> {
        let query = format!(
            "SELECT `key`, proposal_id, CAST(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', at) AS SIGNED) FROM marks
             WHERE left(`key`, {}) = '{prefix}'",
            prefix.len()
        );
        let found: Vec<(String, String, i64)> =
            self.query("marks", |session| session.query(&query));
        let mark = |(key, proposal_id, at): (String, String, i64)| Mark {
            key,
            proposal_id,
            at: moment(at),
        };
        found.into_iter().map(mark).collect()
    }

    fn ledger(&mut self, prefix: &str) -> HashMap<String, LedgerRow> {
        let query = format!(
            "SELECT `key`, status, coalesce(report_state, ''), concat_ws(' ', 'attempts', attempts, 'operation', operation,
                 'reason', reason, 'error', error, 'detail', error_detail, 'decided', decided_at, 'reported', reported_at,
                 'report attempts', report_attempts, report_error)
             FROM synapsor.ledger WHERE left(`key`, {}) = '{prefix}'",
            prefix.len()
        );
        let found: Vec<(String, String, String, String)> =
            self.query("ledger", |session| session.query(&query));
        let entry = |(key, status, report_state, rest)| {
            let row = LedgerRow {
                status,
                report_state,
                rest,
            };
            (key, row)
        };
        found.into_iter().map(entry).collect()
    }
}

/// Of microseconds since 1970.
fn moment(micros: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(micros.unsigned_abs())
}
