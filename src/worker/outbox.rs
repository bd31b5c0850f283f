//! The resident worker's deliveries: when reports are sent, and how it stands with them.

use std::time::Instant;

use synapsor_core::outbox::{Owed, Pace, Tally, Which};

use crate::control_plane::ControlPlane;
use crate::delivery::Delivery;
use crate::error::ExtensionError;
use crate::pg::background;
use crate::pg::lock::{self, SessionLock, Subject};
use crate::pg::transactions::WorkersTransactions;

/// How it stands with the reports.
#[derive(Default)]
pub struct Outbox {
    /// When they are sent.
    pub pace: Pace,
    /// The pass that is under way.
    pass: Option<Pass>,
}

/// A delivery, and the lock that makes it the only one.
struct Pass {
    delivery: Delivery<'static>,
    delivering: SessionLock,
}

impl Outbox {
    /// Sends reports, and waits for all answers. Says whether the ledger has changed by that.
    ///
    /// # Errors
    /// Those of [`Delivery`]; what is due stays due, for later.
    pub fn deliver(
        &mut self,
        control_plane: &ControlPlane,
        which: Which,
    ) -> Result<bool, ExtensionError> {
        let before = self.finish()?;
        self.begin(control_plane, which)?;
        Ok(self.finish()? | before)
    }

    /// Sends the reports of what was decided and committed a moment ago, and waits for nothing: neither for answers nor, where
    /// deliveries were broken off just now, for the time of the next one. What can't go now is owed, and goes later.
    ///
    /// # Errors
    /// As [`Outbox::deliver`].
    pub fn advance(
        &mut self,
        control_plane: &ControlPlane,
        decided: Vec<Owed>,
    ) -> Result<(), ExtensionError> {
        self.hold_on()?;
        if self.pass.is_none() && self.pace.may_deliver(Instant::now()) {
            self.begin(control_plane, Which::Due)?;
        }
        let Some(pass) = &mut self.pass else {
            return Ok(());
        };
        let advanced = pass.delivery.advance(decided);
        if advanced.is_err() {
            self.pass = None;
            self.pace.break_off(Instant::now(), fastrand::f64());
        }
        advanced
    }

    /// Waits for all answers of the pass that is under way. Says whether the ledger has changed by that.
    ///
    /// # Errors
    /// As [`Outbox::deliver`].
    pub fn finish(&mut self) -> Result<bool, ExtensionError> {
        let Some(pass) = self.pass.take() else {
            return Ok(false);
        };
        background::show_work("delivering reports");
        let delivered = pass.delivery.finish();
        let (now, random) = (Instant::now(), fastrand::f64());
        match &delivered {
            Ok(tally) => self.pace.learn(tally, now, random),
            Err(_) => self.pace.break_off(now, random),
        }
        delivered.map(|tally| has_changed(&tally))
    }

    /// Looks after the pass that is under way: one that was broken off is over, and so is one whose lock has gone to another
    /// session, since code of other people's has given it back.
    fn hold_on(&mut self) -> Result<(), ExtensionError> {
        let Some(pass) = self.pass.take() else {
            return Ok(());
        };
        if !pass.delivering.keep() {
            pass.delivering.forget();
            self.pace.leave_to_others(Instant::now());
            return Ok(());
        }
        let is_over = pass.delivery.is_broken_off();
        self.pass = Some(pass);
        if is_over {
            self.finish()?;
        }
        Ok(())
    }

    fn begin(&mut self, control_plane: &ControlPlane, which: Which) -> Result<(), ExtensionError> {
        let Some(delivering) = lock::try_for_session(Subject::Delivering) else {
            self.pace.leave_to_others(Instant::now());
            return Ok(());
        };
        self.pass = Some(Pass {
            delivery: Delivery::begin(control_plane, which, &WorkersTransactions)?,
            delivering,
        });
        Ok(())
    }
}

fn has_changed(tally: &Tally) -> bool {
    tally.delivered + tally.rejected + tally.postponed > 0
}
