//! Background workers: starting one from a backend, and what one has to do first.

use std::ffi::c_char;

use pgrx::pg_sys;
#[cfg(not(feature = "pg18"))]
use pgrx::pg_sys::pqsignal;
#[cfg(feature = "pg18")]
use pgrx::pg_sys::pqsignal_be as pqsignal;

/// What a worker is started with.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// Shown in the server's log and in `pg_stat_activity.backend_type`.
    pub name: &'a str,
    /// The exported function that it runs.
    pub function: &'a str,
    /// A text for it, at most 127 bytes.
    pub extra: &'a str,
}

/// Asks the postmaster for a worker that runs once; `false` when it has no slot free.
pub fn start_once(start: &Start<'_>) -> bool {
    // SAFETY: a worker description of plain bytes; zeroed is its empty form.
    unsafe {
        let mut worker: pg_sys::BackgroundWorker = std::mem::zeroed();
        copy(&mut worker.bgw_name, start.name);
        copy(&mut worker.bgw_type, start.name);
        copy(&mut worker.bgw_library_name, "synapsor_writeback");
        copy(&mut worker.bgw_function_name, start.function);
        copy(&mut worker.bgw_extra, start.extra);
        worker.bgw_flags =
            (pg_sys::BGWORKER_SHMEM_ACCESS | pg_sys::BGWORKER_BACKEND_DATABASE_CONNECTION) as i32;
        worker.bgw_start_time = pg_sys::BgWorkerStartTime::BgWorkerStart_RecoveryFinished;
        worker.bgw_restart_time = pg_sys::BGW_NEVER_RESTART;
        pg_sys::RegisterDynamicBackgroundWorker(&raw mut worker, std::ptr::null_mut())
    }
}

/// Text for a fixed field, cut to fit, with a zero byte at its end.
fn copy<const N: usize>(field: &mut [c_char; N], text: &str) {
    for (place, byte) in field.iter_mut().zip(text.bytes().take(N - 1)) {
        *place = byte as c_char;
    }
}

/// The text that the worker was started with.
pub fn extra() -> String {
    // SAFETY: set by the postmaster before the worker's function runs; a field of plain bytes.
    let bytes = unsafe { (*pg_sys::MyBgworkerEntry).bgw_extra };
    bytes
        .iter()
        .take_while(|byte| **byte != 0)
        .map(|byte| char::from(*byte as u8))
        .collect()
}

unsafe extern "C-unwind" {
    /// tcop/postgres.c: ends the process at the next safe moment, also in the middle of a wait for a lock. (pgrx's own
    /// handler only sets a flag.)
    fn die(signal: i32);
}

/// Lets signals in, handled as in any backend, and connects to a database as a role.
pub fn connect(database: pg_sys::Oid, role: pg_sys::Oid) {
    // Before 17 a role without LOGIN is refused.
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    let flags = pg_sys::BGWORKER_BYPASS_ROLELOGINCHECK;
    #[cfg(not(any(feature = "pg17", feature = "pg18")))]
    let flags = 0;
    // SAFETY: at the beginning of a worker's main function, in this order.
    unsafe {
        pqsignal(libc::SIGTERM, Some(die));
        pg_sys::BackgroundWorkerUnblockSignals();
        pg_sys::BackgroundWorkerInitializeConnectionByOid(database, role, flags);
    }
    // Whatever the database's or the role's defaults are.
    for (name, value) in [
        (c"lock_timeout", c"0"),
        (c"statement_timeout", c"0"),
        #[cfg(any(feature = "pg17", feature = "pg18"))]
        (c"transaction_timeout", c"0"),
        (c"default_transaction_read_only", c"off"),
        (c"default_transaction_isolation", c"read committed"),
        (c"default_transaction_deferrable", c"off"),
    ] {
        // SAFETY: constants.
        unsafe {
            pg_sys::SetConfigOption(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_SUSET,
                pg_sys::GucSource::PGC_S_OVERRIDE,
            );
        }
    }
}

/// Says in `pg_stat_activity` what the worker is doing.
pub fn show_activity(text: Option<&std::ffi::CStr>) {
    let (state, text) = match text {
        Some(text) => (pg_sys::BackendState::STATE_RUNNING, text.as_ptr()),
        None => (pg_sys::BackendState::STATE_IDLE, std::ptr::null()),
    };
    // SAFETY: the text lives through the call, which copies it.
    unsafe { pg_sys::pgstat_report_activity(state, text) };
}

/// Waits until a transaction has ended, one way or the other.
pub fn wait_for_transaction(xid: u32) {
    // SAFETY: a lock that every transaction with an id holds until it ends.
    unsafe {
        pg_sys::XactLockTableWait(
            xid.into(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            pg_sys::XLTW_Oper::XLTW_None,
        );
    }
}
