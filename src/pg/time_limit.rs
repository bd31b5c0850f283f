//! A time limit for one piece of work. `statement_timeout` can't serve: it is armed when the client's statement
//! begins, and in a background worker never.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use pgrx::pg_sys;

/// `USER_TIMEOUT` in utils/timeout.h, the first one that extensions may register.
#[cfg(feature = "pg14")]
const USER_TIMEOUT: i32 = 10;
#[cfg(any(feature = "pg15", feature = "pg16"))]
const USER_TIMEOUT: i32 = 12;
#[cfg(any(feature = "pg17", feature = "pg18"))]
const USER_TIMEOUT: i32 = 13;

unsafe extern "C-unwind" {
    fn RegisterTimeout(id: i32, handler: unsafe extern "C-unwind" fn()) -> i32;
    fn enable_timeout_after(id: i32, delay_ms: i32);
    fn disable_timeout(id: i32, keep_indicator: bool);
    /// Without pgrx's guard, which is not made for signal handlers.
    fn SetLatch(latch: *mut pg_sys::Latch);
}

/// How often code that catches the cancel, and goes on, is cancelled before the backend is ended.
const CANCELS: i32 = 10;

static TIMEOUT: OnceLock<i32> = OnceLock::new();
static MILLISECONDS: AtomicI32 = AtomicI32::new(0);
/// How often the time was up since the limit was started.
static EXPIRED: AtomicI32 = AtomicI32::new(0);

/// While it lives, the backend is cancelled once the time is up, and again each time that it was up once more. What
/// catches every cancel leaves nothing but to end the backend.
pub struct TimeLimit {
    timeout: Option<i32>,
}

impl TimeLimit {
    /// Starts the clock; 0 is no limit.
    pub fn start(milliseconds: i32) -> Self {
        EXPIRED.store(0, Ordering::Relaxed);
        if milliseconds <= 0 {
            return TimeLimit { timeout: None };
        }
        MILLISECONDS.store(milliseconds, Ordering::Relaxed);
        // SAFETY: registered once for each process, after Postgres set its own up; the handler only sets flags.
        let timeout = *TIMEOUT.get_or_init(|| unsafe {
            pg_sys::ffi::pg_guard_ffi_boundary(|| RegisterTimeout(USER_TIMEOUT, expire))
        });
        // SAFETY: the id is registered.
        unsafe {
            pg_sys::ffi::pg_guard_ffi_boundary(|| enable_timeout_after(timeout, milliseconds))
        };
        TimeLimit {
            timeout: Some(timeout),
        }
    }

    /// True when the limit that was started last has cancelled the backend.
    pub fn expired() -> bool {
        EXPIRED.load(Ordering::Relaxed) > 0
    }
}

impl TimeLimit {
    /// Stops the clock. Where the time was up after all, that is raised here and now, and not in whatever comes next;
    /// also when code in a trigger has caught the cancel and gone on.
    pub fn finish(self) {
        drop(self);
        if TimeLimit::expired() {
            pgrx::check_for_interrupts!();
            pgrx::ereport!(
                ERROR,
                pgrx::PgSqlErrorCode::ERRCODE_QUERY_CANCELED,
                "the time limit of a proposal was up"
            );
        }
    }
}

impl Drop for TimeLimit {
    fn drop(&mut self) {
        let Some(timeout) = self.timeout else { return };
        // SAFETY: the id is registered; disabling one that has fired is fine.
        unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| disable_timeout(timeout, false)) };
        if thread::panicking() && TimeLimit::expired() {
            // Another error came first; the cancel that we asked for must not hit the next piece of work.
            // SAFETY: a plain write of what `expire` wrote.
            unsafe { pg_sys::QueryCancelPending = 0 };
        }
    }
}

/// Cancels the backend, in a signal handler: flags and the latch, and the clock once more.
unsafe extern "C-unwind" fn expire() {
    // SAFETY: what Postgres's own time-out handlers do to their process; the time-out is registered, and its handler
    // may start it again.
    unsafe {
        // One that is still pending was not caught by anybody: it waits for code that can be interrupted.
        if pg_sys::QueryCancelPending == 0 && EXPIRED.fetch_add(1, Ordering::Relaxed) >= CANCELS {
            pg_sys::ProcDiePending = 1;
        } else if let Some(timeout) = TIMEOUT.get() {
            enable_timeout_after(*timeout, MILLISECONDS.load(Ordering::Relaxed));
        }
        pg_sys::QueryCancelPending = 1;
        pg_sys::InterruptPending = 1;
        SetLatch(pg_sys::MyLatch);
    }
}
