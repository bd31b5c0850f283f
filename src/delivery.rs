//! Delivering reports: take what is owed, send it, write down what came of it.

use std::time::Duration;

use synapsor_core::control_plane::{Acceptance, ControlPlaneError, Disposition};
use synapsor_core::retry::Backoff;
use synapsor_core::schedule::SLOW;

use crate::control_plane::ControlPlane;
use crate::error::ExtensionError;
use crate::ledger::Ledger;
use crate::ledger::outbox::{Mark, Owed, Sent, Which};
use crate::log;
use crate::pg::transactions::{Transactions, reading_within, within};
use crate::pg::{durable, latch};

/// Reports taken at a time.
const ROUND: usize = 500;

/// What a delivery did.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Reports that were accepted.
    pub delivered: usize,
    /// Reports that the control plane refused for good.
    pub rejected: usize,
    /// Reports that were sent and not accepted, or not sent because the others fared badly.
    pub postponed: usize,
    /// Of these, reports that were not sent: they are still due.
    pub unsent: usize,
    /// The last error.
    pub last_error: Option<String>,
}

impl Tally {
    fn add(&mut self, more: Tally) {
        self.delivered += more.delivered;
        self.rejected += more.rejected;
        self.postponed += more.postponed;
        self.unsent += more.unsent;
        self.last_error = more.last_error.or(self.last_error.take());
    }
}

/// Delivers what is owed, each report once. No transaction of ours is open while it waits for answers, unless it is the
/// caller's.
///
/// Everything that is reported is on disk first, and on a synchronous standby where there is one.
pub fn deliver(
    control_plane: &ControlPlane,
    which: Which,
    transactions: &dyn Transactions,
) -> Result<Tally, ExtensionError> {
    let mut tally = Tally::default();
    let mut tried = Vec::new();
    loop {
        let owed = reading_within(transactions, || take(which, &tried))?;
        if owed.is_empty() {
            return Ok(tally);
        }
        within(transactions.for_waiting(), secure_commits_so_far)?;
        let reports = owed.iter().map(|owed| owed.report.clone()).collect();
        let answers = control_plane.deliver(reports)?;
        let unsent = owed.len() - answers.len();
        let marks: Vec<_> = answers
            .into_iter()
            .map(|(n, answer)| mark(&owed[n], answer, &mut tally))
            .collect();
        within(transactions, || Ledger::open()?.mark(&marks))?;
        if unsent > 0 {
            tally.postponed += unsent;
            tally.unsent += unsent;
            return Ok(tally);
        }
        tried.extend(owed.into_iter().map(|owed| owed.key));
    }
}

/// Delivers what is due, in transactions of its own. What another session has locked for a moment is waited for: a poll
/// that is about to fail holds rows that nobody would look at again before the next call.
pub fn deliver_due(
    control_plane: &ControlPlane,
    transactions: &dyn Transactions,
) -> Result<Tally, ExtensionError> {
    const LOOKS: usize = 20;
    const STEP: Duration = Duration::from_millis(50);
    let mut tally = Tally::default();
    for _ in 0..LOOKS {
        tally.add(deliver(control_plane, Which::Due, transactions)?);
        let is_done = !within(transactions, || Ledger::open()?.owes_reports(Which::Due))?;
        if is_done || tally.postponed > 0 {
            break;
        }
        latch::wait(STEP);
    }
    Ok(tally)
}

/// Removes from the ledger what was reported longer ago than this.
pub fn prune(older_than: Duration, transactions: &dyn Transactions) -> Result<(), ExtensionError> {
    while within(transactions, || Ledger::open()?.prune(older_than))? > 0 {}
    Ok(())
}

fn secure_commits_so_far() -> Result<(), ExtensionError> {
    if durable::secure_commits_so_far() {
        return Ok(());
    }
    // A shutdown ends the process here, before anything is reported.
    pgrx::check_for_interrupts!();
    Err(ExtensionError::NotReplicated)
}

/// Asks first, at no cost, whether there is anything to take.
fn take(which: Which, tried: &[String]) -> Result<Vec<Owed>, ExtensionError> {
    let ledger = Ledger::open()?;
    if ledger.owes_reports(which)? {
        ledger.take_owed(which, ROUND, tried)
    } else {
        Ok(Vec::new())
    }
}

fn mark(owed: &Owed, answer: Result<Acceptance, ControlPlaneError>, tally: &mut Tally) -> Mark {
    let state = match answer {
        Ok(_) => {
            tally.delivered += 1;
            Sent::Delivered
        }
        Err(error) => {
            tally.last_error = Some(error.to_string());
            postpone_or_reject(owed, &error, tally)
        }
    };
    Mark {
        key: owed.key.clone(),
        proposal_id: owed.report.proposal_id.clone(),
        state,
    }
}

fn postpone_or_reject(owed: &Owed, error: &ControlPlaneError, tally: &mut Tally) -> Sent {
    let attempt = u32::try_from(owed.attempts + 1).unwrap_or(u32::MAX);
    let backoff = |after| {
        Backoff::default()
            .delay_after(attempt, fastrand::f64(), after)
            .as_secs_f64()
    };
    let again_in = match error.disposition() {
        Disposition::Rejected => {
            tally.rejected += 1;
            log::warn(format_args!(
                "the control plane refused the report of proposal {}, which stays {} here: {error}",
                owed.report.proposal_id.escape_debug(),
                owed.report.status().as_str(),
            ));
            return Sent::Rejected {
                error: error.to_string(),
            };
        }
        Disposition::Retry { after } => backoff(after),
        Disposition::Key | Disposition::Unusable => backoff(None).max(SLOW.as_secs_f64()),
    };
    tally.postponed += 1;
    Sent::Pending {
        again_in,
        error: error.to_string(),
    }
}
