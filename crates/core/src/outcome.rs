//! How a proposal ended, or why it has not yet, in the words that results, ledger and reports share.

use crate::builder::{Operation, Statement};
use crate::refusal::{Code, Refusal};

/// Which guards a statement carried. A guard that a proposal left out is applied without it, visibly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Guards {
    /// Each key column compared.
    pub primary_key: bool,
    /// The tenant compared, or written by an insert.
    pub tenant: bool,
    /// The conflict column compared.
    pub conflict: bool,
}

/// What the operator demands of every proposal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `synapsor.require_tenant_guard`
    pub require_tenant_guard: bool,
    /// `synapsor.require_conflict_guard`; an insert has no row to conflict with, and needs none.
    pub require_conflict_guard: bool,
}

impl Policy {
    /// Holds a statement against the operator's demands.
    ///
    /// # Errors
    /// `WRITEBACK_TENANT_GUARD_REQUIRED`, `WRITEBACK_CONFLICT_GUARD_REQUIRED`.
    pub fn check(&self, statement: &Statement<'_>) -> Result<(), Refusal> {
        if self.require_tenant_guard && !statement.guards.tenant {
            return Err(Code::TenantGuardRequired.into());
        }
        let needs_conflict =
            self.require_conflict_guard && statement.operation != Operation::Insert;
        if needs_conflict && !statement.guards.conflict {
            return Err(Code::ConflictGuardRequired.into());
        }
        Ok(())
    }
}

/// Why a guarded statement touched no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictReason {
    /// No row has this key (and tenant).
    RowNotFound,
    /// The row is there, with another value in the conflict column.
    ConflictValueChanged,
    /// The row is there and the guards hold, but a trigger or a policy let the statement change nothing.
    RowNotChanged,
}

impl ConflictReason {
    /// The reason's text.
    pub fn as_str(self) -> &'static str {
        match self {
            ConflictReason::RowNotFound => "ROW_NOT_FOUND",
            ConflictReason::ConflictValueChanged => "CONFLICT_VALUE_CHANGED",
            ConflictReason::RowNotChanged => "ROW_NOT_CHANGED",
        }
    }
}

/// The status of a proposal in the ledger. All but `Retrying` are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// One row was changed.
    Applied,
    /// No row was.
    Conflict,
    /// It can't be applied.
    Failed,
    /// A transient failure; tried again later.
    Retrying,
}

impl Status {
    /// The name used in results, ledger and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Applied => "applied",
            Status::Conflict => "conflict",
            Status::Failed => "failed",
            Status::Retrying => "retrying",
        }
    }

    /// The status of a ledger row; `None` for a text that is none.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Status::Applied,
            Status::Conflict,
            Status::Failed,
            Status::Retrying,
        ]
        .into_iter()
        .find(|status| status.as_str() == text)
    }

    /// True when the outcome never changes any more.
    pub fn is_final(self) -> bool {
        self != Status::Retrying
    }
}
