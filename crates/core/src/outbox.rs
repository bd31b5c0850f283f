//! The outbox: reports that are owed, and what becomes of each that was sent.

use std::time::{Duration, Instant};

use crate::control_plane::{Acceptance, ControlPlaneError, Disposition};
use crate::outcome::Status;
use crate::report::{Report, Verdict};
use crate::retry::Backoff;
use crate::schedule::SLOW;

/// Which reports are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those whose time has come.
    Due,
    /// All that are pending.
    All,
}

/// A report that is owed.
#[derive(Clone, Debug)]
pub struct Owed {
    /// The ledger row's key.
    pub key: String,
    /// How often it was sent.
    pub attempts: i32,
    /// The report.
    pub report: Report,
}

/// What became of a report that was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// The ledger row's key.
    pub key: String,
    /// The proposal that it was about.
    pub proposal_id: String,
    /// How it stands.
    pub state: Sent,
}

/// See [`Mark::state`].
#[derive(Clone, Debug, PartialEq)]
pub enum Sent {
    /// It was accepted.
    Delivered,
    /// It is sent again.
    Pending {
        /// Seconds from now.
        again_in: f64,
        /// Why it was not accepted.
        error: String,
    },
    /// It was refused for good: a person has to look.
    Rejected {
        /// What the control plane said.
        error: String,
    },
}

/// What a delivery did.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Reports that were accepted.
    pub delivered: usize,
    /// Reports that the control plane refused for good.
    pub rejected: usize,
    /// Reports that were sent and not accepted, or not sent because the others fared badly.
    pub postponed: usize,
    /// Of these, reports that were not sent: they are still due.
    pub unsent: usize,
    /// The last error.
    pub last_error: Option<String>,
}

impl Tally {
    /// Adds what another delivery did after this one.
    pub fn add(&mut self, more: Tally) {
        self.delivered += more.delivered;
        self.rejected += more.rejected;
        self.postponed += more.postponed;
        self.unsent += more.unsent;
        self.last_error = more.last_error.or(self.last_error.take());
    }

    /// Counts an answer.
    pub fn count(&mut self, mark: &Mark) {
        match &mark.state {
            Sent::Delivered => self.delivered += 1,
            Sent::Pending { error, .. } => {
                self.postponed += 1;
                self.last_error = Some(error.clone());
            }
            Sent::Rejected { error } => {
                self.rejected += 1;
                self.last_error = Some(error.clone());
            }
        }
    }

    /// Counts reports that were not sent.
    pub fn leave(&mut self, unsent: usize) {
        self.postponed += unsent;
        self.unsent += unsent;
    }
}

impl Owed {
    /// The report of a final ledger row; `None` while it is being tried.
    pub fn verdict(
        status: Status,
        affected_rows: i64,
        operation: Option<String>,
        reason: Option<String>,
        error: Option<String>,
    ) -> Option<Verdict> {
        let operation = operation.unwrap_or_default();
        match status {
            Status::Applied => Some(Verdict::Applied {
                affected_rows: affected_rows.unsigned_abs(),
                operation,
            }),
            Status::Conflict => Some(Verdict::Conflict { operation, reason }),
            Status::Failed => Some(Verdict::Failed {
                error: error.unwrap_or_default(),
            }),
            Status::Retrying => None,
        }
    }

    /// What an answer makes of it. `random` is drawn evenly from 0 to 1, for the back-off.
    pub fn mark(&self, answer: Result<Acceptance, ControlPlaneError>, random: f64) -> Mark {
        let state = match answer {
            Ok(_) => Sent::Delivered,
            Err(error) => self.postpone_or_reject(&error, random),
        };
        Mark {
            key: self.key.clone(),
            proposal_id: self.report.proposal_id.clone(),
            state,
        }
    }

    fn postpone_or_reject(&self, error: &ControlPlaneError, random: f64) -> Sent {
        let attempt = u32::try_from(self.attempts.saturating_add(1)).unwrap_or(u32::MAX);
        let backoff = |after: Option<Duration>| {
            let backoff = Backoff::default();
            backoff.delay_after(attempt, random, after).as_secs_f64()
        };
        let again_in = match error.disposition() {
            Disposition::Rejected => {
                return Sent::Rejected {
                    error: error.to_string(),
                };
            }
            Disposition::Retry { after } => backoff(after),
            Disposition::Key | Disposition::Unusable => backoff(None).max(SLOW.as_secs_f64()),
        };
        Sent::Pending {
            again_in,
            error: error.to_string(),
        }
    }
}

/// How long reports wait that another process is sending.
const ELSEWHERE: Duration = Duration::from_secs(1);

/// When the next delivery may begin, so that an outage of the control plane is not met with the whole outbox again and again. The
/// clock and the randomness are the caller's.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    /// Deliveries in a row that had to be broken off.
    failures: u32,
    /// Not before this is the next delivery; `None`: now.
    not_before: Option<Instant>,
    /// Why reports are not accepted; `None` while they are.
    pub trouble: Option<String>,
}

impl Pace {
    /// True when reports that are due may be sent.
    pub fn may_deliver(&self, now: Instant) -> bool {
        self.wait(now).is_zero()
    }

    /// True while deliveries fail, and the next one is not to begin yet.
    pub fn is_broken_off(&self, now: Instant) -> bool {
        self.failures > 0 && !self.may_deliver(now)
    }

    /// How long until then.
    pub fn wait(&self, now: Instant) -> Duration {
        self.not_before
            .map_or(Duration::ZERO, |then| then.saturating_duration_since(now))
    }

    /// Learns from a delivery. `random` is drawn evenly from 0 to 1.
    pub fn learn(&mut self, tally: &Tally, now: Instant, random: f64) {
        let sent = tally.delivered + tally.rejected + tally.postponed;
        if tally.postponed > 0 {
            self.trouble.clone_from(&tally.last_error);
        } else if tally.delivered + tally.rejected > 0 {
            self.trouble = None;
        }
        if tally.unsent > 0 {
            self.break_off(now, random);
        } else {
            self.failures = 0;
            self.not_before = None;
        }
        if sent == 0 {
            // What is due, if anything is, another process sends.
            self.leave_to_others(now);
        }
    }

    /// The control plane took so few that the others were not even sent, or the delivery itself failed: those are still due.
    pub fn break_off(&mut self, now: Instant, random: f64) {
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.checked_add(Backoff::default().delay(self.failures, random));
    }

    /// Another process is delivering.
    pub fn leave_to_others(&mut self, now: Instant) {
        self.not_before = now.checked_add(ELSEWHERE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROKEN: Tally = Tally {
        delivered: 0,
        rejected: 0,
        postponed: 500,
        unsent: 496,
        last_error: None,
    };

    #[test]
    fn an_outage_is_met_with_growing_pauses() {
        let (now, mut pace) = (Instant::now(), Pace::default());
        let waits: Vec<_> = (0..4)
            .map(|_| {
                pace.learn(&BROKEN, now, 1.0);
                pace.wait(now).as_secs()
            })
            .collect();
        assert_eq!(waits, [1, 2, 4, 8]);
        assert!(pace.is_broken_off(now));
    }

    #[test]
    fn a_delivery_that_went_well_ends_the_pauses_and_the_trouble() {
        let (now, mut pace) = (Instant::now(), Pace::default());
        let error = Some("down".to_owned());
        pace.learn(
            &Tally {
                last_error: error.clone(),
                ..BROKEN
            },
            now,
            1.0,
        );
        assert_eq!(pace.trouble, error);
        let well = Tally {
            delivered: 1,
            ..Tally::default()
        };
        pace.learn(&well, now, 1.0);
        assert!(pace.may_deliver(now) && pace.trouble.is_none());
    }

    #[test]
    fn an_answer_is_counted_as_what_it_is() {
        let mark = |state| Mark {
            key: "k".to_owned(),
            proposal_id: "p".to_owned(),
            state,
        };
        let text = |text: &str| text.to_owned();
        let mut tally = Tally::default();
        for _ in 0..3 {
            tally.count(&mark(Sent::Delivered));
        }
        assert_eq!(tally.last_error, None);
        for (again_in, error) in [(1.0, text("busy")), (2.0, text("down"))] {
            tally.count(&mark(Sent::Pending { again_in, error }));
        }
        assert_eq!(tally.last_error.as_deref(), Some("down"));
        let error = text("contradicted");
        tally.count(&mark(Sent::Rejected { error }));
        assert_eq!(tally.last_error.as_deref(), Some("contradicted"));
        let counts = [
            tally.delivered,
            tally.postponed,
            tally.rejected,
            tally.unsent,
        ];
        assert_eq!(counts, [3, 2, 1, 0]);
    }

    #[test]
    fn what_was_refused_for_good_is_no_trouble_of_the_delivery() {
        let (now, mut pace) = (Instant::now(), Pace::default());
        let refused = Tally {
            rejected: 1,
            last_error: Some("contradicted".to_owned()),
            ..Tally::default()
        };
        pace.learn(&refused, now, 1.0);
        assert!(pace.trouble.is_none() && pace.may_deliver(now));
    }

    #[test]
    fn trouble_lasts_until_something_is_sent() {
        let (now, mut pace) = (Instant::now(), Pace::default());
        let error = Some("down".to_owned());
        let postponed = Tally {
            postponed: 1,
            last_error: error.clone(),
            ..Tally::default()
        };
        pace.learn(&postponed, now, 1.0);
        pace.learn(&Tally::default(), now, 1.0);
        assert_eq!(pace.trouble, error);
    }

    #[test]
    fn what_was_sent_at_all_was_not_left_to_others() {
        let now = Instant::now();
        for (delivered, rejected, postponed) in [(1, 1, 0), (0, 1, 1), (1, 0, 1)] {
            let mut pace = Pace::default();
            let tally = Tally {
                delivered,
                rejected,
                postponed,
                ..Tally::default()
            };
            pace.learn(&tally, now, 1.0);
            assert!(pace.may_deliver(now), "{tally:?}");
        }
    }

    #[test]
    fn what_another_process_sends_is_left_to_it_for_a_moment() {
        let (now, mut pace) = (Instant::now(), Pace::default());
        pace.learn(&Tally::default(), now, 1.0);
        assert_eq!(pace.wait(now), ELSEWHERE);
        assert!(!pace.is_broken_off(now), "nothing has failed");
    }
}
