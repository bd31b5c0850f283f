//! The command line.

use std::env;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::commands::sources::SourcesCommand;
use crate::output::Format;
use crate::settings::{self, Layer};

/// Applies approved Synapsor proposals to MySQL and MariaDB: guarded, exactly once, reported truthfully.
///
/// Agents propose changes to rows, people approve them in Synapsor's control
/// plane. This program fetches what was approved, applies each proposal in one
/// transaction together with its receipt, and reports `applied`, `conflict` or
/// `failed` back, again and again until the report is accepted.
///
/// First time: put the API key and the connection's URL into files of mode 0600, then
///
///   export SYNAPSOR_API_KEY_FILE=~/.synapsor/key SYNAPSOR_DATABASE_URL_FILE=~/.synapsor/url
///   synapsor-writeback-mysql migrate          # creates the ledger (as a user who may)
///   synapsor-writeback-mysql sources list     # which source is this database?
///   export SYNAPSOR_SOURCE_NAME=app_mysql
///   synapsor-writeback-mysql doctor           # is everything in place?
///   synapsor-writeback-mysql poll-once --dry-run
///   synapsor-writeback-mysql run
#[derive(Debug, Parser)]
#[command(name = "synapsor-writeback-mysql", version, verbatim_doc_comment, max_term_width = 110, after_help = AFTER_HELP, after_long_help = AFTER_HELP)]
pub struct Cli {
    /// TOML file with settings, one `name = value` a line; also SYNAPSOR_CONFIG
    #[arg(long, global = true, value_name = "FILE", display_order = 900)]
    pub config: Option<PathBuf>,
    /// How results are written
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "auto",
        display_order = 900
    )]
    pub output: Format,
    /// Same as --output json
    #[arg(long, global = true, conflicts_with = "output", display_order = 900)]
    pub json: bool,
    #[command(flatten)]
    /// The settings.
    pub settings: Layer,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Reads the command line, and which TOML file the environment names. What it has wrong ends the program with exit code 2.
    pub fn read() -> Self {
        let mut cli = Cli::parse();
        if let Err((name, wanted)) = settings::check(&cli.settings) {
            let why = format!("--{} {wanted}", name.replace('_', "-"));
            Cli::command().error(ErrorKind::ValueValidation, why).exit();
        }
        let environment = env::var_os("SYNAPSOR_CONFIG").filter(|path| !path.is_empty());
        cli.config = cli.config.or(environment.map(PathBuf::from));
        cli
    }
}

const AFTER_HELP: &str = "\
Every setting is a flag, an environment variable (SYNAPSOR_ and its name in capitals: SYNAPSOR_POLL_INTERVAL) \
and a line of the TOML file (poll_interval = \"5s\"); the first of the three that says something counts. \
Secrets are never flags: SYNAPSOR_API_KEY or --api-key-file, SYNAPSOR_DATABASE_URL or --database-url-file.

Exit codes: 0 done; 1 done, and somebody should look (a proposal failed, a report could not be sent or was rejected, the doctor \
found something); 2 wrong command line; 69 refused; 75 control plane or database can't answer now, try again; \
77 a key, password or right is not accepted; 78 a setting or a key is missing or wrong.";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Polls for ever: fetches, applies, reports, sleeps. For systemd and containers
    ///
    /// SIGTERM and SIGINT end it within a second with exit code 0: the proposal under way is finished or rolled back. SIGHUP
    /// makes it read its settings again and poll at once. Several instances share the work on one database.
    Run,
    /// Works off everything that is approved now, reports it, and returns. For cron
    ///
    /// Prints a result for each proposal: {proposal_id, status, affected_rows, operation, reason?, error?, guards, …}, and a
    /// summary {ok, count, applied, conflicts, failed, …} at the end.
    PollOnce,
    /// Delivers the reports that are owed, now
    ///
    /// Prints {ok, delivered, pending, rejected}.
    ReportOnce,
    /// Examines settings, key, control plane, database, ledger and rights, and says what to do about each trouble
    Doctor,
    /// Creates the ledger's database, table and views, where they are missing
    Migrate {
        /// Print the SQL and the GRANTs instead, and change nothing
        #[arg(long)]
        print: bool,
        /// The account that will apply proposals, for the GRANTs
        #[arg(long, value_name = "ACCOUNT", default_value = "'synapsor_writer'@'%'")]
        account: String,
    },
    /// Builds the statement of a proposal (JSON on the standard input) and touches nothing
    ///
    /// Prints {sql, params, operation, expected_row_count}.
    Build {
        /// Build for this kind whatever the proposal says: mysql or postgres
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
    },
    /// Shows what applying a proposal (JSON on the standard input) would do; always rolled back
    ///
    /// Prints {status, before, after, …} with the row's values in the columns concerned.
    Preview,
    /// Shows how many proposals were applied, failed, are tried again, and which reports are owed
    Status,
    /// Lists, creates, examines and disables sources at the control plane
    #[command(subcommand)]
    Sources(SourcesCommand),
    /// Prints a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}
