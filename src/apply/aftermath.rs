//! What a table's own code does to a row after it was written, where RETURNING can't see it: an AFTER trigger, a deferred
//! one or an index's expression that updates the row once more.

use pgrx::pg_sys;
use synapsor_core::builder::{Operation, Statement};

use crate::pg::row_counts;

/// Tells whether an update was all that was written to its table meanwhile.
pub struct Aftermath<'p> {
    parts: &'p [pg_sys::Oid],
    before: i64,
}

impl<'p> Aftermath<'p> {
    /// Starts to count in a table and its partitions; `None` for a statement that writes no row with a key to hold it against.
    pub fn start(statement: &Statement<'_>, parts: &'p [pg_sys::Oid]) -> Option<Self> {
        (statement.operation == Operation::Update).then(|| Aftermath {
            before: row_counts::written(parts),
            parts,
        })
    }

    /// How many rows were written by others than the statement itself, which wrote one, so many times; one where nobody
    /// counts.
    pub fn others(&self, own_changes: i64) -> i64 {
        if row_counts::are_kept() {
            row_counts::written(self.parts) - self.before - own_changes
        } else {
            1
        }
    }
}
