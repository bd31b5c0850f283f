//! Deletes that foreign keys would widen: `ON DELETE CASCADE`, `SET NULL` and `SET DEFAULT` change rows that nobody
//! approved.
//!
//! Whether a delete did so is read from Postgres's own counters of this transaction, before and after: that needs no
//! right on the other tables, and no race can slip between a look and the delete.

use pgrx::spi::SpiClient;
use pgrx::{IntoDatum, Spi, pg_sys};
use synapsor_core::builder::{Operation, Statement};
use synapsor_core::refusal::{Code, Refusal};

use super::failure::Failure;
use crate::pg::relation::Relation;

/// The counters of the tables that a delete could spread to.
pub struct Watch {
    tables: Vec<pg_sys::Oid>,
    own_table_is_among_them: bool,
    before: i64,
}

impl Watch {
    /// Starts to watch a statement that writes to `written`; `None` when it can't spread.
    ///
    /// # Errors
    /// `WRITEBACK_CASCADE_BLOCKED` when Postgres keeps no counters to watch (`track_counts = off`).
    pub fn start(statement: &Statement<'_>, written: Relation) -> Result<Option<Self>, Failure> {
        if statement.operation != Operation::Delete {
            return Ok(None);
        }
        let own: Vec<_> = written
            .with_partitions()
            .iter()
            .map(|part| part.oid)
            .collect();
        let tables = Spi::connect_mut(|spi| referencing_tables(spi, &own));
        if tables.is_empty() {
            return Ok(None);
        }
        // SAFETY: a plain read.
        if !unsafe { pg_sys::pgstat_track_counts } {
            return Err(Refusal::of(Code::CascadeBlocked, "track_counts is off").into());
        }
        let own_table_is_among_them = tables.iter().any(|table| own.contains(table));
        let before = changed_rows(&tables);
        Ok(Some(Watch {
            tables,
            own_table_is_among_them,
            before,
        }))
    }

    /// Holds the counters against those before the delete of one row.
    ///
    /// # Errors
    /// `WRITEBACK_CASCADE_BLOCKED: <table>`.
    pub fn require_no_spread(&self, statement: &Statement<'_>) -> Result<(), Failure> {
        let own_row = i64::from(self.own_table_is_among_them);
        if changed_rows(&self.tables) - self.before > own_row {
            let culprit = format!("{}.{}", statement.schema, statement.table);
            return Err(Refusal::of(Code::CascadeBlocked, culprit).into());
        }
        Ok(())
    }
}

/// The tables, with their partitions, whose foreign keys to any of `own` change rows when a row there is deleted.
fn referencing_tables(spi: &mut SpiClient<'_>, own: &[pg_sys::Oid]) -> Vec<pg_sys::Oid> {
    const QUERY: &str = "
        SELECT DISTINCT coalesce(tree.relid::pg_catalog.oid, c.conrelid)
        FROM pg_catalog.pg_constraint c
        LEFT JOIN LATERAL pg_catalog.pg_partition_tree(c.conrelid) tree ON true
        WHERE c.contype OPERATOR(pg_catalog.=) 'f'::pg_catalog.\"char\"
          AND c.confrelid OPERATOR(pg_catalog.=) ANY ($1)
          AND c.confdeltype OPERATOR(pg_catalog.=) ANY ('{c,n,d}'::pg_catalog.\"char\"[])";
    // Not `select`, whose snapshot can be older than the lock on the target, and then misses a foreign key.
    let rows = spi.update(QUERY, None, &[own.to_vec().into()]);
    let oids = rows.map(|rows| {
        rows.filter_map(|row| row.get::<pg_sys::Oid>(1).ok().flatten())
            .collect()
    });
    oids.unwrap_or_default()
}

/// Rows of these tables that this transaction has deleted or updated so far.
fn changed_rows(tables: &[pg_sys::Oid]) -> i64 {
    tables.iter().map(|table| transaction_count(*table)).sum()
}

fn transaction_count(table: pg_sys::Oid) -> i64 {
    // SAFETY: both take an oid and return an int8, from this backend's own counters.
    unsafe {
        let count = |function| pgrx::direct_function_call::<i64>(function, &[table.into_datum()]);
        count(pg_sys::pg_stat_get_xact_tuples_deleted).unwrap_or(0)
            + count(pg_sys::pg_stat_get_xact_tuples_updated).unwrap_or(0)
    }
}
