//! Delivering reports: take what is owed, send it, write down what came of it.

use std::time::Duration;

use synapsor_core::outbox::{Mark, Owed, Sent, Tally, Which};
use synapsor_crash_points::Point;

use crate::control_plane::ControlPlane;
use crate::error::ExtensionError;
use crate::ledger::Ledger;
use crate::log;
use crate::pg::transactions::{Transactions, reading_within, within};
use crate::pg::{crash_point, durable, latch};

/// Reports taken at a time.
const ROUND: usize = 500;

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
        let mark = |(n, answer): (usize, _)| owed[n].mark(answer, fastrand::f64());
        let marks: Vec<_> = answers.into_iter().map(mark).collect();
        count(&marks, &owed, &mut tally);
        within(transactions, || {
            crash_point::reach(Point::BeforeMark);
            Ledger::open()?.mark(&marks)
        })?;
        crash_point::reach(Point::AfterMark);
        if unsent > 0 {
            tally.leave(unsent);
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

fn count(marks: &[Mark], owed: &[Owed], tally: &mut Tally) {
    for mark in marks {
        tally.count(mark);
        if let Sent::Rejected { error } = &mark.state {
            log_rejection(mark, owed, error);
        }
    }
}

fn log_rejection(mark: &Mark, owed: &[Owed], error: &str) {
    let owed = owed.iter().find(|owed| owed.key == mark.key);
    let status = owed.map_or("decided", |owed| owed.report.status().as_str());
    log::warn(format_args!(
        "the control plane refused the report of proposal {}, which stays {status} here: {error}",
        mark.proposal_id.escape_debug(),
    ));
}
