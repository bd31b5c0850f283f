//! Keeping the worker of one database: when it is started, and what becomes of it when it leaves.

use std::time::{Duration, Instant};

use pgrx::pg_sys;
use synapsor_core::retry::Backoff;

use crate::log;
use crate::pg::background::Child;
use crate::pg::databases::Database;
use crate::pg::lock::{self, Subject};
use crate::pg::shared::Mapping;

use super::resident;
use super::roster::Roster;
use super::slot::{Leave, Slot, State};

/// A worker that lived this long did not keep dying.
const LONG_LIFE: Duration = Duration::from_secs(10);

/// How soon another look is taken at a database that a worker of another launcher is still in.
const SOON: Duration = Duration::from_secs(1);

/// Keeps the worker of one database.
pub struct Keeper {
    database: Database,
    /// In the roster.
    slot: usize,
    child: Option<Child>,
    started: Option<Instant>,
    /// The role that the next worker connects as; `InvalidOid` for one that has to find it out.
    role: pg_sys::Oid,
    /// How often in a row it died young, or could not be started.
    deaths: u32,
    /// Not before this is the next one started; `None`: now.
    not_before: Option<Instant>,
}

impl Keeper {
    /// Begins to keep a database whose slot in the roster has this number.
    pub fn new(database: Database, slot: usize) -> Self {
        Keeper {
            database,
            slot,
            child: None,
            started: None,
            role: pg_sys::InvalidOid,
            deaths: 0,
            not_before: None,
        }
    }

    /// Sees to the worker: to be called whenever something may have changed.
    pub fn tend(&mut self, roster: &Mapping<Roster>, now: Instant) {
        let slot = roster.slot(self.slot);
        if let Some(child) = &self.child {
            if !child.has_ended() {
                if slot.is_stopped() {
                    child.terminate();
                }
                return;
            }
            self.child = None;
            slot.sign_off();
            self.note_the_end(slot, now);
        }
        if slot.is_start_wanted() {
            self.deaths = 0;
            self.not_before = None;
        }
        let is_time = self.not_before.is_none_or(|then| now >= then);
        if !slot.is_stopped() && is_time {
            self.start(slot, roster.handle(), now);
        }
    }

    fn note_the_end(&mut self, slot: &Slot, now: Instant) {
        let lifetime = self.started.map(|then| now.saturating_duration_since(then));
        let nobody = pg_sys::InvalidOid;
        let mut bad_news = None;
        let why = slot.why_left();
        slot.learn_from_the_end(why == Leave::Unexpectedly && !slot.is_stopped());
        let (role, not_before) = match why {
            Leave::RoleFound(role) => (role, None),
            // Not faster than once a second, should it be replaced again and again.
            Leave::ToBeReplaced => (nobody, self.started.map(|then| then + SOON)),
            Leave::AnotherWorks => (nobody, Some(now + SOON)),
            Leave::Stopped => {
                slot.rest();
                (nobody, None)
            }
            Leave::Unexpectedly => {
                if lifetime.is_some_and(|lifetime| lifetime >= LONG_LIFE) {
                    self.deaths = 0;
                }
                let wait = self.wait_after_another_death();
                bad_news = Some(wait);
                (nobody, Some(now + wait))
            }
        };
        self.role = role;
        self.not_before = not_before;
        if slot.is_stopped() {
            slot.show(State::Stopped, "synapsor_stop_worker() was called");
            log::note(format_args!(
                "database \"{}\": worker stopped: synapsor_stop_worker() was called",
                self.database.name
            ));
        } else if let Some(wait) = bad_news {
            let wait = wait.as_secs().max(1);
            let reason = format!("the worker ended, and is started again within {wait} s");
            slot.show(State::Stopped, &reason);
            if self.deaths > 1 {
                log::note(format_args!(
                    "database \"{}\": the worker keeps ending; {reason}",
                    self.database.name
                ));
            }
        }
    }

    /// One second, then twice as long each time, up to five minutes.
    fn wait_after_another_death(&mut self) -> Duration {
        self.deaths = self.deaths.saturating_add(1);
        Backoff::default().delay(self.deaths, 1.0)
    }

    fn start(&mut self, slot: &Slot, roster: u32, now: Instant) {
        // A worker that a launcher before this one has started leaves when it notices.
        if lock::try_for_session_in(self.database.oid, Subject::Working).is_none() {
            self.not_before = Some(now + SOON);
            return;
        }
        self.child = resident::request(self.database.oid, self.role, roster, self.slot);
        self.started = Some(now);
        if self.child.is_some() {
            return;
        }
        let wait = self.wait_after_another_death();
        self.not_before = Some(now + wait);
        let reason = "no background worker slot is free: raise max_worker_processes";
        slot.show(State::Stopped, reason);
        if self.deaths == 1 {
            log::note(format_args!(
                "database \"{}\": no worker: {reason}",
                self.database.name
            ));
        }
    }

    /// How long until it wants to be called again without anybody's doing.
    pub fn next(&self, now: Instant) -> Option<Duration> {
        let waits = self.child.is_none().then_some(self.not_before).flatten();
        waits.map(|then| then.saturating_duration_since(now))
    }

    /// True when no worker is wanted, and none is there.
    pub fn is_at_rest(&self, roster: &Roster) -> bool {
        roster.slot(self.slot).is_stopped() && self.child.is_none()
    }

    /// Whether somebody has asked for a start since the last look.
    pub fn is_start_wanted(&self, roster: &Roster) -> bool {
        roster.slot(self.slot).is_start_wanted()
    }

    /// Ends the worker, to keep the database no longer.
    pub fn give_up(&self) {
        if let Some(child) = &self.child {
            child.terminate();
        }
    }

    /// After [`Keeper::give_up`]: true once the worker has gone. Only then is its slot given back, which it may still write to.
    pub fn has_given_up(&self, roster: &Roster) -> bool {
        let has_gone = self.child.as_ref().is_none_or(Child::has_ended);
        if has_gone {
            let slot = roster.slot(self.slot);
            slot.sign_off();
            slot.give_back();
        }
        has_gone
    }
}
