//! A database's place in the roster: what its worker is doing, and who wants something of it. Atomics throughout: processes
//! read and write it at the same time.

use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering,
};

use pgrx::pg_sys;

use crate::pg::process::Process;
use crate::pg::shared::SharedText;

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is none.
    Stopped = 0,
    /// It polls, or sleeps between polls.
    Running = 1,
    /// Something is missing.
    Idle = 2,
    /// The control plane fails.
    BackingOff = 3,
    /// A person asked it to pause, or the database is a copy.
    Paused = 4,
}

impl State {
    /// As `synapsor_status()` shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Stopped => "stopped",
            State::Running => "running",
            State::Idle => "idle",
            State::BackingOff => "backing off",
            State::Paused => "paused",
        }
    }
}

/// Why a worker has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// It was ended, or died.
    Unexpectedly,
    /// It has found out the role to connect as; the next one does.
    RoleFound(pg_sys::Oid),
    /// Something changed that a process can't follow: a database's settings, the role, the extension's version.
    ToBeReplaced,
    /// Another worker is there.
    AnotherWorks,
    /// Somebody called `synapsor_stop_worker()`.
    Stopped,
}

/// What is known of one database's worker.
#[repr(C)]
pub struct Slot {
    /// The database; 0 for a slot that is not in use.
    pub(super) database: AtomicU32,
    /// The worker's process; 0 while there is none.
    worker: AtomicI32,
    /// Why the worker left: see [`Leave`].
    left: AtomicU32,
    /// The role that the next worker is to connect as, with [`Leave::RoleFound`].
    role: AtomicU32,
    /// A fingerprint of what `ALTER DATABASE` and `ALTER ROLE … SET` said when that role was found: before the worker read them.
    defaults: AtomicU64,
    /// No worker is wanted.
    stopped: AtomicBool,
    /// A start is wanted now, whatever the back-off says.
    start_now: AtomicBool,
    /// How often somebody asked for a poll.
    wakes: AtomicU64,
    /// A fingerprint of the key that is being applied; 0 for none.
    trying: AtomicU64,
    /// That of the key that was being applied when a worker ended unexpectedly, and how often in a row.
    suspect: AtomicU64,
    deaths_of_suspect: AtomicU32,
    /// The worker sleeps: a wake-up is answered at once.
    asleep: AtomicBool,
    /// Tells which control plane it reports to: a fingerprint of the settings.
    reports_to: AtomicU64,
    /// See [`State`].
    state: AtomicU8,
    /// Why it is in that state, in words.
    pub reason: SharedText<320>,
    /// When it last asked the control plane for proposals; microseconds as Postgres counts them, 0 for never. So with all times here.
    last_poll_at: AtomicI64,
    /// When it will next do so.
    next_attempt_at: AtomicI64,
    /// The last thing that went wrong.
    pub last_error: SharedText<512>,
    /// When that was.
    last_error_at: AtomicI64,
}

impl Slot {
    pub(super) fn database(&self) -> u32 {
        self.database.load(Ordering::Acquire)
    }

    /// Gives the slot back.
    pub fn give_back(&self) {
        self.database.store(0, Ordering::Release);
    }

    pub(super) fn clear(&self) {
        self.worker.store(0, Ordering::Relaxed);
        self.left.store(0, Ordering::Relaxed);
        self.stopped.store(false, Ordering::Relaxed);
        self.start_now.store(false, Ordering::Relaxed);
        self.asleep.store(false, Ordering::Relaxed);
        self.trying.store(0, Ordering::Relaxed);
        self.suspect.store(0, Ordering::Relaxed);
        self.last_poll_at.store(0, Ordering::Relaxed);
        self.next_attempt_at.store(0, Ordering::Relaxed);
        self.last_error_at.store(0, Ordering::Relaxed);
        self.last_error.write("");
        self.show(State::Stopped, "");
    }

    /// A worker signs on.
    pub fn sign_on(&self, pid: i32) {
        self.worker.store(pid, Ordering::Release);
    }

    /// The worker that signed on, where it is still there.
    pub fn worker(&self) -> Option<Process> {
        Process::find(self.worker.load(Ordering::Acquire))
    }

    /// The worker has gone.
    pub fn sign_off(&self) {
        self.asleep.store(false, Ordering::Release);
        self.worker.store(0, Ordering::Release);
    }

    /// Notes what `ALTER DATABASE` and `ALTER ROLE … SET` say, for the next worker.
    pub fn hand_over_defaults(&self, fingerprint: u64) {
        self.defaults.store(fingerprint, Ordering::Release);
    }

    /// What the worker before this one noted.
    pub fn defaults(&self) -> u64 {
        self.defaults.load(Ordering::Acquire)
    }

    /// Says why the worker is about to leave.
    pub fn leave(&self, why: Leave) {
        let number = match why {
            Leave::Unexpectedly => 0,
            Leave::RoleFound(role) => {
                self.role.store(role.to_u32(), Ordering::Relaxed);
                1
            }
            Leave::ToBeReplaced => 2,
            Leave::AnotherWorks => 3,
            Leave::Stopped => 4,
        };
        self.left.store(number, Ordering::Release);
    }

    /// Why the worker left; forgotten with that.
    pub fn why_left(&self) -> Leave {
        match self.left.swap(0, Ordering::AcqRel) {
            1 => Leave::RoleFound(self.role.load(Ordering::Relaxed).into()),
            2 => Leave::ToBeReplaced,
            3 => Leave::AnotherWorks,
            4 => Leave::Stopped,
            _ => Leave::Unexpectedly,
        }
    }

    /// True when no worker is wanted.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// No worker is wanted any more. Can't fail: fit for a commit callback.
    pub fn stop(&self) {
        self.start_now.store(false, Ordering::Release);
        self.stopped.store(true, Ordering::Release);
    }

    /// The worker has found out that none is wanted. A start that was asked for since stays asked for.
    pub fn rest(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    /// A worker is wanted, now. Can't fail: fit for a commit callback.
    pub fn start(&self) {
        self.stopped.store(false, Ordering::Release);
        self.start_now.store(true, Ordering::Release);
    }

    /// Whether somebody has asked for a start since the last look; forgotten with that. It ends a stop that came before.
    pub fn is_start_wanted(&self) -> bool {
        let is_wanted = self.start_now.swap(false, Ordering::AcqRel);
        if is_wanted {
            self.stopped.store(false, Ordering::Release);
        }
        is_wanted
    }

    /// Notes what is being applied.
    pub fn note_trying(&self, key: u64) {
        self.trying.store(key, Ordering::Release);
    }

    /// The worker has ended: unexpectedly, while it applied something?
    pub fn learn_from_the_end(&self, was_unexpected: bool) {
        let trying = self.trying.swap(0, Ordering::AcqRel);
        if !was_unexpected || trying == 0 {
            return;
        }
        let before = self.suspect.swap(trying, Ordering::AcqRel);
        if before != trying {
            self.deaths_of_suspect.store(0, Ordering::Release);
        }
        self.deaths_of_suspect.fetch_add(1, Ordering::AcqRel);
    }

    /// True when workers have ended again and again while they applied this; forgotten with that.
    pub fn is_suspect(&self, key: u64) -> bool {
        const OFTEN: u32 = 2;
        let is_suspect = self.suspect.load(Ordering::Acquire) == key
            && self.deaths_of_suspect.load(Ordering::Acquire) >= OFTEN;
        if is_suspect {
            self.suspect.store(0, Ordering::Release);
        }
        is_suspect
    }

    /// Shows a state, and why.
    pub fn show(&self, state: State, reason: &str) {
        self.reason.write(reason);
        self.state.store(state as u8, Ordering::Release);
    }

    /// The state that was shown last.
    pub fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            1 => State::Running,
            2 => State::Idle,
            3 => State::BackingOff,
            4 => State::Paused,
            _ => State::Stopped,
        }
    }

    /// Notes that it asks for proposals.
    pub fn polled_at(&self, now: i64) {
        self.last_poll_at.store(now, Ordering::Release);
    }

    /// When it last did; 0 for never.
    pub fn last_poll_at(&self) -> i64 {
        self.last_poll_at.load(Ordering::Acquire)
    }

    /// Notes when it will ask again.
    pub fn will_poll_at(&self, then: i64) {
        self.next_attempt_at.store(then, Ordering::Release);
    }

    /// When it will; 0 for never.
    pub fn next_attempt_at(&self) -> i64 {
        self.next_attempt_at.load(Ordering::Acquire)
    }

    /// When something last went wrong; 0 for never.
    pub fn last_error_at(&self) -> i64 {
        self.last_error_at.load(Ordering::Acquire)
    }

    /// Notes which control plane it reports to; `None` while it reports nothing.
    pub fn report_to(&self, fingerprint: Option<u64>) {
        self.reports_to
            .store(fingerprint.unwrap_or_default(), Ordering::Release);
    }

    /// From now on a wake-up is answered at once.
    pub fn fall_asleep(&self) {
        self.asleep.store(true, Ordering::SeqCst);
    }

    /// From now on a wake-up may have to wait for the network.
    pub fn wake_up(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }

    /// True when reports to this control plane go out as soon as the worker is woken.
    pub fn would_report_at_once(&self, fingerprint: u64) -> bool {
        !matches!(self.state(), State::Idle | State::Stopped)
            && self.asleep.load(Ordering::SeqCst)
            && self.reports_to.load(Ordering::Acquire) == fingerprint
    }

    /// How often somebody asked for a poll.
    pub fn wakes(&self) -> u64 {
        self.wakes.load(Ordering::SeqCst)
    }

    /// Notes what went wrong.
    pub fn show_error(&self, error: &str, now: i64) {
        self.last_error.write(error);
        self.last_error_at.store(now, Ordering::Release);
    }

    /// Asks the worker for a poll. Can't fail: fit for a commit callback.
    pub fn wake(&self, worker: Process) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        worker.wake();
    }
}
