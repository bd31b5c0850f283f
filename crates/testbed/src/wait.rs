//! Waiting for a condition instead of for a time.

use std::thread;
use std::time::{Duration, Instant};

/// Waits until the condition holds, asking every few milliseconds.
///
/// # Panics
/// With `what`, when it does not hold in time.
pub fn wait_for(what: &str, timeout: Duration, condition: impl FnMut() -> bool) {
    assert!(within(timeout, condition), "not within {timeout:?}: {what}");
}

/// Waits as [`wait_for`] does, and says whether the condition held in time.
#[must_use]
pub fn within(timeout: Duration, mut condition: impl FnMut() -> bool) -> bool {
    const STEP: Duration = Duration::from_millis(5);
    let start = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if start.elapsed() >= timeout {
            return false;
        }
        thread::sleep(STEP);
    }
}
