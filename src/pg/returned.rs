//! What the last statement on an open SPI connection returned, where that is not a flag.

use std::ffi::CStr;

use pgrx::pg_sys;

/// The last column of the first row, as text; `None` for NULL, and where no row was returned.
pub fn last_text() -> Option<String> {
    // SAFETY: SPI_tuptable belongs to the last execution on the innermost open connection, and is null when that returned
    // nothing or there is none; the text is copied before the connection is closed.
    unsafe {
        let table = pg_sys::SPI_tuptable;
        if table.is_null() || pg_sys::SPI_processed == 0 {
            return None;
        }
        let (row, columns) = (*(*table).vals, (*table).tupdesc);
        let text = pg_sys::SPI_getvalue(row, columns, (*columns).natts);
        (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
    }
}
