//! The resident worker's deliveries: when reports are sent, and how it stands with them.

use std::time::Instant;

use synapsor_core::outbox::{Pace, Which};

use crate::control_plane::ControlPlane;
use crate::delivery;
use crate::error::ExtensionError;
use crate::pg::background;
use crate::pg::lock::{self, Subject};
use crate::pg::transactions::WorkersTransactions;

/// How it stands with the reports.
#[derive(Default)]
pub struct Outbox {
    /// When they are sent.
    pub pace: Pace,
}

impl Outbox {
    /// Sends reports. Says whether the ledger has changed by that.
    ///
    /// # Errors
    /// Those of [`delivery::deliver`]; what is due stays due, for later.
    pub fn deliver(
        &mut self,
        control_plane: &ControlPlane,
        which: Which,
    ) -> Result<bool, ExtensionError> {
        let Some(_delivering) = lock::try_for_session(Subject::Delivering) else {
            self.pace.leave_to_others(Instant::now());
            return Ok(false);
        };
        background::show_work("delivering reports");
        let delivered = delivery::deliver(control_plane, which, &WorkersTransactions);
        let (now, random) = (Instant::now(), fastrand::f64());
        match &delivered {
            Ok(tally) => self.pace.learn(tally, now, random),
            Err(_) => self.pace.break_off(now, random),
        }
        delivered.map(|tally| tally.delivered + tally.rejected + tally.postponed > 0)
    }
}
