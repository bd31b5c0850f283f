//! Locks that hold between sessions of one database and that no SQL function can take: advisory locks with a
//! fourth field that `pg_advisory_lock` never uses, so that no other user can hold us up.

use pgrx::pg_sys;

/// What is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Applying proposals: one session at a time, until its transaction ends.
    Applying = 1,
    /// Delivering reports: one session at a time.
    Delivering = 2,
    /// Waiting for the session that delivers, to deliver what it missed.
    NextDelivery = 3,
}

/// `field4` of our lock tags; SQL's advisory locks use 1 and 2.
const FIELD4: u16 = 0x53;
/// `LOCKTAG_ADVISORY` in storage/lock.h: 10 in every supported version.
const LOCKTAG_ADVISORY: u8 = 10;
/// `USER_LOCKMETHOD` in storage/lock.h.
const USER_LOCKMETHOD: u8 = 2;

/// Takes the lock until the transaction ends; `false` when another session has it.
pub fn try_for_transaction(subject: Subject) -> bool {
    acquire(subject, false, true)
}

/// Takes the lock for as long as the result lives; `None` when another session has it.
pub fn try_for_session(subject: Subject) -> Option<SessionLock> {
    acquire(subject, true, true).then(|| SessionLock { subject })
}

/// Takes the lock for as long as the result lives, waiting for it as long as it takes. A cancel ends the wait.
pub fn wait_for_session(subject: Subject) -> SessionLock {
    acquire(subject, true, false);
    SessionLock { subject }
}

/// A lock that outlives transactions.
pub struct SessionLock {
    subject: Subject,
}

impl Drop for SessionLock {
    fn drop(&mut self) {
        let tag = tag(self.subject);
        // SAFETY: the lock was acquired by this session and is released once.
        unsafe { pg_sys::LockRelease(&raw const tag, pg_sys::ExclusiveLock as i32, true) };
    }
}

fn acquire(subject: Subject, session: bool, dont_wait: bool) -> bool {
    let tag = tag(subject);
    // SAFETY: a well-formed tag, on the main thread.
    let result = unsafe {
        pg_sys::LockAcquire(
            &raw const tag,
            pg_sys::ExclusiveLock as i32,
            session,
            dont_wait,
        )
    };
    result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
}

fn tag(subject: Subject) -> pg_sys::LOCKTAG {
    pg_sys::LOCKTAG {
        // SAFETY: a plain read.
        locktag_field1: unsafe { pg_sys::MyDatabaseId }.to_u32(),
        locktag_field2: u32::from_be_bytes(*b"syna"),
        locktag_field3: subject as u32,
        locktag_field4: FIELD4,
        locktag_type: LOCKTAG_ADVISORY,
        locktag_lockmethodid: USER_LOCKMETHOD,
    }
}
