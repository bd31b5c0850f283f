//! The SQL surface of what people ask: what is wrong, what would happen, what has happened. Each is a line; the work is elsewhere.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::doctor;
use crate::error::ExtensionError;

#[allow(
    clippy::type_complexity,
    reason = "pgrx reads the columns from the function itself"
)]
#[pg_extern]
fn synapsor_doctor() -> Result<
    TableIterator<
        'static,
        (
            name!(check_name, String),
            name!(ok, Option<bool>),
            name!(detail, String),
            name!(hint, String),
        ),
    >,
    ErrorReport,
> {
    let rows = doctor::examine().map_err(ExtensionError::into_report)?;
    let row =
        |(name, finding): doctor::Row| (name.to_owned(), finding.ok, finding.detail, finding.hint);
    Ok(TableIterator::new(rows.into_iter().map(row)))
}
