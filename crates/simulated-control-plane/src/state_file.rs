//! A state file: sources and proposals to start with.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::proposals::InvalidProposal;
use crate::simulator::Simulator;
use crate::sources::Source;

/// Why a state cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// It is not JSON, or not of the right shape.
    #[error("a state is {{\"sources\": […], \"proposals\": […]}}: {0}")]
    Shape(#[from] serde_json::Error),
    /// One of the proposals is none.
    #[error("proposal {position} of the state: {reason}")]
    Proposal {
        /// Which one, counted from 1.
        position: usize,
        /// Why not.
        reason: InvalidProposal,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    #[serde(default)]
    sources: Vec<Source>,
    /// Raw, so that numbers and the order of keys stay as they were written.
    #[serde(default)]
    proposals: Vec<Box<RawValue>>,
}

impl Simulator {
    /// Adds the sources and proposals of a state: `{"sources": […], "proposals": […]}`.
    ///
    /// # Errors
    ///
    /// When it is of another shape, or one of the proposals is none; those before it are added.
    pub fn load(&self, state: &str) -> Result<(), StateFileError> {
        let state: State = serde_json::from_str(state)?;
        for source in state.sources {
            self.add_source(source);
        }
        for (index, proposal) in state.proposals.iter().enumerate() {
            self.add_proposal(proposal.get())
                .map_err(|reason| StateFileError::Proposal {
                    position: index + 1,
                    reason,
                })?;
        }
        Ok(())
    }
}
