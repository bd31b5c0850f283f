//! The ledger as an outbox: which reports are owed, and what became of each after it was sent.

use pgrx::datum::{DatumWithOid, TimestampWithTimeZone};
use pgrx::spi::SpiTupleTable;
use synapsor_core::outbox::{Mark, Owed, Sent, Which};
use synapsor_core::outcome::Status;
use synapsor_core::report::Report;
use synapsor_crash_points::Defect;

use super::Ledger;
use super::statements::{Planned, all, each};
use crate::error::ExtensionError;
use crate::pg::xact;

/// How far a pass over the outbox has come. What becomes owed later comes later in the order, too, so that nothing is looked at
/// twice; what was looked at and put off is passed by.
#[derive(Default)]
pub struct Walk {
    at: Option<(TimestampWithTimeZone, String)>,
    passed_by: Vec<String>,
    /// There was nothing more when it last looked.
    pub is_at_the_end: bool,
}

impl Walk {
    /// Passes a report by, should it come up again.
    pub fn pass_by(&mut self, key: &str) {
        self.passed_by.push(key.to_owned());
    }

    fn arguments(&self) -> [DatumWithOid<'_>; 3] {
        let (time, key) = self.at.clone().unzip();
        [
            time.into(),
            key.unwrap_or_default().into(),
            self.passed_by.clone().into(),
        ]
    }
}

impl Ledger {
    /// True when a report may be owed beyond what was walked. Assigns no transaction id, so that asking costs nothing.
    pub fn owes_reports(&self, which: Which, walk: &Walk) -> Result<bool, ExtensionError> {
        const QUERY: &str = "
            SELECT true FROM synapsor.ledger
            WHERE report_state = 'pending' AND ($1 OR next_report_at <= clock_timestamp())
              AND (next_report_at, key COLLATE \"C\") > (coalesce($2, '-infinity'), $3) AND key <> ALL ($4) LIMIT 1";
        let [time, key, passed_by] = walk.arguments();
        let arguments = [(which == Which::All).into(), time, key, passed_by];
        self.as_owner(|spi| Ok(!spi.select(QUERY, Some(1), &arguments)?.is_empty()))
    }

    /// Takes reports that are owed, oldest first, and walks on. Their rows stay locked until the transaction ends; what
    /// another session has locked is left out, and so is what this transaction itself decided: it may still roll back.
    pub fn take_owed(
        &self,
        which: Which,
        most: usize,
        walk: &mut Walk,
    ) -> Result<Vec<Owed>, ExtensionError> {
        const QUERY: &str = "
            SELECT key, proposal_id, idempotency_key, status, affected_rows, operation, reason, error,
                   report_attempts, xmin::text, next_report_at
            FROM synapsor.ledger
            WHERE report_state = 'pending' AND ($1 OR next_report_at <= clock_timestamp())
              AND (next_report_at, key COLLATE \"C\") > (coalesce($2, '-infinity'), $3) AND key <> ALL ($4)
            ORDER BY next_report_at, key COLLATE \"C\" LIMIT $5
            FOR UPDATE SKIP LOCKED";
        let [time, key, passed_by] = walk.arguments();
        let arguments = [
            (which == Which::All).into(),
            time,
            key,
            passed_by,
            (most as i64).into(),
        ];
        let (owed, last, count) = self.as_owner(|spi| {
            let rows = spi.update(QUERY, None, &arguments)?;
            let count = rows.len();
            read(rows).map(|(owed, last)| (owed, last, count))
        })?;
        walk.is_at_the_end = count < most;
        walk.at = last.or(walk.at.take());
        Ok(owed)
    }

    /// Writes down what became of reports. A row that another session has locked or changed meanwhile, or that is about
    /// another proposal by now, is left as it is: its report is sent again, which does no harm. Returns how many were written.
    pub fn mark(&self, marks: &[Mark]) -> Result<usize, ExtensionError> {
        if marks.is_empty() {
            return Ok(0);
        }
        self.as_owner(|spi| Ok(spi.update(MARK, None, &parts(marks))?.len()))
    }

    /// How many reports are owed.
    pub fn count_pending_reports(&self) -> Result<i64, ExtensionError> {
        const QUERY: &str = "SELECT count(*) FROM synapsor.ledger WHERE report_state = 'pending'";
        self.as_owner_planned(Planned::EachTime, |spi| {
            let count = spi.select(QUERY, Some(1), &[])?.first().get_one::<i64>()?;
            Ok(count.unwrap_or_default())
        })
    }
}

/// See [`Ledger::mark`]. There is one plan for it: each row is looked up by its key, and changed where it was found. In the words of
/// the index on pending reports, the condition would offer that index, and all that is pending would be read for each.
pub(crate) const MARK: &str = "
    UPDATE synapsor.ledger AS l
    SET report_state = m.state, report_attempts = l.report_attempts + 1, report_error = m.error,
        reported_at = CASE WHEN m.state = 'delivered' THEN clock_timestamp() ELSE l.reported_at END,
        next_report_at = CASE WHEN m.state = 'pending' THEN clock_timestamp() + make_interval(secs => m.again_in) END
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[])
             AS m (key, proposal_id, state, error, again_in),
         LATERAL (SELECT f.ctid FROM synapsor.ledger AS f WHERE f.key = m.key FOR UPDATE SKIP LOCKED) AS free
    WHERE l.ctid = free.ctid AND l.proposal_id = m.proposal_id AND coalesce(l.report_state, '') = 'pending'";

/// The parameters of [`MARK`].
fn parts<'m>(marks: &'m [Mark]) -> [DatumWithOid<'m>; 5] {
    let error = |mark: &'m Mark| match &mark.state {
        Sent::Delivered => None,
        Sent::Rejected { error } | Sent::Pending { error, .. } => Some(error.as_str()),
    };
    [
        all(marks, |m| Some(&m.key)),
        all(marks, |m| Some(&m.proposal_id)),
        all(marks, |m| Some(state(m))),
        all(marks, error),
        each(marks, |m| match m.state {
            Sent::Pending { again_in, .. } => Some(again_in),
            _ => None,
        }),
    ]
}

fn state(mark: &Mark) -> &'static str {
    match mark.state {
        Sent::Delivered => "delivered",
        Sent::Rejected { .. } => "rejected",
        Sent::Pending { .. } => "pending",
    }
}

/// Where a walk has come to, and what it has found on the way.
type Taken = (Vec<Owed>, Option<(TimestampWithTimeZone, String)>);

fn read(rows: SpiTupleTable<'_>) -> Result<Taken, ExtensionError> {
    let (mut owed, mut last) = (Vec::new(), None);
    for row in rows {
        let key: String = row.get(1)?.unwrap_or_default();
        last = row.get(11)?.map(|time| (time, key.clone()));
        let xmin: u32 = row
            .get::<String>(10)?
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let reports_early = synapsor_crash_points::is_on(Defect::ReportBeforeCommit);
        if xact::is_own_write(xmin.into()) && !reports_early {
            continue;
        }
        let status: String = row.get(4)?.unwrap_or_default();
        let affected_rows = row.get::<i64>(5)?.unwrap_or_default();
        let (operation, reason, error) = (row.get(6)?, row.get(7)?, row.get(8)?);
        let verdict = Status::parse(&status)
            .and_then(|status| Owed::verdict(status, affected_rows, operation, reason, error));
        let verdict = verdict
            .ok_or_else(|| ExtensionError::Ledger(format!("a report of status {status}")))?;
        owed.push(Owed {
            key,
            attempts: row.get(9)?.unwrap_or_default(),
            report: Report {
                proposal_id: row.get(2)?.unwrap_or_default(),
                idempotency_key: row.get(3)?,
                verdict,
            },
        });
    }
    Ok((owed, last))
}
