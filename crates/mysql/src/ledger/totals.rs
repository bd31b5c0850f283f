//! The ledger in numbers.

use serde_json::{Value, json};

use super::Ledger;
use crate::database::{Cells, DatabaseError, Session};

/// How many rows the ledger has of each kind.
#[derive(Clone, Debug)]
pub struct Totals {
    /// Proposals that were applied.
    pub applied: i64,
    /// Proposals that met a conflict.
    pub conflicts: i64,
    /// Proposals that failed.
    pub failed: i64,
    /// Proposals that are tried again.
    pub retrying: i64,
    /// Reports that are owed.
    pub pending_reports: i64,
    /// Age of the oldest outcome that is still to be reported, in seconds.
    pub oldest_pending_report: Option<i64>,
    /// Reports that the control plane refused.
    pub rejected_reports: i64,
}

impl Ledger {
    /// Counts.
    pub fn totals(&self, session: &mut Session) -> Result<Totals, DatabaseError> {
        let query = format!(
            "SELECT count(CASE WHEN status = 'applied' THEN 1 END), count(CASE WHEN status = 'conflict' THEN 1 END),
                    count(CASE WHEN status = 'failed' THEN 1 END), count(CASE WHEN status = 'retrying' THEN 1 END),
                    count(CASE WHEN report_state = 'pending' THEN 1 END),
                    TIMESTAMPDIFF(SECOND, min(CASE WHEN report_state = 'pending' THEN decided_at END), UTC_TIMESTAMP(6)),
                    count(CASE WHEN report_state = 'rejected' THEN 1 END)
             FROM {}",
            self.table()
        );
        let row = session.rows(&query, ())?.into_iter().next();
        let mut cells = Cells::of(row.ok_or(DatabaseError::Unexpected)?);
        Ok(Totals {
            applied: cells.next()?,
            conflicts: cells.next()?,
            failed: cells.next()?,
            retrying: cells.next()?,
            pending_reports: cells.next()?,
            oldest_pending_report: cells.next()?,
            rejected_reports: cells.next()?,
        })
    }

    /// How many reports are owed.
    pub fn count_pending_reports(&self, session: &mut Session) -> Result<i64, DatabaseError> {
        let query = format!(
            "SELECT count(*) FROM {} WHERE report_state = 'pending'",
            self.table()
        );
        let count: Option<(i64,)> = session.one(&query, ())?;
        count.map(|(count,)| count).ok_or(DatabaseError::Unexpected)
    }
}

impl Totals {
    /// `{applied, conflicts, failed, retrying, pending_reports, oldest_pending_report_seconds, rejected_reports}`
    pub fn to_json(&self) -> Value {
        json!({
            "applied": self.applied,
            "conflicts": self.conflicts,
            "failed": self.failed,
            "retrying": self.retrying,
            "pending_reports": self.pending_reports,
            "oldest_pending_report_seconds": self.oldest_pending_report,
            "rejected_reports": self.rejected_reports,
        })
    }
}
