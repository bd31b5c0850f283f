//! `status`: the ledger in numbers.

use humantime::format_duration;
use std::time::Duration;

use super::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::table;

/// Prints the totals; attention is called for by rejected reports.
pub fn run(context: &Context<'_>) -> Result<Exit, Error> {
    let ledger = context.ledger();
    let mut session = context.database()?.connect()?;
    ledger.require(&mut session)?;
    let totals = ledger.totals(&mut session)?;
    let age = totals.oldest_pending_report.map_or("-".to_owned(), |age| {
        format_duration(Duration::from_secs(age.unsigned_abs())).to_string()
    });
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    context.output.say(&table::of(
        &["ledger", ledger.schema()],
        [
            row("applied", totals.applied.to_string()),
            row("conflicts", totals.conflicts.to_string()),
            row("failed", totals.failed.to_string()),
            row("retrying", totals.retrying.to_string()),
            row("pending reports", totals.pending_reports.to_string()),
            row("oldest pending report", age),
            row("rejected reports", totals.rejected_reports.to_string()),
        ],
    ));
    context.output.emit(&totals.to_json());
    Ok(Exit::unless(totals.rejected_reports > 0))
}
