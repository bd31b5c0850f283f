//! Writing decisions down, a batch in one statement.

use std::borrow::Cow;

use synapsor_core::ledger::{Again, Row};
use synapsor_core::outbox::Owed;
use synapsor_core::report::Report;
use synapsor_crash_points::Defect;

use super::Ledger;
use super::statements::{all, each};
use crate::error::ExtensionError;

impl Ledger {
    /// Writes a batch of decisions. The keys are distinct.
    ///
    /// # Errors
    /// `LEDGER_CHANGED` when a row is final already: then none of the batch may commit.
    pub fn record(&self, rows: &[Row]) -> Result<(), ExtensionError> {
        const STATEMENT: &str = "
            INSERT INTO synapsor.ledger AS l (
                key, proposal_id, idempotency_key, proposal_digest, source_id, target_schema, target_table,
                operation, status, affected_rows, guards, guard_advanced, reason, sqlstate, error, error_detail,
                attempts, applied_as, first_seen_at, decided_at, next_attempt_at, report_state, next_report_at)
            SELECT r.key, r.proposal_id, r.idempotency_key, r.digest, r.source_id, r.target_schema, r.target_table,
                r.operation, r.status, r.affected_rows, r.guards::jsonb, r.guard_advanced, r.reason, r.sqlstate,
                r.error, r.error_detail, r.attempts, r.applied_as, clock.now,
                CASE WHEN r.status <> 'retrying' THEN clock.now END,
                CASE WHEN r.status = 'retrying'
                     THEN clock.now + make_interval(secs => coalesce(r.next_attempt_in, 0)) END,
                CASE WHEN r.status <> 'retrying' THEN 'pending' END,
                CASE WHEN r.status <> 'retrying' THEN clock.now END
            FROM (SELECT clock_timestamp() AS now) AS clock,
                 unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                        $8::text[], $9::text[], $10::bigint[], $11::text[], $12::boolean[], $13::text[],
                        $14::text[], $15::text[], $16::text[], $17::integer[], $18::text[], $19::float8[])
                 AS r (key, proposal_id, idempotency_key, digest, source_id, target_schema, target_table,
                       operation, status, affected_rows, guards, guard_advanced, reason, sqlstate, error,
                       error_detail, attempts, applied_as, next_attempt_in)
            ON CONFLICT (key) DO UPDATE SET
                proposal_id = excluded.proposal_id, idempotency_key = excluded.idempotency_key,
                status = excluded.status, affected_rows = excluded.affected_rows, guards = excluded.guards,
                guard_advanced = excluded.guard_advanced, reason = excluded.reason,
                sqlstate = excluded.sqlstate, error = excluded.error, error_detail = excluded.error_detail,
                attempts = excluded.attempts, applied_as = excluded.applied_as,
                decided_at = excluded.decided_at,
                -- A try ahead of the schedule, which did not count, leaves the schedule as it is.
                next_attempt_at = CASE WHEN excluded.status = 'retrying' AND excluded.attempts = l.attempts
                                       THEN l.next_attempt_at ELSE excluded.next_attempt_at END,
                report_state = excluded.report_state, next_report_at = excluded.next_report_at
            WHERE l.status = 'retrying'";
        if rows.is_empty() {
            return Ok(());
        }
        let stored: Vec<_> = rows.iter().map(Stored::of).collect();
        let arguments = [
            all(rows, |r| Some(&r.key)),
            all(rows, |r| Some(&r.proposal_id)),
            all(rows, |r| r.idempotency_key.as_ref()),
            all(rows, |r| Some(&r.digest)),
            all(rows, |r| r.source_id.as_ref()),
            all(&stored, |s| s.target_schema.as_deref()),
            all(&stored, |s| s.target_table.as_deref()),
            all(rows, |r| r.operation.as_ref()),
            all(rows, |r| Some(r.status.as_str())),
            each(rows, |r| r.affected_rows),
            all(&stored, |s| s.guards.as_deref()),
            each(rows, |r| r.guard_advanced),
            all(rows, |r| r.reason.as_ref()),
            all(rows, |r| r.sqlstate.as_ref()),
            all(&stored, |s| s.error.as_deref()),
            all(&stored, |s| s.error_detail.as_deref()),
            each(rows, |r| r.attempts),
            all(rows, |r| Some(&r.applied_as)),
            each(rows, |r| r.next_attempt_in),
        ];
        let written = self.as_owner(|spi| Ok(spi.update(STATEMENT, None, &arguments)?.len()))?;
        if written == rows.len() || synapsor_crash_points::is_on(Defect::NoLedgerClaim) {
            Ok(())
        } else {
            Err(ExtensionError::LedgerChanged)
        }
    }

    /// Puts the reports of final rows back into the outbox. A report that is still pending stays as it is, and one
    /// that was rejected waits for a person. A row that another session has locked is being delivered there. As for
    /// [`Ledger::mark`], there is one plan.
    pub fn report_again(&self, rows: &[Again]) -> Result<(), ExtensionError> {
        const STATEMENT: &str = "
            UPDATE synapsor.ledger AS l
            SET report_state = 'pending', next_report_at = clock_timestamp(),
                proposal_id = a.proposal_id, idempotency_key = a.idempotency_key
            FROM unnest($1::text[], $2::text[], $3::text[]) AS a (key, proposal_id, idempotency_key),
                 LATERAL (SELECT f.ctid FROM synapsor.ledger AS f WHERE f.key = a.key FOR UPDATE SKIP LOCKED) AS free
            WHERE l.ctid = free.ctid AND l.report_state = 'delivered'";
        if rows.is_empty() {
            return Ok(());
        }
        let arguments = [
            all(rows, |r| Some(&r.key)),
            all(rows, |r| Some(&r.proposal_id)),
            all(rows, |r| r.idempotency_key.as_ref()),
        ];
        self.as_owner(|spi| {
            spi.update(STATEMENT, None, &arguments)
                .map(drop)
                .map_err(Into::into)
        })
    }
}

/// The report that is owed once this row is committed, as the ledger holds it; `None` while it is being tried.
pub fn owed(row: &Row) -> Option<Owed> {
    let verdict = Owed::verdict(
        row.status,
        row.affected_rows,
        row.operation.clone(),
        row.reason.clone(),
        row.error
            .as_deref()
            .map(|error| storable(error).into_owned()),
    )?;
    Some(Owed {
        key: row.key.clone(),
        attempts: 0,
        report: Report {
            proposal_id: row.proposal_id.clone(),
            idempotency_key: row.idempotency_key.clone(),
            verdict,
        },
    })
}

/// What is not kept as it is.
struct Stored<'r> {
    target_schema: Option<Cow<'r, str>>,
    target_table: Option<Cow<'r, str>>,
    guards: Option<String>,
    error: Option<Cow<'r, str>>,
    error_detail: Option<Cow<'r, str>>,
}

impl<'r> Stored<'r> {
    fn of(row: &'r Row) -> Self {
        let text = |text: &'r Option<String>| text.as_deref().map(storable);
        Stored {
            target_schema: text(&row.target_schema),
            target_table: text(&row.target_table),
            guards: serde_json::to_string(&row.guards).ok(),
            error: text(&row.error),
            error_detail: text(&row.error_detail),
        }
    }
}

/// Text that Postgres can keep, of a sensible length. A proposal's names can be anything, also where they were refused.
fn storable(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 4_000;
    if text.len() <= LONGEST && !text.contains('\0') {
        return Cow::Borrowed(text);
    }
    let kept = text.chars().take(LONGEST);
    Cow::Owned(
        kept.map(|c| if c == '\0' { '\u{fffd}' } else { c })
            .collect(),
    )
}
