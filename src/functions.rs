//! The SQL surface: functions and the procedure. Each is a line; the work is elsewhere.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{JsonB, pg_sys};
use synapsor_core::builder;
use synapsor_core::proposal::Proposal;

use crate::error::{ExtensionError, Raised};
use crate::{poll, procedure};

#[pg_extern]
fn synapsor_poll_once(dry_run: default!(Option<bool>, "NULL")) -> Raised<JsonB> {
    poll::poll_once(dry_run)
        .map(JsonB)
        .map_err(ExtensionError::into_report)
}

#[pg_extern]
fn synapsor_report_once() -> Raised<JsonB> {
    poll::report_once()
        .map(JsonB)
        .map_err(ExtensionError::into_report)
}

#[pg_extern(sql = "
    CREATE PROCEDURE synapsor_poll() LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
")]
fn synapsor_poll(fcinfo: pg_sys::FunctionCallInfo) -> Raised<()> {
    procedure::poll(fcinfo).map_err(ExtensionError::into_report)
}

// json and text have one binary form. pgrx's own Json goes through serde_json's Value, which would lose repeated keys.
#[pg_extern(sql = "
    CREATE FUNCTION synapsor_build(proposal json, kind text DEFAULT NULL)
    RETURNS TABLE (sql text, params json, operation text, expected_row_count int)
    IMMUTABLE PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
")]
fn synapsor_build(
    proposal: Option<&str>,
    kind: Option<&str>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(sql, String),
            name!(params, String),
            name!(operation, String),
            name!(expected_row_count, i32),
        ),
    >,
    ErrorReport,
> {
    let built = build(proposal.unwrap_or("null"), kind).map_err(ExtensionError::into_report)?;
    Ok(TableIterator::once(built))
}

fn build(
    proposal: &str,
    kind: Option<&str>,
) -> Result<(String, String, String, i32), ExtensionError> {
    let proposal = Proposal::parse(proposal)?;
    let statement = match kind {
        Some(kind) => builder::build_as(&proposal, kind)?,
        None => builder::build(&proposal)?,
    };
    let params: Vec<&str> = statement
        .params
        .iter()
        .map(|param| param.value.text())
        .collect();
    Ok((
        statement.sql,
        format!("[{}]", params.join(", ")),
        statement.operation.as_str().to_owned(),
        builder::EXPECTED_ROW_COUNT as i32,
    ))
}
