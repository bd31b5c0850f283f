//! Crash points: named places at every step of a cycle (fetch, claim, statement, ledger, commit, report, mark) at which a test can make
//! the process die, the server stop, an error come up, or time stand still. And defects: promises that a test breaks on purpose, to see
//! whether the checker finds out.
//!
//! Nothing of it exists unless the feature `armed` is on: then [`reach`] and [`is_on`] are constants, and a release build refuses the feature.
//!
//! ```text
//! a test writes  $SYNAPSOR_CRASH_POINTS/after_statement      "kill"
//! a process that reaches the point renames it to  after_statement.taken.<pid>.<n>  and does what it says, once
//! ```

#[cfg(feature = "armed")]
mod armed;
mod defect;
mod order;
mod point;

#[cfg(feature = "armed")]
pub use armed::{is_on, reach};
pub use defect::Defect;
pub use order::{Order, UnknownOrder};
pub use point::Point;

/// The environment variable that names the directory of orders.
pub const DIRECTORY: &str = "SYNAPSOR_CRASH_POINTS";

/// The environment variable that names the [`Defect`] which is on.
pub const DEFECT: &str = "SYNAPSOR_DEFECT";

/// What a process that came to a point is to do itself, since only it knows how: raise this error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raise {
    /// The error's code: a SQLSTATE, or a number of MySQL's.
    pub code: String,
}

/// Nothing happens at a point of a build that is not armed.
#[cfg(not(feature = "armed"))]
#[inline(always)]
#[must_use]
pub fn reach(_point: Point) -> Option<Raise> {
    None
}

/// No defect is on in a build that is not armed.
#[cfg(not(feature = "armed"))]
#[inline(always)]
#[must_use]
pub fn is_on(_defect: Defect) -> bool {
    false
}
