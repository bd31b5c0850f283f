//! What the program is told: flags, environment and a TOML file, merged into values that everything else works with.

mod given;
mod layer;
pub mod secret;
mod units;

use std::env;
use std::path::Path;
use std::time::Duration;

use synapsor_core::control_plane::ControlPlaneSettings;
use synapsor_core::outcome::Policy;

use crate::error::Error;
pub use given::{check, unknown_variables};
pub use layer::Layer;
use secret::SecretText;

/// The environment variable that holds the API key itself.
pub const API_KEY: &str = "SYNAPSOR_API_KEY";

/// The values of all settings at one moment.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whom we talk to, and how.
    pub control_plane: ControlPlaneSettings,
    /// How the database is reached.
    pub database: DatabaseSettings,
    /// How a proposal is applied.
    pub applying: ApplySettings,
    /// The database that holds the ledger.
    pub ledger_schema: String,
    /// Time between two polls.
    pub poll_interval: Duration,
    /// Most proposals that are listed at a time.
    pub max_proposals: usize,
    /// Most proposals between two deliveries of reports.
    pub batch_size: usize,
    /// Try and roll back.
    pub dry_run: bool,
    /// Age at which reported rows are pruned; `None` keeps everything.
    pub ledger_retention: Option<Duration>,
}

/// See [`Settings::database`].
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// The connection's URL; `None` where nothing says it, which only matters to those who connect.
    pub url: Option<SecretText>,
    /// Extra certificate authority.
    pub ca_file: Option<String>,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
}

/// See [`Settings::applying`].
#[derive(Clone, Debug)]
pub struct ApplySettings {
    /// Longest wait for locks; zero for no limit.
    pub lock_timeout: Duration,
    /// Longest time for a statement; zero for no limit.
    pub statement_timeout: Duration,
    /// Tries of a transient failure before it is final.
    pub max_attempts: i32,
    /// The user variable that the tenant is bound to.
    pub tenant_setting: Option<String>,
    /// What the operator demands of every proposal.
    pub policy: Policy,
    /// Let an update advance its conflict column.
    pub advance_guard: bool,
    /// Allow what foreign keys would widen.
    pub allow_cascade: bool,
}

impl Settings {
    /// Merges flags, environment and the TOML file, if there is one.
    ///
    /// # Errors
    /// `CONFIG_FILE`, `CONFIG_INVALID`, and those of [`SecretText`] for the connection's URL.
    pub fn load(flags: &Layer, config: Option<&Path>) -> Result<Self, Error> {
        let environment = given::by_environment()?;
        let file = config.map(given::by_file).transpose()?.unwrap_or_default();
        let merge = Merge {
            layers: [flags, &environment, &file],
        };
        merge.merge()
    }
}

/// The layers, of which the first that says something counts.
struct Merge<'a> {
    layers: [&'a Layer; 3],
}

impl Merge<'_> {
    fn pick<T: Clone>(&self, field: impl Fn(&Layer) -> &Option<T>) -> Option<T> {
        self.layers.iter().find_map(|layer| field(layer).clone())
    }

    /// A text; the empty one counts as absent.
    fn text(&self, field: impl Fn(&Layer) -> &Option<String>) -> Option<String> {
        self.pick(field).filter(|text| !text.is_empty())
    }

    fn time(&self, field: impl Fn(&Layer) -> &Option<units::Time>, default: u64) -> Duration {
        self.pick(field)
            .map_or(Duration::from_secs(default), |time| time.0)
    }

    fn is_on(&self, field: impl Fn(&Layer) -> &Option<units::Switch>) -> bool {
        self.pick(field).is_some_and(|switch| switch.0)
    }

    fn count(&self, field: impl Fn(&Layer) -> &Option<units::Count>, default: usize) -> usize {
        self.pick(field).map_or(default, |count| count.0)
    }

    fn merge(&self) -> Result<Settings, Error> {
        let ledger_schema = self.text(|l| &l.ledger_schema);
        let retention = self.time(|l| &l.ledger_retention, 90 * 24 * 60 * 60);
        Ok(Settings {
            control_plane: self.control_plane(),
            database: self.database()?,
            applying: self.applying(),
            ledger_schema: ledger_schema.unwrap_or_else(|| "synapsor".to_owned()),
            poll_interval: self.time(|l| &l.poll_interval, 5),
            max_proposals: self.count(|l| &l.max_proposals, 1000),
            batch_size: self.count(|l| &l.batch_size, 100),
            dry_run: self.is_on(|l| &l.dry_run),
            ledger_retention: (!retention.is_zero()).then_some(retention),
        })
    }

    fn control_plane(&self) -> ControlPlaneSettings {
        let base_url = self.text(|l| &l.base_url);
        let max_response_size = self.pick(|l| &l.max_response_size);
        ControlPlaneSettings {
            base_url: base_url.unwrap_or_else(|| "https://synapsor.ai".to_owned()),
            allow_insecure_http: self.is_on(|l| &l.allow_insecure_http),
            api_key_file: self.api_key_file(),
            source_name: self.text(|l| &l.source_name),
            source_id: self.text(|l| &l.source_id),
            project_id: self.text(|l| &l.project_id),
            ca_file: self.text(|l| &l.ca_file),
            request_timeout: self.time(|l| &l.request_timeout, 30),
            connect_timeout: self.time(|l| &l.connect_timeout, 10),
            max_response_size: max_response_size.map_or(64 << 20, |size| size.0),
            report_concurrency: self.count(|l| &l.report_concurrency, 64),
        }
    }

    /// The environment can hold the key itself: then a file that only the TOML file names is left out.
    fn api_key_file(&self) -> Option<String> {
        let [flags, environment, file] = self.layers;
        let is_in_environment = env::var_os(API_KEY).is_some_and(|key| !key.is_empty());
        let file = (!is_in_environment).then_some(file);
        let layers = [Some(flags), Some(environment), file];
        let mut named = layers.into_iter().flatten().map(|l| &l.api_key_file);
        named.find_map(Clone::clone).filter(|path| !path.is_empty())
    }

    fn database(&self) -> Result<DatabaseSettings, Error> {
        Ok(DatabaseSettings {
            url: self.database_url()?,
            ca_file: self.text(|l| &l.database_ca_file),
            connect_timeout: self.time(|l| &l.connect_timeout, 10),
        })
    }

    /// Of the first layer that has one: the file's, else the URL itself.
    fn database_url(&self) -> Result<Option<SecretText>, Error> {
        for layer in self.layers {
            let file = layer.database_url_file.as_deref();
            if let Some(path) = file.filter(|path| !path.is_empty()) {
                return SecretText::read_file(Path::new(path)).map(Some);
            }
            if layer.database_url.is_some() {
                return Ok(layer.database_url.clone());
            }
        }
        Ok(None)
    }

    fn applying(&self) -> ApplySettings {
        let max_attempts = self.count(|l| &l.max_attempts, 10);
        ApplySettings {
            lock_timeout: self.time(|l| &l.lock_timeout, 5),
            statement_timeout: self.time(|l| &l.statement_timeout, 30),
            max_attempts: i32::try_from(max_attempts).unwrap_or(i32::MAX),
            tenant_setting: self.text(|l| &l.tenant_setting),
            policy: Policy {
                require_tenant_guard: self.is_on(|l| &l.require_tenant_guard),
                require_conflict_guard: self.is_on(|l| &l.require_conflict_guard),
            },
            advance_guard: self.is_on(|l| &l.advance_guard),
            allow_cascade: self.is_on(|l| &l.allow_cascade),
        }
    }
}
