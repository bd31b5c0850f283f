//! Receipts: claimed first, so that nobody else can decide the same key, and written with the outcome before the commit.

use synapsor_core::ledger::{Entry, Row};
use synapsor_core::outcome::Status;

use super::{ENTRY, Ledger, read_entry};
use crate::database::{Answer, Broken, DatabaseError, Literal, Session};
use crate::error::Error;

/// What came of claiming a receipt.
pub struct Claimed {
    /// What was known of it, `None` where nothing was; or lock wait time-outs and deadlocks, while another session has it.
    pub before: Result<Option<Entry>, Error>,
    /// What came of the statements behind the claim. They were not run where it failed.
    pub then: Result<Vec<Answer>, Broken>,
}

impl Ledger {
    /// Begins a transaction, and takes the receipt of a key in it: until that ends, nobody else decides its key. What came of the
    /// receipt is told apart from a transaction that did not begin. Statements that are to follow go in the same message.
    ///
    /// # Errors
    /// No transaction began.
    pub fn claim(
        &self,
        session: &mut Session,
        (key, proposal_id, digest): (&str, &str, &str),
        then: &[String],
    ) -> Result<Claimed, DatabaseError> {
        let [key_text, proposal_id, digest] = [key, proposal_id, digest].map(Literal::from);
        // Locks the row where there is one. Never committed as it is.
        let insert = format!(
            "INSERT INTO {} (key_hash, `key`, proposal_id, proposal_digest, status, guards, attempts, applied_as,
                 first_seen_at, next_attempt_at)
             VALUES ({hash}, {key_text}, {proposal_id}, {digest}, 'retrying', '{{}}', 0, '', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))
             ON DUPLICATE KEY UPDATE key_hash = IF(LAST_INSERT_ID(1), key_hash, key_hash)",
            self.table(),
            hash = hash(key),
        );
        let statements: Vec<&str> = [&insert]
            .into_iter()
            .chain(then)
            .map(String::as_str)
            .collect();
        let (claim, then) = match session.begin_with(&statements)? {
            Ok(mut answers) => {
                let then = answers.split_off(1);
                (Ok(answers.pop().unwrap_or_default()), Ok(then))
            }
            Err(mut broken) if !broken.answers.is_empty() => {
                (Ok(broken.answers.remove(0)), Err(broken))
            }
            Err(broken) => (Err(broken.error), Ok(Vec::new())),
        };
        let before = self.known(session, key, claim);
        Ok(Claimed { before, then })
    }

    fn known(
        &self,
        session: &mut Session,
        key: &str,
        claim: Result<Answer, DatabaseError>,
    ) -> Result<Option<Entry>, Error> {
        // The table numbers no rows: an id comes back only where there was a row.
        if claim?.last_insert_id == 0 {
            return Ok(None);
        }
        let (found, entry) = self
            .locked(session, key)?
            .ok_or(DatabaseError::Unexpected)?;
        if found != key {
            return Err(Error::LedgerCorrupt("a key whose hash is another's".into()));
        }
        Ok(Some(entry))
    }

    /// The row of a key, and its key, once no other transaction holds it.
    fn locked(&self, session: &mut Session, key: &str) -> Result<Option<(String, Entry)>, Error> {
        let query = format!(
            "SELECT {ENTRY} FROM {} WHERE key_hash = {} FOR UPDATE",
            self.table(),
            hash(key)
        );
        let answers = session.send(&[&query]).map_err(DatabaseError::from)?;
        let row = answers.into_iter().flat_map(|answer| answer.rows).next();
        row.map(read_entry).transpose()
    }

    /// Writes a decision into the receipt that was claimed.
    pub fn write(&self, session: &mut Session, row: &Row) -> Result<(), Error> {
        let answers = session.send(&[&self.update(row)]);
        let answers = answers.map_err(DatabaseError::from)?;
        match answers.first().map(|answer| answer.affected_rows) {
            Some(1) => Ok(()),
            _ => Err(Error::LedgerCorrupt(
                "lost a receipt that was claimed".into(),
            )),
        }
    }

    fn update(&self, row: &Row) -> String {
        let attempts = row.attempts;
        // A try ahead of the schedule, which did not count, leaves the schedule as it is.
        let wait = (row.next_attempt_in.unwrap_or_default() * 1e6) as u64;
        let schedule = match row.status {
            Status::Retrying => format!(
                "CASE WHEN attempts = {attempts} AND attempts > 0 THEN next_attempt_at
                     ELSE UTC_TIMESTAMP(6) + INTERVAL {wait} MICROSECOND END,
                 decided_at = NULL, report_state = NULL, next_report_at = NULL"
            ),
            _ => "NULL, decided_at = UTC_TIMESTAMP(6), report_state = 'pending', next_report_at = UTC_TIMESTAMP(6)".to_owned(),
        };
        let guards = serde_json::to_string(&row.guards).unwrap_or_default();
        let [source_id, schema, table] = [&row.source_id, &row.target_schema, &row.target_table]
            .map(|name| name.as_deref().map(storable));
        let applied_as = storable(&row.applied_as);
        let values: [(&str, Literal<'_>); 15] = [
            ("proposal_id", (&row.proposal_id).into()),
            ("idempotency_key", (&row.idempotency_key).into()),
            ("source_id", (&source_id).into()),
            ("target_schema", (&schema).into()),
            ("target_table", (&table).into()),
            ("operation", (&row.operation).into()),
            ("status", row.status.as_str().into()),
            ("affected_rows", row.affected_rows.into()),
            ("guards", (&guards).into()),
            ("guard_advanced", row.guard_advanced.into()),
            ("reason", (&row.reason).into()),
            ("`sqlstate`", (&row.sqlstate).into()),
            ("error", (&row.error).into()),
            ("error_detail", (&row.error_detail).into()),
            ("applied_as", (&applied_as).into()),
        ];
        let values = values.map(|(column, value)| format!("{column} = {value}"));
        // The attempts are the last: the schedule goes by those of before.
        format!(
            "UPDATE {} SET next_attempt_at = {schedule}, {}, attempts = {attempts}
             WHERE key_hash = {} AND status = 'retrying' AND attempts BETWEEN {attempts} - 1 AND {attempts}",
            self.table(),
            values.join(", "),
            hash(&row.key)
        )
    }

    /// What the ledger holds for a key, once no transaction is at it any more: whether a commit whose answer was lost has happened.
    ///
    /// # Errors
    /// A lock wait time-out, while the old transaction is still alive.
    pub fn settle(&self, session: &mut Session, key: &str) -> Result<Option<Entry>, Error> {
        // A locking read waits for the transaction that holds the row, where a plain one would not see it yet.
        Ok(self.locked(session, key)?.map(|(_, entry)| entry))
    }
}

/// What a key's row is found by.
fn hash(key: &str) -> String {
    format!("UNHEX(SHA2({}, 256))", Literal::from(key))
}

/// As much of a name as its column holds: a proposal can name anything.
fn storable(name: &str) -> String {
    const MOST: usize = 255;
    name.chars().take(MOST).collect()
}
