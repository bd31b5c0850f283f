//! The ledger in numbers.

use pgrx::datum::TimestampWithTimeZone;

use super::Ledger;
use super::statements::Planned;
use crate::error::ExtensionError;

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
    /// When the oldest outcome was decided that is still to be reported.
    pub oldest_pending_report: Option<TimestampWithTimeZone>,
    /// Reports that the control plane refused.
    pub rejected_reports: i64,
}

impl Ledger {
    /// What a process waits for that a person can do something about, in words; asked as the owner, since not everybody may see it.
    pub fn what_holds_up(&self, pid: i32) -> Option<String> {
        const QUERY: &str = "
            SELECT CASE WHEN wait_event = 'SyncRep'
                        THEN 'it waits for a synchronous standby: see pg_stat_replication'
                        WHEN wait_event_type = 'Lock'
                        THEN format('it waits for a lock that another session holds: see pg_blocking_pids(%s)', pid)
                   END
            FROM pg_stat_activity WHERE pid = $1";
        let asked = self.as_owner(|spi| {
            let rows = spi.select(QUERY, Some(1), &[pid.into()])?;
            if rows.is_empty() {
                return Ok(None);
            }
            Ok(rows.first().get_one::<String>()?)
        });
        asked.ok().flatten()
    }

    /// Counts.
    pub fn totals(&self) -> Result<Totals, ExtensionError> {
        const QUERY: &str = "
            SELECT count(*) FILTER (WHERE status = 'applied'), count(*) FILTER (WHERE status = 'conflict'),
                   count(*) FILTER (WHERE status = 'failed'), count(*) FILTER (WHERE status = 'retrying'),
                   count(*) FILTER (WHERE report_state = 'pending'),
                   min(decided_at) FILTER (WHERE report_state = 'pending'),
                   count(*) FILTER (WHERE report_state = 'rejected')
            FROM synapsor.ledger";
        self.as_owner_planned(Planned::EachTime, |spi| {
            let row = spi.select(QUERY, Some(1), &[])?.first();
            let count = |n| row.get::<i64>(n).map(Option::unwrap_or_default);
            Ok(Totals {
                applied: count(1)?,
                conflicts: count(2)?,
                failed: count(3)?,
                retrying: count(4)?,
                pending_reports: count(5)?,
                oldest_pending_report: row.get(6)?,
                rejected_reports: count(7)?,
            })
        })
    }
}
