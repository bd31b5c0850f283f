//! The resident worker's deliveries: when reports are sent, and how it stands with them.

use std::time::{Duration, Instant};

use synapsor_core::outbox::Tally;
use synapsor_core::outbox::Which;
use synapsor_core::retry::Backoff;

use crate::control_plane::ControlPlane;
use crate::delivery;
use crate::error::ExtensionError;
use crate::pg::background;
use crate::pg::lock::{self, Subject};
use crate::pg::transactions::WorkersTransactions;

/// How long reports wait that another session has locked or is sending.
const ELSEWHERE: Duration = Duration::from_secs(1);

/// How it stands with the reports.
#[derive(Default)]
pub struct Outbox {
    /// Deliveries in a row that had to be broken off.
    failures: u32,
    /// Not before this is the next delivery; `None`: now.
    not_before: Option<Instant>,
    /// Why reports are not accepted; `None` while they are.
    pub trouble: Option<String>,
}

impl Outbox {
    /// True when reports that are due may be sent.
    pub fn may_deliver(&self, now: Instant) -> bool {
        self.wait(now).is_zero()
    }

    /// How long until then.
    pub fn wait(&self, now: Instant) -> Duration {
        self.not_before
            .map_or(Duration::ZERO, |then| then.saturating_duration_since(now))
    }

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
            self.put_off(ELSEWHERE);
            return Ok(false);
        };
        background::show_work("delivering reports");
        let delivered = delivery::deliver(control_plane, which, &WorkersTransactions);
        match &delivered {
            Ok(tally) => self.learn(tally),
            Err(_) => self.break_off(),
        }
        delivered.map(|tally| tally.delivered + tally.rejected + tally.postponed > 0)
    }

    fn learn(&mut self, tally: &Tally) {
        let sent = tally.delivered + tally.rejected + tally.postponed;
        if tally.postponed > 0 {
            self.trouble.clone_from(&tally.last_error);
        } else if tally.delivered + tally.rejected > 0 {
            self.trouble = None;
        }
        if tally.unsent > 0 {
            self.break_off();
        } else {
            self.failures = 0;
            self.not_before = None;
        }
        if sent == 0 {
            // What is due is locked by a session that sends it.
            self.put_off(ELSEWHERE);
        }
    }

    /// The control plane took so few that the others were not even sent: those are still due.
    fn break_off(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.put_off(Backoff::default().delay(self.failures, fastrand::f64()));
    }

    fn put_off(&mut self, wait: Duration) {
        self.not_before = Instant::now().checked_add(wait);
    }
}
