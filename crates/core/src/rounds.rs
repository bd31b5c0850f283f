//! A backlog worked off in rounds: list, apply what is new, list again, until a listing has nothing new.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use crate::control_plane::Fetched;
use crate::digest;
use crate::listed::Listed;

/// Listings in a row; a control plane that always has something new can't keep anybody for ever.
pub const MAX_ROUNDS: usize = 1_000;

/// What was listed so far. An element is tried once, so that those which can't be done now are passed by.
#[derive(Default)]
pub struct Rounds {
    /// Hashes of what was there, so that a long backlog does not fill our memory. Should two ever meet, an element waits for the
    /// next rounds, which hash differently.
    seen: HashSet<u64>,
    hasher: RandomState,
    /// What was seen and stays listed must not hide what comes after it.
    still_listed: usize,
    /// Of the listing that is being read: how many are ours, and how many of these are new.
    listed: usize,
    new: usize,
}

/// What is new in a listing.
pub struct News {
    /// The new elements, in order.
    pub fetched: Fetched,
    /// The listing was not cut off: nothing comes after it.
    pub is_complete: bool,
}

impl Rounds {
    /// How many elements to ask for, to see up to `most` new ones.
    pub fn wanted(&self, most: usize) -> usize {
        most + self.still_listed
    }

    /// What is new in a listing of up to `wanted` elements; `None` when there is no use in asking again.
    pub fn news(&mut self, fetched: Fetched, wanted: usize) -> Option<News> {
        let proposals = self.unseen(fetched.proposals);
        let is_complete = self.listed < wanted;
        let is_barren = self.end_listing() && proposals.is_empty();
        if proposals.is_empty() && (is_complete || is_barren) {
            return None;
        }
        let source_id = fetched.source_id;
        Some(News {
            fetched: Fetched {
                source_id,
                proposals,
            },
            is_complete,
        })
    }

    /// What is new on a page of a listing that is read to its end.
    pub fn unseen(&mut self, page: Vec<Listed>) -> Vec<Listed> {
        self.listed += page.iter().filter(|e| is_ours(e)).count();
        let is_new = |element: &Listed| self.seen.insert(self.hasher.hash_one(identity(element)));
        let unseen: Vec<_> = page.into_iter().filter(is_new).collect();
        self.new += unseen.iter().filter(|e| is_ours(e)).count();
        unseen
    }

    /// Ends a listing that was read a page at a time, of `page_size` each. True when there is use in asking again: something
    /// may have come, or been passed over while others left the list.
    pub fn end_pages(&mut self, page_size: usize) -> bool {
        let (listed, new) = (self.listed, self.new);
        let is_barren = self.end_listing() && new == 0;
        listed >= page_size && !is_barren
    }

    /// True when no more of what was seen stays listed than the time before.
    fn end_listing(&mut self) -> bool {
        let seen_before = self.listed - self.new;
        (self.listed, self.new) = (0, 0);
        seen_before == std::mem::replace(&mut self.still_listed, seen_before)
    }
}

fn is_ours(element: &Listed) -> bool {
    !matches!(element, Listed::NotOurs { .. })
}

/// What makes an element the one that was seen before: its id and its content.
fn identity(element: &Listed) -> (Option<&str>, String) {
    match element {
        Listed::Proposal(proposal) => (
            proposal.proposal_id.as_deref(),
            digest::of_proposal(proposal),
        ),
        Listed::Bad(bad) => (bad.proposal_id.as_deref(), bad.digest.clone()),
        Listed::NotOurs { proposal_id, field } => (proposal_id.as_deref(), (*field).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listed::Ours;

    fn listing(ids: &[&str]) -> Fetched {
        let ours = Ours {
            kind: "postgres",
            source_id: None,
        };
        let read = |id: &&str| {
            // What begins with a minus is nobody's approval.
            let status = if id.starts_with('-') {
                "rejected"
            } else {
                "approved"
            };
            let text = format!("{{\"proposal_id\":\"{id}\",\"status\":\"{status}\"}}");
            Listed::read(serde_json::from_str(&text).unwrap(), &ours, true)
        };
        Fetched {
            source_id: "src_1".into(),
            proposals: ids.iter().map(read).collect(),
        }
    }

    #[test]
    fn what_was_seen_is_passed_by_and_hides_nothing() {
        let mut rounds = Rounds::default();
        let news = rounds.news(listing(&["a", "b"]), 2).unwrap();
        assert_eq!(news.fetched.proposals.len(), 2);
        assert!(!news.is_complete, "a full listing may have been cut off");
        // `a` stays listed: one more is asked for, so that two new ones can come.
        assert_eq!(rounds.wanted(2), 2);
        let news = rounds.news(listing(&["a", "c"]), 2).unwrap();
        assert_eq!(news.fetched.proposals.len(), 1);
        assert_eq!(rounds.wanted(2), 3);
        assert!(rounds.news(listing(&["a"]), 3).is_none());
    }

    #[test]
    fn pages_are_asked_for_again_unless_one_had_room_left_or_nothing_changed() {
        let mut rounds = Rounds::default();
        let mut page = |ids: &[&str]| rounds.unseen(listing(ids).proposals).len();
        assert_eq!((page(&["a", "b"]), page(&["c", "a"])), (2, 1));
        assert!(rounds.end_pages(2), "more than a page");
        assert_eq!(rounds.unseen(listing(&["c", "a"]).proposals).len(), 0);
        assert!(rounds.end_pages(2), "one more stays listed than before");
        assert_eq!(rounds.wanted(2), 4);
        assert_eq!(rounds.unseen(listing(&["c", "a"]).proposals).len(), 0);
        assert!(!rounds.end_pages(2), "nothing new, and as many as before");
        assert_eq!(rounds.unseen(listing(&["d"]).proposals).len(), 1);
        assert!(!rounds.end_pages(2), "a page with room left");
    }

    #[test]
    fn a_listing_with_room_left_is_complete_whatever_else_is_in_it() {
        for ids in [&["a"][..], &["a", "-b", "-c"]] {
            let mut rounds = Rounds::default();
            let news = rounds.news(listing(ids), 2).unwrap();
            assert!(news.is_complete, "{ids:?}");
            assert_eq!(rounds.wanted(2), 2);
        }
    }

    #[test]
    fn a_complete_listing_of_what_was_seen_ends_the_rounds() {
        let mut rounds = Rounds::default();
        assert!(rounds.news(listing(&["a", "b"]), 2).is_some());
        assert!(rounds.news(listing(&["a"]), 2).is_none());
    }

    #[test]
    fn a_list_that_never_shrinks_ends_the_rounds() {
        let mut rounds = Rounds::default();
        assert!(rounds.news(listing(&["a", "b"]), 2).is_some());
        let wanted = rounds.wanted(2);
        assert!(rounds.news(listing(&["a", "b"]), wanted).is_some());
        let wanted = rounds.wanted(2);
        assert!(rounds.news(listing(&["a", "b"]), wanted).is_none());
    }
}
