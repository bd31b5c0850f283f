//! The commands, one file each: what they print, and how they end.

mod build;
mod doctor;
mod input;
mod migrate;
mod poll_once;
mod preview;
mod report_once;
mod run;
pub mod sources;
mod status;

use clap::CommandFactory;
use serde_json::json;

use crate::cli::{Cli, Command};
use crate::database::Database;
use crate::error::Error;
use crate::exit::Exit;
use crate::ledger::Ledger;
use crate::output::{Format, Level, Output};
use crate::settings::{self, Settings};
use crate::stop::Stop;

/// What every command works with.
pub struct Context<'a> {
    /// The settings.
    pub settings: Settings,
    /// Where results go.
    pub output: Output,
    /// Whether we were asked to stop.
    pub stop: Stop,
    /// The command line, for those who read the settings again.
    pub cli: &'a Cli,
}

impl Context<'_> {
    /// The database, not connected yet.
    pub fn database(&self) -> Result<Database, Error> {
        Ok(Database::new(&self.settings, &self.stop)?)
    }

    /// The ledger that the settings name.
    pub fn ledger(&self) -> Ledger {
        Ledger::new(&self.settings.ledger_schema)
    }
}

/// Runs the command.
pub fn run(cli: &Cli, output: Output) -> Result<Exit, Error> {
    if let Command::Completions { shell } = cli.command {
        let name = "synapsor-writeback-mysql";
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), name, &mut script);
        output.line(String::from_utf8_lossy(&script).trim_end());
        return Ok(Exit::Success);
    }
    let stop = Stop::on_signals().map_err(|error| Error::Io("signals".into(), error))?;
    let context = Context {
        settings: Settings::load(&cli.settings, cli.config.as_deref())?,
        output,
        stop,
        cli,
    };
    for variable in settings::unknown_variables() {
        let event = "an environment variable is no setting, and is passed over";
        output.event(Level::Warning, event, json!({ "variable": variable }));
    }
    match &cli.command {
        Command::Run => run::run(context),
        Command::PollOnce => poll_once::run(&context),
        Command::ReportOnce => report_once::run(&context),
        Command::Doctor => doctor::run(&context),
        Command::Migrate { print, account } => migrate::run(&context, *print, account),
        Command::Build { kind } => build::run(&context, kind.as_deref()),
        Command::Preview => preview::run(&context),
        Command::Status => status::run(&context),
        Command::Sources(command) => sources::run(&context, command),
        Command::Completions { .. } => Ok(Exit::Success),
    }
}

/// How results are written.
pub fn format(cli: &Cli) -> Format {
    if cli.json { Format::Json } else { cli.output }
}
