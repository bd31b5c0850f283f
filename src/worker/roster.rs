//! What a launcher, its workers and the sessions tell each other, in shared memory: which databases are kept, what each
//! worker is doing, and who wants something of it. It writes nothing to disk, and is gone with the launcher.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pgrx::pg_sys;

use crate::pg::databases;
use crate::pg::lock::{self, Subject};
use crate::pg::process::Process;
use crate::pg::shared::{Mapping, Shared};

use super::slot::Slot;

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

// SAFETY: atomics throughout; zero bytes are an empty roster.
unsafe impl Shared for Roster {}

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
