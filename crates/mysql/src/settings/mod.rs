//! What the program is told: flags, environment and a TOML file, merged into values that everything else works with.

pub mod layer;
pub mod secret;
pub mod units;

use std::env;
use std::fs;
use std::path::Path;
use std::time::Duration;

use synapsor_core::control_plane::ControlPlaneSettings;
use synapsor_core::dialect::Dialect;
use synapsor_core::identifier;
use synapsor_core::outcome::Policy;

use crate::error::Error;
pub use layer::Layer;
use secret::SecretText;

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
    /// Merges flags and environment (which clap has put into `given`) with the TOML file, if there is one.
    ///
    /// # Errors
    /// `CONFIG_FILE`, `CONFIG_INVALID`, and those of [`SecretText`] for the connection's URL.
    pub fn load(given: &Layer, config: Option<&Path>) -> Result<Self, Error> {
        let file = config.map(read_file).transpose()?.unwrap_or_default();
        let settings = Merge { given, file: &file };
        settings.merge()
    }
}

/// Reads a TOML file. One that holds a connection's URL has to be private.
fn read_file(path: &Path) -> Result<Layer, Error> {
    let name = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Error::ConfigFile(format!("{name}: {}", error.kind())))?;
    // The library's own message would quote the line, which may hold a password.
    let layer: Layer = toml::from_str(&text).map_err(|error: toml::de::Error| {
        Error::ConfigInvalid(format!("{name}, {}", place_and_reason(&text, &error)))
    })?;
    if layer.database_url.is_some() {
        SecretText::read_file(path)?;
    }
    Ok(layer)
}

fn place_and_reason(text: &str, error: &toml::de::Error) -> String {
    let line = error
        .span()
        .and_then(|span| text.get(..span.start))
        .map_or(1, |before| before.matches('\n').count() + 1);
    // Of the message, only what names keys: a value of the wrong type may be quoted in it.
    let reason = error.message();
    let reason = if reason.starts_with("unknown field") || reason.starts_with("expected ") {
        reason
    } else {
        "it can't be read as TOML with the settings of this program"
    };
    format!("line {line}: {reason}")
}

/// Two layers, of which the first counts more.
struct Merge<'a> {
    given: &'a Layer,
    file: &'a Layer,
}

impl Merge<'_> {
    fn pick<T: Clone>(&self, field: impl Fn(&Layer) -> &Option<T>) -> Option<T> {
        field(self.given)
            .clone()
            .or_else(|| field(self.file).clone())
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

    fn count(
        &self,
        name: &str,
        field: impl Fn(&Layer) -> &Option<usize>,
        default: usize,
        most: usize,
    ) -> Result<usize, Error> {
        let count = self.pick(field).unwrap_or(default);
        if (1..=most).contains(&count) {
            Ok(count)
        } else {
            let wanted = format!("{name} must be from 1 to {most}");
            Err(Error::ConfigInvalid(wanted))
        }
    }

    fn merge(&self) -> Result<Settings, Error> {
        let poll_interval = self.time(|l| &l.poll_interval, 5);
        if poll_interval < Duration::from_millis(10) {
            return Err(invalid("poll_interval must be at least 10ms"));
        }
        let ledger_schema = self.text(|l| &l.ledger_schema);
        let ledger_schema = ledger_schema.unwrap_or_else(|| "synapsor".to_owned());
        if !identifier::is_safe(&ledger_schema, Dialect::MySql) {
            return Err(invalid(
                "ledger_schema must be a plain name of letters, digits and _",
            ));
        }
        let retention = self.time(|l| &l.ledger_retention, 90 * 24 * 60 * 60);
        Ok(Settings {
            control_plane: self.control_plane()?,
            database: self.database()?,
            applying: self.applying()?,
            ledger_schema,
            poll_interval,
            max_proposals: self.count("max_proposals", |l| &l.max_proposals, 1000, 1_000_000)?,
            batch_size: self.count("batch_size", |l| &l.batch_size, 100, 10_000)?,
            dry_run: self.is_on(|l| &l.dry_run),
            ledger_retention: (!retention.is_zero()).then_some(retention),
        })
    }

    fn control_plane(&self) -> Result<ControlPlaneSettings, Error> {
        let base_url = self.text(|l| &l.base_url);
        Ok(ControlPlaneSettings {
            base_url: base_url.unwrap_or_else(|| "https://synapsor.ai".to_owned()),
            allow_insecure_http: self.is_on(|l| &l.allow_insecure_http),
            api_key_file: self.text(|l| &l.api_key_file),
            source_name: self.text(|l| &l.source_name),
            source_id: self.text(|l| &l.source_id),
            project_id: self.text(|l| &l.project_id),
            ca_file: self.text(|l| &l.ca_file),
            request_timeout: self.limit("request_timeout", |l| &l.request_timeout, 30)?,
            connect_timeout: self.limit("connect_timeout", |l| &l.connect_timeout, 10)?,
            max_response_size: self
                .pick(|l| &l.max_response_size)
                .map_or(64 << 20, |size| size.0),
            report_concurrency: self.count(
                "report_concurrency",
                |l| &l.report_concurrency,
                64,
                1024,
            )?,
        })
    }

    /// A limit on the network, which there always is.
    fn limit(
        &self,
        name: &str,
        field: impl Fn(&Layer) -> &Option<units::Time>,
        default: u64,
    ) -> Result<Duration, Error> {
        let limit = self.time(field, default);
        if limit.is_zero() {
            return Err(invalid(&format!("{name} must be more than 0")));
        }
        Ok(limit)
    }

    fn database(&self) -> Result<DatabaseSettings, Error> {
        Ok(DatabaseSettings {
            url: self.database_url()?,
            ca_file: self.text(|l| &l.database_ca_file),
            connect_timeout: self.limit("connect_timeout", |l| &l.connect_timeout, 10)?,
        })
    }

    /// The environment's URL, else the file's that a flag or the environment names, else what the TOML file says.
    fn database_url(&self) -> Result<Option<SecretText>, Error> {
        if let Ok(url) = env::var("SYNAPSOR_DATABASE_URL") {
            return Ok(Some(SecretText::new(&url)));
        }
        if let Some(path) = self.text(|l| &l.database_url_file) {
            return SecretText::read_file(Path::new(&path)).map(Some);
        }
        let url = self.file.database_url.as_deref();
        Ok(url.map(SecretText::new))
    }

    fn applying(&self) -> Result<ApplySettings, Error> {
        let max_attempts = self.pick(|l| &l.max_attempts).unwrap_or(10);
        if !(1..=1000).contains(&max_attempts) {
            return Err(invalid("max_attempts must be from 1 to 1000"));
        }
        let tenant_setting = self.text(|l| &l.tenant_setting);
        if tenant_setting
            .as_ref()
            .is_some_and(|name| !is_variable(name))
        {
            return Err(invalid(
                "tenant_setting must be a name of letters, digits, _ and .",
            ));
        }
        Ok(ApplySettings {
            lock_timeout: self.time(|l| &l.lock_timeout, 5),
            statement_timeout: self.time(|l| &l.statement_timeout, 30),
            max_attempts,
            tenant_setting,
            policy: Policy {
                require_tenant_guard: self.is_on(|l| &l.require_tenant_guard),
                require_conflict_guard: self.is_on(|l| &l.require_conflict_guard),
            },
            advance_guard: self.is_on(|l| &l.advance_guard),
            allow_cascade: self.is_on(|l| &l.allow_cascade),
        })
    }
}

fn invalid(what: &str) -> Error {
    Error::ConfigInvalid(what.to_owned())
}

fn is_variable(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'.';
    name.len() <= 64 && name.bytes().all(is_plain)
}
