//! `synapsor_status()`: one row that says what the worker does, and how the ledger stands.

use crate::error::ExtensionError;
use crate::ledger::Ledger;
use crate::ledger::standing::Standing;
use crate::ledger::totals::Totals;
use crate::pg::{databases, xact};

use super::roster::{self, Found};
use super::slot::{Slot, State};
use super::with_hint;

/// What a session sees of the worker of its database. Times are microseconds as Postgres counts them.
pub struct Status {
    /// The database.
    pub database: String,
    /// The worker's process.
    pub worker_pid: Option<i32>,
    /// `running`, `idle`, `backing off`, `paused` or `stopped`.
    pub state: &'static str,
    /// Why, in words.
    pub reason: String,
    /// When it last asked for proposals.
    pub last_poll_at: Option<i64>,
    /// The last thing that went wrong since its launcher started.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<i64>,
    /// When it will next ask for proposals.
    pub next_attempt_at: Option<i64>,
    /// The ledger in numbers.
    pub totals: Totals,
}

impl Status {
    /// As it is now.
    pub fn now() -> Result<Self, ExtensionError> {
        let ledger = Ledger::open()?;
        let standing = ledger.standing()?;
        let found = roster::find();
        let slot = found.as_ref().and_then(Found::slot);
        let worker = roster::worker(found.as_ref());
        let is_there = worker.is_some();
        let (state, mut reason) = state(&standing, slot, is_there);
        if let Some(wait) = worker.and_then(|worker| ledger.what_holds_up(worker.pid())) {
            reason = format!("{reason}; at the moment {wait}");
        }
        let time = |of: fn(&Slot) -> i64| slot.map(of).filter(|time| *time != 0);
        let polls = is_there && matches!(state, State::Running | State::BackingOff);
        Ok(Status {
            database: databases::name(databases::own()).unwrap_or_default(),
            worker_pid: worker.map(|worker| worker.pid()),
            state: state.as_str(),
            reason,
            last_poll_at: time(Slot::last_poll_at),
            last_error: slot
                .map(|slot| slot.last_error.read())
                .filter(|error| !error.is_empty()),
            last_error_at: time(Slot::last_error_at),
            next_attempt_at: time(Slot::next_attempt_at).filter(|_| polls),
            totals: ledger.totals()?,
        })
    }
}

/// What a person asked for comes first: it holds also where no worker is there to say so.
fn state(standing: &Standing, slot: Option<&Slot>, is_there: bool) -> (State, String) {
    if xact::is_standby() {
        let reason = "this is a standby; a worker starts here after promotion, where the library is preloaded";
        return (State::Idle, reason.to_owned());
    }
    if let Err(error) = standing.require(false) {
        let and = if is_there {
            ""
        } else {
            " (No worker is running, either.)"
        };
        return (State::Paused, with_hint(&error) + and);
    }
    if let Some(stopped) = &standing.stopped {
        let reason = format!(
            "synapsor_stop_worker() was called {stopped}. SELECT synapsor_start_worker() to go on."
        );
        return (State::Stopped, reason);
    }
    match slot {
        Some(slot) if slot.worker().is_some() => (slot.state(), slot.reason.read()),
        _ if is_there => (State::Running, LEFT_BEHIND.to_owned()),
        Some(slot) => (State::Stopped, slot.reason.read()),
        None => (State::Stopped, NO_LAUNCHER.to_owned()),
    }
}

const LEFT_BEHIND: &str = "the launcher of this worker has ended; the worker leaves after the batch or request that it is in, and is replaced";

const NO_LAUNCHER: &str = "nobody has started a worker here: SELECT synapsor_start_worker(), or, to have one after every restart, put the library into shared_preload_libraries and this database into synapsor.databases";
