//! What became of one proposal when it was tried.

use crate::builder;
use crate::failure::Failure;
use crate::outcome::{ConflictReason, Guards, Status};

/// What became of one proposal.
#[derive(Clone, Debug)]
pub struct Decision {
    /// How it ended. `Retrying` for a transient failure; whether it is tried again, the ledger says.
    pub status: Status,
    /// Which guards its statement carried.
    pub guards: Guards,
    /// Whether the conflict column has another value since; `None` without a conflict guard or without success.
    pub guard_advanced: Option<bool>,
    /// Why no row was touched.
    pub reason: Option<ConflictReason>,
    /// Why it failed.
    pub failure: Option<Failure>,
}

impl Decision {
    /// One row was changed, and nothing else.
    pub fn applied(guard_advanced: Option<bool>) -> Self {
        Decision {
            status: Status::Applied,
            guards: Guards::default(),
            guard_advanced,
            reason: None,
            failure: None,
        }
    }

    /// No row was changed.
    pub fn conflict(reason: ConflictReason) -> Self {
        Decision {
            status: Status::Conflict,
            reason: Some(reason),
            ..Decision::applied(None)
        }
    }

    /// It could not be applied.
    pub fn failed(failure: Failure) -> Self {
        Decision {
            status: if failure.is_transient {
                Status::Retrying
            } else {
                Status::Failed
            },
            failure: Some(failure),
            ..Decision::applied(None)
        }
    }

    /// The decision on a statement with these guards.
    #[must_use]
    pub fn with_guards(self, guards: Guards) -> Self {
        Decision { guards, ..self }
    }

    /// Rows changed: 1 when it was applied, else 0.
    pub fn affected_rows(&self) -> u64 {
        if self.status == Status::Applied {
            builder::EXPECTED_ROW_COUNT
        } else {
            0
        }
    }
}
