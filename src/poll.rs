//! One poll in the caller's transaction: deliver what is owed, fetch, apply, record. Reports go out after the commit.

use std::cell::Cell;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use synapsor_core::control_plane::Fetched;
use synapsor_core::judgement::Retry;
use synapsor_core::outbox::{Tally, Which};
use synapsor_crash_points::Defect;

use crate::apply::watch::Unwatched;
use crate::apply::{Applier, ApplyRole};
use crate::batch::{Batch, Done};
use crate::control_plane::ControlPlane;
use crate::delivery;
use crate::error::ExtensionError;
use crate::ledger::Ledger;
use crate::pg::lock::{self, Subject};
use crate::pg::transactions::CallersTransaction;
use crate::pg::{latch, xact};
use crate::settings::{ApplySettings, Settings};
use crate::worker::one_shot;

thread_local! {
    static POLLING: Cell<bool> = const { Cell::new(false) };
}

/// Marks this session as polling, so that a trigger on a target table can't poll again in the middle.
pub struct Polling(());

impl Polling {
    /// Begins.
    ///
    /// # Errors
    /// `POLL_IN_PROGRESS`.
    pub fn begin() -> Result<Self, ExtensionError> {
        if POLLING.replace(true) {
            Err(ExtensionError::PollInProgress)
        } else {
            Ok(Polling(()))
        }
    }
}

impl Drop for Polling {
    fn drop(&mut self) {
        POLLING.set(false);
    }
}

/// `synapsor_poll_once()`: `{ok, count, dry_run, results}`.
pub fn poll_once(dry_run: Option<bool>) -> Result<Value, ExtensionError> {
    let _polling = Polling::begin()?;
    let settings = Settings::now()?;
    let dry_run = dry_run.unwrap_or(settings.dry_run);
    require_writable()?;
    let ledger = Ledger::open()?;
    ledger.standing()?.require(dry_run)?;
    let role = ApplyRole::resolve(&settings.applying, &ledger)?;
    let control_plane = ControlPlane::open(&settings.control_plane)?;
    if !dry_run {
        deliver_unless_busy(&control_plane)?;
    }
    let fetched = control_plane.fetch(settings.max_proposals)?;
    let applier = Applier {
        settings: &settings.applying,
        role: &role,
        dry_run,
        watch: &Unwatched,
    };
    let done = apply(&ledger, &applier, &fetched)?;
    if synapsor_crash_points::is_on(Defect::ReportBeforeCommit) {
        delivery::deliver(&control_plane, Which::All, &CallersTransaction)?;
    }
    if done.owes_reports {
        one_shot::start_after_commit(&settings.control_plane, ledger);
    }
    Ok(json!({
        "ok": true,
        "count": done.results.len(),
        "dry_run": dry_run,
        "results": done.results,
    }))
}

/// `synapsor_report_once()`: `{ok, delivered, pending, rejected}`.
pub fn report_once() -> Result<Value, ExtensionError> {
    let _polling = Polling::begin()?;
    let settings = Settings::now()?;
    require_writable()?;
    let ledger = Ledger::open()?;
    ledger.standing()?.require_for_reports()?;
    let control_plane = ControlPlane::open(&settings.control_plane)?;
    let _delivering = lock::wait_for_session(Subject::Delivering);
    let tally = delivery::deliver(&control_plane, Which::All, &CallersTransaction)?;
    summary(&tally, &ledger)
}

/// What a delivery did, and how many reports are owed after it.
fn summary(tally: &Tally, ledger: &Ledger) -> Result<Value, ExtensionError> {
    let mut summary = json!({
        "ok": tally.postponed == 0 && tally.rejected == 0,
        "delivered": tally.delivered,
        "pending": ledger.count_pending_reports()?,
        "rejected": tally.rejected,
    });
    if let Some(error) = &tally.last_error {
        summary["error"] = error.as_str().into();
    }
    Ok(summary)
}

/// Neither a standby nor a read-only transaction.
pub fn require_writable() -> Result<(), ExtensionError> {
    if xact::is_standby() {
        return Err(ExtensionError::ReadOnly("on a standby"));
    }
    if xact::is_read_only() {
        return Err(ExtensionError::ReadOnly("in a read-only transaction"));
    }
    Ok(())
}

fn deliver_unless_busy(control_plane: &ControlPlane) -> Result<(), ExtensionError> {
    if let Some(_delivering) = lock::try_for_session(Subject::Delivering) {
        delivery::deliver(control_plane, Which::All, &CallersTransaction)?;
    }
    Ok(())
}

/// Applies what was fetched, alone in this database.
fn apply(
    ledger: &Ledger,
    applier: &Applier<'_>,
    fetched: &Fetched,
) -> Result<Done, ExtensionError> {
    if fetched.proposals.is_empty() {
        return Ok(Done {
            results: Vec::new(),
            left: Vec::new(),
            owed: Vec::new(),
            owes_reports: false,
            has_recorded: false,
            failed: Vec::new(),
        });
    }
    applier.check_settings();
    if !applier.dry_run {
        wait_until_alone(applier.settings)?;
        ledger.standing()?.require(false)?;
    }
    fire_the_callers_deferred_triggers();
    let before = lock::held_by_sql();
    let done = Batch::run(
        ledger,
        applier,
        &fetched.source_id,
        Retry::Now,
        patience(applier.settings),
        &fetched.proposals.iter().collect::<Vec<_>>(),
    )?;
    lock::release_all_but(&before);
    Ok(done)
}

/// How long this transaction may keep its row locks while proposals wait in vain: as long as two statements may take, so
/// that a slow one harms only itself.
fn patience(settings: &ApplySettings) -> Duration {
    match settings.statement_timeout {
        0 => Duration::MAX,
        milliseconds => 2 * Duration::from_millis(milliseconds.unsigned_abs().into()),
    }
}

/// What the caller's own statements deferred is his: it fires as him, and its errors are his, before anything of ours.
fn fire_the_callers_deferred_triggers() {
    crate::pg::triggers::fire_deferred();
}

/// Takes the lock on applying until the transaction ends. One session at a time decides in a database, so that what
/// was looked up in the ledger stays true until it is written.
///
/// # Errors
/// `APPLYING_ELSEWHERE` when another session keeps the lock longer than `synapsor.lock_timeout`; 0 waits for ever.
pub fn wait_until_alone(settings: &ApplySettings) -> Result<(), ExtensionError> {
    const STEP: Duration = Duration::from_millis(20);
    let patience = Duration::from_millis(settings.lock_timeout.unsigned_abs().into());
    let start = Instant::now();
    while !lock::try_for_transaction(Subject::Applying) {
        if !patience.is_zero() && start.elapsed() >= patience {
            return Err(ExtensionError::ApplyingElsewhere);
        }
        latch::wait(STEP);
    }
    Ok(())
}
