//! A doctor's look at the control plane: a few calls, whose answers tell what is wrong with address, certificate, key, source and clock.

use std::time::SystemTime;

use super::approved::OurSource;
use super::client::Client;
use super::error::ControlPlaneError;
use super::proposals::Filter;
use super::source_resolver::SourceResolver;
use super::sources::{Source, SourceError};
use crate::api_key::ApiKey;
use crate::json::Json;
use crate::listed::{Listed, Ours};

/// What a look at the control plane found. Nothing was changed by it.
pub struct Checkup {
    /// Our source's id, and the first page of its approved proposals; or the first call that failed.
    pub listed: Result<(String, Vec<Listed>), SourceError>,
    /// What the control plane says of our source; absent where it was not asked.
    pub source: Option<Result<Json, ControlPlaneError>>,
    /// The sources that there are, where ours could not be found.
    pub sources: Vec<Source>,
    /// How far the server's clock is ahead of ours, in seconds; absent where it did not say.
    pub clock_ahead: Option<i64>,
}

impl Client {
    /// Looks: resolves our source, fetches one page of at most `limit` approved proposals, and asks for the source itself. A few
    /// calls, each within the client's time limits.
    pub fn check_up(&self, key: &ApiKey, ours: &OurSource, limit: usize) -> Checkup {
        let mut checkup = Checkup {
            listed: Ok((String::new(), Vec::new())),
            source: None,
            sources: Vec::new(),
            clock_ahead: None,
        };
        checkup.listed = self.look_at_list(key, ours, limit, &mut checkup.clock_ahead);
        if let Ok((id, _)) = &checkup.listed {
            checkup.source = Some(self.show_source(key, id));
        }
        let is_unknown = match (&checkup.listed, &checkup.source) {
            (Err(SourceError::NotFound(_) | SourceError::Ambiguous(_)), _) => true,
            (_, Some(Err(error))) => error.status() == Some(404),
            _ => false,
        };
        if is_unknown {
            let sources = self.list_sources(key, ours.project_id.as_deref());
            checkup.sources = sources.unwrap_or_default();
        }
        checkup
    }

    fn look_at_list(
        &self,
        key: &ApiKey,
        ours: &OurSource,
        limit: usize,
        clock_ahead: &mut Option<i64>,
    ) -> Result<(String, Vec<Listed>), SourceError> {
        let project_id = ours.project_id.clone();
        let id = match ours.is_id {
            true => ours.source.clone(),
            false => {
                let mut names = SourceResolver::default();
                names.resolve(self, key, project_id.as_deref(), &ours.source)?
            }
        };
        let filter = Filter {
            source_id: Some(id.clone()),
            project_id,
            limit: Some(limit),
            cursor: None,
        };
        let page = self.list_approved(key, &filter)?;
        *clock_ahead = page.date.map(seconds_ahead_of_us);
        let whose = Ours {
            kind: ours.kind,
            source_id: Some(id.clone()),
        };
        let items = page.items.iter().take(limit);
        Ok((id, items.map(|item| item.read(&whose)).collect()))
    }
}

/// A header has whole seconds.
fn seconds_ahead_of_us(date: SystemTime) -> i64 {
    let now = SystemTime::now();
    let seconds = |time: std::time::Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match date.duration_since(now) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => -seconds(behind.duration()),
    }
}
