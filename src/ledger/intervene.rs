//! What a person does about one proposal: have it tried or reported again, or have done with it. Who did so, and when, stays in
//! the ledger. Nothing here makes a final row anything else.

use pgrx::datum::DatumWithOid;

use super::Ledger;
use super::statements::Planned;
use crate::error::ExtensionError;
use crate::pg::{identity, relation};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intervention {
    /// A proposal that is being tried is tried at the next poll.
    TriedAgain,
    /// The report of a final one is sent again.
    ReportedAgain,
    /// One that was being tried is not, and ends `failed`.
    Ended,
    /// The report of a final one is not sent any more.
    ReportDiscarded,
}

impl Intervention {
    /// What it means, for the person.
    pub fn as_text(self) -> &'static str {
        match self {
            Intervention::TriedAgain => "the proposal is tried at the next poll",
            Intervention::ReportedAgain => "the report is sent again",
            Intervention::Ended => {
                "the proposal is not tried any more, and is reported as failed: WRITEBACK_DISCARDED"
            }
            Intervention::ReportDiscarded => "the report is not sent any more",
        }
    }
}

impl Ledger {
    /// Has a proposal that is being tried tried now, or the report of one that is final sent again, unless it was accepted.
    ///
    /// # Errors
    /// `LEDGER_KEY_UNKNOWN`, `NOTHING_TO_RETRY`.
    pub fn retry(&self, key: &str) -> Result<Intervention, ExtensionError> {
        const STATEMENT: &str = "
            UPDATE synapsor.ledger
            SET next_attempt_at = CASE WHEN status = 'retrying' THEN clock_timestamp() END,
                report_state = CASE WHEN status <> 'retrying' THEN 'pending' END,
                next_report_at = CASE WHEN status <> 'retrying' THEN clock_timestamp() END,
                action = 'retry', acted_by = $2, acted_at = clock_timestamp(), action_reason = NULL
            WHERE key = $1 AND (status = 'retrying' OR report_state IN ('pending', 'rejected', 'discarded'))
            RETURNING status = 'retrying'";
        let done = self.intervene(STATEMENT, &[key.into(), actor().into()])?;
        match done {
            Some(true) => Ok(Intervention::TriedAgain),
            Some(false) => Ok(Intervention::ReportedAgain),
            None => Err(self.nothing_to(key, ExtensionError::NothingToRetry)?),
        }
    }

    /// Ends a proposal that is being tried, or gives the report of a final one up. The caller holds the lock on applying.
    ///
    /// # Errors
    /// `LEDGER_KEY_UNKNOWN`, `NOTHING_TO_DISCARD`.
    pub fn discard(&self, key: &str, reason: &str) -> Result<Intervention, ExtensionError> {
        const STATEMENT: &str = "
            UPDATE synapsor.ledger AS l
            SET status = CASE WHEN was.is_tried THEN 'failed' ELSE l.status END,
                error = CASE WHEN was.is_tried THEN 'WRITEBACK_DISCARDED' ELSE l.error END,
                sqlstate = CASE WHEN was.is_tried THEN NULL ELSE l.sqlstate END,
                error_detail = CASE WHEN was.is_tried THEN NULL ELSE l.error_detail END,
                decided_at = CASE WHEN was.is_tried THEN clock_timestamp() ELSE l.decided_at END,
                next_attempt_at = NULL,
                report_state = CASE WHEN was.is_tried THEN 'pending' ELSE 'discarded' END,
                next_report_at = CASE WHEN was.is_tried THEN clock_timestamp() END,
                action = 'discard', acted_by = $2, acted_at = clock_timestamp(), action_reason = $3
            FROM (SELECT status = 'retrying' AS is_tried FROM synapsor.ledger
                  WHERE key = $1 FOR UPDATE) AS was
            WHERE l.key = $1 AND (was.is_tried OR l.report_state IN ('pending', 'rejected'))
            RETURNING was.is_tried";
        let done = self.intervene(STATEMENT, &[key.into(), actor().into(), reason.into()])?;
        match done {
            Some(true) => Ok(Intervention::Ended),
            Some(false) => Ok(Intervention::ReportDiscarded),
            None => Err(self.nothing_to(key, ExtensionError::NothingToDiscard)?),
        }
    }

    fn intervene(
        &self,
        statement: &'static str,
        arguments: &[DatumWithOid<'_>],
    ) -> Result<Option<bool>, ExtensionError> {
        self.as_owner_planned(Planned::EachTime, |spi| {
            let rows = spi.update(statement, None, arguments)?;
            if rows.is_empty() {
                return Ok(None);
            }
            Ok(rows.first().get_one::<bool>()?)
        })
    }

    /// Why there was nothing to do: there is no such row, or what the caller says.
    fn nothing_to(
        &self,
        key: &str,
        otherwise: ExtensionError,
    ) -> Result<ExtensionError, ExtensionError> {
        const QUERY: &str = "SELECT true FROM synapsor.ledger WHERE key = $1";
        let is_known =
            self.as_owner(|spi| Ok(!spi.select(QUERY, Some(1), &[key.into()])?.is_empty()))?;
        Ok(if is_known {
            otherwise
        } else {
            ExtensionError::LedgerKeyUnknown
        })
    }
}

/// Who acts: the session's user, whatever function he calls from.
fn actor() -> String {
    relation::role_name(identity::session_role())
}
