//! Settings that hold for one piece of work, and are put back whatever happens in it.

use std::ffi::{CStr, CString};

use pgrx::pg_sys;

/// While it lives, settings made through it hold; afterwards every setting is as before, also one that code in a
/// trigger changed meanwhile with a plain SET.
pub struct GucScope {
    nest_level: i32,
}

impl GucScope {
    /// Opens a scope.
    pub fn open() -> Self {
        // SAFETY: levels nest like a stack; the drop closes this one.
        let nest_level = unsafe { pg_sys::NewGUCNestLevel() };
        GucScope { nest_level }
    }

    /// Sets a parameter as an ordinary user could. Raises Postgres's error when the name or the value is no good.
    pub fn set(&self, name: &str, value: &str) {
        let (Ok(name), Ok(value)) = (CString::new(name), CString::new(value)) else {
            pgrx::ereport!(
                ERROR,
                pgrx::PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                "a parameter's name or value contains a zero byte"
            );
        };
        // Some checks cost a file: what holds already is left alone. Should code in a trigger change it, the drop undoes that.
        // SAFETY: returns null for a name that is not known, else a C string that lives until the next call.
        let before = unsafe { pg_sys::GetConfigOption(name.as_ptr(), true, false) };
        // SAFETY: as above.
        if !before.is_null() && unsafe { CStr::from_ptr(before) } == value.as_c_str() {
            return;
        }
        // SAFETY: both strings live through the call; GUC_ACTION_SAVE ties the value to this nest level.
        unsafe {
            pg_sys::set_config_option(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_USERSET,
                pg_sys::GucSource::PGC_S_SESSION,
                pg_sys::GucAction::GUC_ACTION_SAVE,
                true,
                0,
                false,
            );
        }
    }
}

impl Drop for GucScope {
    fn drop(&mut self) {
        // SAFETY: closes the level opened in `open`, as an aborted one: nothing that was set since then survives.
        unsafe { pg_sys::AtEOXact_GUC(false, self.nest_level) };
    }
}
