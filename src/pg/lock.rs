//! Locks that hold between sessions of one database and that no SQL function can take: advisory locks with a
//! fourth field that `pg_advisory_lock` never uses, so that no other user can hold us up.

use pgrx::pg_sys;

use super::error::Quiet;
use super::{databases, process};

/// What is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Applying proposals: one session at a time, until its transaction ends.
    Applying = 1,
    /// Delivering reports: one session at a time.
    Delivering = 2,
    /// Waiting for the session that delivers, to deliver what it missed.
    NextDelivery = 3,
    /// Being the resident worker of the database, as long as the process lives.
    Working = 4,
    /// Keeping a worker for the database: one launcher at a time.
    Keeping = 5,
    /// Says where the launcher that keeps the database has its roster: see [`publish`].
    Roster = 6,
    /// Starting or stopping the worker: one session at a time, until its transaction ends.
    Commanding = 7,
}

/// `field2` of a lock that publishes nothing.
const OURS: u32 = u32::from_be_bytes(*b"syna");
/// `field4` of our lock tags; SQL's advisory locks use 1 and 2.
const FIELD4: u16 = 0x53;
/// `LOCKTAG_ADVISORY` in storage/lock.h: 10 in every supported version.
const LOCKTAG_ADVISORY: u8 = 10;
/// `USER_LOCKMETHOD` in storage/lock.h.
const USER_LOCKMETHOD: u8 = 2;

/// Takes the lock until the transaction ends; `false` when another session has it.
pub fn try_for_transaction(subject: Subject) -> bool {
    acquire(tag(subject), false, true)
}

/// Takes the lock until the transaction ends, waiting for it as long as it takes. A cancel ends the wait.
pub fn wait_for_transaction(subject: Subject) {
    acquire(tag(subject), false, false);
}

/// Takes the lock for as long as the result lives; `None` when another session has it.
pub fn try_for_session(subject: Subject) -> Option<SessionLock> {
    try_for_session_in(databases::own(), subject)
}

/// As [`try_for_session`], for any database, also from a process that is connected to none.
pub fn try_for_session_in(database: pg_sys::Oid, subject: Subject) -> Option<SessionLock> {
    let tag = tag_in(database, subject, OURS);
    acquire(tag, true, true).then(|| SessionLock { tag })
}

/// Publishes a number for a database, as long as the result lives: it is a part of a lock that this process holds, and
/// gone with the process, however that ends. [`published`] finds it.
pub fn publish(database: pg_sys::Oid, subject: Subject, number: u32) -> Option<SessionLock> {
    let tag = tag_in(database, subject, number);
    acquire(tag, true, true).then(|| SessionLock { tag })
}

/// The number that a process has published for this database, and that process. Inside a transaction.
pub fn published(subject: Subject) -> Option<Published> {
    let own = tag(subject);
    let is_it = |lock: &pg_sys::LockInstanceData| {
        let tag = &lock.locktag;
        // A row's lock has numbers in the same places.
        lock.holdMask != 0
            && is_advisory(tag)
            && tag.locktag_field4 == FIELD4
            && tag.locktag_field1 == own.locktag_field1
            && tag.locktag_field3 == own.locktag_field3
    };
    let locks = all();
    locks.iter().find(|lock| is_it(lock)).map(|lock| Published {
        number: lock.locktag.locktag_field2,
        pid: lock.pid,
    })
}

/// An advisory lock of SQL's, and one mode of it.
pub struct OfSql {
    tag: pg_sys::LOCKTAG,
    mode: i32,
}

impl OfSql {
    fn is(&self, other: &OfSql) -> bool {
        let key = |lock: &OfSql| {
            let tag = &lock.tag;
            let fields = (tag.locktag_field1, tag.locktag_field2, tag.locktag_field3);
            (fields, tag.locktag_field4, lock.mode)
        };
        key(self) == key(other)
    }
}

/// The advisory locks of SQL's that this process holds.
pub fn held_by_sql() -> Vec<OfSql> {
    let own_pid = process::own_pid();
    let is_it = |lock: &&pg_sys::LockInstanceData| {
        let of_sql = matches!(lock.locktag.locktag_field4, 1 | 2);
        lock.pid == own_pid && lock.holdMask != 0 && is_advisory(&lock.locktag) && of_sql
    };
    let modes = |lock: &pg_sys::LockInstanceData| {
        let (tag, mask) = (lock.locktag, lock.holdMask);
        let held = (1..=8).filter(move |mode| mask & (1 << mode) != 0);
        held.map(move |mode| OfSql { tag, mode })
    };
    all().iter().filter(is_it).flat_map(modes).collect()
}

/// Gives back those that SQL of other people's has taken since for the rest of this session. What it took for the
/// transaction goes with that.
pub fn release_all_but(before: &[OfSql]) {
    let left = held_by_sql();
    let left: Vec<_> = left
        .iter()
        .filter(|lock| !before.iter().any(|other| other.is(lock)))
        .collect();
    if left.is_empty() {
        return;
    }
    // Postgres warns of one that the session does not hold (any more), which is how we know that we are done with it.
    let _quiet = Quiet::start();
    for lock in left {
        // SAFETY: a well-formed tag; one that was taken several times is released as often.
        while unsafe { pg_sys::LockRelease(&raw const lock.tag, lock.mode, true) } {}
    }
}

fn is_advisory(tag: &pg_sys::LOCKTAG) -> bool {
    tag.locktag_type == LOCKTAG_ADVISORY && tag.locktag_lockmethodid == USER_LOCKMETHOD
}

/// The lock table, as `pg_locks` shows it. (Not through `pg_locks`, which an administrator may have taken away from the caller.)
fn all() -> Vec<pg_sys::LockInstanceData> {
    // SAFETY: a copy, which is given back after it was copied once more.
    unsafe {
        let data = pg_sys::GetLockStatusData();
        let locks = std::slice::from_raw_parts((*data).locks, (*data).nelements as usize).to_vec();
        pg_sys::pfree((*data).locks.cast());
        pg_sys::pfree(data.cast());
        locks
    }
}

/// See [`published`].
#[derive(Clone, Copy, Debug)]
pub struct Published {
    /// The number.
    pub number: u32,
    /// The process.
    pub pid: i32,
}

/// Takes the lock for as long as the result lives, waiting for it as long as it takes. A cancel ends the wait.
pub fn wait_for_session(subject: Subject) -> SessionLock {
    let tag = tag(subject);
    acquire(tag, true, false);
    SessionLock { tag }
}

/// A lock that outlives transactions.
pub struct SessionLock {
    tag: pg_sys::LOCKTAG,
}

impl SessionLock {
    /// Takes it again where SQL of other people's has given it back: `pg_advisory_unlock_all` does not ask whose it is.
    /// `false` when another session has it by now.
    pub fn keep(&self) -> bool {
        use pg_sys::LockAcquireResult::{LOCKACQUIRE_NOT_AVAIL, LOCKACQUIRE_OK};
        match try_or_wait(self.tag, true, true) {
            LOCKACQUIRE_NOT_AVAIL => false,
            LOCKACQUIRE_OK => true,
            _ => {
                // Held twice now: once is enough.
                release(&self.tag);
                true
            }
        }
    }

    /// Is done with a lock that has gone.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for SessionLock {
    fn drop(&mut self) {
        release(&self.tag);
    }
}

fn release(tag: &pg_sys::LOCKTAG) {
    // SAFETY: the lock was acquired by this session, as often as it is released.
    unsafe { pg_sys::LockRelease(tag, pg_sys::ExclusiveLock as i32, true) };
}

fn acquire(tag: pg_sys::LOCKTAG, session: bool, dont_wait: bool) -> bool {
    try_or_wait(tag, session, dont_wait) != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
}

fn try_or_wait(
    tag: pg_sys::LOCKTAG,
    session: bool,
    dont_wait: bool,
) -> pg_sys::LockAcquireResult::Type {
    // SAFETY: a well-formed tag, on the main thread.
    unsafe {
        pg_sys::LockAcquire(
            &raw const tag,
            pg_sys::ExclusiveLock as i32,
            session,
            dont_wait,
        )
    }
}

fn tag(subject: Subject) -> pg_sys::LOCKTAG {
    tag_in(databases::own(), subject, OURS)
}

fn tag_in(database: pg_sys::Oid, subject: Subject, field2: u32) -> pg_sys::LOCKTAG {
    pg_sys::LOCKTAG {
        locktag_field1: database.to_u32(),
        locktag_field2: field2,
        locktag_field3: subject as u32,
        locktag_field4: FIELD4,
        locktag_type: LOCKTAG_ADVISORY,
        locktag_lockmethodid: USER_LOCKMETHOD,
    }
}
