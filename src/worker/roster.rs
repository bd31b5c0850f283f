//! What a launcher, its workers and the sessions tell each other, in shared memory: which databases are kept, what each
//! worker is doing, and who wants something of it. It writes nothing to disk, and is gone with the launcher.

use std::array;
use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::rc::{Rc, Weak};
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering,
};

use pgrx::pg_sys;

use crate::pg::databases;
use crate::pg::lock::{self, Subject};
use crate::pg::process::Process;
use crate::pg::shared::{Mapping, Shared};

/// The databases that one launcher can keep.
pub const ROOM: usize = 128;

/// Tells this layout of [`Roster`] from that of another version of the library, which may be loaded in another process. To be
/// raised with every change.
const LAYOUT: u64 = (1 << 32) + size_of::<Roster>() as u64;

/// A launcher's shared memory.
#[repr(C)]
pub struct Roster {
    /// See [`LAYOUT`].
    layout: AtomicU64,
    /// The launcher stays as long as the server.
    is_permanent: AtomicBool,
    slots: [Slot; ROOM],
}

/// What is known of one database's worker.
#[repr(C)]
pub struct Slot {
    /// The database; 0 for a slot that is not in use.
    database: AtomicU32,
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

// SAFETY: atomics throughout; zero bytes are an empty roster.
unsafe impl Shared for Roster {}

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

impl Roster {
    /// Makes one; `None` when the server has no room for it.
    pub fn create() -> Option<Mapping<Self>> {
        let roster = Mapping::<Self>::create()?;
        roster.layout.store(LAYOUT, Ordering::Release);
        Some(roster)
    }

    /// Finds one; `None` when its launcher has gone, or has another version of the library.
    pub fn attach(handle: u32) -> Option<Mapping<Self>> {
        let roster = Mapping::<Self>::attach(handle)?;
        (roster.layout.load(Ordering::Acquire) == LAYOUT).then_some(roster)
    }

    /// The launcher stays as long as the server.
    pub fn declare_permanent(&self) {
        self.is_permanent.store(true, Ordering::Release);
    }

    /// Whether the launcher stays as long as the server.
    pub fn is_permanent(&self) -> bool {
        self.is_permanent.load(Ordering::Acquire)
    }

    /// The slot with this number, below [`ROOM`].
    pub fn slot(&self, number: usize) -> &Slot {
        &self.slots[number % ROOM]
    }

    /// Takes a free slot for a database; `None` when there is no more room.
    pub fn take(&self, database: pg_sys::Oid) -> Option<usize> {
        let number = self.slots.iter().position(|slot| slot.database() == 0)?;
        let slot = &self.slots[number];
        slot.clear();
        slot.database.store(database.to_u32(), Ordering::Release);
        Some(number)
    }

    /// The slot of a database.
    pub fn of(&self, database: pg_sys::Oid) -> Option<&Slot> {
        self.slots
            .iter()
            .find(|slot| slot.database() == database.to_u32())
    }
}

impl Slot {
    fn database(&self) -> u32 {
        self.database.load(Ordering::Acquire)
    }

    /// Gives the slot back.
    pub fn give_back(&self) {
        self.database.store(0, Ordering::Release);
    }

    fn clear(&self) {
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

thread_local! {
    /// The roster that this session looks at: a process can map a segment once.
    static SEEN: ManuallyDrop<RefCell<(u32, Weak<Mapping<Roster>>)>> =
        const { ManuallyDrop::new(RefCell::new((0, Weak::new()))) };
}

/// Finds the launcher that keeps the current database. Inside a transaction.
pub fn find() -> Option<Found> {
    let published = lock::published(Subject::Roster)?;
    Some(Found {
        roster: open(published.number)?,
        launcher: Process::find(published.pid)?,
    })
}

/// Finds a roster; `None` when its launcher has gone, or has another version of the library.
pub fn open(handle: u32) -> Option<Rc<Mapping<Roster>>> {
    let seen = SEEN.with(|seen| {
        let (seen, roster) = &*seen.borrow();
        roster.upgrade().filter(|_| *seen == handle)
    });
    let roster = match seen {
        Some(roster) => roster,
        None => Rc::new(Roster::attach(handle)?),
    };
    SEEN.with(|seen| seen.replace((handle, Rc::downgrade(&roster))));
    Some(roster)
}

/// The worker of the current database: as its launcher knows it, and else the one that holds the lock, which a launcher
/// that has died may have left behind. Inside a transaction.
pub fn worker(found: Option<&Found>) -> Option<Process> {
    let known = found.and_then(Found::slot).and_then(Slot::worker);
    known.or_else(|| {
        let holder = lock::published(Subject::Working)?.pid;
        // A launcher takes the lock for a moment to see whether it is free.
        let is_launcher = found.is_some_and(|found| found.launcher.pid() == holder);
        Process::find(holder).filter(|_| !is_launcher)
    })
}

impl Found {
    /// The place of the current database.
    pub fn slot(&self) -> Option<&Slot> {
        self.roster.of(databases::own())
    }
}

/// A launcher, and its roster.
pub struct Found {
    /// Its shared memory.
    pub roster: Rc<Mapping<Roster>>,
    /// Its process.
    pub launcher: Process,
}

/// A short text that one process writes and others read: UTF-8, cut to fit.
///
/// The version is odd while it is being written; a reader that sees it change looks again.
#[repr(C)]
pub struct SharedText<const N: usize> {
    version: AtomicU32,
    length: AtomicU32,
    bytes: [AtomicU8; N],
}

impl<const N: usize> SharedText<N> {
    /// Writes it. One process at a time: the worker while there is one, else the launcher.
    pub fn write(&self, text: &str) {
        let length = text.floor_char_boundary(N);
        self.version.fetch_add(1, Ordering::AcqRel);
        for (place, byte) in self.bytes.iter().zip(&text.as_bytes()[..length]) {
            place.store(*byte, Ordering::Relaxed);
        }
        self.length.store(length as u32, Ordering::Relaxed);
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// Reads it; empty where it is being written all the time.
    pub fn read(&self) -> String {
        const LOOKS: usize = 1_000;
        for _ in 0..LOOKS {
            let before = self.version.load(Ordering::Acquire);
            let bytes: [u8; N] = array::from_fn(|n| self.bytes[n].load(Ordering::Acquire));
            let length = (self.length.load(Ordering::Acquire) as usize).min(N);
            if before.is_multiple_of(2) && self.version.load(Ordering::Acquire) == before {
                return String::from_utf8_lossy(&bytes[..length]).into_owned();
            }
            std::hint::spin_loop();
        }
        String::new()
    }
}
