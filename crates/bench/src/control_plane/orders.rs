//! What the control plane's process is told, and what it answers.

use serde::{Deserialize, Serialize};

/// The first that it says.
#[derive(Serialize, Deserialize)]
pub(super) struct Welcome {
    /// Where it listens.
    pub(super) base_url: String,
}

/// What to do.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// Every call takes so long from now on.
    Latency { milliseconds: u64 },
    /// List these.
    Approve { proposals: Vec<String> },
    /// Wait until so many were reported, but no longer than this.
    Wait { reported: usize, seconds: u64 },
    /// Say how things stand.
    Count,
}

/// How things stand.
#[derive(Serialize, Deserialize)]
pub(super) struct Counts {
    /// Proposals reported as applied.
    pub(super) applied: usize,
    /// Proposals reported as a conflict or as failed.
    pub(super) not_applied: usize,
    /// How often proposals were asked for.
    pub(super) polls: u64,
}

impl Counts {
    pub(super) fn reported(&self) -> usize {
        self.applied + self.not_applied
    }
}
