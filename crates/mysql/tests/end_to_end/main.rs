//! The real program against real MariaDB and MySQL servers and the simulated control plane.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on has to stop, and say why"
)]

#[macro_use]
mod flavors;
mod agreement;
mod folder;
mod help;
mod program;
mod stage;
mod steps;
#[expect(dead_code, reason = "nobody types here")]
#[path = "../sources/terminal.rs"]
mod terminal;
mod victims;

mod altered;
mod applying;
mod backlog;
mod cascades;
mod cases;
mod commands;
mod commits;
mod connections;
mod control_plane_faults;
mod crashes;
mod doctor;
mod guards;
mod ledger_rows;
mod left_behind;
mod listed;
mod logging_in;
mod migrate;
mod modes;
mod odd_server;
mod offline;
mod output;
mod overtaken;
mod planted;
mod precedence;
mod report_faults;
mod round_trips;
mod running;
mod secret_files;
mod secrets;
mod settings;
mod settings_file;
mod sharing;
mod special_tables;
mod stopping;
mod stricter;
mod targets;
mod tls;
mod transient;
mod triggers;
mod unfit_values;
mod values;
mod vectors;
mod views;
mod violations;
mod widening;
