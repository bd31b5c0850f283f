//! Deferred constraints and triggers.

use pgrx::pg_sys;

/// Fires every deferred constraint and trigger that is pending, and makes the later ones of this transaction
/// immediate: `SET CONSTRAINTS ALL IMMEDIATE`, without the parser.
pub fn fire_deferred() {
    let mut statement = pg_sys::ConstraintsSetStmt {
        type_: pg_sys::NodeTag::T_ConstraintsSetStmt,
        constraints: std::ptr::null_mut(),
        deferred: false,
    };
    // SAFETY: a complete node that outlives the call; it is only read.
    unsafe { pg_sys::AfterTriggerSetState(&raw mut statement) };
}
