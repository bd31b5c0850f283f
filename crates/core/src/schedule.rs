//! When to poll next: every interval while all is well, with back-off while the control plane fails, at once after a
//! wake-up.

use std::time::{Duration, Instant};

use crate::control_plane::{ControlPlaneError, Disposition};
use crate::retry::Backoff;

/// The shortest wait after an answer that needs somebody to act: a wrong key, an answer from something else.
pub const SLOW: Duration = Duration::from_secs(60);

/// What a failed poll says of the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// The wait that the server asked for.
    pub retry_after: Option<Duration>,
    /// Somebody has to act before it can work: try slowly.
    pub needs_somebody: bool,
}

impl From<&ControlPlaneError> for Trouble {
    fn from(error: &ControlPlaneError) -> Self {
        Trouble {
            retry_after: error.retry_after(),
            needs_somebody: !matches!(error.disposition(), Disposition::Retry { .. }),
        }
    }
}

/// When to poll. The clock and the randomness are the caller's.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    failures: u32,
    /// `None`: now.
    next: Option<Instant>,
}

impl Schedule {
    /// True when it is time.
    pub fn is_due(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| now >= next)
    }

    /// How long it is until the next poll.
    pub fn wait(&self, now: Instant) -> Duration {
        self.next
            .map_or(Duration::ZERO, |next| next.saturating_duration_since(now))
    }

    /// Polls that failed in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// A poll that began at `start` went well: the next one begins an interval after it.
    pub fn succeeded(&mut self, start: Instant, interval: Duration) {
        self.failures = 0;
        self.next = start.checked_add(interval);
    }

    /// A poll failed: the next one waits for the back-off, never less than the interval, and never less than the server asked for.
    /// `random` is drawn evenly from 0 to 1.
    pub fn failed(&mut self, now: Instant, interval: Duration, trouble: Trouble, random: f64) {
        self.failures = self.failures.saturating_add(1);
        let backoff = Backoff::default().delay_after(self.failures, random, trouble.retry_after);
        let least = if trouble.needs_somebody {
            interval.max(SLOW)
        } else {
            interval
        };
        self.next = now.checked_add(backoff.max(least));
    }

    /// Somebody asks for a poll: it is due now, whatever the back-off says.
    pub fn wake(&mut self) {
        self.next = None;
    }

    /// Something is due at `then`: the next poll is not later, unless the control plane is failing.
    pub fn not_later_than(&mut self, then: Instant) {
        if self.failures == 0 {
            self.next = self.next.map(|next| next.min(then));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const BUSY: Trouble = Trouble {
        retry_after: None,
        needs_somebody: false,
    };

    #[test]
    fn the_first_poll_is_due_at_once() {
        let now = Instant::now();
        assert!(Schedule::default().is_due(now));
        assert_eq!(Schedule::default().wait(now), Duration::ZERO);
    }

    #[test]
    fn polls_begin_an_interval_apart_however_long_they_take() {
        let start = Instant::now();
        let mut schedule = Schedule::default();
        schedule.succeeded(start, 5 * SECOND);
        assert!(!schedule.is_due(start + 4 * SECOND));
        assert_eq!(schedule.wait(start + 4 * SECOND), SECOND);
        assert!(schedule.is_due(start + 5 * SECOND));
    }

    #[test]
    fn failures_back_off_to_five_minutes_and_never_poll_faster_than_the_interval() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        let waits: Vec<_> = (0..12)
            .map(|_| {
                schedule.failed(now, 5 * SECOND, BUSY, 1.0);
                schedule.wait(now).as_secs()
            })
            .collect();
        assert_eq!(waits, [5, 5, 5, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        schedule.failed(now, 5 * SECOND, BUSY, 0.0);
        assert_eq!(schedule.wait(now), 5 * SECOND);
        schedule.succeeded(now, SECOND);
        assert_eq!(schedule.failures(), 0);
    }

    #[test]
    fn what_the_server_asks_for_is_kept_to_and_a_wrong_key_is_tried_slowly() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        let asked = Trouble {
            retry_after: Some(600 * SECOND),
            ..BUSY
        };
        schedule.failed(now, SECOND, asked, 0.0);
        assert_eq!(schedule.wait(now), 600 * SECOND);
        let key = Trouble {
            needs_somebody: true,
            ..BUSY
        };
        schedule.failed(now, SECOND, key, 0.0);
        assert_eq!(schedule.wait(now), SLOW);
    }

    #[test]
    fn a_wake_up_ends_every_wait() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        schedule.failed(now, SECOND, BUSY, 1.0);
        schedule.wake();
        assert!(schedule.is_due(now));
        assert_eq!(schedule.failures(), 1, "a wake-up is no success");
    }

    #[test]
    fn a_proposal_that_is_due_brings_the_next_poll_forward_but_ends_no_back_off() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        schedule.succeeded(now, 60 * SECOND);
        schedule.not_later_than(now + 2 * SECOND);
        assert_eq!(schedule.wait(now), 2 * SECOND);
        schedule.failed(now, 60 * SECOND, BUSY, 1.0);
        schedule.not_later_than(now);
        assert_eq!(schedule.wait(now), 60 * SECOND);
    }
}
