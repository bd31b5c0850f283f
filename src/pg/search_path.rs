//! The search path in effect.

use std::ffi::CStr;

use pgrx::pg_sys;

/// The setting `search_path`, as it was written.
pub fn current() -> String {
    // SAFETY: the setting's variable: null, or a C string, copied before anything can set it anew.
    unsafe {
        let path = pg_sys::namespace_search_path;
        if path.is_null() {
            return String::new();
        }
        CStr::from_ptr(path).to_string_lossy().into_owned()
    }
}
