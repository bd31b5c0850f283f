//! A backlog worked off in rounds: list, apply what is new in batches that commit, list again. What `CALL synapsor_poll()`
//! and the worker have in common.

use std::collections::{HashSet, VecDeque};
use std::ops::ControlFlow;
use std::time::Duration;

use synapsor_core::digest;
use synapsor_core::listed::Listed;

use crate::apply::{Applier, ApplyRole};
use crate::batch::{Batch, Done, Retry};
use crate::control_plane::Fetched;
use crate::error::ExtensionError;
use crate::ledger::Ledger;
use crate::pg::transactions::{Transactions, within};
use crate::poll;
use crate::settings::Settings;

/// Listings in a row; a control plane that always has something new can't keep anybody for ever.
pub const MAX_ROUNDS: usize = 1_000;

/// What was listed so far. An element is tried once, so that those which can't be done now are passed by.
#[derive(Default)]
pub struct Rounds {
    seen: HashSet<(Option<String>, String)>,
    /// What was seen and stays listed must not hide what comes after it.
    still_listed: usize,
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
        let count = |elements: &[Listed]| elements.iter().filter(|e| is_ours(e)).count();
        let listed = count(&fetched.proposals);
        let proposals: Vec<_> = fetched
            .proposals
            .into_iter()
            .filter(|element| self.seen.insert(identity(element)))
            .collect();
        let is_complete = listed < wanted;
        let seen_before = listed - count(&proposals);
        if proposals.is_empty() && (is_complete || seen_before == self.still_listed) {
            return None;
        }
        self.still_listed = seen_before;
        let source_id = fetched.source_id;
        Some(News {
            fetched: Fetched {
                source_id,
                proposals,
            },
            is_complete,
        })
    }
}

/// Applies in batches, each in a transaction of its own, until `witness`, who is told of each, has seen enough. A transient failure ends its batch,
/// so that nobody waits for row locks that are held for nothing. Whether write-back may work, and as whom, is asked anew
/// for each.
pub fn apply(
    settings: &Settings,
    fetched: &Fetched,
    transactions: &dyn Transactions,
    mut witness: impl FnMut(&Done) -> ControlFlow<()>,
) -> Result<(), ExtensionError> {
    let mut rest: VecDeque<&Listed> = fetched.proposals.iter().collect();
    while !rest.is_empty() {
        let size = rest.len().min(settings.batch_size);
        let batch: Vec<_> = rest.drain(..size).collect();
        let done = within(transactions, || {
            apply_batch(settings, &fetched.source_id, &batch)
        })?;
        if witness(&done).is_break() {
            break;
        }
        for n in done.left.into_iter().rev() {
            rest.push_front(batch[n]);
        }
    }
    Ok(())
}

fn apply_batch(
    settings: &Settings,
    source_id: &str,
    batch: &[&Listed],
) -> Result<Done, ExtensionError> {
    let ledger = Ledger::open()?;
    let role = ApplyRole::resolve(&settings.applying, &ledger)?;
    let applier = Applier {
        settings: &settings.applying,
        role: &role,
        dry_run: settings.dry_run,
    };
    applier.check_settings();
    if !applier.dry_run {
        poll::wait_until_alone(applier.settings)?;
    }
    ledger.standing()?.require(applier.dry_run)?;
    let patience = Duration::ZERO;
    Batch::run(&ledger, &applier, source_id, Retry::Due, patience, batch)
}

fn is_ours(element: &Listed) -> bool {
    !matches!(element, Listed::NotOurs { .. })
}

/// What makes an element the one that was seen before: its id and its content.
fn identity(element: &Listed) -> (Option<String>, String) {
    match element {
        Listed::Proposal(proposal) => (proposal.proposal_id.clone(), digest::of_proposal(proposal)),
        Listed::Bad(bad) => (bad.proposal_id.clone(), bad.digest.clone()),
        Listed::NotOurs { proposal_id, field } => (proposal_id.clone(), (*field).to_owned()),
    }
}
