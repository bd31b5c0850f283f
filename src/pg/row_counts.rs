//! How many rows of tables this transaction has changed so far, by Postgres's own counters: that needs no right on the
//! tables, and no race can slip between a look and a statement.

use pgrx::{IntoDatum, pg_sys};

/// False when Postgres keeps no counters (`track_counts = off`).
pub fn are_kept() -> bool {
    // SAFETY: a plain read.
    unsafe { pg_sys::pgstat_track_counts }
}

/// Rows that were deleted or updated.
pub fn changed(tables: &[pg_sys::Oid]) -> i64 {
    let deleted = sum(tables, pg_sys::pg_stat_get_xact_tuples_deleted);
    deleted + sum(tables, pg_sys::pg_stat_get_xact_tuples_updated)
}

/// Row versions that were written: rows that were inserted or updated. One that an update moves to another partition is inserted there.
pub fn written(tables: &[pg_sys::Oid]) -> i64 {
    let inserted = sum(tables, pg_sys::pg_stat_get_xact_tuples_inserted);
    inserted + sum(tables, pg_sys::pg_stat_get_xact_tuples_updated)
}

type Counter = unsafe fn(pg_sys::FunctionCallInfo) -> pg_sys::Datum;

fn sum(tables: &[pg_sys::Oid], counter: Counter) -> i64 {
    // SAFETY: takes an oid and returns an int8, from this backend's own counters.
    let count = |table: &pg_sys::Oid| unsafe {
        pgrx::direct_function_call::<i64>(counter, &[table.into_datum()])
    };
    tables.iter().filter_map(count).sum()
}
