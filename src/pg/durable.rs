//! Making sure that what other sessions committed will last, and is not only visible.

use std::ffi::c_char;

use pgrx::pg_sys;

use super::error::Capture;
use super::guc_scope::GucScope;

unsafe extern "C-unwind" {
    #[cfg(any(feature = "pg14", feature = "pg15", feature = "pg16"))]
    fn LogLogicalMessage(
        prefix: *const c_char,
        message: *const c_char,
        size: usize,
        transactional: bool,
    ) -> pg_sys::XLogRecPtr;
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    fn LogLogicalMessage(
        prefix: *const c_char,
        message: *const c_char,
        size: usize,
        transactional: bool,
        flush: bool,
    ) -> pg_sys::XLogRecPtr;
}

/// When it returns `true`, everything that was committed before the call is on disk, also what was committed with
/// `synchronous_commit = off`, and where there is a synchronous standby, it has that as well: also what a crash made visible
/// here before any standby had it. `false` when the wait for a standby was cancelled.
///
/// WAL is one sequence: a small record of ours (an empty logical message, which nobody replays), once it is acknowledged, has
/// everything before it acknowledged as well. Inside a transaction.
#[must_use]
pub fn secure_commits_so_far() -> bool {
    // SAFETY: the guard turns an error inside into a panic that unwinds; the closure holds nothing to drop. The
    // record is not transactional, so that no transaction id is assigned.
    let lsn = unsafe {
        let lsn = pg_sys::ffi::pg_guard_ffi_boundary(|| {
            let (prefix, nothing) = (c"synapsor_writeback".as_ptr(), c"".as_ptr());
            #[cfg(any(feature = "pg14", feature = "pg15", feature = "pg16"))]
            return LogLogicalMessage(prefix, nothing, 0, false);
            #[cfg(any(feature = "pg17", feature = "pg18"))]
            return LogLogicalMessage(prefix, nothing, 0, false, false);
        });
        pg_sys::XLogFlush(lsn);
        lsn
    };
    wait_for_standbys(lsn)
}

/// The same for what this session committed last, and all that was committed before it: there is nothing to write where that
/// commit has been waited for already.
#[must_use]
pub fn secure_own_commits() -> bool {
    // SAFETY: a plain read; where a commit's record ends in the log.
    let lsn = unsafe { pg_sys::XactLastCommitEnd };
    // SAFETY: the guard turns an error inside into a panic that unwinds; the closure holds nothing to drop.
    unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| pg_sys::XLogFlush(lsn)) };
    wait_for_standbys(lsn)
}

/// Waits as a commit does. Postgres ends such a wait with no more than a warning when it is cancelled or shut down: that
/// warning is how we know.
fn wait_for_standbys(lsn: pg_sys::XLogRecPtr) -> bool {
    let scope = GucScope::open();
    // SAFETY: a plain read of a setting.
    let waits = unsafe { pg_sys::synchronous_commit };
    if waits < pg_sys::SyncCommitLevel::SYNCHRONOUS_COMMIT_REMOTE_FLUSH as i32 {
        // Whatever the session does with its own commits.
        scope.set("synchronous_commit", "on");
    }
    let capture = Capture::start_with_warnings();
    // SAFETY: returns at once where no standby is synchronous. With interrupts held, as a commit calls it; it looks after
    // cancel and shutdown itself.
    unsafe {
        pg_sys::InterruptHoldoffCount += 1;
        pg_sys::SyncRepWaitForLSN(lsn, true);
        pg_sys::InterruptHoldoffCount -= 1;
    }
    let was_cancelled = capture.finish().sqlstate().is_some();
    // SAFETY: a plain read. Set by a shutdown, and when the postmaster has died.
    let is_ending = unsafe { pg_sys::ProcDiePending } != 0;
    !was_cancelled && !is_ending
}
