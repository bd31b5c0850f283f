//! Promises that are broken on purpose, so that the campaign's checker shows that it would notice.

use std::fmt;
use std::str::FromStr;

/// A defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Reports are sent before the commit.
    ReportBeforeCommit,
    /// The ledger is not asked whether a key was decided before.
    NoLedgerClaim,
    /// An error of a statement is caught without a subtransaction around it, so that what it did so far stays.
    CatchWithoutSubtransaction,
    /// A report whose answer was lost is followed by `failed`.
    FailedOnLostAnswer,
    /// The conflict guard is left out of the statement.
    NoConflictGuard,
}

impl Defect {
    /// All of them.
    pub const ALL: [Defect; 5] = [
        Defect::ReportBeforeCommit,
        Defect::NoLedgerClaim,
        Defect::CatchWithoutSubtransaction,
        Defect::FailedOnLostAnswer,
        Defect::NoConflictGuard,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Defect::ReportBeforeCommit => "report_before_commit",
            Defect::NoLedgerClaim => "no_ledger_claim",
            Defect::CatchWithoutSubtransaction => "catch_without_subtransaction",
            Defect::FailedOnLostAnswer => "failed_on_lost_answer",
            Defect::NoConflictGuard => "no_conflict_guard",
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Defect {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Defect::ALL.into_iter().find(|defect| defect.name() == name);
        found.ok_or_else(|| format!("there is no defect named {name:?}"))
    }
}
