//! The `sources` commands, run as a person or a script runs them, against the simulated control plane.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod creating;
mod desk;
mod disabling;
mod generating;
mod importing;
mod looking;
mod mistakes;
mod terminal;
mod unsafe_paths;
