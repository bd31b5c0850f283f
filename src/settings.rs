//! The settings `synapsor.*`: a snapshot of their values, that everything else works with.

pub mod defaults;
mod definitions;

use std::sync::atomic::Ordering;
use std::time::Duration;

use pgrx::guc::GucSetting;
use synapsor_core::control_plane::ControlPlaneSettings;
use synapsor_core::outcome::Policy;

use crate::error::ExtensionError;
use crate::pg::databases::split_names;

pub use definitions::define;
use definitions::*;

/// The values of all settings at one moment. An empty text is `None`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whom we talk to, and how.
    pub control_plane: ControlPlaneSettings,
    /// How a proposal is applied.
    pub applying: ApplySettings,
    /// `synapsor.poll_interval`
    pub poll_interval: Duration,
    /// `synapsor.max_proposals`
    pub max_proposals: usize,
    /// `synapsor.dry_run`
    pub dry_run: bool,
    /// `synapsor.batch_size`
    pub batch_size: usize,
    /// `synapsor.ledger_retention`; `None` keeps everything.
    pub ledger_retention: Option<Duration>,
}

/// See [`Settings::applying`].
#[derive(Clone, Debug)]
pub struct ApplySettings {
    /// `synapsor.apply_role`
    pub apply_role: Option<String>,
    /// `synapsor.lock_timeout`, in milliseconds; 0 for none.
    pub lock_timeout: i32,
    /// `synapsor.statement_timeout`, in milliseconds; 0 for none.
    pub statement_timeout: i32,
    /// `synapsor.max_attempts`
    pub max_attempts: i32,
    /// `synapsor.tenant_setting`
    pub tenant_setting: Option<String>,
    /// `synapsor.require_tenant_guard`, `synapsor.require_conflict_guard`
    pub policy: Policy,
    /// `synapsor.advance_guard`
    pub advance_guard: bool,
    /// `synapsor.allow_cascade`
    pub allow_cascade: bool,
    /// `synapsor.capture`
    pub capture: bool,
}

impl Settings {
    /// Reads the settings as they are now.
    ///
    /// # Errors
    /// `CLIENT_SETTINGS_REFUSED` in a session whose client tried to set them without the right to.
    pub fn now() -> Result<Self, ExtensionError> {
        if TAMPERED.load(Ordering::Relaxed) {
            return Err(ExtensionError::ClientSettings);
        }
        let retention = LEDGER_RETENTION.get();
        Ok(Settings {
            control_plane: control_plane(),
            applying: ApplySettings::now(),
            poll_interval: Duration::from_millis(count(&POLL_INTERVAL) as u64),
            max_proposals: count(&MAX_PROPOSALS),
            dry_run: DRY_RUN.get(),
            batch_size: count(&BATCH_SIZE),
            ledger_retention: (retention > 0).then(|| Duration::from_secs(retention as u64 * 60)),
        })
    }
}

impl ApplySettings {
    fn now() -> Self {
        ApplySettings {
            apply_role: value(&APPLY_ROLE),
            lock_timeout: LOCK_TIMEOUT.get(),
            statement_timeout: STATEMENT_TIMEOUT.get(),
            max_attempts: MAX_ATTEMPTS.get(),
            tenant_setting: value(&TENANT_SETTING),
            policy: Policy {
                require_tenant_guard: REQUIRE_TENANT_GUARD.get(),
                require_conflict_guard: REQUIRE_CONFLICT_GUARD.get(),
            },
            advance_guard: ADVANCE_GUARD.get(),
            allow_cascade: ALLOW_CASCADE.get(),
            capture: CAPTURE.get(),
        }
    }
}

/// Whom we talk to and how, as it is set now.
pub fn control_plane() -> ControlPlaneSettings {
    ControlPlaneSettings {
        base_url: value(&BASE_URL).unwrap_or_default(),
        allow_insecure_http: ALLOW_INSECURE_HTTP.get(),
        api_key_file: value(&API_KEY_FILE),
        source_name: value(&SOURCE_NAME),
        source_id: value(&SOURCE_ID),
        project_id: value(&PROJECT_ID),
        ca_file: value(&CA_FILE),
        request_timeout: Duration::from_millis(count(&REQUEST_TIMEOUT) as u64),
        connect_timeout: Duration::from_millis(count(&CONNECT_TIMEOUT) as u64),
        max_response_size: count(&MAX_RESPONSE_SIZE) as u64 * 1024,
        report_concurrency: count(&REPORT_CONCURRENCY),
    }
}

/// `synapsor.databases`; `None` when it is malformed.
pub fn databases() -> Option<Vec<String>> {
    split_names(&value(&DATABASES).unwrap_or_default())
}

/// `synapsor.apply_role`
pub fn apply_role() -> Option<String> {
    value(&APPLY_ROLE)
}

fn value(setting: &'static Text) -> Option<String> {
    let text = setting.get()?.to_string_lossy().into_owned();
    (!text.is_empty()).then_some(text)
}

fn count(setting: &'static GucSetting<i32>) -> usize {
    usize::try_from(setting.get()).unwrap_or_default()
}
