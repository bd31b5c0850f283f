//! How many reports may be in flight: as many as the server takes well, and no more.

use std::ops::ControlFlow;
use std::time::Duration;

use super::error::{ControlPlaneError, Disposition};
use super::proposals::Acceptance;

/// Reports in flight at the start.
const FIRST_WINDOW: usize = 4;

/// Halvings in a row, without a final answer in between, after which the rest is left for later.
const MAX_HALVINGS: usize = 4;

/// The longest wait that is waited for; after a longer one the rest is left for later.
const SHORT_WAIT: Duration = Duration::from_secs(1);

/// What came back for a report.
pub type Answered = Result<Acceptance, ControlPlaneError>;

/// Why a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every report was answered, well or badly.
    Complete,
    /// The caller asked for it.
    Stopped,
    /// The server asked for a wait this long.
    Wait(Duration),
    /// The server says "not now" again and again, however few are in flight.
    Overloaded,
    /// There is no answer at all, the key is wrong, or what answers is not the control plane.
    Unusable,
}

/// How many may be in flight.
pub(super) struct Window {
    pub(super) size: usize,
    ceiling: usize,
    /// Counts the halvings. Answers to what was started before the last one can't speak against the new size.
    pub(super) round: usize,
    halvings_in_a_row: usize,
}

impl Window {
    pub(super) fn new(ceiling: usize) -> Self {
        let ceiling = ceiling.max(1);
        Window {
            size: FIRST_WINDOW.min(ceiling),
            ceiling,
            round: 0,
            halvings_in_a_row: 0,
        }
    }

    /// Forgets how often it was halved, but not how far: what comes next is another delivery.
    pub(super) fn begin_anew(&mut self) {
        self.halvings_in_a_row = 0;
    }

    /// Learns from an answer to what was started in a round: go on (after a short wait), or start nothing any more.
    pub(super) fn judge(
        &mut self,
        round: usize,
        answer: &Answered,
    ) -> ControlFlow<Ending, Option<Duration>> {
        let Err(error) = answer else {
            return self.grow();
        };
        match error.disposition() {
            Disposition::Rejected => self.grow(),
            Disposition::Key | Disposition::Unusable => ControlFlow::Break(Ending::Unusable),
            Disposition::Retry { .. } if error.cause().is_no_answer() => {
                ControlFlow::Break(Ending::Unusable)
            }
            Disposition::Retry { after: Some(wait) } if wait > SHORT_WAIT => {
                ControlFlow::Break(Ending::Wait(wait))
            }
            Disposition::Retry { after } => self.shrink(round, after),
        }
    }

    fn grow(&mut self) -> ControlFlow<Ending, Option<Duration>> {
        self.halvings_in_a_row = 0;
        self.size = (self.size + 1).min(self.ceiling);
        ControlFlow::Continue(None)
    }

    fn shrink(
        &mut self,
        round: usize,
        wait: Option<Duration>,
    ) -> ControlFlow<Ending, Option<Duration>> {
        if round == self.round {
            self.halvings_in_a_row += 1;
            if self.halvings_in_a_row == MAX_HALVINGS {
                return ControlFlow::Break(Ending::Overloaded);
            }
            self.size = (self.size / 2).max(1);
            self.round += 1;
        }
        ControlFlow::Continue(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control_plane::error::{Cause, Parts};

    const FIRST: usize = 0;

    fn accepted() -> Answered {
        Ok(Acceptance {
            status: 200,
            request_id: "r".into(),
        })
    }

    fn busy() -> Answered {
        Err(ControlPlaneError::new(Parts {
            cause: Cause::Busy,
            status: Some(429),
            their_code: None,
            message: "busy".into(),
            request_id: "r".into(),
            says_retryable: false,
            retry_after: None,
        }))
    }

    #[test]
    fn all_that_was_sent_before_a_halving_counts_as_one() {
        let mut window = Window::new(64);
        while window.size < 32 {
            assert!(window.judge(FIRST, &accepted()).is_continue());
        }
        for _ in 0..32 {
            assert!(window.judge(FIRST, &busy()).is_continue());
            assert_eq!(window.size, 16);
        }
        assert_eq!(window.round, 1);
        assert!(window.judge(1, &busy()).is_continue());
        assert_eq!(window.size, 8);
    }
}
