//! All pages of the list of approved proposals, whatever the server makes of `limit` and `cursor` (contract section 3).

use std::collections::HashSet;
use std::hash::BuildHasher;

use super::client::Client;
use super::error::ControlPlaneError;
use super::proposals::Filter;
use crate::api_key::ApiKey;
use crate::digest;
use crate::listed::{Listed, Ours};

/// Proposals asked for in one page.
const PAGE_SIZE: usize = 500;

/// Pages in a row that may bring nothing new before the list counts as over.
const MAX_BARREN_PAGES: usize = 3;

/// Elements that are not ours that one listing reads at most.
const MAX_FOREIGN: usize = 100_000;

/// Pages that one listing reads at most.
const MAX_PAGES: usize = 1000;

/// The approved proposals, a page at a time, in the server's order: an iterator of pages, each a vector of [`Listed`].
///
/// It always ends: after `max_proposals` of ours, after a cursor that was there before, after some pages without
/// anything new, after very much that is not ours, after as many bytes as one answer may have, and after the first error.
///
/// What is listed twice with the same id and the same effect comes once; the same id with another effect comes again,
/// for the ledger to refuse. What is not ours does not count towards `max_proposals`, so that a server which ignores
/// `source_id` can't hide our proposals behind other sources'.
#[derive(Debug)]
pub struct Listing {
    client: Client,
    key: ApiKey,
    ours: Ours,
    filter: Filter,
    /// How many of ours may still come.
    remaining: usize,
    foreign: usize,
    /// How many bytes of elements may still come; the rest waits for the next listing.
    room: usize,
    /// Hashes of what was there, so that an endless list does not fill our memory. Should two ever meet, a proposal
    /// waits for the next listing, which hashes differently.
    seen: HashSet<u64>,
    cursors: Cursors,
    barren_pages: usize,
    finished: bool,
}

impl Listing {
    /// Starts a listing of at most `max_proposals` of ours. Nothing is sent before the first page is asked for.
    pub fn new(
        client: &Client,
        key: &ApiKey,
        ours: &Ours,
        project_id: Option<&str>,
        max_proposals: usize,
    ) -> Self {
        let filter = Filter {
            source_id: ours.source_id.clone(),
            project_id: project_id.map(str::to_owned),
            limit: Some(max_proposals.min(PAGE_SIZE)),
            cursor: None,
        };
        Listing {
            client: client.clone(),
            key: key.clone(),
            ours: ours.clone(),
            filter,
            remaining: max_proposals,
            foreign: 0,
            room: client.max_response_size,
            seen: HashSet::new(),
            cursors: Cursors::default(),
            barren_pages: 0,
            finished: max_proposals == 0,
        }
    }

    /// Asks for so many in a page, or for as many as is usual, whichever is less.
    pub fn in_pages_of(mut self, page_size: usize) -> Self {
        self.filter.limit = Some(page_size.min(PAGE_SIZE));
        self
    }

    /// True after the last page.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    fn page(&mut self) -> Result<Vec<Listed>, ControlPlaneError> {
        let page = self.client.list_approved(&self.key, &self.filter)?;
        let mut news = Vec::new();
        for item in &page.items {
            let listed = item.read(&self.ours);
            let identity = self.seen.hasher().hash_one(identity(&listed));
            if !self.seen.insert(identity) {
                continue;
            }
            let is_ours = !matches!(listed, Listed::NotOurs { .. });
            if is_ours && self.remaining == 0 {
                break;
            }
            self.remaining -= usize::from(is_ours);
            self.foreign += usize::from(!is_ours);
            self.room = self.room.saturating_sub(item.raw.get().len());
            news.push(listed);
        }
        self.barren_pages = if news.is_empty() {
            self.barren_pages + 1
        } else {
            0
        };
        self.filter.cursor = self.cursors.follow(page.next_cursor);
        self.finished = self.remaining == 0
            || self.room == 0
            || self.foreign > MAX_FOREIGN
            || self.barren_pages == MAX_BARREN_PAGES
            || self.filter.cursor.is_none();
        Ok(news)
    }
}

impl Iterator for Listing {
    type Item = Result<Vec<Listed>, ControlPlaneError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        let page = self.page();
        self.finished |= page.is_err();
        Some(page)
    }
}

/// What makes two elements the same: the id, and the effect.
fn identity(listed: &Listed) -> (String, String) {
    let (id, effect) = match listed {
        Listed::Proposal(proposal) => (&proposal.proposal_id, digest::of_proposal(proposal)),
        Listed::Bad(bad) => (&bad.proposal_id, bad.digest.clone()),
        Listed::NotOurs { proposal_id, field } => (proposal_id, (*field).to_owned()),
    };
    (id.clone().unwrap_or_default(), effect)
}

/// Follows cursors from page to page, none of them twice.
#[derive(Debug, Default)]
pub(super) struct Cursors(HashSet<String>);

impl Cursors {
    /// The cursor of the page to ask for next; none after the last page.
    pub(super) fn follow(&mut self, next: Option<String>) -> Option<String> {
        let next = next?;
        (self.0.len() < MAX_PAGES - 1 && self.0.insert(next.clone())).then_some(next)
    }
}
