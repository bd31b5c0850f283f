//! The settings that say whom we talk to, and how. Where their values come from is the shell's matter.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::approved::OurSource;
use super::base_url::{BaseUrl, BaseUrlError};
use super::client::Config;

/// Whom we talk to, and how.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ControlPlaneSettings {
    /// `base_url`
    pub base_url: String,
    /// `allow_insecure_http`
    pub allow_insecure_http: bool,
    /// `api_key_file`
    pub api_key_file: Option<String>,
    /// `source_name`
    pub source_name: Option<String>,
    /// `source_id`
    pub source_id: Option<String>,
    /// `project_id`
    pub project_id: Option<String>,
    /// `ca_file`
    pub ca_file: Option<String>,
    /// `request_timeout`
    pub request_timeout: Duration,
    /// `connect_timeout`
    pub connect_timeout: Duration,
    /// `max_response_size`, in bytes.
    pub max_response_size: u64,
    /// `report_concurrency`
    pub report_concurrency: usize,
}

impl ControlPlaneSettings {
    /// A number that tells these settings from others, within one build of the program.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    /// True when they say which source we are.
    pub fn names_a_source(&self) -> bool {
        self.source_id.is_some() || self.source_name.is_some()
    }

    /// The source that we are, for a shell that serves `kind`; the id counts more than the name.
    pub fn our_source(&self, kind: &'static str) -> Option<OurSource> {
        let source = self.source_id.as_ref().or(self.source_name.as_ref())?;
        Some(OurSource {
            kind,
            project_id: self.project_id.clone(),
            source: source.clone(),
            is_id: self.source_id.is_some(),
        })
    }

    /// What a client is made from. `ca_pem` is the content of `ca_file`.
    ///
    /// # Errors
    /// Those of [`BaseUrl::parse`].
    pub fn config(&self, ca_pem: Option<Vec<u8>>, product: &str) -> Result<Config, BaseUrlError> {
        Ok(Config {
            base_url: BaseUrl::parse(&self.base_url, self.allow_insecure_http)?,
            connect_timeout: self.connect_timeout,
            request_timeout: self.request_timeout,
            max_response_size: usize::try_from(self.max_response_size).unwrap_or(usize::MAX),
            ca_pem,
            user_agent: product.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> ControlPlaneSettings {
        ControlPlaneSettings {
            base_url: "https://x.test/".into(),
            allow_insecure_http: false,
            api_key_file: None,
            source_name: None,
            source_id: None,
            project_id: Some("prj_1".into()),
            ca_file: None,
            request_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            max_response_size: 1000,
            report_concurrency: 64,
        }
    }

    #[test]
    fn the_source_is_the_one_with_the_id_else_the_one_with_the_name() {
        let (id, name) = (Some("src_1".to_owned()), Some("app".to_owned()));
        for (source_id, source_name, ours) in [
            (&id, &name, Some(("src_1", true))),
            (&id, &None, Some(("src_1", true))),
            (&None, &name, Some(("app", false))),
            (&None, &None, None),
        ] {
            let settings = ControlPlaneSettings {
                source_id: source_id.clone(),
                source_name: source_name.clone(),
                ..settings()
            };
            let expected = ours.map(|(source, is_id)| OurSource {
                kind: "mysql",
                project_id: Some("prj_1".into()),
                source: source.into(),
                is_id,
            });
            assert_eq!(settings.names_a_source(), expected.is_some());
            assert_eq!(settings.our_source("mysql"), expected);
        }
    }

    #[test]
    fn the_fingerprint_tells_settings_apart() {
        let other = ControlPlaneSettings {
            ca_file: Some("ca.pem".into()),
            ..settings()
        };
        assert_eq!(settings().fingerprint(), settings().fingerprint());
        assert_ne!(settings().fingerprint(), other.fingerprint());
    }
}
