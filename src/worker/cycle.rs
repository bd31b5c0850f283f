//! A turn of the resident worker that has something to do: deliver, fetch, apply, deliver, prune. No transaction is open
//! while it waits on the network.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use synapsor_core::schedule::Trouble;

use crate::batch::Done;
use crate::control_plane::{ControlPlane, Fetched};
use crate::delivery;
use crate::error::ExtensionError;
use crate::ledger::outbox::Which;
use crate::log;
use crate::pg::lock::{self, Subject};
use crate::pg::transactions::WorkersTransactions;
use crate::pg::{background, clock};
use crate::rounds::{self, MAX_ROUNDS, Rounds};
use crate::settings::Settings;

use super::resident::{Ready, Resident, Turn};
use super::roster::State;
use super::with_hint;

/// How often the ledger is pruned.
const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// How long reports wait that another session has locked.
const LOCKED: Duration = Duration::from_secs(1);

/// What a delivery came to.
#[derive(PartialEq, Eq)]
enum Delivered {
    /// Nothing was owed, or another session has it.
    Nothing,
    /// The agenda has changed.
    Something,
}

impl Resident<'_> {
    /// Does what is due, and says how long to wait then.
    pub(super) fn work(&mut self, ready: &Ready) -> Turn {
        let now = Instant::now();
        let mut delivered = Delivered::Nothing;
        let may_report = !ready.settings.dry_run;
        let owed = ready.agenda.next_report_in;
        let is_due = owed.is_some_and(|wait| wait.is_zero()) && now >= self.deliver_at;
        if may_report && (is_due || ready.is_woken && owed.is_some()) {
            let which = if ready.is_woken {
                Which::All
            } else {
                Which::Due
            };
            delivered = self.deliver(&ready.control_plane, which);
        }
        if let Err(error) = ready.agenda.standing.require(ready.settings.dry_run) {
            self.show_at_once(State::Paused, "paused", &with_hint(&error));
        } else if self.schedule.is_due(now) {
            delivered = match self.poll(ready, now) {
                Delivered::Nothing => delivered,
                something => something,
            };
            self.prune(&ready.settings, now);
        }
        if delivered == Delivered::Something {
            // What is due next has to be looked up anew.
            return Turn::Wait(Duration::ZERO);
        }
        self.wait_for_what_is_next(ready)
    }

    fn wait_for_what_is_next(&mut self, ready: &Ready) -> Turn {
        let now = Instant::now();
        let agenda = &ready.agenda;
        if let Some(wait) = agenda.next_attempt_in {
            self.schedule.not_later_than(now + wait);
        }
        let is_paused = agenda.standing.require(ready.settings.dry_run).is_err();
        let poll = (!is_paused).then(|| self.schedule.wait(now));
        let report = agenda
            .next_report_in
            .filter(|_| !ready.settings.dry_run)
            .map(|wait| wait.max(self.deliver_at.saturating_duration_since(now)));
        let next = poll.into_iter().chain(report).min();
        Turn::Wait(next.unwrap_or(Duration::MAX))
    }

    /// Fetches and applies until there is nothing left that can be done now.
    fn poll(&mut self, ready: &Ready, start: Instant) -> Delivered {
        let settings = &ready.settings;
        let mut rounds = Rounds::default();
        let mut delivered = Delivered::Nothing;
        for _ in 0..MAX_ROUNDS {
            let wanted = rounds.wanted(settings.max_proposals);
            let Some(fetched) = self.fetch(ready, wanted) else {
                return delivered;
            };
            let Some(news) = rounds.news(fetched, wanted) else {
                break;
            };
            match self.apply(settings, &news.fetched) {
                Ok(false) => {}
                Ok(true) => {
                    self.deliver(&ready.control_plane, Which::Due);
                    delivered = Delivered::Something;
                }
                Err(error) => {
                    // What it means is found out at the next look; until then nothing is hurried.
                    self.post
                        .slot()
                        .show_error(&with_hint(&error), clock::now());
                    break;
                }
            }
            if news.is_complete || self.post.is_orphaned() {
                break;
            }
        }
        self.schedule.succeeded(start, settings.poll_interval);
        delivered
    }

    fn fetch(&mut self, ready: &Ready, wanted: usize) -> Option<Fetched> {
        background::show_work("fetching approved proposals");
        self.post.slot().polled_at(clock::now());
        match ready.control_plane.fetch(wanted) {
            Ok(fetched) => {
                let has_come_back = self.schedule.failures() > 0;
                let seconds = ready.settings.poll_interval.as_secs_f64();
                let source = &fetched.source_id;
                self.show(
                    State::Running,
                    "",
                    &format!("polling for proposals of source {source} every {seconds} s"),
                );
                if has_come_back && !ready.settings.dry_run {
                    // What was put off while it was away can go now.
                    self.deliver(&ready.control_plane, Which::All);
                }
                Some(fetched)
            }
            Err(error) => {
                self.back_off(&error, ready.settings.poll_interval);
                None
            }
        }
    }

    fn back_off(&mut self, error: &ExtensionError, interval: Duration) {
        let now = Instant::now();
        let (trouble, code) = match error {
            ExtensionError::ControlPlane(error) => (Trouble::from(error), error.code().to_owned()),
            other => {
                let needs_somebody = matches!(other, ExtensionError::Source(_));
                let code = other.to_string();
                let trouble = Trouble {
                    needs_somebody,
                    ..Trouble::default()
                };
                (trouble, code)
            }
        };
        self.schedule
            .failed(now, interval, trouble, fastrand::f64());
        let text = with_hint(error);
        self.post.slot().show_error(&text, clock::now());
        self.show(State::BackingOff, &code, &text);
    }

    /// Applies, and says whether there are reports to send.
    fn apply(&mut self, settings: &Settings, fetched: &Fetched) -> Result<bool, ExtensionError> {
        let mut owes_reports = false;
        background::show_work("applying proposals");
        rounds::apply(settings, fetched, &WorkersTransactions, |done: &Done| {
            owes_reports |= done.owes_reports;
            if !settings.dry_run {
                done.failed.iter().for_each(log_failure);
            }
            if self.post.is_orphaned() {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(owes_reports)
    }

    fn deliver(&mut self, control_plane: &ControlPlane, which: Which) -> Delivered {
        let Some(_delivering) = lock::try_for_session(Subject::Delivering) else {
            self.deliver_at = Instant::now() + LOCKED;
            return Delivered::Nothing;
        };
        background::show_work("delivering reports");
        let tally = match delivery::deliver(control_plane, which, &WorkersTransactions) {
            Ok(tally) => tally,
            Err(error) => {
                self.post
                    .slot()
                    .show_error(&with_hint(&error), clock::now());
                self.deliver_at = Instant::now() + LOCKED;
                return Delivered::Nothing;
            }
        };
        if let Some(error) = &tally.last_error {
            self.post.slot().show_error(error, clock::now());
        }
        if tally.delivered + tally.rejected + tally.postponed == 0 {
            self.deliver_at = Instant::now() + LOCKED;
            return Delivered::Nothing;
        }
        Delivered::Something
    }

    fn prune(&mut self, settings: &Settings, now: Instant) {
        if now < self.prune_at || settings.dry_run {
            return;
        }
        self.prune_at = now + PRUNE_EVERY;
        if let Some(retention) = settings.ledger_retention
            && let Err(error) = delivery::prune(retention, &WorkersTransactions)
        {
            self.post
                .slot()
                .show_error(&with_hint(&error), clock::now());
        }
    }
}

fn log_failure((proposal_id, error): &(String, String)) {
    log::note(format_args!(
        "proposal {} failed: {}",
        proposal_id.escape_debug(),
        error.escape_debug()
    ));
}
