//! The state of the current transaction.

use pgrx::pg_sys;

/// True when the row version with this `xmin` was written by the current transaction.
pub fn is_own_write(xmin: pg_sys::TransactionId) -> bool {
    // SAFETY: reads the transaction's own state.
    unsafe { pg_sys::TransactionIdIsCurrentTransactionId(xmin) }
}

/// True on a standby.
pub fn is_standby() -> bool {
    // SAFETY: a plain read of shared memory.
    unsafe { pg_sys::RecoveryInProgress() }
}

/// True when the transaction may not write.
pub fn is_read_only() -> bool {
    // SAFETY: a plain read.
    unsafe { pg_sys::XactReadOnly }
}

/// The id of the current transaction; 0 when it has none.
pub fn current_xid() -> u32 {
    // SAFETY: reads the transaction's own state.
    unsafe { pg_sys::GetTopTransactionIdIfAny() }.into_inner()
}

/// The number of the current subtransaction, or of the transaction itself.
pub fn current_subtransaction() -> pg_sys::SubTransactionId {
    // SAFETY: reads the transaction's own state.
    unsafe { pg_sys::GetCurrentSubTransactionId() }
}
