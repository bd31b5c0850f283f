//! The real program against real MariaDB and MySQL servers and the simulated control plane.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on has to stop, and say why"
)]

#[macro_use]
mod flavors;
mod program;
mod stage;

mod applying;
mod backlog;
