//! For `make bench` alone (feature `bench`): applying as `CALL synapsor_poll()` does it, from a list at hand, timed inside
//! the server.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::time::Instant;

use pgrx::pg_sys;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use serde_json::value::RawValue;
use synapsor_core::control_plane::Fetched;
use synapsor_core::listed::{Listed, Ours};

use crate::apply::watch::Unwatched;
use crate::batches::Batches;
use crate::error::{ExtensionError, Raised};
use crate::pg::transactions::ProceduresTransactions;
use crate::poll::{self, Polling};
use crate::settings::Settings;

/// The source that the proposals of the benchmark name.
const SOURCE_ID: &str = "src_1";

thread_local! {
    static SECONDS: Cell<Option<f64>> = const { Cell::new(None) };
}

/// Applies a list of proposals, a JSON array, in batches that commit.
#[pg_extern(sql = "
    CREATE PROCEDURE synapsor_bench_apply(list text, batch_size int)
    LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
    REVOKE ALL ON PROCEDURE synapsor_bench_apply(text, int) FROM PUBLIC;
")]
fn synapsor_bench_apply(
    list: &str,
    batch_size: i32,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Raised<()> {
    let fetched = parsed(list).map_err(|error| {
        let message = format!("the list is no JSON array: {error}");
        ErrorReport::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message, "")
    })?;
    let batch_size = usize::try_from(batch_size).unwrap_or_default().max(1);
    let seconds = apply(&fetched, batch_size, fcinfo).map_err(ExtensionError::into_report)?;
    SECONDS.set(Some(seconds));
    Ok(())
}

/// How long the last list of this session took, without reading it.
#[pg_extern(sql = "
    CREATE FUNCTION synapsor_bench_seconds() RETURNS float8
    LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
    REVOKE ALL ON FUNCTION synapsor_bench_seconds() FROM PUBLIC;
")]
fn synapsor_bench_seconds() -> Option<f64> {
    SECONDS.get()
}

/// The list as it comes from the control plane. Not measured.
fn parsed(list: &str) -> serde_json::Result<Fetched> {
    let ours = Ours {
        kind: "postgres",
        source_id: Some(SOURCE_ID.to_owned()),
    };
    let elements: Vec<&RawValue> = serde_json::from_str(list)?;
    let read = |raw: &&RawValue| Listed::read(raw, &ours, true);
    Ok(Fetched {
        source_id: SOURCE_ID.to_owned(),
        proposals: elements.iter().map(read).collect(),
    })
}

/// What [`crate::procedure`] does between fetching and delivering, and how many seconds it took.
fn apply(
    fetched: &Fetched,
    batch_size: usize,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Result<f64, ExtensionError> {
    let _polling = Polling::begin()?;
    poll::require_writable()?;
    let transactions =
        ProceduresTransactions::open(fcinfo).ok_or(ExtensionError::TransactionBlock)?;
    let settings = Settings {
        batch_size,
        ..Settings::now()?
    };
    let batches = Batches {
        settings: &settings,
        transactions: &transactions,
        watch: &Unwatched,
    };
    let start = Instant::now();
    batches.apply(fetched, |_| ControlFlow::Continue(()))?;
    Ok(start.elapsed().as_secs_f64())
}
