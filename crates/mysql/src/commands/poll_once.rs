//! `poll-once`: works off everything that is approved now, and reports it.

use std::cell::RefCell;

use serde_json::{Value, json};
use synapsor_core::judgement::Retry;
use synapsor_core::outbox::Tally;

use super::Context;
use crate::control_plane::ControlPlane;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Output, table};
use crate::poll::Poll;

/// Rows that a person is shown at the end; the totals count all.
const SHOWN: usize = 50;

/// Prints a result for each proposal and a summary.
pub fn run(context: &Context<'_>) -> Result<Exit, Error> {
    let ledger = context.ledger();
    let database = context.database()?;
    let mut control_plane = ControlPlane::open(&context.settings.control_plane)?;
    let poll = Poll {
        settings: &context.settings,
        database: &database,
        ledger: &ledger,
        output: context.output,
        stop: &context.stop,
        retry: Retry::Now,
        pace: RefCell::default(),
    };
    let mut batch = poll.batch();
    ledger.require(batch.session()?)?;
    let (mut summary, mut tally) = (Summary::default(), Tally::default());
    let polled = poll.run(&mut batch, &mut control_plane, &mut tally, |result| {
        context.output.emit(&result);
        summary.count(result);
    });
    // A stop in the middle is an orderly end, but not the whole poll: what was not come to stays approved.
    summary.is_stopped = context.stop.is_asked();
    summary.show(context, &tally, polled.is_ok() && !summary.is_stopped);
    if summary.is_stopped {
        return Ok(Exit::Success);
    }
    polled?;
    let attention = summary.failed + summary.refused > 0 || tally.rejected + tally.postponed > 0;
    Ok(Exit::unless(attention))
}

/// What the results come to.
#[derive(Default)]
struct Summary {
    count: usize,
    applied: usize,
    conflicts: usize,
    failed: usize,
    retrying: usize,
    refused: usize,
    skipped: usize,
    /// Those that a person wants to see first: not applied.
    shown: Vec<Value>,
    /// It was asked to stop in the middle.
    is_stopped: bool,
}

impl Summary {
    fn count(&mut self, result: Value) {
        self.count += 1;
        let status = result["status"].as_str().unwrap_or_default();
        let (counter, is_good) = match status {
            "applied" => (&mut self.applied, true),
            "conflict" => (&mut self.conflicts, false),
            "failed" => (&mut self.failed, false),
            "retrying" => (&mut self.retrying, false),
            "refused" => (&mut self.refused, false),
            _ => (&mut self.skipped, true),
        };
        *counter += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(result);
        } else if !is_good {
            let good = self
                .shown
                .iter()
                .position(|shown| shown["status"] == "applied");
            if let Some(good) = good {
                self.shown[good] = result;
            }
        }
    }

    fn show(&self, context: &Context<'_>, tally: &Tally, ok: bool) {
        let mut summary = json!({
            "ok": ok, "count": self.count, "dry_run": context.settings.dry_run,
            "applied": self.applied, "conflicts": self.conflicts, "failed": self.failed,
            "retrying": self.retrying, "refused": self.refused, "skipped": self.skipped,
            "reported": tally.delivered, "reports_postponed": tally.postponed, "reports_rejected": tally.rejected,
        });
        if self.is_stopped {
            summary["stopped"] = true.into();
        }
        if let Some(error) = &tally.last_error {
            summary["report_error"] = error.as_str().into();
        }
        context.output.emit(&summary);
        self.tell(context.output, context.settings.dry_run, tally);
    }

    fn tell(&self, output: Output, dry_run: bool, tally: &Tally) {
        if !self.shown.is_empty() {
            let row = |result: &Value| {
                let why = result.get("reason").or_else(|| result.get("error"));
                ["proposal_id", "operation", "status"]
                    .map(|name| table::cell(result.get(name)))
                    .into_iter()
                    .chain([table::cell(why)])
                    .collect()
            };
            let heading = ["proposal", "operation", "status", "why"];
            output.say(&table::of(&heading, self.shown.iter().map(row)));
        }
        if self.count > self.shown.len() {
            output.say(&format!("… and {} more", self.count - self.shown.len()));
        }
        let mode = if dry_run {
            " (dry run: nothing was changed or reported)"
        } else {
            ""
        };
        output.say(&format!(
            "{} proposals: {} applied, {} conflicts, {} failed, {} retrying, {} refused, {} skipped{mode}",
            self.count, self.applied, self.conflicts, self.failed, self.retrying, self.refused, self.skipped,
        ));
        output.say(&format!(
            "{} reported, {} reports still owed, {} rejected{}",
            tally.delivered,
            tally.postponed,
            tally.rejected,
            tally
                .last_error
                .as_ref()
                .map_or(String::new(), |error| format!("\n{error}")),
        ));
        if self.is_stopped {
            output.say(
                "Stopped in the middle: the rest stays approved, and more reports may be owed.",
            );
        }
    }
}
