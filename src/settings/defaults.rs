//! What `ALTER DATABASE … SET` and `ALTER ROLE … SET` say now. A process reads that when it connects and never again, so a
//! process that stays has to notice when it changes.

use std::cell::RefCell;

use pgrx::spi::OwnedPreparedStatement;
use pgrx::{PgOid, Spi, pg_sys};

use crate::error::ExtensionError;
use crate::pg::databases;
use crate::pg::guc_scope::GucScope;

thread_local! {
    /// Planned once for each process.
    static PLAN: RefCell<Option<OwnedPreparedStatement>> = const { RefCell::new(None) };
}

/// All of it that reaches this role in this database, as a text to compare. Inside a transaction; costs no transaction id.
pub fn now(role: pg_sys::Oid) -> Result<String, ExtensionError> {
    const QUERY: &str = "
        SELECT coalesce(string_agg(setdatabase || ' ' || setrole || ' ' || setconfig::text, E'\\n'
                                   ORDER BY setdatabase, setrole), '')
        FROM pg_db_role_setting WHERE setdatabase IN (0, $1) AND setrole IN (0, $2)";
    let scope = GucScope::open();
    scope.set("search_path", "pg_catalog, pg_temp");
    Spi::connect(|spi| {
        PLAN.with_borrow_mut(|plan| {
            let plan = match plan {
                Some(plan) => plan,
                None => plan.insert(
                    spi.prepare(QUERY, &[PgOid::from(pg_sys::OIDOID); 2])?
                        .keep(),
                ),
            };
            let arguments = [databases::own().into(), role.into()];
            let text = spi.select(&*plan, Some(1), &arguments)?.first().get(1)?;
            Ok(text.unwrap_or_default())
        })
    })
}
