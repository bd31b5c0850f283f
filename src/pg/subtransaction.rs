//! A subtransaction around a piece of work: what fails in it is undone, and nothing else is.
//!
//! This is the only place where a Postgres error is caught. Without a subtransaction around it, a caught error leaves
//! half of a statement behind.

use std::panic::AssertUnwindSafe;
use std::ptr;

use pgrx::PgTryBuilder;
use pgrx::pg_sys;
use pgrx::pg_sys::panic::CaughtError;
use synapsor_crash_points::Defect;

use super::error::{Capture, PgError};

/// What to do with the effects of a piece of work that did not fail.
pub enum Ending<T> {
    /// Keep them; they commit with the surrounding transaction.
    Keep(T),
    /// Undo them.
    Undo(T),
}

/// Runs `work` in a subtransaction. A Postgres error inside undoes it and comes back as a value.
///
/// A cancel is never swallowed: it is raised again, and so is a Rust panic, which is a bug of ours. (A shutdown is FATAL,
/// and does not come by here.) The exception is a cancel that `is_our_time_limit` claims.
pub fn run<T>(
    work: impl FnOnce() -> Ending<T>,
    is_our_time_limit: impl Fn(&PgError) -> bool,
) -> Result<T, PgError> {
    let subtransaction = Subtransaction::begin();
    let capture = Capture::start();
    let caught = PgTryBuilder::new(AssertUnwindSafe(|| Ok(work())))
        .catch_others(Err)
        .execute();
    let details = capture.finish();
    match caught {
        Ok(Ending::Keep(value)) => {
            subtransaction.release();
            Ok(value)
        }
        Ok(Ending::Undo(value)) => {
            subtransaction.roll_back();
            Ok(value)
        }
        Err(cause) => {
            let error = PgError::of(&cause, details);
            if synapsor_crash_points::is_on(Defect::CatchWithoutSubtransaction) {
                subtransaction.release();
            } else {
                subtransaction.roll_back();
            }
            let is_bug = matches!(cause, CaughtError::RustPanic { .. });
            if is_bug || error.is_cancel() && !is_our_time_limit(&error) {
                cause.rethrow();
            }
            Err(error)
        }
    }
}

/// An open subtransaction, and what has to be put back when it ends.
struct Subtransaction {
    memory_context: pg_sys::MemoryContext,
    resource_owner: pg_sys::ResourceOwner,
}

impl Subtransaction {
    fn begin() -> Self {
        // SAFETY: on the main thread, inside a transaction. As in plpgsql's exception blocks, the caller's memory
        // context stays the current one, since the subtransaction's own goes away with it.
        unsafe {
            let saved = Subtransaction {
                memory_context: pg_sys::CurrentMemoryContext,
                resource_owner: pg_sys::CurrentResourceOwner,
            };
            pg_sys::BeginInternalSubTransaction(ptr::null());
            pg_sys::MemoryContextSwitchTo(saved.memory_context);
            saved
        }
    }

    fn release(self) {
        // SAFETY: the subtransaction begun in `begin` is the innermost one again, because everything that `run`
        // nests inside it has ended.
        unsafe { pg_sys::ReleaseCurrentSubTransaction() };
        self.restore();
    }

    fn roll_back(self) {
        // SAFETY: as in `release`; rolling back also pops whatever an error left open inside.
        unsafe {
            pg_sys::MemoryContextSwitchTo(self.memory_context);
            pg_sys::RollbackAndReleaseCurrentSubTransaction();
        }
        self.restore();
    }

    fn restore(&self) {
        // SAFETY: both belong to the surrounding transaction and outlive the subtransaction.
        unsafe {
            pg_sys::MemoryContextSwitchTo(self.memory_context);
            pg_sys::CurrentResourceOwner = self.resource_owner;
        }
    }
}
