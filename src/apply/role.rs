//! Who changes are made as: `synapsor.apply_role`, else the caller; never one whom Postgres's own rules don't bind.

use std::ffi::CString;

use pgrx::pg_sys;

use crate::error::ExtensionError;
use crate::ledger::Ledger;
use crate::pg::identity::{self, ActingAs};
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
        // SAFETY: catalog look-ups. `has_bypassrls_privilege` is true for superusers, too.
        let (is_superuser, bypasses) = unsafe {
            (
                pg_sys::superuser_arg(oid),
                pg_sys::has_bypassrls_privilege(oid),
            )
        };
        let why = match () {
            () if is_superuser => "is a superuser",
            () if bypasses => "bypasses row security",
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

    /// Acts as the role for as long as the result lives.
    pub fn assume(&self) -> ActingAs {
        ActingAs::untrusted(self.oid)
    }
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
