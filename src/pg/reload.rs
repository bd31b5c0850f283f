//! Following the configuration: SIGHUP, and reading the files anew at a moment of our choosing.

use pgrx::pg_sys;

use super::background::pqsignal;

unsafe extern "C-unwind" {
    /// postmaster/interrupt.c: notes the request and sets the latch. Without pgrx's guard, which is not made for
    /// signal handlers.
    fn SignalHandlerForConfigReload(signal: i32);
}

/// Takes note of SIGHUP from now on.
pub fn watch() {
    // SAFETY: Postgres's own handler, for a process that does not have one yet.
    unsafe { pqsignal(libc::SIGHUP, Some(SignalHandlerForConfigReload)) };
}

/// True when the configuration files are to be read anew.
pub fn is_asked() -> bool {
    // SAFETY: a plain read of what the signal handler writes.
    unsafe { pg_sys::ConfigReloadPending != 0 }
}

/// Reads the configuration files when that was asked for, and says whether it was. Outside any transaction.
pub fn if_asked() -> bool {
    if !is_asked() {
        return false;
    }
    // SAFETY: as every process of the server does it in its main loop.
    unsafe {
        pg_sys::ConfigReloadPending = 0;
        pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
    }
    true
}
