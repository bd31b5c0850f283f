//! A turn of the resident worker that has something to do: deliver, fetch, apply, deliver, prune. No transaction is open
//! while it waits on the network.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use synapsor_core::control_plane::Fetched;
use synapsor_core::outbox::Which;
use synapsor_core::rounds::{MAX_ROUNDS, Rounds};
use synapsor_core::schedule::Trouble;

use crate::batch::Done;
use crate::batches::Batches;
use crate::control_plane::List;
use crate::delivery;
use crate::error::ExtensionError;
use crate::log;
use crate::pg::transactions::WorkersTransactions;
use crate::pg::{background, clock, lock, reload};
use crate::settings::Settings;

use super::resident::{Ready, Resident, Turn};
use super::slot::State;
use super::with_hint;

/// How often the ledger is pruned.
const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// The longest that a backlog keeps the worker from looking up: settings, role and extension may be others by now.
const LOOK_UP: Duration = Duration::from_secs(60);

/// What became of a list.
enum Worked {
    /// It was worked off.
    Off,
    /// Something else comes first; the rest is listed again.
    InPart,
}

impl Resident<'_> {
    /// Does what is due, and says how long to wait then.
    pub(super) fn work(&mut self, ready: &Ready) -> Turn {
        let now = Instant::now();
        let mut has_changed = false;
        let owed = ready.agenda.next_report_in;
        if owed.is_none() {
            self.outbox.pace.trouble = None;
        }
        let is_due = owed.is_some_and(|wait| wait.is_zero()) && self.outbox.pace.may_deliver(now);
        if ready.is_woken && owed.is_some() {
            has_changed = self.deliver(ready, Which::All);
        } else if is_due {
            has_changed = self.deliver(ready, Which::Due);
        }
        if let Err(error) = ready.agenda.standing.require(ready.settings.dry_run) {
            self.show_at_once(State::Paused, "paused", &with_hint(&error));
        } else if self.schedule.is_due(now) {
            has_changed |= self.poll(ready, now);
            self.prune(&ready.settings, now);
        }
        if has_changed {
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
            .map(|wait| wait.max(self.outbox.pace.wait(now)));
        let next = poll.into_iter().chain(report).min();
        Turn::Wait(next.unwrap_or(Duration::MAX))
    }

    /// Fetches and applies until there is nothing left that can be done now. Says whether the ledger has changed.
    fn poll(&mut self, ready: &Ready, start: Instant) -> bool {
        self.polled_at = start;
        let mut has_changed = false;
        let mut rounds = Rounds::default();
        for _ in 0..MAX_ROUNDS {
            let is_over = self.work_through_list(ready, start, &mut rounds, &mut has_changed);
            // What is reported leaves the list, and is not read again.
            let delivered = self.outbox.finish();
            has_changed |= self.note(delivered);
            if is_over || start.elapsed() >= LOOK_UP {
                break;
            }
        }
        has_changed
    }

    /// Reads the list a page at a time, applies each, and has reports sent meanwhile. Says whether it was to no purpose
    /// to read it again.
    fn work_through_list(
        &mut self,
        ready: &Ready,
        start: Instant,
        rounds: &mut Rounds,
        has_changed: &mut bool,
    ) -> bool {
        let page_size = rounds.wanted(ready.settings.max_proposals);
        let mut list = match self.list(ready, page_size) {
            Ok(list) => list,
            Err(error) => return self.back_off(&error, ready.settings.poll_interval),
        };
        let source_id = list.source_id().to_owned();
        loop {
            let proposals = match list.next_page() {
                Ok(Some(page)) => rounds.unseen(page),
                Ok(None) => break,
                Err(error) => return self.back_off(&error, ready.settings.poll_interval),
            };
            let fetched = Fetched {
                source_id: source_id.clone(),
                proposals,
            };
            let worked = self.apply(ready, &fetched, start, has_changed);
            self.schedule.succeeded(start, ready.settings.poll_interval);
            match worked {
                Ok(Worked::Off) => {}
                Ok(Worked::InPart) => {
                    self.show_running(ready, &source_id);
                    self.schedule.wake();
                    return true;
                }
                Err(error) => {
                    self.show_trouble(&error, ready.settings.poll_interval);
                    return true;
                }
            }
        }
        self.show_running(ready, &source_id);
        if start.elapsed() >= LOOK_UP {
            self.schedule.wake();
        }
        !rounds.end_pages(page_size)
    }

    fn list(&mut self, ready: &Ready, page_size: usize) -> Result<List, ExtensionError> {
        background::show_work("fetching approved proposals");
        self.post.slot().polled_at(clock::now());
        let list = ready.control_plane.list(usize::MAX, page_size)?;
        if self.schedule.failures() > 0 {
            // What was put off while it was away can go now.
            self.deliver(ready, Which::All);
        }
        Ok(list)
    }

    fn show_running(&mut self, ready: &Ready, source: &str) {
        let seconds = ready.settings.poll_interval.as_secs_f64();
        let mut reason = format!("polling for proposals of source {source} every {seconds} s");
        let mut code = "";
        if let Some(trouble) = &self.outbox.pace.trouble {
            code = "but reports are not accepted";
            reason = format!("{reason}; but reports are not accepted: {trouble}");
        }
        self.show(State::Running, code, &reason);
    }

    /// What kept a list from being applied: another session that is applying, a pause or a change since we looked. What it means is found
    /// out at the next look; until then nothing is hurried.
    fn show_trouble(&mut self, error: &ExtensionError, interval: Duration) {
        if let ExtensionError::TransactionFailed(_) = error {
            let (now, trouble) = (Instant::now(), Trouble::default());
            self.schedule
                .failed(now, interval, trouble, fastrand::f64());
        }
        let text = with_hint(error);
        self.post.slot().show_error(&text, clock::now());
        self.show(State::BackingOff, &error.to_string(), &text);
    }

    /// Says that there is no use in going on.
    fn back_off(&mut self, error: &ExtensionError, interval: Duration) -> bool {
        let now = Instant::now();
        let (trouble, code) = match error {
            ExtensionError::ControlPlane(error) => (Trouble::from(error), error.code().to_owned()),
            other => {
                let trouble = Trouble {
                    needs_somebody: matches!(other, ExtensionError::Source(_)),
                    ..Trouble::default()
                };
                (trouble, other.to_string())
            }
        };
        self.schedule
            .failed(now, interval, trouble, fastrand::f64());
        let text = with_hint(error);
        self.post.slot().show_error(&text, clock::now());
        self.show(State::BackingOff, &code, &text);
        true
    }

    /// Applies in batches, and has reports sent in between.
    fn apply(
        &mut self,
        ready: &Ready,
        fetched: &Fetched,
        start: Instant,
        has_changed: &mut bool,
    ) -> Result<Worked, ExtensionError> {
        let settings = &ready.settings;
        let mut worked = Worked::Off;
        background::show_work("applying proposals");
        let post = self.post;
        let batches = Batches {
            settings,
            transactions: &WorkersTransactions,
            watch: post,
        };
        let applied = batches.apply(fetched, |done: &mut Done| {
            *has_changed |= done.has_recorded;
            if !settings.dry_run {
                done.failed.iter().for_each(log_failure);
                let decided = std::mem::take(&mut done.owed);
                if let Err(error) = self.outbox.advance(&ready.control_plane, decided) {
                    self.note(Err(error));
                }
            }
            let looks_up = self.post.is_orphaned() || reload::is_asked();
            if looks_up || start.elapsed() >= LOOK_UP {
                worked = Worked::InPart;
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        lock::release_all_but(&[]);
        applied.map(|()| worked)
    }

    /// Says whether the ledger has changed by it.
    fn deliver(&mut self, ready: &Ready, which: Which) -> bool {
        if ready.settings.dry_run {
            return false;
        }
        let delivered = self.outbox.deliver(&ready.control_plane, which);
        self.note(delivered)
    }

    /// Shows what went wrong with reports, if anything did. Says whether the ledger has changed.
    fn note(&mut self, delivered: Result<bool, ExtensionError>) -> bool {
        let slot = self.post.slot();
        match delivered {
            Ok(has_changed) => {
                if let Some(error) = &self.outbox.pace.trouble {
                    slot.show_error(error, clock::now());
                }
                has_changed
            }
            Err(error) => {
                slot.show_error(&with_hint(&error), clock::now());
                false
            }
        }
    }

    fn prune(&mut self, settings: &Settings, now: Instant) {
        if now < self.prune_at || settings.dry_run {
            return;
        }
        self.prune_at = now + PRUNE_EVERY;
        if let Some(retention) = settings.ledger_retention
            && let Err(error) = delivery::prune(retention, &WorkersTransactions)
        {
            let slot = self.post.slot();
            slot.show_error(&with_hint(&error), clock::now());
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
