//! What a poll begins with: our source's id, and the approved proposals that are listed for it.

use super::client::Client;
use super::error::ControlPlaneError;
use super::listing::Listing;
use super::source_resolver::SourceResolver;
use super::sources::SourceError;
use crate::api_key::ApiKey;
use crate::listed::{Listed, Ours};

/// Which source's proposals are ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OurSource {
    /// The `source_kind` that we serve: `postgres` or `mysql`.
    pub kind: &'static str,
    /// Its project, where the operator names one.
    pub project_id: Option<String>,
    /// Its id (`src_…`), or its name, which is looked up.
    pub source: String,
    /// True when [`OurSource::source`] is the id, whatever it looks like.
    pub is_id: bool,
}

/// What the list had.
pub struct Fetched {
    /// Our source's id.
    pub source_id: String,
    /// Its elements, in order.
    pub proposals: Vec<Listed>,
}

impl Client {
    /// The approved proposals of our source: all pages, at most `max_proposals` of ours.
    ///
    /// # Errors
    /// Those of [`SourceResolver::call`], and those of the listing.
    pub fn fetch_approved(
        &self,
        key: &ApiKey,
        ours: &OurSource,
        names: &mut SourceResolver,
        max_proposals: usize,
    ) -> Result<Fetched, SourceError> {
        let project = ours.project_id.as_deref();
        let fetch = |id: &str| self.fetch_of(key, ours, id, max_proposals);
        if ours.is_id {
            return Ok(fetch(&ours.source)?);
        }
        names.call(self, key, project, &ours.source, fetch)
    }

    fn fetch_of(
        &self,
        key: &ApiKey,
        ours: &OurSource,
        source_id: &str,
        max_proposals: usize,
    ) -> Result<Fetched, ControlPlaneError> {
        let whose = Ours {
            kind: ours.kind,
            source_id: Some(source_id.to_owned()),
        };
        let project = ours.project_id.as_deref();
        let mut proposals = Vec::new();
        for page in Listing::new(self, key, &whose, project, max_proposals) {
            proposals.extend(page?);
        }
        Ok(Fetched {
            source_id: source_id.to_owned(),
            proposals,
        })
    }
}
