//! Whether what was found out from the catalogs is still true: a count that moves on with every change to what such
//! findings rest on.

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use pgrx::pg_sys;
use pgrx::pg_sys::SysCacheIdentifier;

/// Changes that this process has heard of.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// What is kept rests on relations (with their columns, triggers, rules, policies, partitions and rights, all of which
/// Postgres announces as changes to the relation) and on these.
const CATALOGS: [SysCacheIdentifier::Type; 9] = [
    // Which names the search path finds, and for whom.
    SysCacheIdentifier::NAMESPACEOID,
    SysCacheIdentifier::AUTHOID,
    SysCacheIdentifier::AUTHMEMMEMROLE,
    // What `=` means.
    SysCacheIdentifier::OPEROID,
    SysCacheIdentifier::TYPEOID,
    SysCacheIdentifier::CASTSOURCETARGET,
    SysCacheIdentifier::CLAOID,
    SysCacheIdentifier::AMOPOPID,
    // Foreign keys.
    SysCacheIdentifier::CONSTROID,
];

/// A state of the catalogs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(u64);

impl Epoch {
    /// The state now, with everything that others have committed. Inside a transaction.
    pub fn now() -> Self {
        listen();
        // SAFETY: on the main thread, inside a transaction.
        unsafe { pg_sys::AcceptInvalidationMessages() };
        Epoch(CHANGES.load(Ordering::Relaxed))
    }

    /// True as long as nothing has changed since, as far as this process has heard; its own changes it has.
    pub fn is_current(self) -> bool {
        self.0 == CHANGES.load(Ordering::Relaxed)
    }
}

/// Once for each process, and before anything is kept.
fn listen() {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        let nothing = pg_sys::Datum::from(0usize);
        // SAFETY: callbacks for good, which only count.
        unsafe {
            pg_sys::CacheRegisterRelcacheCallback(Some(relation_changed), nothing);
            for catalog in CATALOGS {
                pg_sys::CacheRegisterSyscacheCallback(catalog as i32, Some(row_changed), nothing);
            }
        }
    });
}

unsafe extern "C-unwind" fn relation_changed(_: pg_sys::Datum, _: pg_sys::Oid) {
    CHANGES.fetch_add(1, Ordering::Relaxed);
}

unsafe extern "C-unwind" fn row_changed(_: pg_sys::Datum, _: i32, _: u32) {
    CHANGES.fetch_add(1, Ordering::Relaxed);
}
