//! Making sure that what other sessions committed is on disk, not only visible.

use std::ffi::c_char;

use pgrx::pg_sys;

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

/// When it returns, everything that was committed before the call is on disk, also what was committed with
/// `synchronous_commit = off`.
///
/// WAL is one sequence: a small record of ours (an empty logical message, which nobody replays), flushed, has
/// everything before it flushed as well.
pub fn flush_commits_so_far() {
    // SAFETY: the guard turns an error inside into a panic that unwinds; the closure holds nothing to drop. The
    // record is not transactional, so that no transaction id is assigned.
    unsafe {
        let lsn = pg_sys::ffi::pg_guard_ffi_boundary(|| {
            let (prefix, nothing) = (c"synapsor_writeback".as_ptr(), c"".as_ptr());
            #[cfg(any(feature = "pg14", feature = "pg15", feature = "pg16"))]
            return LogLogicalMessage(prefix, nothing, 0, false);
            #[cfg(any(feature = "pg17", feature = "pg18"))]
            return LogLogicalMessage(prefix, nothing, 0, false, false);
        });
        pg_sys::XLogFlush(lsn);
    }
}
