//! Sending reports while the main thread does something else.

use std::time::Duration;

use synapsor_core::api_key::ApiKey;
use synapsor_core::control_plane::{Client, Courier, Ending, Fate};
use synapsor_core::report::Report;

use super::{ControlPlane, kept};
use crate::error::ExtensionError;
use crate::pg::bell::Bell;
use crate::pg::off_thread::OffThreadError;

/// The longest that answers lie unread while somebody waits for them.
const LOOK_UP: Duration = Duration::from_millis(100);

/// Who sends reports, and the bell that rings when it is time to look for answers.
pub struct Dispatch {
    courier: Courier,
    bell: Bell,
    client: Client,
    key: ApiKey,
}

impl ControlPlane {
    /// Who sends reports: the one that has done so before, where there is one, and has learned how many may be in flight.
    pub fn dispatch(&self) -> Result<Dispatch, ExtensionError> {
        let before = kept().as_mut().and_then(|kept| kept.dispatch.take());
        let is_ours = |it: &Dispatch| it.client.is(&self.client) && it.key == self.key;
        if let Some(dispatch) = before.filter(is_ours) {
            return Ok(dispatch);
        }
        let (bell, rope) = Bell::hang().map_err(|_| OffThreadError::NoThread)?;
        let ceiling = self.settings.report_concurrency;
        Ok(Dispatch {
            courier: Courier::start(&self.client, &self.key, ceiling, move || rope.ring()),
            bell,
            client: self.client.clone(),
            key: self.key.clone(),
        })
    }
}

impl Dispatch {
    /// Hands reports over to be sent; returns the first one's number, which the others follow.
    pub fn hand_over(&mut self, reports: Vec<Report>) -> usize {
        self.courier.hand_over(reports).start
    }

    /// How many have been handed over of which nothing is known yet.
    pub fn outstanding(&self) -> usize {
        self.courier.outstanding()
    }

    /// Why nothing is sent any more.
    pub fn ending(&self) -> Option<Ending> {
        self.courier.ending()
    }

    /// What became of one more report, and its number; `None` where nothing more is known for now.
    pub fn next(&mut self) -> Option<(usize, Fate)> {
        self.courier.next(Duration::ZERO)
    }

    /// Waits until it is time to look again. A cancel or a shutdown ends the wait.
    pub fn wait(&mut self) {
        self.bell.wait(LOOK_UP);
    }

    /// Keeps it for the next time.
    pub fn keep(mut self) {
        self.courier.begin_anew();
        if let Some(kept) = kept().as_mut() {
            kept.dispatch = Some(self);
        }
    }
}
