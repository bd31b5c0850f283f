//! A poll: deliver what is owed, then list, apply and report in rounds until a listing has nothing new.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use serde_json::Value;
use synapsor_core::control_plane::Fetched;
use synapsor_core::judgement::Retry;
use synapsor_core::outbox::{Pace, Tally, Which};
use synapsor_core::rounds::{MAX_ROUNDS, Rounds};

use crate::batch::Batch;
use crate::control_plane::ControlPlane;
use crate::database::Database;
use crate::delivery::Delivery;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::output::Output;
use crate::output::progress::Progress;
use crate::settings::Settings;
use crate::stop::Stop;

/// How long a poll waits at its end for another instance that delivers.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

/// The longest that reports wait while proposals wait for locks.
const LONGEST_PART: Duration = Duration::from_secs(1);

/// What polls need.
pub struct Poll<'a> {
    /// Under which settings.
    pub settings: &'a Settings,
    /// Where proposals are applied.
    pub database: &'a Database,
    /// Where receipts are kept.
    pub ledger: &'a Ledger,
    /// Where results go.
    pub output: Output,
    /// Whether we were asked to stop.
    pub stop: &'a Stop,
    /// Which retrying proposals are tried.
    pub retry: Retry,
    /// When reports are sent, so that an outage is not met with all of them after each part of a list.
    pub pace: RefCell<Pace>,
}

impl<'a> Poll<'a> {
    /// The batch that this poll works in.
    pub fn batch(&self) -> Batch<'a> {
        Batch::new(self.database, self.settings, self.ledger, self.output)
    }

    /// Delivers, then works off everything that is approved; hands each result to `witness`, and adds what was delivered to `tally`.
    ///
    /// # Errors
    /// Those of control plane and database. What was decided before is committed, and reported at the latest by the next poll.
    pub fn run(
        &self,
        batch: &mut Batch<'_>,
        control_plane: &mut ControlPlane,
        tally: &mut Tally,
        mut witness: impl FnMut(Value),
    ) -> Result<(), Error> {
        let which = match self.retry {
            Retry::Due => Which::Due,
            Retry::Now => Which::All,
        };
        tally.add(self.deliver(batch, control_plane, which, Duration::ZERO)?);
        let progress = Progress::start(self.output);
        let mut rounds = Rounds::default();
        for _ in 0..MAX_ROUNDS {
            if self.is_interrupted() {
                break;
            }
            let wanted = rounds.wanted(self.settings.max_proposals);
            let fetched = control_plane.fetch(wanted)?;
            let Some(news) = rounds.news(fetched, wanted) else {
                break;
            };
            progress.add(news.fetched.proposals.len());
            self.work_off(
                batch,
                control_plane,
                &news.fetched,
                &progress,
                tally,
                &mut witness,
            )?;
        }
        // What another instance delivered in the meantime it may have passed by.
        batch.catch_up()?;
        tally.add(self.deliver(batch, control_plane, Which::Due, LAST_PATIENCE)?);
        if tally.postponed > 0 {
            let owed = self.ledger.count_pending_reports(batch.session()?)?;
            tally.postponed = usize::try_from(owed).unwrap_or(0);
        }
        Ok(())
    }

    /// Applies what was fetched, and reports after each part of it.
    fn work_off(
        &self,
        batch: &mut Batch<'_>,
        control_plane: &ControlPlane,
        fetched: &Fetched,
        progress: &Progress,
        tally: &mut Tally,
        witness: &mut impl FnMut(Value),
    ) -> Result<(), Error> {
        let mut rest = &fetched.proposals[..];
        while !rest.is_empty() && !self.is_interrupted() {
            let part = &rest[..rest.len().min(self.settings.batch_size)];
            let (start, mut done) = (Instant::now(), 0);
            progress.says("applying");
            let applied = batch.run(&fetched.source_id, self.retry, part, |result| {
                done += 1;
                progress.advance(1);
                witness(result);
                !self.is_interrupted() && start.elapsed() < LONGEST_PART
            });
            rest = &rest[done..];
            // Also after an error: what was committed is reported.
            progress.says("reporting");
            let delivered = self.deliver(batch, control_plane, Which::Due, Duration::ZERO);
            match delivered {
                Ok(delivered) => tally.add(delivered),
                Err(error) => return applied.and(Err(error)),
            }
            applied?;
        }
        Ok(())
    }

    /// A stop; and for those who poll for ever, a signal to read the settings again.
    fn is_interrupted(&self) -> bool {
        self.stop.is_asked() || self.retry == Retry::Due && self.stop.is_woken()
    }

    /// Delivers reports, unless nothing is to be done in earnest.
    pub fn deliver(
        &self,
        batch: &mut Batch<'_>,
        control_plane: &ControlPlane,
        which: Which,
        patience: Duration,
    ) -> Result<Tally, Error> {
        let is_broken_off = self.pace.borrow().is_broken_off(Instant::now());
        if self.settings.dry_run || is_broken_off && which == Which::Due {
            return Ok(Tally::default());
        }
        let delivery = Delivery {
            ledger: self.ledger,
            control_plane,
            output: self.output,
            stop: self.stop,
            patience,
        };
        let tally = delivery.run(batch, which)?;
        self.pace
            .borrow_mut()
            .learn(&tally, Instant::now(), fastrand::f64());
        Ok(tally)
    }
}
