//! Waiting: on the process's latch, with interrupts looked after.

use std::os::fd::RawFd;
use std::time::Duration;

use pgrx::pg_sys;

/// Waits for this long, or until the latch is set. A cancel or a shutdown ends the wait by raising its error.
pub fn wait(time: Duration) {
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: the process's own latch.
    unsafe {
        pg_sys::WaitLatch(
            pg_sys::MyLatch,
            events as i32,
            milliseconds(time),
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    pgrx::check_for_interrupts!();
}

/// Waits for this long, until the latch is set, or until a descriptor can be read. A cancel or a shutdown ends the wait by
/// raising its error.
pub fn wait_for_this_or(descriptor: RawFd, time: Duration) {
    let events = pg_sys::WL_LATCH_SET
        | pg_sys::WL_TIMEOUT
        | pg_sys::WL_SOCKET_READABLE
        | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: the process's own latch and an open descriptor.
    unsafe {
        pg_sys::WaitLatchOrSocket(
            pg_sys::MyLatch,
            events as i32,
            descriptor,
            milliseconds(time),
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    pgrx::check_for_interrupts!();
}

/// Not less than the time, or one would wake up too early, and look for nothing.
fn milliseconds(time: Duration) -> std::ffi::c_long {
    const LONGEST: u128 = 24 * 60 * 60 * 1_000;
    let milliseconds = time.as_micros().div_ceil(1_000).min(LONGEST);
    milliseconds as _
}
