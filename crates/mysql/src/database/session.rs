//! One session of the database: the same settings wherever it runs, every statement within its limit of time.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use mysql::Conn;
use mysql::prelude::Queryable;
use synapsor_crash_points::Point;

use super::address::Address;
use super::connection;
use super::error::DatabaseError;
use super::statements::{Answer, Broken, Step};
use super::watchdog::{IDENTITY, Verdict, Watchdog, Watched};
use crate::settings::Settings;
use crate::stop::Stop;

/// Longer than a statement may take: then the network is gone, and the watchdog could not help either.
const NETWORK_PATIENCE: Duration = Duration::from_secs(5);

/// The longest limit that MySQL takes for a wait, in seconds.
const MAX_WAIT: u64 = 31_536_000;

/// After so many seconds without a word from us the server ends the session, and with it its locks: our machine may be gone. Longer
/// than a delivery waits for its answers.
const IDLE: u32 = 600;

/// MariaDB's error of a statement that took longer than `max_statement_time`.
const TIME_LIMIT: u16 = 1969;

const BEGIN: &str = "START TRANSACTION";

/// What a value means, and what is an error, must not depend on how the server is configured. Zero is no order to
/// number a row, a value that does not fit is an error, backticks quote names.
const SQL_MODE: &str = "STRICT_ALL_TABLES,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,\
     ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO";

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// MySQL.
    MySql,
    /// MariaDB.
    MariaDb,
}

/// Where the database is, and how statements there are watched.
#[derive(Clone)]
pub struct Database {
    address: Address,
    settings: Settings,
    watchdog: Watchdog,
    stop: Stop,
}

impl Database {
    /// Checks the address. Nothing is sent yet.
    ///
    /// # Errors
    /// `DATABASE_URL_MISSING`, and those of [`Address::parse`].
    pub fn new(settings: &Settings, stop: &Stop) -> Result<Self, DatabaseError> {
        let url = settings.database.url.as_ref();
        let url = url.ok_or(DatabaseError::UrlMissing)?;
        let address = Address::parse(url.expose())?;
        let watchdog = Watchdog::start(&address, &settings.database, stop.clone());
        Ok(Database {
            address,
            settings: settings.clone(),
            watchdog: watchdog
                .map_err(|error| DatabaseError::Unreachable(error.kind().to_string()))?,
            stop: stop.clone(),
        })
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Opens a session.
    ///
    /// # Errors
    /// `DATABASE_UNREACHABLE`, `DATABASE_TLS`, `DATABASE_ACCESS_DENIED`, `DATABASE_UNSUPPORTED`.
    pub fn connect(&self) -> Result<Session, DatabaseError> {
        if self.stop.is_asked() {
            return Err(DatabaseError::Stopped);
        }
        let limit = self.settings.applying.statement_timeout;
        let lock_limit = self.settings.applying.lock_timeout;
        let patience = (!limit.is_zero()).then(|| limit.max(lock_limit) + NETWORK_PATIENCE);
        let conn = connection::open(&self.address, &self.settings.database, patience)?;
        let socket = connection::socket(&conn)
            .map_err(|error| DatabaseError::Unreachable(error.kind().to_string()))?;
        let mut session = Session {
            id: conn.connection_id().into(),
            socket: Arc::new(socket),
            server: Arc::default(),
            conn,
            watchdog: self.watchdog.clone(),
            limit,
            vendor: Vendor::MySql,
            version: String::new(),
            user: String::new(),
            settings: String::new(),
            beginning: String::new(),
        };
        let set_up = session.set_up(lock_limit);
        set_up.map_err(DatabaseError::while_connecting)?;
        Ok(session)
    }
}

/// A session.
pub struct Session {
    conn: Conn,
    id: u64,
    socket: Arc<UnixStream>,
    server: Arc<str>,
    watchdog: Watchdog,
    limit: Duration,
    vendor: Vendor,
    version: String,
    user: String,
    settings: String,
    beginning: String,
}

impl Session {
    /// Whose server it is.
    pub fn vendor(&self) -> Vendor {
        self.vendor
    }

    /// The server's version, as it says it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The account that the server took us for: `writer@%`.
    pub fn user(&self) -> &str {
        &self.user
    }

    fn set_up(&mut self, lock_limit: Duration) -> Result<(), DatabaseError> {
        let facts = format!("SELECT VERSION(), CURRENT_USER(), CONNECTION_ID(), {IDENTITY}");
        let facts: Option<(String, String, u64, String)> = self.one(&facts, ())?;
        let (version, user, id, server) = facts.ok_or(DatabaseError::Unexpected)?;
        if version.contains("MariaDB") {
            self.vendor = Vendor::MariaDb;
        }
        (self.version, self.user, self.id) = (version, user, id);
        self.server = server.into();
        self.require_version()?;
        let wait = lock_wait(lock_limit);
        // At READ COMMITTED no lock is held on rows that a look has passed by. A binary log of statements forbids it.
        let logs_statements = self.variable("log_bin")?.as_deref() == Some("ON")
            && self.variable("binlog_format")?.as_deref() == Some("STATEMENT");
        let isolation = if logs_statements {
            "REPEATABLE-READ"
        } else {
            "READ-COMMITTED"
        };
        // MySQL's limit is for queries alone.
        let time_limit = match self.vendor {
            Vendor::MySql => "max_execution_time = 0".to_owned(),
            Vendor::MariaDb => format!("max_statement_time = {}", self.limit.as_secs_f64()),
        };
        self.settings = format!(
            "SET NAMES utf8mb4, SESSION sql_mode = '{SQL_MODE}', SESSION time_zone = '+00:00', SESSION timestamp = DEFAULT,
                 SESSION completion_type = 0, SESSION {time_limit}, SESSION wait_timeout = {IDLE},
                 SESSION sql_auto_is_null = 0, SESSION sql_safe_updates = 0, SESSION foreign_key_checks = 1,
                 SESSION unique_checks = 1, SESSION innodb_lock_wait_timeout = {wait}, SESSION lock_wait_timeout = {wait}"
        );
        // MariaDB has the one name, MySQL the other, and later MariaDBs both.
        let prefix = match self.variable("transaction_isolation")? {
            Some(_) => "transaction",
            None => "tx",
        };
        // All in one statement: each answer is a packet, and wakes us.
        self.beginning = format!(
            "{}, SESSION autocommit = 1, SESSION {prefix}_isolation = '{isolation}', SESSION {prefix}_read_only = 0",
            self.settings
        );
        let settings = self.settings.clone();
        self.query(&settings)
    }

    /// Sets what everything here relies on. Code on a target's table (a trigger, a function) can have set something else since.
    pub fn settling(&self) -> Step {
        Step::Text(self.settings.clone())
    }

    /// Takes back all that a statement may have left behind in the session: temporary tables, variables, locks of `GET_LOCK`.
    pub fn reset(&mut self) -> Result<(), DatabaseError> {
        self.limited(Conn::reset)
    }

    fn require_version(&self) -> Result<(), DatabaseError> {
        let least = match self.vendor {
            Vendor::MySql => (8, 0),
            Vendor::MariaDb => (10, 5),
        };
        // MariaDB may put a 5.5.5- before its version, for old clients.
        let version = self.version.trim_start_matches("5.5.5-");
        let mut numbers = version
            .split(['.', '-'])
            .map_while(|n| n.parse::<u32>().ok());
        let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if found >= least {
            return Ok(());
        }
        Err(DatabaseError::Unsupported(format!(
            "the server is {}; MySQL 8.0 or MariaDB 10.5 is needed",
            self.version.escape_debug()
        )))
    }

    /// A variable of the server as it holds in this session; `None` where it has no such one.
    pub fn variable(&mut self, name: &str) -> Result<Option<String>, DatabaseError> {
        let row: Option<(String, String)> =
            self.one(&format!("SHOW VARIABLES LIKE '{name}'"), ())?;
        Ok(row.map(|(_, value)| value))
    }

    /// Begins a transaction, under the same settings as every other.
    pub fn begin(&mut self) -> Result<(), DatabaseError> {
        let beginning = self.beginning.clone();
        self.send(&[&beginning, BEGIN])?;
        Ok(())
    }

    /// As [`Session::begin`], with the transaction's first statements in the same message. What came of those is told apart from a
    /// transaction that did not begin.
    pub fn begin_with(
        &mut self,
        statements: &[&str],
    ) -> Result<Result<Vec<Answer>, Broken>, DatabaseError> {
        let beginning = self.beginning.clone();
        let begun = [&beginning, BEGIN];
        match self.send(&[&begun, statements].concat()) {
            Ok(mut answers) => Ok(Ok(answers.split_off(begun.len()))),
            Err(mut broken) if broken.answers.len() >= begun.len() => {
                broken.answers.drain(..begun.len());
                Ok(Err(broken))
            }
            Err(broken) => Err(broken.error),
        }
    }

    /// Commits. Never interrupted by us: whoever gets an error does not know what became of it.
    pub fn commit(&mut self) -> Result<(), DatabaseError> {
        self.reach(Point::BeforeCommit)?;
        let committed = self.conn.query_drop("COMMIT");
        // What is durable can't fail any more.
        let _ = synapsor_crash_points::reach(Point::AfterCommit);
        committed.map_err(DatabaseError::from)
    }

    /// Comes by a crash point. The error that a test wants there is raised by the server itself.
    #[inline]
    pub fn reach(&mut self, point: Point) -> Result<(), DatabaseError> {
        let Some(raise) = synapsor_crash_points::reach(point) else {
            return Ok(());
        };
        let number: u16 = raise.code.parse().unwrap_or_default();
        self.query(&format!(
            "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'crash point'"
        ))
    }

    /// Rolls back.
    pub fn rollback(&mut self) -> Result<(), DatabaseError> {
        self.query("ROLLBACK")
    }

    /// Does something with the connection within the limit of time of a statement.
    pub(super) fn limited<T>(
        &mut self,
        work: impl FnOnce(&mut Conn) -> Result<T, mysql::Error>,
    ) -> Result<T, DatabaseError> {
        let connection = Watched::of(self.id, &self.server, &self.socket);
        let conn = &mut self.conn;
        let (result, verdict) = self.watchdog.watch(connection, self.limit, || work(conn));
        match verdict {
            Some(Verdict::TimedOut) => Err(DatabaseError::TimedOut),
            Some(Verdict::Stopped) => Err(DatabaseError::Stopped),
            None => result.map_err(|error| match DatabaseError::from(error) {
                DatabaseError::Server(told) if told.errno == TIME_LIMIT => DatabaseError::TimedOut,
                error => error,
            }),
        }
    }
}

/// MySQL counts in whole seconds, and has no "no limit".
fn lock_wait(limit: Duration) -> u64 {
    match limit.as_millis().div_ceil(1000) {
        0 => MAX_WAIT,
        seconds => u64::try_from(seconds).unwrap_or(MAX_WAIT).min(MAX_WAIT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds() {
        let wait = |milliseconds| lock_wait(Duration::from_millis(milliseconds));
        assert_eq!([wait(1), wait(1000), wait(1001)], [1, 1, 2]);
        assert_eq!(wait(0), MAX_WAIT, "no limit");
        assert_eq!(wait(u64::MAX), MAX_WAIT);
    }
}
