//! The ledger as an outbox: which reports are owed, and what became of each after it was sent.

use synapsor_core::outbox::{Mark, Owed, Sent, Which};
use synapsor_core::outcome::Status;
use synapsor_core::report::Report;
use synapsor_crash_points::Defect;

use super::Ledger;
use crate::error::ExtensionError;
use crate::pg::xact;

impl Ledger {
    /// True when a report may be owed. Assigns no transaction id, so that asking costs nothing.
    pub fn owes_reports(&self, which: Which) -> Result<bool, ExtensionError> {
        const QUERY: &str = "
            SELECT true FROM synapsor.ledger
            WHERE report_state = 'pending' AND ($1 OR next_report_at <= clock_timestamp()) LIMIT 1";
        self.as_owner(|spi| {
            let rows = spi.select(QUERY, Some(1), &[(which == Which::All).into()])?;
            Ok(!rows.is_empty())
        })
    }

    /// Takes reports that are owed, oldest first, leaving out `except`. Their rows stay locked until the transaction ends; what
    /// another session has locked is left out, and so is what this transaction itself decided: it may still roll back.
    pub fn take_owed(
        &self,
        which: Which,
        most: usize,
        except: &[String],
    ) -> Result<Vec<Owed>, ExtensionError> {
        const QUERY: &str = "
            SELECT key, proposal_id, idempotency_key, status, affected_rows, operation, reason, error,
                   report_attempts, xmin::text
            FROM synapsor.ledger
            WHERE report_state = 'pending' AND ($1 OR next_report_at <= clock_timestamp())
              AND key <> ALL ($3)
            ORDER BY next_report_at LIMIT $2
            FOR UPDATE SKIP LOCKED";
        let arguments = [
            (which == Which::All).into(),
            (most as i64).into(),
            except.to_vec().into(),
        ];
        self.as_owner(|spi| {
            let mut owed = Vec::new();
            for row in spi.update(QUERY, None, &arguments)? {
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
                let verdict = Status::parse(&status).and_then(|status| {
                    Owed::verdict(status, affected_rows, operation, reason, error)
                });
                let verdict = verdict.ok_or_else(|| {
                    ExtensionError::Ledger(format!("a report of status {status}"))
                })?;
                owed.push(Owed {
                    key: row.get(1)?.unwrap_or_default(),
                    attempts: row.get(9)?.unwrap_or_default(),
                    report: Report {
                        proposal_id: row.get(2)?.unwrap_or_default(),
                        idempotency_key: row.get(3)?,
                        verdict,
                    },
                });
            }
            Ok(owed)
        })
    }

    /// Writes down what became of reports. A row that another session has locked meanwhile, or that is about another
    /// proposal by now, is left as it is: its report is sent again, which does no harm.
    pub fn mark(&self, marks: &[Mark]) -> Result<(), ExtensionError> {
        const STATEMENT: &str = "
            WITH free AS MATERIALIZED (
                SELECT key FROM synapsor.ledger WHERE key = ANY ($1) FOR UPDATE SKIP LOCKED)
            UPDATE synapsor.ledger AS l
            SET report_state = m.state, report_attempts = l.report_attempts + 1, report_error = m.error,
                reported_at = CASE WHEN m.state = 'delivered' THEN clock_timestamp() ELSE l.reported_at END,
                next_report_at = CASE WHEN m.state = 'pending'
                                      THEN clock_timestamp() + make_interval(secs => m.again_in) END
            FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[])
                     AS m (key, proposal_id, state, error, again_in)
                 JOIN free USING (key)
            WHERE l.key = m.key AND l.proposal_id = m.proposal_id AND l.report_state = 'pending'";
        if marks.is_empty() {
            return Ok(());
        }
        let parts = |mark: &Mark| match &mark.state {
            Sent::Delivered => ("delivered", None, None),
            Sent::Rejected { error } => ("rejected", Some(error.clone()), None),
            Sent::Pending { again_in, error } => ("pending", Some(error.clone()), Some(*again_in)),
        };
        let arguments = [
            marks
                .iter()
                .map(|m| m.key.clone())
                .collect::<Vec<_>>()
                .into(),
            marks
                .iter()
                .map(|m| m.proposal_id.clone())
                .collect::<Vec<_>>()
                .into(),
            marks
                .iter()
                .map(|m| parts(m).0.to_owned())
                .collect::<Vec<_>>()
                .into(),
            marks.iter().map(|m| parts(m).1).collect::<Vec<_>>().into(),
            marks.iter().map(|m| parts(m).2).collect::<Vec<_>>().into(),
        ];
        self.as_owner(|spi| {
            spi.update(STATEMENT, None, &arguments)
                .map(drop)
                .map_err(Into::into)
        })
    }

    /// How many reports are owed.
    pub fn count_pending_reports(&self) -> Result<i64, ExtensionError> {
        const QUERY: &str = "SELECT count(*) FROM synapsor.ledger WHERE report_state = 'pending'";
        self.as_owner(|spi| {
            let count = spi.select(QUERY, Some(1), &[])?.first().get_one::<i64>()?;
            Ok(count.unwrap_or_default())
        })
    }
}
