//! What the simulated control plane promises, over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod admin;
mod availability;
mod client;
mod contract;
mod deliveries;
mod faults;
mod journal;
mod lists;
mod program;
mod reports;
mod sources;
mod tls;
