//! Reports handed over together, and waited for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::client::Client;
use super::courier::{Courier, Fate};
use super::window::{Answered, Ending};
use crate::api_key::ApiKey;
use crate::report::Report;

/// How often a wait looks whether it is over.
const STEP: Duration = Duration::from_millis(20);

/// How a delivery went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// How many reports were sent and answered: the first so many. The others are untouched.
    pub answered: usize,
    /// Why it ended.
    pub ending: Ending,
}

/// Sends reports as a new [`Courier`] does, and hands each answer to `on_answer` as it comes, with the report's index, on
/// the calling thread. The order of answers is the server's.
///
/// Nothing new is started once `stop` is set; it returns when those in flight are answered, which takes no longer than
/// the client's request time-out.
///
/// # Panics
/// Carries a panic of `on_answer` to the caller.
pub fn deliver(
    client: &Client,
    key: &ApiKey,
    reports: &[Report],
    ceiling: usize,
    stop: &AtomicBool,
    on_answer: impl FnMut(usize, Answered),
) -> Delivery {
    let mut courier = Courier::start(client, key, ceiling, || ());
    courier.deliver(reports.to_vec(), stop, on_answer)
}

impl Courier {
    /// As [`deliver`], by a courier that has learned from earlier ones.
    pub fn deliver(
        &mut self,
        reports: Vec<Report>,
        stop: &AtomicBool,
        mut on_answer: impl FnMut(usize, Answered),
    ) -> Delivery {
        let ended = |answered, ending| Delivery { answered, ending };
        let mut is_stopped = stop.load(Ordering::Relaxed);
        if is_stopped {
            return ended(0, Ending::Stopped);
        }
        let first = self.hand_over(reports).start;
        let mut answered = 0;
        while self.outstanding() > 0 {
            if !is_stopped && stop.load(Ordering::Relaxed) {
                is_stopped = true;
                self.stop();
            }
            if let Some((number, Fate::Answered(answer))) = self.next(STEP) {
                answered += 1;
                on_answer(number - first, answer);
            }
        }
        ended(answered, self.ending().unwrap_or(Ending::Complete))
    }
}
