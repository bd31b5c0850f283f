//! The list of approved proposals, fetched a page ahead.

use synapsor_core::control_plane::{ControlPlaneError, Pages};
use synapsor_core::listed::Listed;

use crate::error::ExtensionError;
use crate::pg::off_thread::{self, OffThreadError, Running};

/// The list of approved proposals, a page at a time. While one is worked off, the next one is fetched.
pub struct List {
    source_id: String,
    next: Option<Next>,
}

/// What comes next.
enum Next {
    /// The first page, which has been fetched.
    First(Box<Pages>),
    /// One that is being fetched.
    Running(Running<Fetching>),
}

/// A page that was fetched, and the pages after it.
type Fetching = (Pages, Option<Result<Vec<Listed>, ControlPlaneError>>);

impl List {
    /// Begins with pages of which the first has been fetched.
    pub(super) fn beginning_with(pages: Pages) -> Self {
        List {
            source_id: pages.source_id.clone(),
            next: Some(Next::First(Box::new(pages))),
        }
    }

    /// Our source's id.
    pub fn source_id(&self) -> &str {
        &self.source_id
    }

    /// The next page; `None` after the last one.
    pub fn next_page(&mut self) -> Result<Option<Vec<Listed>>, ExtensionError> {
        let (pages, page) = match self.next.take() {
            None => return Ok(None),
            Some(Next::First(mut pages)) => {
                let first = pages.take_first();
                (*pages, first.map(Ok))
            }
            Some(Next::Running(fetching)) => fetching.wait()?,
        };
        if matches!(page, Some(Ok(_))) && pages.has_more() {
            self.next = Some(Next::Running(fetch_next(pages)?));
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
