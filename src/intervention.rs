//! `synapsor_retry()` and `synapsor_discard()`: what a person does about a proposal that is stuck, or whose report was refused.

use crate::error::ExtensionError;
use crate::ledger::Ledger;
use crate::ledger::intervene::Intervention;
use crate::poll;
use crate::settings::Settings;
use crate::worker::{control, one_shot};

/// The longest reason that is kept, in characters.
const LONGEST_REASON: usize = 1_000;

/// Has it tried, or reported, again; says what happens now.
pub fn retry(key: &str) -> Result<Intervention, ExtensionError> {
    let settings = Settings::now()?;
    let ledger = writable_ledger()?;
    let done = ledger.retry(key)?;
    see_to(done, &settings, ledger);
    Ok(done)
}

/// Has done with it; says what that means. A proposal that is being applied at this moment is waited for.
pub fn discard(key: &str, reason: &str) -> Result<Intervention, ExtensionError> {
    if reason.trim().is_empty() {
        return Err(ExtensionError::ReasonMissing);
    }
    let settings = Settings::now()?;
    let ledger = writable_ledger()?;
    poll::wait_until_alone(&settings.applying)?;
    let reason: String = reason.chars().take(LONGEST_REASON).collect();
    let done = ledger.discard(key, &reason)?;
    see_to(done, &settings, ledger);
    Ok(done)
}

/// What was asked for is done once the transaction has committed: reports are sent also where no worker runs.
fn see_to(done: Intervention, settings: &Settings, ledger: Ledger) {
    match done {
        Intervention::TriedAgain => control::wake_at_commit(),
        Intervention::ReportedAgain | Intervention::Ended => {
            one_shot::start_after_commit(&settings.control_plane, ledger);
        }
        Intervention::ReportDiscarded => {}
    }
}

/// Where nothing is applied since it is a copy, nothing is changed either: its ledger is the origin's.
fn writable_ledger() -> Result<Ledger, ExtensionError> {
    poll::require_writable()?;
    let ledger = Ledger::open()?;
    ledger.standing()?.require_for_reports()?;
    Ok(ledger)
}
