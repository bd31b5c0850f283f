//! Deletes and updates that foreign keys would widen: `CASCADE`, `SET NULL` and `SET DEFAULT` change rows that nobody
//! approved.
//!
//! Whether a statement did so is read from Postgres's own counters of this transaction, before and after: that needs no
//! right on the other tables, and no race can slip between a look and the statement.

use pgrx::spi::{SpiClient, SpiResult};
use pgrx::{Spi, pg_sys};
use synapsor_core::builder::{Operation, Role, Statement};
use synapsor_core::refusal::{Code, Refusal};

use super::failure::Failure;
use super::target::Target;
use crate::pg::relation::Relation;
use crate::pg::row_counts;

/// The tables that statements of one shape could spread to.
pub struct Spread {
    tables: Vec<pg_sys::Oid>,
    own_table_is_among_them: bool,
}

impl Spread {
    /// Finds them for a statement that writes to `parts`: a table and its partitions. `None` when it can't spread.
    ///
    /// # Errors
    /// `WRITEBACK_CASCADE_BLOCKED` when they can't be found.
    pub fn of(
        statement: &Statement<'_>,
        target: &Target,
        parts: &[Relation],
        advances_guard: bool,
    ) -> Result<Option<Self>, Failure> {
        if statement.operation == Operation::Insert {
            return Ok(None);
        }
        let own: Vec<_> = parts.iter().map(|part| part.oid).collect();
        // Behind a view columns can have other names, and a trigger can write more than the statement.
        let any_column = !parts.iter().any(|part| target.is(*part))
            || parts.iter().any(|part| part.has_trigger_before_update());
        let columns = match any_column {
            true => None,
            false => Some(written_columns(statement, advances_guard)),
        };
        let tables =
            Spi::connect_mut(|spi| referencing_tables(spi, statement.operation, &own, columns))
                .map_err(|error| Refusal::of(Code::CascadeBlocked, error.to_string()))?;
        let own_table_is_among_them = tables.iter().any(|table| own.contains(table));
        Ok((!tables.is_empty()).then_some(Spread {
            tables,
            own_table_is_among_them,
        }))
    }

    /// Starts to watch.
    ///
    /// # Errors
    /// `WRITEBACK_CASCADE_BLOCKED` when Postgres keeps no counters to watch (`track_counts = off`).
    pub fn watch(&self) -> Result<Watch<'_>, Failure> {
        if !row_counts::are_kept() {
            return Err(Refusal::of(Code::CascadeBlocked, "track_counts is off").into());
        }
        Ok(Watch {
            before: row_counts::changed(&self.tables),
            spread: self,
        })
    }
}

/// The counters of those tables before a statement.
pub struct Watch<'s> {
    spread: &'s Spread,
    before: i64,
}

impl Watch<'_> {
    /// Holds the counters against those before the statement, which itself changed one row, so many times.
    ///
    /// # Errors
    /// `WRITEBACK_CASCADE_BLOCKED: <table>`.
    pub fn require_no_spread(
        &self,
        statement: &Statement<'_>,
        own_changes: i64,
    ) -> Result<(), Failure> {
        let own_row = if self.spread.own_table_is_among_them {
            own_changes
        } else {
            0
        };
        if row_counts::changed(&self.spread.tables) - self.before > own_row {
            let culprit = format!("{}.{}", statement.schema, statement.table);
            return Err(Refusal::of(Code::CascadeBlocked, culprit).into());
        }
        Ok(())
    }
}

/// The columns that a statement and the advance of its guard write.
fn written_columns(statement: &Statement<'_>, advances_guard: bool) -> Vec<String> {
    let written = statement
        .params
        .iter()
        .filter(|param| param.role == Role::Written);
    let advanced = statement.conflict_column().filter(|_| advances_guard);
    written
        .map(|param| param.column)
        .chain(advanced)
        .map(str::to_owned)
        .collect()
}

/// The tables, with their partitions, whose foreign keys to any of `own` change rows when a row there is changed. An
/// update matters to those that refer to one of `columns`, or to a generated one; without `columns`, to all.
fn referencing_tables(
    spi: &mut SpiClient<'_>,
    operation: Operation,
    own: &[pg_sys::Oid],
    columns: Option<Vec<String>>,
) -> SpiResult<Vec<pg_sys::Oid>> {
    const QUERY: &str = "
        SELECT DISTINCT coalesce(tree.relid::pg_catalog.oid, c.conrelid)
        FROM pg_catalog.pg_constraint c
        LEFT JOIN LATERAL pg_catalog.pg_partition_tree(c.conrelid) tree ON true
        WHERE c.contype OPERATOR(pg_catalog.=) 'f'::pg_catalog.\"char\"
          AND c.confrelid OPERATOR(pg_catalog.=) ANY ($1)
          AND CASE WHEN $2 THEN c.confdeltype ELSE c.confupdtype END
              OPERATOR(pg_catalog.=) ANY ('{c,n,d}'::pg_catalog.\"char\"[])
          AND ($2 OR $3 IS NULL OR EXISTS (
                  SELECT FROM pg_catalog.pg_attribute a
                  WHERE a.attrelid OPERATOR(pg_catalog.=) c.confrelid
                    AND a.attnum OPERATOR(pg_catalog.=) ANY (c.confkey)
                    AND (a.attname OPERATOR(pg_catalog.=) ANY ($3::pg_catalog.name[])
                         OR a.attgenerated OPERATOR(pg_catalog.<>) ''::pg_catalog.\"char\")))";
    let is_delete = operation == Operation::Delete;
    let arguments = [own.to_vec().into(), is_delete.into(), columns.into()];
    // Not `select`, whose snapshot can be older than the lock on the target, and then misses a foreign key.
    let rows = spi.update(QUERY, None, &arguments)?;
    rows.filter_map(|row| row.get::<pg_sys::Oid>(1).transpose())
        .collect()
}
