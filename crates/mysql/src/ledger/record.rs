//! Receipts: claimed first, so that nobody else can decide the same key, and written with the outcome before the commit.

use mysql::Value;
use synapsor_core::ledger::{Entry, Row};

use super::{ENTRY, Ledger, read_entry};
use crate::database::{DatabaseError, Session};
use crate::error::Error;

impl Ledger {
    /// Takes the receipt of a key, in the transaction under way: until that ends, nobody else decides its key. Returns what was known
    /// of it; `None` where nothing was.
    ///
    /// # Errors
    /// Lock wait time-outs and deadlocks, while another session has it.
    pub fn claim(
        &self,
        session: &mut Session,
        (key, proposal_id, digest): (&str, &str, &str),
    ) -> Result<Option<Entry>, Error> {
        // Locks the row where there is one. Never committed as it is.
        let insert = format!(
            "INSERT INTO {} (key_hash, `key`, proposal_id, proposal_digest, status, guards, attempts, applied_as,
                 first_seen_at, next_attempt_at)
             VALUES (UNHEX(SHA2(?, 256)), ?, ?, ?, 'retrying', '{{}}', 0, '', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))
             ON DUPLICATE KEY UPDATE key_hash = IF(LAST_INSERT_ID(1), key_hash, key_hash)",
            self.table()
        );
        session.run(&insert, (key, key, proposal_id, digest))?;
        // The table numbers no rows: an id comes back only where there was a row.
        if session.last_insert_id() == 0 {
            return Ok(None);
        }
        let query = format!(
            "SELECT {ENTRY} FROM {} WHERE key_hash = UNHEX(SHA2(?, 256)) FOR UPDATE",
            self.table()
        );
        let row = session.rows(&query, (key,))?.into_iter().next();
        let (found, entry) = read_entry(row.ok_or(DatabaseError::Unexpected)?)?;
        if found != key {
            return Err(Error::LedgerCorrupt("a key whose hash is another's".into()));
        }
        Ok(Some(entry))
    }

    /// Writes a decision into the receipt that was claimed.
    pub fn write(&self, session: &mut Session, row: &Row) -> Result<(), Error> {
        // A try ahead of the schedule, which did not count, leaves the schedule as it is.
        let statement = format!(
            "UPDATE {} SET
                 next_attempt_at = CASE WHEN ? <> 'retrying' THEN NULL WHEN attempts = ? AND attempts > 0 THEN next_attempt_at
                     ELSE UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND END,
                 proposal_id = ?, idempotency_key = ?, source_id = ?, target_schema = ?, target_table = ?, operation = ?,
                 status = ?, affected_rows = ?, guards = ?, guard_advanced = ?, reason = ?, `sqlstate` = ?, error = ?,
                 error_detail = ?, attempts = ?, applied_as = ?,
                 decided_at = IF(? = 'retrying', NULL, UTC_TIMESTAMP(6)),
                 report_state = IF(? = 'retrying', NULL, 'pending'),
                 next_report_at = IF(? = 'retrying', NULL, UTC_TIMESTAMP(6))
             WHERE key_hash = UNHEX(SHA2(?, 256)) AND status = 'retrying' AND attempts BETWEEN ? - 1 AND ?",
            self.table()
        );
        let status = row.status.as_str();
        let wait = row.next_attempt_in.unwrap_or_default() * 1e6;
        let guards = serde_json::to_string(&row.guards).unwrap_or_default();
        let params: Vec<Value> = vec![
            status.into(),
            row.attempts.into(),
            (wait as u64).into(),
            (&row.proposal_id).into(),
            (&row.idempotency_key).into(),
            row.source_id.as_deref().map(storable).into(),
            row.target_schema.as_deref().map(storable).into(),
            row.target_table.as_deref().map(storable).into(),
            (&row.operation).into(),
            status.into(),
            row.affected_rows.into(),
            guards.into(),
            row.guard_advanced.into(),
            (&row.reason).into(),
            (&row.sqlstate).into(),
            (&row.error).into(),
            (&row.error_detail).into(),
            row.attempts.into(),
            storable(&row.applied_as).into(),
            status.into(),
            status.into(),
            status.into(),
            (&row.key).into(),
            row.attempts.into(),
            row.attempts.into(),
        ];
        match session.run(&statement, params)? {
            1 => Ok(()),
            _ => Err(Error::LedgerCorrupt(
                "lost a receipt that was claimed".into(),
            )),
        }
    }

    /// What the ledger holds for a key, once no transaction is at it any more: whether a commit whose answer was lost has happened.
    ///
    /// # Errors
    /// A lock wait time-out, while the old transaction is still alive.
    pub fn settle(&self, session: &mut Session, key: &str) -> Result<Option<Entry>, Error> {
        // A locking read waits for the transaction that holds the row, where a plain one would not see it yet.
        let query = format!(
            "SELECT {ENTRY} FROM {} WHERE key_hash = UNHEX(SHA2(?, 256)) FOR UPDATE",
            self.table()
        );
        let row = session.rows(&query, (key,))?.into_iter().next();
        Ok(row.map(read_entry).transpose()?.map(|(_, entry)| entry))
    }
}

/// As much of a name as its column holds: a proposal can name anything.
fn storable(name: &str) -> String {
    const MOST: usize = 255;
    name.chars().take(MOST).collect()
}
