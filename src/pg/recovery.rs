//! The outermost level of a background worker: an error ends the transaction that it happened in, and not the worker.
//!
//! Nothing of that transaction survives, as in Postgres's own main loop; so it is no second way around
//! [`super::subtransaction`], which undoes a part of one.

use std::panic::AssertUnwindSafe;

use pgrx::PgTryBuilder;
use pgrx::pg_sys;
use pgrx::pg_sys::panic::CaughtError;

use super::error::{Capture, PgError};

/// Runs `work`, outside any transaction. An error that Postgres raises inside aborts the transaction that `work` is in, and comes back as a
/// value. A bug of ours (a panic) is raised again and ends the process; a shutdown does not come by here.
pub fn run<T>(work: impl FnOnce() -> T) -> Result<T, PgError> {
    let capture = Capture::start();
    let caught = PgTryBuilder::new(AssertUnwindSafe(|| Ok(work())))
        .catch_others(Err)
        .execute();
    let details = capture.finish();
    caught.map_err(|cause| {
        // SAFETY: what Postgres's main loop does after an error; without a transaction it is nothing.
        unsafe {
            pg_sys::QueryCancelPending = 0;
            pg_sys::AbortCurrentTransaction();
        }
        if matches!(cause, CaughtError::RustPanic { .. }) {
            cause.rethrow();
        }
        PgError::of(&cause, details)
    })
}
