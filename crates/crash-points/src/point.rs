//! The points, in the order of a cycle.

use std::fmt;

/// A place in a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Point {
    /// Before approved proposals are asked for.
    BeforeFetch,
    /// They have arrived.
    AfterFetch,
    /// Before keys are looked up in the ledger, and taken.
    BeforeClaim,
    /// They are ours.
    AfterClaim,
    /// Before a proposal's statement.
    BeforeStatement,
    /// It has run, with everything that hangs on it.
    AfterStatement,
    /// Before outcomes are written into the ledger.
    BeforeLedger,
    /// They are.
    AfterLedger,
    /// The commit has begun; nothing is durable yet.
    BeforeCommit,
    /// It is durable; nobody has been told.
    AfterCommit,
    /// Before a report is sent.
    BeforeReport,
    /// Its answer was read.
    AfterAnswer,
    /// Before what became of reports is written down.
    BeforeMark,
    /// It is.
    AfterMark,
}

impl Point {
    /// All of them.
    pub const ALL: [Point; 14] = [
        Point::BeforeFetch,
        Point::AfterFetch,
        Point::BeforeClaim,
        Point::AfterClaim,
        Point::BeforeStatement,
        Point::AfterStatement,
        Point::BeforeLedger,
        Point::AfterLedger,
        Point::BeforeCommit,
        Point::AfterCommit,
        Point::BeforeReport,
        Point::AfterAnswer,
        Point::BeforeMark,
        Point::AfterMark,
    ];

    /// Its name, which is that of its orders' files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Point::BeforeFetch => "before_fetch",
            Point::AfterFetch => "after_fetch",
            Point::BeforeClaim => "before_claim",
            Point::AfterClaim => "after_claim",
            Point::BeforeStatement => "before_statement",
            Point::AfterStatement => "after_statement",
            Point::BeforeLedger => "before_ledger",
            Point::AfterLedger => "after_ledger",
            Point::BeforeCommit => "before_commit",
            Point::AfterCommit => "after_commit",
            Point::BeforeReport => "before_report",
            Point::AfterAnswer => "after_answer",
            Point::BeforeMark => "before_mark",
            Point::AfterMark => "after_mark",
        }
    }

    /// True where an error can be raised: on a thread of the database's, and not once the commit is durable.
    #[must_use]
    pub fn can_raise(self) -> bool {
        !matches!(
            self,
            Point::AfterCommit | Point::BeforeReport | Point::AfterAnswer
        )
    }
}

impl fmt::Display for Point {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
