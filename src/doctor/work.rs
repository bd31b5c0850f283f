//! The database that works, the worker, and the ledger.

use pgrx::spi::quote_literal;

use super::chart::Chart;
use super::desk::Desk;
use super::finding::{Finding, Findings, advice, trouble, unknown, well};
use super::role;
use crate::error::ExtensionError;
use crate::pg::xact;
use crate::settings;
use crate::worker::roster;
use crate::worker::status::Status;

/// Whether anything can be written here.
pub fn database() -> Vec<Finding> {
    if xact::is_standby() {
        let detail =
            "this is a standby: proposals are applied on the primary, and here after a promotion";
        let hint = "Call the doctor on the primary.";
        return vec![trouble(detail, hint)];
    }
    if xact::is_read_only() {
        let detail = "this transaction is read-only, so that polls in it would fail";
        return vec![trouble(
            detail,
            "SET default_transaction_read_only = off; SET transaction_read_only = off;",
        )];
    }
    vec![well("a primary, which takes writes")]
}

/// Whether the database has the version that is installed on the server.
pub fn extension(desk: &Desk<'_>) -> Findings {
    const VERSIONS: &str = "
        SELECT e.extversion, a.default_version
        FROM pg_extension e JOIN pg_available_extensions a ON a.name = e.extname WHERE e.extname = 'synapsor_writeback'";
    let versions = desk.rows::<2>(VERSIONS, &[])?;
    let Some([here, installed]) = versions.first() else {
        return Err(ExtensionError::ExtensionMissing);
    };
    let detail = format!("version {here} in this database, {installed} on the server");
    Ok(vec![match here == installed {
        true => well(detail),
        false => trouble(detail, "ALTER EXTENSION synapsor_writeback UPDATE;"),
    }])
}

/// Examines what works. So many proposals wait.
pub fn examine(desk: &Desk<'_>, waiting: usize, chart: &mut Chart) {
    chart.examine("pause", || {
        standing(
            desk,
            |error| matches!(error, ExtensionError::Paused(_)),
            "nobody has paused it",
        )
    });
    chart.examine("copy", || {
        standing(
            desk,
            |error| matches!(error, ExtensionError::Copy),
            "this is the database that write-back was set up in",
        )
    });
    if !xact::is_standby() {
        chart.examine("worker", || worker(desk, waiting));
        chart.examine("worker slots", || worker_slots(desk));
    }
    chart.examine("ledger", || totals(desk));
    chart.examine("reports", || reports(desk));
}

fn standing(desk: &Desk<'_>, is_it: fn(&ExtensionError) -> bool, praise: &str) -> Findings {
    let standing = desk.ledger.standing()?;
    let paused = standing.paused.clone().map(ExtensionError::Paused);
    let copy = standing.is_copy.then_some(ExtensionError::Copy);
    let held = paused.into_iter().chain(copy).find(is_it);
    Ok(vec![match held {
        Some(error @ ExtensionError::Copy) => trouble(
            format!("{error}: resume it only if the original shall not go on"),
            "SELECT synapsor_resume();",
        ),
        Some(error) => trouble(error.to_string(), "SELECT synapsor_resume();"),
        None => well(praise),
    }])
}

fn worker(desk: &Desk<'_>, waiting: usize) -> Findings {
    const PRELOADED: &str = "SELECT current_setting('shared_preload_libraries')";
    let status = Status::now()?;
    let is_listed = settings::databases()
        .unwrap_or_default()
        .contains(&desk.database);
    let is_kept = roster::find().is_some();
    if is_listed || is_kept {
        let found = role::connecting(desk)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    let preloaded: String = desk
        .rows::<1>(PRELOADED, &[])?
        .into_iter()
        .map(|[text]| text)
        .collect();
    if is_listed && !is_kept && !preloaded.contains("synapsor_writeback") {
        let all = if preloaded.is_empty() {
            preloaded
        } else {
            format!("{preloaded}, ")
        };
        let libraries = format!("{all}synapsor_writeback");
        let detail = "synapsor.databases names this database, and the library is not preloaded: no worker comes after a restart";
        let hint = format!(
            "ALTER SYSTEM SET shared_preload_libraries = {libraries}; -- then restart the server"
        );
        return Ok(vec![trouble(detail, hint)]);
    }
    Ok(vec![match status.state {
        "running" => well(status.reason),
        "paused" => unknown("paused: see above"),
        "backing off" => trouble(status.reason, "SELECT synapsor_wake();"),
        "stopped" if !(is_listed || is_kept) && desk.ledger.standing()?.stopped.is_none() => {
            let detail = match waiting {
                0 => "no worker: proposals are applied when somebody calls synapsor_poll()"
                    .to_owned(),
                n => format!(
                    "no worker; approved proposals that wait until somebody calls synapsor_poll(): {n}"
                ),
            };
            advice(detail, "SELECT synapsor_start_worker();")
        }
        "stopped" => trouble(status.reason, "SELECT synapsor_start_worker();"),
        _ => trouble(
            status.reason,
            "Repair what other rows find wrong; the worker goes on by itself then.",
        ),
    }])
}

/// A launcher, each worker, and each reporter take one of the server's.
fn worker_slots(desk: &Desk<'_>) -> Findings {
    const TAKEN: &str = "
        SELECT count(*)::text, current_setting('max_worker_processes') FROM pg_stat_activity
        WHERE backend_type <> ALL ('{client backend,autovacuum launcher,autovacuum worker,startup,background writer,checkpointer,walwriter,walreceiver,walsender,walsummarizer,archiver,logger,io worker,slotsync worker,standalone backend}')";
    let rows = desk.rows::<2>(TAKEN, &[])?;
    let number = |text: &String| text.parse::<i64>().unwrap_or_default();
    let (taken, all) = rows
        .first()
        .map(|[taken, all]| (number(taken), number(all)))
        .unwrap_or_default();
    let status = Status::now()?;
    let is_refused = status.reason.contains("no background worker slot is free");
    let detail = format!("{taken} of {all} background workers run (max_worker_processes)");
    Ok(vec![
        if is_refused || taken >= all && status.worker_pid.is_none() {
            let more = all + 8;
            trouble(
                format!("{detail}: none is free for ours"),
                format!(
                    "ALTER SYSTEM SET max_worker_processes = {more}; -- then restart the server"
                ),
            )
        } else {
            well(detail)
        },
    ])
}

fn totals(desk: &Desk<'_>) -> Findings {
    let totals = desk.ledger.totals()?;
    Ok(vec![well(format!(
        "{} applied, {} conflicts, {} failed, {} retrying",
        totals.applied, totals.conflicts, totals.failed, totals.retrying
    ))])
}

fn reports(desk: &Desk<'_>) -> Findings {
    const REJECTED: &str = "
        SELECT key, proposal_id, status, coalesce(report_error, '') FROM synapsor.ledger
        WHERE report_state = 'rejected' ORDER BY decided_at LIMIT 10";
    const LATE: &str = "
        SELECT count(*)::text, coalesce(max(report_error), 'nobody has sent them') FROM synapsor.ledger
        WHERE report_state = 'pending' AND decided_at < now() - interval '5 minutes'
        HAVING count(*) > 0";
    let rejected = desk.rows::<4>(REJECTED, &[])?;
    let mut found: Vec<Finding> = rejected
        .into_iter()
        .map(|[key, proposal, status, error]| {
            let detail = format!(
                "the control plane refused the report of proposal {proposal}, which is {status} here: {error}. Compare the two before it is sent again (synapsor.rejected_reports)"
            );
            let hint = format!(
                "SELECT synapsor_retry({}); SELECT synapsor_report_once();",
                quote_literal(key)
            );
            trouble(detail, hint)
        })
        .collect();
    for [count, error] in desk.rows::<2>(LATE, &[])? {
        let detail = format!("reports that wait for more than five minutes: {count}. {error}");
        found.push(trouble(detail, "SELECT synapsor_report_once();"));
    }
    if found.is_empty() {
        found.push(well("none is refused or late"));
    }
    Ok(found)
}
