//! The ledger: what was decided of each proposal, in the same transaction as the change itself.
//!
//! Every statement on it is a fixed text, run as the ledger's owner with a pinned search path: the apply role and the
//! caller need no right on it, and have none to write it.

pub mod agenda;
pub mod capture;
pub mod intervene;
pub mod outbox;
pub mod record;
pub mod standing;
mod statements;
pub mod totals;

use std::cell::Cell;
use std::collections::HashMap;

use pgrx::{Spi, pg_sys};
use synapsor_core::ledger::Entry;
use synapsor_core::outcome::Status;

use crate::error::ExtensionError;
use crate::pg::guc_scope::GucScope;
use crate::pg::identity::{self, ActingAs};
use crate::pg::relation;
use crate::pg::transactions::FreshSnapshot;
pub use statements::Planned;
use statements::Statements;

thread_local! {
    /// Where this session found it last. As long as there is a table with that oid, it is the ledger.
    static FOUND: Cell<pg_sys::Oid> = const { Cell::new(pg_sys::InvalidOid) };
}

/// The ledger of this database.
#[derive(Clone, Copy, Debug)]
pub struct Ledger {
    oid: pg_sys::Oid,
    owner: pg_sys::Oid,
}

impl Ledger {
    /// Finds the ledger and its owner. It stays there until the transaction ends: `DROP EXTENSION` waits for that.
    ///
    /// # Errors
    /// `EXTENSION_MISSING`.
    pub fn open() -> Result<Self, ExtensionError> {
        let known = FOUND.get();
        if let Some(owner) = relation::lock_and_find_owner(known) {
            return Ok(Ledger { oid: known, owner });
        }
        let oid = Self::find()?.ok_or(ExtensionError::ExtensionMissing)?;
        let owner = relation::lock_and_find_owner(oid).ok_or(ExtensionError::ExtensionMissing)?;
        FOUND.set(oid);
        Ok(Ledger { oid, owner })
    }

    /// A table of that name is not enough: it has to be the extension's.
    fn find() -> Result<Option<pg_sys::Oid>, ExtensionError> {
        const QUERY: &str = "
            SELECT c.oid
            FROM pg_catalog.pg_extension e
                 JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
                      AND d.refobjid OPERATOR(pg_catalog.=) e.oid AND d.deptype OPERATOR(pg_catalog.=) 'e'
                      AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
                 JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) d.objid
                      AND c.relname OPERATOR(pg_catalog.=) 'ledger' AND c.relkind OPERATOR(pg_catalog.=) 'r'
            WHERE e.extname OPERATOR(pg_catalog.=) 'synapsor_writeback'";
        let _snapshot = FreshSnapshot::take();
        Spi::connect(|spi| {
            let rows = spi.select(QUERY, Some(1), &[])?;
            if rows.is_empty() {
                return Ok(None);
            }
            Ok(rows.first().get_one::<pg_sys::Oid>()?)
        })
    }

    /// True when a role could write it: by a grant on the table or on a column, by being its owner's member, or by
    /// `pg_write_all_data`.
    pub fn can_be_written_by(&self, role: pg_sys::Oid) -> bool {
        identity::has_rights_of(role, self.owner) || identity::may_write(role, self.oid)
    }

    /// Who owns it.
    pub fn owner(&self) -> pg_sys::Oid {
        self.owner
    }

    /// What is known of these keys.
    pub fn look_up(&self, keys: &[String]) -> Result<HashMap<String, Entry>, ExtensionError> {
        const QUERY: &str = "
            SELECT key, proposal_digest, status, attempts,
                   coalesce(next_attempt_at <= pg_catalog.clock_timestamp(), false),
                   report_state, affected_rows, operation, reason, error,
                   coalesce(report_state = 'delivered' AND reported_at <= clock_timestamp()
                       - least(interval '1 second' * 2 ^ least(report_attempts, 9), interval '5 minutes'), false)
            FROM synapsor.ledger WHERE key = ANY ($1)";
        self.as_owner(|spi| {
            let rows = spi.select(QUERY, None, &[keys.to_vec().into()])?;
            let entries = rows.map(|row| {
                let status: String = row.get(3)?.unwrap_or_default();
                let entry = Entry {
                    digest: row.get(2)?.unwrap_or_default(),
                    status: Status::parse(&status)
                        .ok_or_else(|| ExtensionError::Ledger(format!("status {status}")))?,
                    attempts: row.get(4)?.unwrap_or_default(),
                    is_due: row.get(5)?.unwrap_or_default(),
                    is_report_due: row.get(11)?.unwrap_or_default(),
                    report_state: row.get(6)?.unwrap_or_default(),
                    affected_rows: row.get(7)?.unwrap_or_default(),
                    operation: row.get(8)?,
                    reason: row.get(9)?,
                    error: row.get(10)?,
                };
                Ok((row.get::<String>(1)?.unwrap_or_default(), entry))
            });
            entries.collect()
        })
    }

    /// Removes rows whose report was accepted longer ago than this; a bounded number, so that no transaction grows
    /// large. Returns how many went.
    pub fn prune(&self, older_than: std::time::Duration) -> Result<usize, ExtensionError> {
        const ANY: &str = "
            SELECT true FROM synapsor.ledger
            WHERE decided_at < pg_catalog.now() - pg_catalog.make_interval(secs => $1)
              AND report_state = 'delivered'
              AND reported_at < pg_catalog.now() - pg_catalog.make_interval(secs => $1) LIMIT 1";
        const QUERY: &str = "
            DELETE FROM synapsor.ledger WHERE key IN (
                SELECT key FROM synapsor.ledger
                WHERE decided_at < pg_catalog.now() - pg_catalog.make_interval(secs => $1)
                  AND report_state = 'delivered'
                  AND reported_at < pg_catalog.now() - pg_catalog.make_interval(secs => $1)
                ORDER BY decided_at LIMIT 10000 FOR UPDATE SKIP LOCKED)";
        let arguments = [older_than.as_secs_f64().into()];
        self.as_owner_planned(Planned::EachTime, |spi| {
            // A look costs no transaction id.
            if spi.select(ANY, Some(1), &arguments)?.is_empty() {
                return Ok(0);
            }
            Ok(spi.update(QUERY, None, &arguments)?.len())
        })
    }

    /// Runs a fixed statement as the owner. It sees everything that was committed before this call, unless the transaction's
    /// isolation level forbids it; reading (`select`) assigns no transaction id.
    pub(crate) fn as_owner<T>(
        &self,
        work: impl FnOnce(&mut Statements<'_, '_>) -> Result<T, ExtensionError>,
    ) -> Result<T, ExtensionError> {
        self.as_owner_planned(Planned::Once, work)
    }

    /// The same for statements that are planned in a certain way.
    pub(crate) fn as_owner_planned<T>(
        &self,
        planned: Planned,
        work: impl FnOnce(&mut Statements<'_, '_>) -> Result<T, ExtensionError>,
    ) -> Result<T, ExtensionError> {
        let _owner = ActingAs::role(self.owner);
        let scope = GucScope::open();
        scope.set("search_path", "pg_catalog, pg_temp");
        planned.within(&scope);
        let _snapshot = FreshSnapshot::take();
        Spi::connect_mut(|spi| work(&mut Statements(spi)))
    }
}
