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

/// The list, as it comes: a page at a time.
pub struct Pages {
    /// Our source's id.
    pub source_id: String,
    first: Option<Vec<Listed>>,
    rest: Listing,
}

impl Pages {
    /// The first page, which is there already, unless it was taken before.
    pub fn take_first(&mut self) -> Option<Vec<Listed>> {
        self.first.take()
    }

    /// False when there is no page left to ask for.
    pub fn has_more(&self) -> bool {
        self.first.is_some() || !self.rest.is_finished()
    }
}

impl Iterator for Pages {
    type Item = Result<Vec<Listed>, ControlPlaneError>;

    /// Calls the control plane, and waits for its answer; for the first page it has done so already.
    fn next(&mut self) -> Option<Self::Item> {
        match self.first.take() {
            Some(page) => Some(Ok(page)),
            None => self.rest.next(),
        }
    }
}

impl Client {
    /// The approved proposals of our source: all pages, at most `max_proposals` of ours.
    ///
    /// # Errors
    /// Those of [`Client::approved_pages`].
    pub fn fetch_approved(
        &self,
        key: &ApiKey,
        ours: &OurSource,
        names: &mut SourceResolver,
        max_proposals: usize,
    ) -> Result<Fetched, SourceError> {
        let pages = self.approved_pages(key, ours, names, max_proposals, max_proposals)?;
        let source_id = pages.source_id.clone();
        let pages: Result<Vec<_>, _> = pages.collect();
        Ok(Fetched {
            source_id,
            proposals: pages?.into_iter().flatten().collect(),
        })
    }

    /// The approved proposals of our source, at most `max_proposals` of ours, a page at a time, with at most `page_size` in
    /// each. The first page is fetched at once.
    ///
    /// # Errors
    /// Those of [`SourceResolver::call`], and those of the listing.
    pub fn approved_pages(
        &self,
        key: &ApiKey,
        ours: &OurSource,
        names: &mut SourceResolver,
        max_proposals: usize,
        page_size: usize,
    ) -> Result<Pages, SourceError> {
        let project = ours.project_id.as_deref();
        let begin = |id: &str| self.begin_listing(key, ours, id, max_proposals, page_size);
        if ours.is_id {
            return Ok(begin(&ours.source)?);
        }
        names.call(self, key, project, &ours.source, begin)
    }

    fn begin_listing(
        &self,
        key: &ApiKey,
        ours: &OurSource,
        source_id: &str,
        max_proposals: usize,
        page_size: usize,
    ) -> Result<Pages, ControlPlaneError> {
        let whose = Ours {
            kind: ours.kind,
            source_id: Some(source_id.to_owned()),
        };
        let project = ours.project_id.as_deref();
        let rest = Listing::new(self, key, &whose, project, max_proposals);
        let mut rest = rest.in_pages_of(page_size);
        Ok(Pages {
            source_id: source_id.to_owned(),
            first: rest.next().transpose()?,
            rest,
        })
    }
}
