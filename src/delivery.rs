//! Delivering reports: take what is owed, hand it over to be sent, write down what came of it. While some are under way,
//! more are taken, and whoever has something else to do does that. What was decided a moment ago need not be looked up.

use std::collections::{HashMap, HashSet};
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

/// The same of reports that whoever decides hands over himself: he is faster than any control plane, and to look them up
/// later costs more than to keep them.
const HANDED_OVER: usize = 2_000;

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
    /// Keys of reports that were handed over by whoever decided, and are not written down yet: a walk comes by them.
    handed_over: HashSet<String>,
    /// Some were not, as there was no room, or nothing is sent any more.
    has_left_some: bool,
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
            handed_over: HashSet::new(),
            has_left_some: false,
            walk: Walk::default(),
            marks: Vec::new(),
            unsent: 0,
            tally: Tally::default(),
        })
    }

    /// Does what can be done without a wait: sends the reports of what was decided and committed a moment ago, and writes
    /// down what is known by now. What can't be sent now is left in the ledger, to be taken later.
    pub fn advance(&mut self, decided: Vec<Owed>) -> Result<(), ExtensionError> {
        self.collect();
        self.walk.is_at_the_end = false;
        let has_room = self.dispatch.outstanding() + decided.len() <= HANDED_OVER;
        if has_room && self.dispatch.ending().is_none() {
            self.hand_over_decided(decided)?;
        } else {
            self.has_left_some = true;
        }
        // After that: the commit that was waited for would else be that of these marks, which need not last.
        if self.marks.len() >= MARKED_AT_ONCE {
            self.mark()?;
        }
        Ok(())
    }

    fn hand_over_decided(&mut self, decided: Vec<Owed>) -> Result<(), ExtensionError> {
        if decided.is_empty() {
            return Ok(());
        }
        within(self.transactions.for_waiting(), || {
            require_secured(durable::secure_own_commits())
        })?;
        let keys = decided.iter().map(|owed| owed.key.clone());
        self.handed_over.extend(keys);
        self.hand_over(decided);
        Ok(())
    }

    /// True when nothing is sent any more, and nothing is waited for.
    pub fn is_broken_off(&self) -> bool {
        self.dispatch.ending().is_some() && self.dispatch.outstanding() == 0
    }

    /// Waits until everything that is owed has been sent and answered, or there is no use in going on.
    pub fn finish(mut self) -> Result<Tally, ExtensionError> {
        loop {
            let is_idle = self.dispatch.outstanding() == 0;
            if is_idle || self.marks.len() >= MARKED_AT_ONCE {
                self.mark()?;
            }
            // While what was handed over is all that is owed, there is nothing to look for.
            if is_idle || self.has_left_some || self.handed_over.is_empty() {
                self.take()?;
            }
            if self.dispatch.outstanding() == 0 {
                break;
            }
            self.dispatch.wait();
            self.collect();
        }
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
        let handed_over = &self.handed_over;
        let owed = lightly_within(self.transactions, || -> Result<Vec<_>, ExtensionError> {
            let ledger = Ledger::open()?;
            // To ask first costs nothing.
            while ledger.owes_reports(which, walk)? {
                let mut owed = ledger.take_owed(which, room, walk)?;
                owed.retain(|owed| !handed_over.contains(&owed.key));
                if !owed.is_empty() || walk.is_at_the_end {
                    return Ok(owed);
                }
            }
            walk.is_at_the_end = true;
            Ok(Vec::new())
        })?;
        if owed.is_empty() {
            return Ok(());
        }
        within(self.transactions.for_waiting(), || {
            require_secured(durable::secure_commits_so_far())
        })?;
        self.hand_over(owed);
        Ok(())
    }

    fn hand_over(&mut self, owed: Vec<Owed>) {
        let reports = owed.iter().map(|owed| owed.report.clone()).collect();
        let first = self.dispatch.hand_over(reports);
        self.under_way.extend((first..).zip(owed));
    }

    /// Gathers what is known by now.
    fn collect(&mut self) {
        while let Some((number, fate)) = self.dispatch.next() {
            let Some(owed) = self.under_way.remove(&number) else {
                continue;
            };
            match fate {
                Fate::Unsent => {
                    self.unsent += 1;
                    self.handed_over.remove(&owed.key);
                }
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
        for mark in &marks {
            self.handed_over.remove(&mark.key);
        }
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

fn require_secured(is_secured: bool) -> Result<(), ExtensionError> {
    if is_secured {
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
