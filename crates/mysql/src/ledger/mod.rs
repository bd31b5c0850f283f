//! The ledger in MySQL: what was decided of each proposal, in the same transaction as the change itself.

pub mod migration;
mod outbox;
mod record;
mod totals;

use std::collections::HashMap;
use std::time::Duration;

use mysql::{Row, Value};
use synapsor_core::ledger::{Again, Entry};
use synapsor_core::outcome::Status;

use crate::database::{Cells, DatabaseError, Session};
use crate::error::Error;
pub use outbox::Walk;

/// Rows that one statement prunes.
const PRUNED_AT_ONCE: u64 = 5_000;

/// The columns of an [`Entry`], in the order in which [`read_entry`] takes them. Times are compared by the server's own clock.
const ENTRY: &str = "`key`, proposal_digest, status, attempts,
    coalesce(next_attempt_at <= UTC_TIMESTAMP(6), 0),
    coalesce(report_state = 'delivered' AND reported_at <= UTC_TIMESTAMP(6)
        - INTERVAL least(pow(2, least(report_attempts, 9)), 300) SECOND, 0),
    report_state, affected_rows, operation, reason, error";

/// The ledger: its statements, in the database that the operator chose.
#[derive(Clone, Debug)]
pub struct Ledger {
    schema: String,
}

/// Every column that this version writes.
const COLUMNS: &str = "key_hash, `key`, proposal_id, idempotency_key, proposal_digest, source_id, target_schema, target_table,
    operation, status, affected_rows, guards, guard_advanced, reason, `sqlstate`, error, error_detail, attempts, applied_as,
    first_seen_at, decided_at, next_attempt_at, report_state, report_attempts, reported_at, next_report_at, report_error";

impl Ledger {
    /// The ledger in a database, whose name is a safe identifier.
    pub fn new(schema: &str) -> Self {
        Ledger {
            schema: schema.to_owned(),
        }
    }

    /// Its database.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    fn table(&self) -> String {
        format!("`{}`.ledger", self.schema)
    }

    /// Looks whether it is there, with the columns that this version writes.
    ///
    /// # Errors
    /// `LEDGER_MISSING`, `LEDGER_VERSION`
    pub fn require(&self, session: &mut Session) -> Result<(), Error> {
        let query = format!("SELECT {COLUMNS} FROM {} LIMIT 0", self.table());
        match session.rows(&query, ()) {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.errno(), Some(1049 | 1146)) => {
                Err(Error::LedgerMissing(self.schema.clone()))
            }
            Err(error) if error.errno() == Some(1054) => {
                Err(Error::LedgerVersion(self.schema.clone()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Looks whether we may write it.
    ///
    /// # Errors
    /// The server's own, for a right that is missing.
    pub fn require_rights(&self, session: &mut Session) -> Result<(), DatabaseError> {
        let table = self.table();
        for statement in [
            format!("INSERT INTO {table} (key_hash) VALUES (?)"),
            format!("UPDATE {table} SET attempts = ? WHERE key_hash = ?"),
            format!("DELETE FROM {table} WHERE key_hash = ?"),
        ] {
            session.examine(&statement)?;
        }
        Ok(())
    }

    /// What is known of these keys.
    pub fn look_up(
        &self,
        session: &mut Session,
        keys: &[&str],
    ) -> Result<HashMap<String, Entry>, Error> {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let hashes = vec!["UNHEX(SHA2(?, 256))"; keys.len()].join(", ");
        let query = format!(
            "SELECT {ENTRY} FROM {} WHERE key_hash IN ({hashes})",
            self.table()
        );
        let rows = session.rows(&query, texts(keys))?;
        rows.into_iter().map(read_entry).collect()
    }

    /// Puts the reports of final rows back into the outbox. A report that is still pending stays as it is, and one that was
    /// rejected waits for a person.
    pub fn report_again(&self, session: &mut Session, rows: &[Again]) -> Result<(), DatabaseError> {
        let statement = format!(
            "UPDATE {} SET report_state = 'pending', next_report_at = UTC_TIMESTAMP(6),
                 proposal_id = ?, idempotency_key = ?
             WHERE key_hash = UNHEX(SHA2(?, 256)) AND report_state = 'delivered'",
            self.table()
        );
        for row in rows {
            session.run(
                &statement,
                (&row.proposal_id, &row.idempotency_key, &row.key),
            )?;
        }
        Ok(())
    }

    /// Removes rows whose report was accepted longer ago than this, a bounded number at a time.
    pub fn prune(&self, session: &mut Session, older_than: Duration) -> Result<(), DatabaseError> {
        let (table, seconds) = (self.table(), older_than.as_secs());
        let old = "decided_at < UTC_TIMESTAMP(6) - INTERVAL ? SECOND AND report_state = 'delivered'
                   AND reported_at < UTC_TIMESTAMP(6) - INTERVAL ? SECOND";
        let any = format!("SELECT 1 FROM {table} WHERE {old} LIMIT 1");
        let delete =
            format!("DELETE FROM {table} WHERE {old} ORDER BY decided_at LIMIT {PRUNED_AT_ONCE}");
        // Looked at first: an idle poll writes nothing.
        while session.one::<u8>(&any, (seconds, seconds))?.is_some() {
            session.run(&delete, (seconds, seconds))?;
        }
        Ok(())
    }

    /// Time until the next retrying proposal or pending report is due; zero when one is. `since_last_poll` leaves out the proposals
    /// that were due at the last poll: they have had their turn.
    pub fn next_due(
        &self,
        session: &mut Session,
        since_last_poll: Duration,
    ) -> Result<Due, DatabaseError> {
        let query = format!(
            "SELECT (SELECT TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), min(next_report_at))
                     FROM {table} WHERE report_state = 'pending'),
                    (SELECT TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), min(next_attempt_at))
                     FROM {table} WHERE status = 'retrying' AND next_attempt_at > UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND)",
            table = self.table()
        );
        let since = since_last_poll.as_micros() as u64;
        let row: Option<(Option<i64>, Option<i64>)> = session.one(&query, (since,))?;
        let (report, attempt) = row.ok_or(DatabaseError::Unexpected)?;
        let wait = |micros: i64| Duration::from_micros(u64::try_from(micros).unwrap_or(0));
        Ok(Due {
            report_in: report.map(wait),
            attempt_in: attempt.map(wait),
        })
    }
}

/// When there is something to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Due {
    /// Time until the next report is due.
    pub report_in: Option<Duration>,
    /// Time until the next retrying proposal is due.
    pub attempt_in: Option<Duration>,
}

fn texts(texts: &[&str]) -> Vec<Value> {
    texts.iter().map(|text| Value::from(*text)).collect()
}

/// An entry and its key.
fn read_entry(row: Row) -> Result<(String, Entry), Error> {
    let mut cells = Cells::of(row);
    let key = cells.next()?;
    let digest = cells.next()?;
    let status: String = cells.next()?;
    let entry = Entry {
        digest,
        status: Status::parse(&status)
            .ok_or_else(|| Error::LedgerCorrupt(format!("a row of status {status:?}")))?,
        attempts: cells.next()?,
        is_due: cells.next()?,
        is_report_due: cells.next()?,
        report_state: cells.next::<Option<String>>()?.unwrap_or_default(),
        affected_rows: cells.next()?,
        operation: cells.next()?,
        reason: cells.next()?,
        error: cells.next()?,
    };
    Ok((key, entry))
}
