//! The server's clock.

use std::time::Duration;

use pgrx::pg_sys;

/// Now, as Postgres counts: microseconds since 2000-01-01 UTC.
pub fn now() -> i64 {
    // SAFETY: reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

/// So long from now.
pub fn after(wait: Duration) -> i64 {
    let wait = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
    now().saturating_add(wait)
}
