//! What the ledger knows of a proposal, and what is written into it: one row for each key, whose outcome never changes once it is
//! final. How the row is stored is the shell's matter.

use crate::builder;
use crate::decision::Decision;
use crate::judgement::Subject;
use crate::outcome::{Guards, Status};
use crate::retry::Backoff;

/// What the ledger knows of a key.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The digest of the content that was decided.
    pub digest: String,
    /// How it stands.
    pub status: Status,
    /// How often it was tried.
    pub attempts: i32,
    /// A retrying proposal whose time has come.
    pub is_due: bool,
    /// Its report was accepted, and long enough ago to be repeated although nobody asks: each time takes twice as long as the one before,
    /// up to five minutes, so that a control plane that goes on listing what it has accepted is not reported to at full speed.
    pub is_report_due: bool,
    /// How its report stands: `pending`, `delivered`, `rejected`; empty while retrying.
    pub report_state: String,
    /// Rows changed.
    pub affected_rows: i64,
    /// `update`, `insert` or `delete`.
    pub operation: Option<String>,
    /// Why no row was touched.
    pub reason: Option<String>,
    /// The error, as it was or will be reported.
    pub error: Option<String>,
}

/// One row to write: a decision on a proposal that had none, or was being tried.
#[derive(Clone, Debug)]
pub struct Row {
    /// The key.
    pub key: String,
    /// Whom the report is about.
    pub proposal_id: String,
    /// The proposal's own idempotency key.
    pub idempotency_key: Option<String>,
    /// The digest of its content.
    pub digest: String,
    /// The source that it came from.
    pub source_id: Option<String>,
    /// The schema that it names.
    pub target_schema: Option<String>,
    /// The table that it names.
    pub target_table: Option<String>,
    /// `update`, `insert` or `delete`.
    pub operation: Option<String>,
    /// How it stands.
    pub status: Status,
    /// Rows changed.
    pub affected_rows: i64,
    /// Which guards held.
    pub guards: Guards,
    /// Whether the conflict column has another value since.
    pub guard_advanced: Option<bool>,
    /// Why no row was touched.
    pub reason: Option<String>,
    /// The SQLSTATE of the error.
    pub sqlstate: Option<String>,
    /// The error as it is reported.
    pub error: Option<String>,
    /// The server's message and DETAIL.
    pub error_detail: Option<String>,
    /// How often it was tried.
    pub attempts: i32,
    /// The role or user it was applied as.
    pub applied_as: String,
    /// Seconds from now to the next attempt; for a proposal that is being tried, where the schedule moves.
    pub next_attempt_in: Option<f64>,
}

/// A final row that the control plane lists again: its report is due once more.
#[derive(Clone, Debug)]
pub struct Again {
    /// The key.
    pub key: String,
    /// The listed proposal's id.
    pub proposal_id: String,
    /// The listed proposal's own idempotency key.
    pub idempotency_key: Option<String>,
}

/// What a row says besides the proposal and the decision.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The source that the proposal came from.
    pub source_id: &'a str,
    /// The role or user it was applied as.
    pub applied_as: &'a str,
    /// Tries of a transient failure before it is final.
    pub max_attempts: i32,
    /// Drawn evenly from 0 to 1, for the back-off.
    pub random: f64,
}

impl Row {
    /// The row of a decision on `subject`, of which the ledger knew `before`. A try ahead of the schedule does not count; the last
    /// of `max_attempts` that count makes a transient failure final.
    pub fn of(
        subject: &Subject<'_>,
        before: Option<&Entry>,
        mut decision: Decision,
        circumstances: Circumstances<'_>,
    ) -> Self {
        let is_counted = before.is_none_or(|entry| entry.is_due);
        let attempts = before.map_or(0, |entry| entry.attempts) + i32::from(is_counted);
        if decision.status == Status::Retrying && attempts >= circumstances.max_attempts {
            decision.status = Status::Failed;
        }
        let proposal = subject.content.ok();
        let operation = proposal.and_then(|proposal| builder::operation(proposal).ok());
        let attempt = u32::try_from(attempts).unwrap_or(1);
        let wait = || Backoff::default().delay(attempt, circumstances.random);
        let affected_rows = decision.affected_rows() as i64;
        let failure = decision.failure;
        Row {
            key: subject.key.to_owned(),
            proposal_id: subject.proposal_id.to_owned(),
            idempotency_key: subject.idempotency_key.map(str::to_owned),
            digest: subject.digest.clone(),
            source_id: Some(circumstances.source_id.to_owned()),
            target_schema: proposal.and_then(|proposal| proposal.schema.clone()),
            target_table: proposal.and_then(|proposal| proposal.table.clone()),
            operation: operation.map(|operation| operation.as_str().to_owned()),
            status: decision.status,
            affected_rows,
            guards: decision.guards,
            guard_advanced: decision.guard_advanced,
            reason: decision.reason.map(|reason| reason.as_str().to_owned()),
            sqlstate: failure
                .as_ref()
                .and_then(|failure| failure.sqlstate.clone()),
            error: failure.as_ref().map(|failure| failure.error.clone()),
            error_detail: failure.and_then(|failure| failure.detail),
            attempts,
            applied_as: circumstances.applied_as.to_owned(),
            next_attempt_in: (!decision.status.is_final()).then(|| wait().as_secs_f64()),
        }
    }

    /// What somebody with the same key has to know, once the row is written.
    pub fn entry(&self) -> Entry {
        let report_state = if self.status.is_final() {
            "pending"
        } else {
            ""
        };
        Entry {
            digest: self.digest.clone(),
            status: self.status,
            attempts: self.attempts,
            is_due: false,
            is_report_due: false,
            report_state: report_state.to_owned(),
            affected_rows: self.affected_rows,
            operation: self.operation.clone(),
            reason: self.reason.clone(),
            error: self.error.clone(),
        }
    }
}
