//! When to try again: exponential back-off with full jitter, for proposals and for reports alike.

use std::time::Duration;

/// The longest wait that a server's `retry_after_ms` or `Retry-After` can ask of us.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// A back-off policy: after the n-th failure in a row, wait a random time up to `base` · 2ⁿ⁻¹, at most `cap`.
///
/// The whole of the wait is random ("full jitter"), so that many workers that failed together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait after the first failure.
    pub base: Duration,
    /// The longest wait after any failure.
    pub cap: Duration,
}

impl Default for Backoff {
    /// One second, up to five minutes.
    fn default() -> Self {
        Backoff {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(5 * 60),
        }
    }
}

impl Backoff {
    /// The wait after `attempt` failures in a row, counted from 1 (0 counts as 1). `random` is drawn evenly from
    /// 0 to 1 by the caller; what lies outside is moved to the nearer end.
    pub fn delay(&self, attempt: u32, random: f64) -> Duration {
        self.longest(attempt).mul_f64(fraction(random))
    }

    /// As [`Backoff::delay`], but never sooner than the server asked for; more than [`LONGEST_RETRY_AFTER`] it can't ask for.
    pub fn delay_after(
        &self,
        attempt: u32,
        random: f64,
        retry_after: Option<Duration>,
    ) -> Duration {
        let asked = retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
        self.delay(attempt, random).max(asked)
    }

    /// The upper end of the random wait.
    fn longest(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1);
        let factor = 1u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.cap)
    }
}

fn fraction(random: f64) -> f64 {
    if random.is_nan() {
        1.0
    } else {
        random.clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_wait_doubles_with_each_failure_up_to_five_minutes() {
        let longest: Vec<_> = (1..=11)
            .map(|n| Backoff::default().delay(n, 1.0).as_secs())
            .collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }

    #[test]
    fn the_whole_of_the_wait_is_random() {
        let backoff = Backoff::default();
        assert_eq!(backoff.delay(4, 0.0), Duration::ZERO);
        assert_eq!(backoff.delay(4, 0.5), 4 * SECOND);
    }

    #[test]
    fn no_number_of_failures_and_no_random_number_overflows() {
        let backoff = Backoff {
            base: Duration::MAX,
            cap: Duration::from_secs(300),
        };
        for attempt in [0, 1, 31, 32, 33, 64, u32::MAX] {
            for random in [f64::NAN, f64::NEG_INFINITY, -1.0, 0.3, 2.0, f64::INFINITY] {
                assert!(backoff.delay(attempt, random) <= backoff.cap);
                assert!(Backoff::default().delay(attempt, random) <= Backoff::default().cap);
            }
        }
    }

    #[test]
    fn what_the_server_asks_for_is_a_minimum_of_at_most_an_hour() {
        let backoff = Backoff::default();
        assert_eq!(backoff.delay_after(1, 0.0, Some(7 * SECOND)), 7 * SECOND);
        assert_eq!(backoff.delay_after(4, 1.0, Some(7 * SECOND)), 8 * SECOND);
        assert_eq!(
            backoff.delay_after(1, 0.0, Some(Duration::MAX)),
            LONGEST_RETRY_AFTER
        );
        assert_eq!(backoff.delay_after(1, 1.0, None), SECOND);
    }
}
