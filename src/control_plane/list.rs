//! The list of approved proposals, fetched a page ahead.

use synapsor_core::control_plane::{ControlPlaneError, Pages};
use synapsor_core::listed::Listed;

use crate::error::ExtensionError;
use crate::pg::off_thread::{self, OffThreadError, Running};

/// The list of approved proposals, a page at a time. While one is worked off, the next one is fetched.
pub struct List {
    source_id: String,
    next: Option<Running<Fetching>>,
}

/// A page that was fetched, and the pages after it.
type Fetching = (Pages, Option<Result<Vec<Listed>, ControlPlaneError>>);

impl List {
    /// Begins with pages of which the first has been fetched.
    pub(super) fn beginning_with(pages: Pages) -> Result<Self, ExtensionError> {
        Ok(List {
            source_id: pages.source_id.clone(),
            next: Some(fetch_next(pages)?),
        })
    }

    /// Our source's id.
    pub fn source_id(&self) -> &str {
        &self.source_id
    }

    /// The next page; `None` after the last one.
    pub fn next_page(&mut self) -> Result<Option<Vec<Listed>>, ExtensionError> {
        let Some(next) = self.next.take() else {
            return Ok(None);
        };
        let (pages, page) = next.wait()?;
        if let Some(Ok(_)) = page {
            self.next = Some(fetch_next(pages)?);
        }
        page.transpose().map_err(ExtensionError::ControlPlane)
    }
}

fn fetch_next(mut pages: Pages) -> Result<Running<Fetching>, OffThreadError> {
    off_thread::start(move |_| {
        let page = pages.next();
        (pages, page)
    })
}
