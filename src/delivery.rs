//! Delivering reports: take what is owed, hand it over to be sent, write down what came of it. While some are under way,
//! more are taken, and whoever has something else to do does that.

use std::collections::HashMap;
use std::time::Duration;

use synapsor_core::control_plane::Fate;
use synapsor_core::outbox::{Mark, Owed, Sent, Tally, Which};
use synapsor_crash_points::Point;

use crate::control_plane::{ControlPlane, Dispatch};
use crate::error::ExtensionError;
use crate::ledger::Ledger;
use crate::ledger::outbox::Walk;
use crate::log;
use crate::pg::transactions::{Transactions, lightly_within, within};
use crate::pg::{crash_point, durable, latch};

/// Reports under way, in flight or waiting for it.
const UNDER_WAY: usize = 500;

/// Answers that are written down at once, unless there are no more.
const MARKED_AT_ONCE: usize = 200;

/// One pass over what is owed: each report is sent once.
///
/// No transaction of ours is open while a report is in flight, unless it is the caller's. Everything that is reported is on disk
/// first, and on a synchronous standby where there is one.
pub struct Delivery<'a> {
    transactions: &'a dyn Transactions,
    which: Which,
    dispatch: Dispatch,
    under_way: HashMap<usize, Owed>,
    walk: Walk,
    marks: Vec<Mark>,
    unsent: usize,
    tally: Tally,
}

impl<'a> Delivery<'a> {
    /// Begins a pass. Nothing is taken yet.
    pub fn begin(
        control_plane: &ControlPlane,
        which: Which,
        transactions: &'a dyn Transactions,
    ) -> Result<Self, ExtensionError> {
        Ok(Delivery {
            transactions,
            which,
            dispatch: control_plane.dispatch()?,
            under_way: HashMap::new(),
            walk: Walk::default(),
            marks: Vec::new(),
            unsent: 0,
            tally: Tally::default(),
        })
    }

    /// Does what can be done without a wait: takes what has come to be owed, and writes down what is known by now.
    pub fn advance(&mut self) -> Result<(), ExtensionError> {
        self.walk.is_at_the_end = false;
        self.collect();
        if self.marks.len() >= MARKED_AT_ONCE {
            self.mark()?;
        }
        self.take()
    }

    /// True when nothing is sent any more, and nothing is waited for.
    pub fn is_broken_off(&self) -> bool {
        self.dispatch.ending().is_some() && self.dispatch.outstanding() == 0
    }

    /// Waits until everything that is owed has been sent and answered, or there is no use in going on.
    pub fn finish(mut self) -> Result<Tally, ExtensionError> {
        loop {
            self.take()?;
            if self.dispatch.outstanding() == 0 {
                break;
            }
            self.dispatch.wait();
            self.collect();
            if self.marks.len() >= MARKED_AT_ONCE || self.dispatch.outstanding() == 0 {
                self.mark()?;
            }
        }
        self.mark()?;
        self.tally.leave(self.unsent);
        self.dispatch.keep();
        Ok(self.tally)
    }

    /// Takes more, unless enough is under way, or nothing is sent any more.
    fn take(&mut self) -> Result<(), ExtensionError> {
        let room = UNDER_WAY.saturating_sub(self.dispatch.outstanding());
        let is_over = self.walk.is_at_the_end || self.dispatch.ending().is_some();
        if is_over || room < UNDER_WAY / 2 {
            return Ok(());
        }
        let (which, walk) = (self.which, &mut self.walk);
        let owed = lightly_within(self.transactions, || {
            let ledger = Ledger::open()?;
            // To ask first costs nothing.
            if ledger.owes_reports(which, walk)? {
                ledger.take_owed(which, room, walk)
            } else {
                walk.is_at_the_end = true;
                Ok(Vec::new())
            }
        })?;
        if owed.is_empty() {
            return Ok(());
        }
        within(self.transactions.for_waiting(), secure_commits_so_far)?;
        let reports = owed.iter().map(|owed| owed.report.clone()).collect();
        let first = self.dispatch.hand_over(reports);
        self.under_way.extend((first..).zip(owed));
        Ok(())
    }

    /// Gathers what is known by now.
    fn collect(&mut self) {
        while let Some((number, fate)) = self.dispatch.next() {
            let Some(owed) = self.under_way.remove(&number) else {
                continue;
            };
            match fate {
                Fate::Unsent => self.unsent += 1,
                Fate::Answered(answer) => {
                    let mark = owed.mark(answer, fastrand::f64());
                    self.tally.count(&mark);
                    match &mark.state {
                        Sent::Rejected { error } => log_rejection(&owed, error),
                        // It is owed still, but not to be sent twice.
                        Sent::Pending { .. } => self.walk.pass_by(&mark.key),
                        Sent::Delivered => {}
                    }
                    self.marks.push(mark);
                }
            }
        }
    }

    /// Writes down what is known. Should that be lost, the reports are sent again, which does no harm.
    fn mark(&mut self) -> Result<(), ExtensionError> {
        let marks = std::mem::take(&mut self.marks);
        if marks.is_empty() {
            return Ok(());
        }
        lightly_within(self.transactions, || {
            crash_point::reach(Point::BeforeMark);
            Ledger::open()?.mark(&marks)
        })?;
        crash_point::reach(Point::AfterMark);
        Ok(())
    }
}

/// Delivers what is owed, each report once.
pub fn deliver(
    control_plane: &ControlPlane,
    which: Which,
    transactions: &dyn Transactions,
) -> Result<Tally, ExtensionError> {
    Delivery::begin(control_plane, which, transactions)?.finish()
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
        let is_done = !within(transactions, || {
            Ledger::open()?.owes_reports(Which::Due, &Walk::default())
        })?;
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

fn log_rejection(owed: &Owed, error: &str) {
    log::warn(format_args!(
        "the control plane refused the report of proposal {}, which stays {} here: {error}",
        owed.report.proposal_id.escape_debug(),
        owed.report.status().as_str(),
    ));
}
