//! `synapsor-writeback-mysql`: approved proposals, applied to MySQL and MariaDB and reported truthfully.
//!
//! ```text
//! cli, commands      what it can be told to do, and what each command prints
//! settings, error    what it is told, and what can go wrong; output, exit: how it says so
//! poll, batch        a poll; listed proposals against the ledger, each with its receipt in one transaction
//! apply, target      one proposal: the row locked and compared, the guarded statement; what it writes to
//! ledger, delivery   what was decided, and the reports that are owed
//! control_plane      fetching and reporting
//! database           the session, its limits, its errors
//! value              a JSON value as a value of a column's type, exactly
//! stop               being asked to stop
//! ```
//!
//! The rules (what a proposal may do, and how it becomes SQL) are in `synapsor_core`, shared with the Postgres extension.

mod apply;
mod batch;
mod cli;
mod commands;
mod control_plane;
mod database;
mod delivery;
mod error;
mod exit;
mod ledger;
mod output;
mod poll;
mod settings;
mod stop;
mod target;
mod value;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::read();
    let output = output::Output::open(commands::format(&cli));
    match commands::run(&cli, output) {
        Ok(exit) => exit.into(),
        Err(error) => {
            output.error(&error);
            error.exit().into()
        }
    }
}
