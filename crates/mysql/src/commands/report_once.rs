//! `report-once`: delivers what is owed, now.

use std::time::Duration;

use serde_json::json;
use synapsor_core::outbox::Which;

use super::Context;
use crate::batch::Batch;
use crate::control_plane::ControlPlane;
use crate::delivery::Delivery;
use crate::error::Error;
use crate::exit::Exit;

/// How long it waits for another instance that delivers.
const PATIENCE: Duration = Duration::from_secs(30);

/// Prints `{ok, delivered, pending, rejected, error?}`.
pub fn run(context: &Context<'_>) -> Result<Exit, Error> {
    let ledger = context.ledger();
    let database = context.database()?;
    let control_plane = ControlPlane::open(&context.settings.control_plane)?;
    let mut batch = Batch::new(&database, &context.settings, &ledger, context.output);
    ledger.require(batch.session()?)?;
    let delivery = Delivery {
        ledger: &ledger,
        control_plane: &control_plane,
        output: context.output,
        stop: &context.stop,
        patience: PATIENCE,
    };
    let tally = delivery.run(&mut batch, Which::All)?;
    let pending = ledger.count_pending_reports(batch.session()?)?;
    let ok = pending == 0 && tally.rejected == 0;
    let mut summary = json!({
        "ok": ok, "delivered": tally.delivered, "pending": pending, "rejected": tally.rejected,
    });
    if let Some(error) = &tally.last_error {
        summary["error"] = error.as_str().into();
    }
    context.output.say(&format!(
        "{} delivered, {pending} pending, {} rejected{}",
        tally.delivered,
        tally.rejected,
        tally
            .last_error
            .map_or(String::new(), |error| format!("\n{error}")),
    ));
    context.output.emit(&summary);
    Ok(Exit::unless(!ok))
}
