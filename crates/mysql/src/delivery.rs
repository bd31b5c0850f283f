//! Delivering reports: take what is owed, send it, write down what came of it.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use synapsor_core::outbox::{Mark, Owed, Sent, Tally, Which};
use synapsor_crash_points::Point;

use crate::batch::Batch;
use crate::control_plane::ControlPlane;
use crate::error::Error;
use crate::ledger::{Ledger, Walk};
use crate::output::{Level, Output};
use crate::stop::Stop;

/// Reports taken at a time.
const ROUND: usize = 500;

/// Whose reports are delivered where to.
pub struct Delivery<'a> {
    /// Where they are owed.
    pub ledger: &'a Ledger,
    /// To whom.
    pub control_plane: &'a ControlPlane,
    /// Who is told of what was refused.
    pub output: Output,
    /// Whether we were asked to stop.
    pub stop: &'a Stop,
    /// How long to wait for another instance that delivers.
    pub patience: Duration,
}

impl Delivery<'_> {
    /// Delivers what is owed, each report once. No transaction is open while it waits for answers. Everything that is reported was
    /// committed before.
    ///
    /// One instance delivers at a time: what another one is about to report need not be reported twice.
    pub fn run(&self, batch: &mut Batch<'_>, which: Which) -> Result<Tally, Error> {
        if !self.lock(batch)? {
            let left = self.leave_to_others(batch);
            return batch.after(left);
        }
        let tally = self.deliver(batch, which);
        let unlocked = batch
            .session()
            .and_then(|session| Ok(self.ledger.unlock_delivery(session)?));
        batch.after(unlocked)?;
        tally
    }

    /// Waits for the right to deliver, in steps: a stop is not to wait.
    fn lock(&self, batch: &mut Batch<'_>) -> Result<bool, Error> {
        const STEP: Duration = Duration::from_millis(50);
        let start = Instant::now();
        loop {
            let session = batch.session()?;
            let locked = self.ledger.lock_delivery(session).map_err(Error::from);
            if batch.after(locked)? {
                return Ok(true);
            }
            if start.elapsed() >= self.patience || self.stop.is_asked() {
                return Ok(false);
            }
            thread::sleep(STEP);
        }
    }

    /// Another session has the right to deliver. Where it was waited for in vain, what is owed counts as put off.
    fn leave_to_others(&self, batch: &mut Batch<'_>) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        if !self.patience.is_zero() {
            let session = batch.session()?;
            let owed = self.ledger.count_pending_reports(session)?;
            if let (true, Some(id)) = (owed > 0, self.ledger.who_delivers(session)?) {
                tally.leave(usize::try_from(owed).unwrap_or(0));
                tally.last_error = Some(format!("connection {id} has the right to deliver"));
            }
        }
        Ok(tally)
    }

    fn deliver(&self, batch: &mut Batch<'_>, which: Which) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        let mut walk = Walk::default();
        while !self.stop.is_asked() {
            let session = batch.session()?;
            let owed = self.ledger.take_owed(session, which, &mut walk, ROUND);
            let owed = batch.after(owed)?;
            if owed.is_empty() {
                break;
            }
            let reports: Vec<_> = owed.iter().map(|owed| owed.report.clone()).collect();
            let answers = self.control_plane.deliver(&reports, self.stop);
            let unsent = owed.len() - answers.len();
            let mark = |(n, answer): (usize, _)| owed[n].mark(answer, fastrand::f64());
            let marks: Vec<_> = answers.into_iter().map(mark).collect();
            for mark in &marks {
                tally.count(mark);
                self.tell_rejection(mark, &owed);
            }
            let marked = batch.session().and_then(|session| {
                session.reach(Point::BeforeMark)?;
                self.ledger.mark(session, &marks)?;
                Ok(session.reach(Point::AfterMark)?)
            });
            batch.after(marked)?;
            if unsent > 0 {
                tally.leave(unsent);
                break;
            }
        }
        Ok(tally)
    }

    fn tell_rejection(&self, mark: &Mark, owed: &[Owed]) {
        let Sent::Rejected { error } = &mark.state else {
            return;
        };
        let owed = owed.iter().find(|owed| owed.key == mark.key);
        let status = owed.map_or("decided", |owed| owed.report.status().as_str());
        self.output.event(
            Level::Warning,
            "the control plane refused a report; the outcome here stays",
            json!({ "proposal_id": mark.proposal_id, "status": status, "error": error }),
        );
    }
}
