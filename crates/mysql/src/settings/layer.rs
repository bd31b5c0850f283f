//! The settings as they are given: a flag, else an environment variable, else a line of the TOML file. One definition serves
//! all three.

use clap::Args;
use serde::Deserialize;

use super::secret::SecretText;
use super::units::{Count, Size, Switch, Time};

/// One layer of settings; what it leaves open, the next one says. The names are those of the Postgres extension, without their prefix.
///
/// A flag comes before the environment variable `SYNAPSOR_<NAME>`, which comes before `<name>` in the TOML file.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[command(next_help_heading = "Settings")]
#[serde(default, deny_unknown_fields)]
pub struct Layer {
    /// Where the control plane is (default `https://synapsor.ai`); plain http only to this machine
    #[arg(long, global = true, value_name = "URL")]
    pub base_url: Option<String>,
    /// Allow plain http to other machines
    #[arg(long, global = true, value_name = "ON|OFF", num_args = 0..=1, default_missing_value = "on")]
    pub allow_insecure_http: Option<Switch>,
    /// File that holds the API key, readable by you alone; else the key is in SYNAPSOR_API_KEY
    #[arg(long, global = true, value_name = "FILE")]
    pub api_key_file: Option<String>,
    /// Name of the source whose proposals are ours
    #[arg(long, global = true, value_name = "NAME")]
    pub source_name: Option<String>,
    /// Id of the source whose proposals are ours; counts more than its name
    #[arg(long, global = true, value_name = "ID")]
    pub source_id: Option<String>,
    /// Project of the source
    #[arg(long, global = true, value_name = "ID")]
    pub project_id: Option<String>,
    /// Extra certificate authority for the control plane (PEM)
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_file: Option<String>,
    /// Longest time for a call to the control plane (default 30s)
    #[arg(long, global = true, value_name = "TIME")]
    pub request_timeout: Option<Time>,
    /// Longest wait for a connection to control plane or database (default 10s)
    #[arg(long, global = true, value_name = "TIME")]
    pub connect_timeout: Option<Time>,
    /// Largest answer that is taken from the control plane (default 64MiB)
    #[arg(long, global = true, value_name = "SIZE")]
    pub max_response_size: Option<Size>,
    /// Most reports in flight (default 64)
    #[arg(long, global = true, value_name = "N")]
    pub report_concurrency: Option<Count>,

    /// File that holds the connection's URL, readable by you alone; else it is in SYNAPSOR_DATABASE_URL
    #[arg(long, global = true, value_name = "FILE")]
    pub database_url_file: Option<String>,
    /// The connection's URL. A secret, so never a flag.
    #[arg(skip)]
    pub database_url: Option<SecretText>,
    /// Certificate authority of the database server (PEM), besides the well-known ones
    #[arg(long, global = true, value_name = "FILE")]
    pub database_ca_file: Option<String>,
    /// Database that holds the ledger (default synapsor)
    #[arg(long, global = true, value_name = "NAME")]
    pub ledger_schema: Option<String>,

    /// Time between two polls of `run` (default 5s)
    #[arg(long, global = true, value_name = "TIME")]
    pub poll_interval: Option<Time>,
    /// Most proposals that are listed at a time (default 1000)
    #[arg(long, global = true, value_name = "N")]
    pub max_proposals: Option<Count>,
    /// Most proposals between two deliveries of reports (default 100)
    #[arg(long, global = true, value_name = "N")]
    pub batch_size: Option<Count>,
    /// Build and try, then roll back; nothing is reported
    #[arg(long, global = true, value_name = "ON|OFF", num_args = 0..=1, default_missing_value = "on")]
    pub dry_run: Option<Switch>,
    /// Longest wait of a proposal for locks, in whole seconds rounded up (default 5s)
    #[arg(long, global = true, value_name = "TIME")]
    pub lock_timeout: Option<Time>,
    /// Longest time for a statement of a proposal (default 30s)
    #[arg(long, global = true, value_name = "TIME")]
    pub statement_timeout: Option<Time>,
    /// Tries of a transient failure before it is final (default 10)
    #[arg(long, global = true, value_name = "N")]
    pub max_attempts: Option<Count>,
    /// User variable that is bound to the proposal's tenant for its statement (app.tenant_id is @`app.tenant_id`)
    #[arg(long, global = true, value_name = "NAME")]
    pub tenant_setting: Option<String>,
    /// Refuse a proposal without a tenant guard
    #[arg(long, global = true, value_name = "ON|OFF", num_args = 0..=1, default_missing_value = "on")]
    pub require_tenant_guard: Option<Switch>,
    /// Refuse an update or delete without a conflict guard
    #[arg(long, global = true, value_name = "ON|OFF", num_args = 0..=1, default_missing_value = "on")]
    pub require_conflict_guard: Option<Switch>,
    /// Let an update advance its conflict column where nothing else did
    #[arg(long, global = true, value_name = "ON|OFF", num_args = 0..=1, default_missing_value = "on")]
    pub advance_guard: Option<Switch>,
    /// Allow what foreign keys would widen to other rows
    #[arg(long, global = true, value_name = "ON|OFF", num_args = 0..=1, default_missing_value = "on")]
    pub allow_cascade: Option<Switch>,
    /// Reported rows of the ledger older than this are pruned (default 90days); 0 keeps them
    #[arg(long, global = true, value_name = "TIME")]
    pub ledger_retention: Option<Time>,
}
