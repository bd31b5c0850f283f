//! What `ALTER DATABASE … SET` and `ALTER ROLE … SET` say now. A process reads that when it connects and never again, so a
//! process that stays has to notice when it changes.

use std::hash::{DefaultHasher, Hash, Hasher};

use pgrx::pg_sys;

use crate::pg::databases;

/// A fingerprint of all of it that reaches this role in this database: another one when something of it has changed. Inside a
/// transaction; costs no transaction id.
pub fn now(role: pg_sys::Oid) -> u64 {
    let mut rows = databases::defaults(role);
    rows.sort_unstable();
    let mut hasher = DefaultHasher::new();
    rows.hash(&mut hasher);
    hasher.finish()
}
