//! The SQL surface: functions and the procedure. Each is a line; the work is elsewhere.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{JsonB, pg_sys};
use synapsor_core::builder;
use synapsor_core::proposal::Proposal;

use crate::error::{ExtensionError, Raised};
use crate::ledger::intervene::Intervention;
use crate::worker::control;
use crate::worker::status::Status;
use crate::{intervention, poll, procedure, revert};

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

#[pg_extern]
fn synapsor_start_worker() -> Raised<bool> {
    control::start().map_err(ExtensionError::into_report)
}

#[pg_extern]
fn synapsor_stop_worker() -> Raised<bool> {
    control::stop().map_err(ExtensionError::into_report)
}

#[pg_extern]
fn synapsor_pause() -> Raised<bool> {
    control::pause().map_err(ExtensionError::into_report)
}

#[pg_extern]
fn synapsor_resume() -> Raised<bool> {
    control::resume().map_err(ExtensionError::into_report)
}

#[pg_extern]
fn synapsor_wake() -> Raised<bool> {
    control::wake().map_err(ExtensionError::into_report)
}

#[pg_extern]
fn synapsor_retry(key: Option<&str>) -> Raised<&'static str> {
    intervention::retry(key.unwrap_or_default())
        .map(Intervention::as_text)
        .map_err(ExtensionError::into_report)
}

#[pg_extern]
fn synapsor_discard(key: Option<&str>, reason: Option<&str>) -> Raised<&'static str> {
    intervention::discard(key.unwrap_or_default(), reason.unwrap_or_default())
        .map(Intervention::as_text)
        .map_err(ExtensionError::into_report)
}

#[pg_extern]
fn synapsor_revert_proposal(key: Option<&str>) -> Raised<JsonB> {
    revert::proposal(key.unwrap_or_default())
        .map(JsonB)
        .map_err(ExtensionError::into_report)
}

#[allow(
    clippy::type_complexity,
    reason = "pgrx reads the columns from the function itself"
)]
#[pg_extern]
fn synapsor_status() -> Result<
    TableIterator<
        'static,
        (
            name!(database, String),
            name!(worker_pid, Option<i32>),
            name!(state, String),
            name!(reason, String),
            name!(last_poll_at, Option<TimestampWithTimeZone>),
            name!(last_error, Option<String>),
            name!(last_error_at, Option<TimestampWithTimeZone>),
            name!(next_attempt_at, Option<TimestampWithTimeZone>),
            name!(applied, i64),
            name!(conflicts, i64),
            name!(failed, i64),
            name!(retrying, i64),
            name!(pending_reports, i64),
            name!(oldest_pending_report, Option<TimestampWithTimeZone>),
            name!(rejected_reports, i64),
        ),
    >,
    ErrorReport,
> {
    let status = Status::now().map_err(ExtensionError::into_report)?;
    let time = |time: Option<i64>| time.and_then(|t| TimestampWithTimeZone::try_from(t).ok());
    let totals = status.totals;
    Ok(TableIterator::once((
        status.database,
        status.worker_pid,
        status.state.to_owned(),
        status.reason,
        time(status.last_poll_at),
        status.last_error,
        time(status.last_error_at),
        time(status.next_attempt_at),
        totals.applied,
        totals.conflicts,
        totals.failed,
        totals.retrying,
        totals.pending_reports,
        totals.oldest_pending_report,
        totals.rejected_reports,
    )))
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
