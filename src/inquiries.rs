//! The SQL surface of what people ask: what is wrong, what would happen, what has happened. Each is a line; the work is elsewhere.

use pgrx::JsonB;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::error::{ExtensionError, Raised};
use crate::{doctor, explain, preview, sources};

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

#[pg_extern(sql = "
    CREATE FUNCTION synapsor_preview(proposal json) RETURNS jsonb LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
")]
fn synapsor_preview(proposal: Option<&str>) -> Raised<JsonB> {
    raised(preview::preview(proposal.unwrap_or("null")))
}

#[pg_extern]
fn synapsor_explain(key: &str) -> Result<SetOfIterator<'static, String>, ErrorReport> {
    let lines = explain::explain(key).map_err(ExtensionError::into_report)?;
    Ok(SetOfIterator::new(lines))
}

#[allow(
    clippy::type_complexity,
    reason = "pgrx reads the columns from the function itself"
)]
#[pg_extern]
fn synapsor_sources() -> Result<
    TableIterator<
        'static,
        (
            name!(source_id, Option<String>),
            name!(name, Option<String>),
            name!(kind, Option<String>),
            name!(status, Option<String>),
            name!(is_ours, bool),
        ),
    >,
    ErrorReport,
> {
    let sources = sources::list().map_err(ExtensionError::into_report)?;
    let row = |s: sources::Listed| (s.source_id, s.name, s.kind, s.status, s.is_ours);
    Ok(TableIterator::new(sources.into_iter().map(row)))
}

#[pg_extern]
fn synapsor_source_show(source: default!(Option<&str>, "NULL")) -> Raised<JsonB> {
    raised(sources::show(source))
}

#[pg_extern]
fn synapsor_source_test(source: default!(Option<&str>, "NULL")) -> Raised<JsonB> {
    raised(sources::test(source))
}

#[pg_extern]
fn synapsor_source_inspect(
    source: default!(Option<&str>, "NULL"),
    schemas: default!(Option<Vec<Option<String>>>, "'{public}'"),
) -> Raised<JsonB> {
    raised(sources::inspect(source, names(schemas)))
}

#[pg_extern]
fn synapsor_source_doctor(
    source: default!(Option<&str>, "NULL"),
    schemas: default!(Option<Vec<Option<String>>>, "'{public}'"),
) -> Raised<JsonB> {
    raised(sources::doctor(source, names(schemas)))
}

fn names(list: Option<Vec<Option<String>>>) -> Vec<String> {
    list.into_iter().flatten().flatten().collect()
}

fn raised(answer: Result<serde_json::Value, ExtensionError>) -> Raised<JsonB> {
    answer.map(JsonB).map_err(ExtensionError::into_report)
}
