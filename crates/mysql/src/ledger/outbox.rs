//! The ledger as an outbox: which reports are owed, and what became of each that was sent.

use mysql::{Row, Value};
use synapsor_core::outbox::{Mark, Owed, Sent, Which};
use synapsor_core::outcome::Status;
use synapsor_core::report::Report;

use super::Ledger;
use crate::database::{Cells, DatabaseError, Session};
use crate::error::Error;

/// Where a walk through the outbox stands. Each report is taken once in a walk, whatever becomes of it.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    /// In hexadecimal: a list of processes can't show bytes, and fails.
    after: String,
}

impl Ledger {
    /// Takes the right to deliver, which one session has at a time; false while another has it. It goes with the session.
    pub fn lock_delivery(&self, session: &mut Session) -> Result<bool, DatabaseError> {
        let got: Option<(Option<i64>,)> =
            session.one("SELECT GET_LOCK(?, 0)", (self.delivery_lock(),))?;
        Ok(got == Some((Some(1),)))
    }

    /// The connection that has the right to deliver, where one has.
    pub fn who_delivers(&self, session: &mut Session) -> Result<Option<u64>, DatabaseError> {
        let holder: Option<(Option<u64>,)> =
            session.one("SELECT IS_USED_LOCK(?)", (self.delivery_lock(),))?;
        Ok(holder.and_then(|(id,)| id))
    }

    /// Gives the right to deliver back.
    pub fn unlock_delivery(&self, session: &mut Session) -> Result<(), DatabaseError> {
        session
            .rows("DO RELEASE_LOCK(?)", (self.delivery_lock(),))
            .map(drop)
    }

    /// A name of at most 64 characters.
    fn delivery_lock(&self) -> String {
        let schema: String = self.schema().chars().take(40).collect();
        format!("synapsor.deliver.{schema}")
    }

    /// Takes the next reports that are owed, at most so many.
    pub fn take_owed(
        &self,
        session: &mut Session,
        which: Which,
        walk: &mut Walk,
        most: usize,
    ) -> Result<Vec<Owed>, Error> {
        let due = match which {
            Which::All => "",
            Which::Due => "AND next_report_at <= UTC_TIMESTAMP(6)",
        };
        let query = format!(
            "SELECT HEX(key_hash), `key`, proposal_id, idempotency_key, report_attempts,
                 status, affected_rows, operation, reason, error
             FROM {} WHERE report_state = 'pending' {due} AND key_hash > UNHEX(?) ORDER BY key_hash LIMIT {most}",
            self.table()
        );
        let after = walk.after.as_str();
        let mut owed = Vec::new();
        for row in session.rows(&query, (after,))? {
            let (hash, report) = read_owed(row)?;
            walk.after = hash;
            owed.push(report);
        }
        self.secure(session, &walk.after, !owed.is_empty())?;
        Ok(owed)
    }

    /// Waits until everything that was read is on disk. InnoDB shows a commit to others before its log is written; the log is one
    /// sequence, so that a commit of our own, of a row that was read, takes all earlier ones along.
    fn secure(
        &self,
        session: &mut Session,
        hash: &str,
        is_needed: bool,
    ) -> Result<(), DatabaseError> {
        let touch = format!(
            "UPDATE {} SET next_report_at = UTC_TIMESTAMP(6) WHERE key_hash = UNHEX(?)",
            self.table()
        );
        if is_needed {
            session.run(&touch, (hash,))?;
        }
        Ok(())
    }

    /// Writes down what became of reports. A row that is about another proposal by now is left as it is: its report is
    /// sent again, which does no harm.
    pub fn mark(&self, session: &mut Session, marks: &[Mark]) -> Result<(), DatabaseError> {
        if marks.is_empty() {
            return Ok(());
        }
        session.begin()?;
        let is_delivered = |mark: &&Mark| mark.state == Sent::Delivered;
        let (delivered, others): (Vec<_>, Vec<_>) = marks.iter().partition(is_delivered);
        self.mark_delivered(session, &delivered)?;
        for mark in others {
            self.mark_undelivered(session, mark)?;
        }
        session.commit()
    }

    fn mark_delivered(&self, session: &mut Session, marks: &[&Mark]) -> Result<(), DatabaseError> {
        if marks.is_empty() {
            return Ok(());
        }
        let hashes = vec!["UNHEX(SHA2(?, 256))"; marks.len()].join(", ");
        let pairs = vec!["(UNHEX(SHA2(?, 256)), ?)"; marks.len()].join(", ");
        let statement = format!(
            "UPDATE {} SET report_state = 'delivered', report_attempts = report_attempts + 1,
                 reported_at = UTC_TIMESTAMP(6), next_report_at = NULL, report_error = NULL
             WHERE key_hash IN ({hashes}) AND (key_hash, proposal_id) IN ({pairs}) AND report_state = 'pending'",
            self.table()
        );
        let keys = marks.iter().map(|mark| Value::from(&mark.key));
        let pairs = marks
            .iter()
            .flat_map(|mark| [Value::from(&mark.key), Value::from(&mark.proposal_id)]);
        let params: Vec<Value> = keys.chain(pairs).collect();
        session.run(&statement, params).map(drop)
    }

    fn mark_undelivered(&self, session: &mut Session, mark: &Mark) -> Result<(), DatabaseError> {
        let (state, error, again_in) = match &mark.state {
            Sent::Pending { again_in, error } => ("pending", error, Some(*again_in)),
            Sent::Rejected { error } => ("rejected", error, None),
            Sent::Delivered => return Ok(()),
        };
        let statement = format!(
            "UPDATE {} SET report_state = ?, report_attempts = report_attempts + 1, report_error = ?,
                 next_report_at = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND
             WHERE key_hash = UNHEX(SHA2(?, 256)) AND proposal_id = ? AND report_state = 'pending'",
            self.table()
        );
        let again_in = again_in.map(|seconds| (seconds * 1e6) as u64);
        let params = (state, error, again_in, &mark.key, &mark.proposal_id);
        session.run(&statement, params).map(drop)
    }
}

fn read_owed(row: Row) -> Result<(String, Owed), Error> {
    let mut cells = Cells::of(row);
    let hash = cells.next()?;
    let (key, proposal_id, idempotency_key) = (cells.next()?, cells.next()?, cells.next()?);
    let attempts = cells.next()?;
    let status: String = cells.next()?;
    let affected_rows = cells.next()?;
    let (operation, reason, error) = (cells.next()?, cells.next()?, cells.next()?);
    let verdict = Status::parse(&status)
        .and_then(|status| Owed::verdict(status, affected_rows, operation, reason, error));
    let verdict =
        verdict.ok_or_else(|| Error::LedgerCorrupt(format!("a report of status {status:?}")))?;
    let owed = Owed {
        key,
        attempts,
        report: Report {
            proposal_id,
            idempotency_key,
            verdict,
        },
    };
    Ok((hash, owed))
}
