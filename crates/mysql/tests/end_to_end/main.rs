//! The real program against real MariaDB and MySQL servers and the simulated control plane.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on has to stop, and say why"
)]

#[macro_use]
mod flavors;
mod agreement;
mod program;
mod stage;
mod steps;
mod victims;

mod altered;
mod applying;
mod backlog;
mod cases;
mod commits;
mod connections;
mod crashes;
mod guards;
mod odd_server;
mod special_tables;
mod stricter;
mod targets;
mod stopping;
mod transient;
mod unfit_values;
mod values;
mod vectors;
mod views;
