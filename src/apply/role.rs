//! Who changes are made as: `synapsor.apply_role`, else the caller; never one whom Postgres's own rules don't bind.

use std::ffi::CString;

use pgrx::pg_sys;

use crate::error::ExtensionError;
use crate::ledger::Ledger;
use crate::pg::identity::{self, Account, ActingAs};
use crate::pg::relation::role_name;
use crate::settings::ApplySettings;

/// A role that may apply proposals.
#[derive(Clone, Debug)]
pub struct ApplyRole {
    oid: pg_sys::Oid,
    /// Its name, for ledger and results.
    pub name: String,
}

impl ApplyRole {
    /// The role that the settings, or else the caller, say.
    ///
    /// # Errors
    /// `APPLY_ROLE_MISSING`, `APPLY_ROLE_NOT_PERMITTED` when the caller may not become it, and
    /// `APPLY_ROLE_UNSAFE` for a superuser, for a role that bypasses row security, and for one that could write the ledger.
    pub fn resolve(settings: &ApplySettings, ledger: &Ledger) -> Result<Self, ExtensionError> {
        let caller = identity::current_role();
        let (oid, name) = match &settings.apply_role {
            None => (caller, role_name(caller)),
            Some(name) => (role_oid(name)?, name.clone()),
        };
        let why = match () {
            () if let Some(why) = is_unbound(&account(oid, &name)?) => why,
            () if ledger.can_be_written_by(oid) => "could write the ledger",
            () if oid != caller && !identity::may_become(caller, oid) => {
                return Err(ExtensionError::ApplyRoleNotPermitted {
                    role: name,
                    caller: role_name(caller),
                });
            }
            () => return Ok(ApplyRole { oid, name }),
        };
        Err(ExtensionError::ApplyRoleUnsafe { role: name, why })
    }

    /// The role that a worker connects as.
    ///
    /// # Errors
    /// `APPLY_ROLE_NOT_SET`, `APPLY_ROLE_MISSING`, `APPLY_ROLE_UNSAFE` and `APPLY_ROLE_CANNOT_CONNECT`.
    pub fn for_worker(name: Option<&str>) -> Result<pg_sys::Oid, ExtensionError> {
        let name = name.ok_or(ExtensionError::ApplyRoleNotSet)?;
        let oid = role_oid(name)?;
        let account = account(oid, name)?;
        let role = name.to_owned();
        if let Some(why) = is_unbound(&account) {
            return Err(ExtensionError::ApplyRoleUnsafe { role, why });
        }
        let cannot = |why, hint| ExtensionError::ApplyRoleCannotConnect {
            role: name.to_owned(),
            why,
            hint,
        };
        if cfg!(any(feature = "pg14", feature = "pg15", feature = "pg16")) && !account.can_log_in {
            return Err(cannot(
                "may not log in, which a worker needs before PostgreSQL 17",
                "ALTER ROLE … LOGIN; without a password, and with reject in pg_hba.conf, nobody comes in from outside with it.",
            ));
        }
        if !account.may_connect {
            return Err(cannot(
                "may not connect to this database",
                "GRANT CONNECT ON DATABASE … TO it.",
            ));
        }
        Ok(oid)
    }

    /// Acts as the role for as long as the result lives.
    pub fn assume(&self) -> ActingAs {
        ActingAs::untrusted(self.oid)
    }
}

/// Why Postgres's own rules would not bind it.
fn is_unbound(account: &Account) -> Option<&'static str> {
    if account.is_superuser {
        Some("is a superuser")
    } else if account.bypasses_row_security {
        Some("bypasses row security")
    } else {
        None
    }
}

fn account(oid: pg_sys::Oid, name: &str) -> Result<Account, ExtensionError> {
    identity::account(oid).ok_or_else(|| ExtensionError::ApplyRoleMissing {
        role: name.to_owned(),
    })
}

fn role_oid(name: &str) -> Result<pg_sys::Oid, ExtensionError> {
    let missing = || ExtensionError::ApplyRoleMissing {
        role: name.to_owned(),
    };
    let text = CString::new(name).map_err(|_| missing())?;
    // SAFETY: the name lives through the call.
    let oid = unsafe { pg_sys::get_role_oid(text.as_ptr(), true) };
    if oid == pg_sys::InvalidOid {
        Err(missing())
    } else {
        Ok(oid)
    }
}
