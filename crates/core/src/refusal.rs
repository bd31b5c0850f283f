//! Why a proposal is refused: a stable code, and the name of the culprit.

use std::fmt;

/// A stable code. Users, tests and the control plane rely on the text, which never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// A field has the wrong JSON type, or the proposal is not a JSON object.
    ProposalInvalid,
    /// `source_kind` is neither `postgres` nor `mysql`.
    UnsupportedKind,
    /// `operation` is none of `update`, `insert`, `delete`.
    UnsupportedOperation,
    /// Schema (or catalog) or table is missing.
    TableRequired,
    /// A name that is not `[A-Za-z_][A-Za-z0-9_]*`, or longer than the server keeps.
    UnsafeIdentifier,
    /// An insert without values.
    InsertValuesRequired,
    /// An update without values.
    UpdateValuesRequired,
    /// A column outside `allowed_columns`.
    ColumnNotAllowed,
    /// No primary key, or a null in it.
    PrimaryKeyRequired,
    /// An update of a key, tenant or conflict column.
    ProtectedColumnChange,
    /// `tenant_column` without a `tenant_id`.
    TenantRequired,
    /// An insert that names another tenant than `tenant_id`.
    TenantMismatch,
    /// No tenant guard, and the operator demands one.
    TenantGuardRequired,
    /// No conflict guard, and the operator demands one.
    ConflictGuardRequired,
    /// The statement matched more than one row.
    MultiRowBlocked,
    /// A delete that foreign keys would widen to rows that nobody approved.
    CascadeBlocked,
    /// The key was decided before, for a proposal with another content.
    IdempotencyMismatch,
    /// The target is not a table, a partitioned table or an automatically updatable view.
    TargetUnsupported,
    /// A JSON value that has no form in its column's type (an object for an integer).
    ValueTypeMismatch,
    /// The column would keep something else than the approved value (rounded, cut).
    ValueNotExact,
    /// A trigger changed a key or tenant column of the row while it was written.
    GuardedColumnChanged,
    /// The table has row security, which does not bind the role that writes, because it owns the table.
    RowSecurityBypassed,
    /// A guard would not compare with its type's own equality, because another `=` comes first in the search path.
    OperatorShadowed,
    /// The process that applied it ended, more than once. May pass.
    WorkerEnded,
}

impl Code {
    /// The code's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::ProposalInvalid => "WRITEBACK_PROPOSAL_INVALID",
            Code::UnsupportedKind => "UNSUPPORTED_WRITEBACK_KIND",
            Code::UnsupportedOperation => "UNSUPPORTED_WRITEBACK_OPERATION",
            Code::TableRequired => "WRITEBACK_TABLE_REQUIRED",
            Code::UnsafeIdentifier => "UNSAFE_IDENTIFIER",
            Code::InsertValuesRequired => "WRITEBACK_INSERT_VALUES_REQUIRED",
            Code::UpdateValuesRequired => "WRITEBACK_UPDATE_VALUES_REQUIRED",
            Code::ColumnNotAllowed => "WRITEBACK_COLUMN_NOT_ALLOWED",
            Code::PrimaryKeyRequired => "WRITEBACK_PRIMARY_KEY_REQUIRED",
            Code::ProtectedColumnChange => "WRITEBACK_PROTECTED_COLUMN_CHANGE",
            Code::TenantRequired => "WRITEBACK_TENANT_REQUIRED",
            Code::TenantMismatch => "WRITEBACK_TENANT_MISMATCH",
            Code::TenantGuardRequired => "WRITEBACK_TENANT_GUARD_REQUIRED",
            Code::ConflictGuardRequired => "WRITEBACK_CONFLICT_GUARD_REQUIRED",
            Code::MultiRowBlocked => "WRITEBACK_MULTI_ROW_BLOCKED",
            Code::CascadeBlocked => "WRITEBACK_CASCADE_BLOCKED",
            Code::IdempotencyMismatch => "WRITEBACK_IDEMPOTENCY_MISMATCH",
            Code::TargetUnsupported => "WRITEBACK_TARGET_UNSUPPORTED",
            Code::ValueTypeMismatch => "WRITEBACK_VALUE_TYPE_MISMATCH",
            Code::ValueNotExact => "WRITEBACK_VALUE_NOT_EXACT",
            Code::GuardedColumnChanged => "WRITEBACK_GUARDED_COLUMN_CHANGED",
            Code::RowSecurityBypassed => "WRITEBACK_ROW_SECURITY_BYPASSED",
            Code::OperatorShadowed => "WRITEBACK_OPERATOR_SHADOWED",
            Code::WorkerEnded => "WRITEBACK_WORKER_ENDED",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A proposal is refused, for good. Displayed as `CODE` or `CODE: culprit`; the culprit is a name, never a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}{}{culprit}", if culprit.is_some() { ": " } else { "" }, culprit = culprit.as_deref().unwrap_or_default())]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// What is at fault: a field, a column, an identifier.
    pub culprit: Option<String>,
}

impl Refusal {
    /// A refusal that names its culprit.
    pub fn of(code: Code, culprit: impl Into<String>) -> Self {
        Refusal {
            code,
            culprit: Some(culprit.into()),
        }
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Refusal {
            code,
            culprit: None,
        }
    }
}
