//! A backlog worked off in rounds: list, apply what is new in batches that commit, list again. What `CALL synapsor_poll()`
//! and the worker have in common.

use std::collections::{HashSet, VecDeque};
use std::ops::ControlFlow;
use std::time::Duration;

use synapsor_core::digest;
use synapsor_core::listed::Listed;

use crate::apply::watch::{Spoiled, Watch};
use crate::apply::{Applier, ApplyRole, Failure};
use crate::batch::{Batch, Done, Retry};
use crate::control_plane::Fetched;
use crate::error::ExtensionError;
use crate::ledger::Ledger;
use crate::pg::recovery;
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

/// How batches are applied, each in a transaction of its own.
pub struct Batches<'a> {
    /// Under which settings.
    pub settings: &'a Settings,
    /// In whose transactions.
    pub transactions: &'a dyn Transactions,
    /// Who is told of each proposal.
    pub watch: &'a dyn Watch,
}

impl Batches<'_> {
    /// Applies what was fetched, until `witness`, who is told of each batch, has seen enough. A transient failure ends its
    /// batch, so that nobody waits for row locks that are held for nothing. Whether write-back may work, and as whom, is asked
    /// anew for each.
    pub fn apply(
        &self,
        fetched: &Fetched,
        mut witness: impl FnMut(&Done) -> ControlFlow<()>,
    ) -> Result<(), ExtensionError> {
        let mut rest: VecDeque<&Listed> = fetched.proposals.iter().collect();
        // How many are to be applied one by one.
        let mut singly = 0;
        while !rest.is_empty() {
            let most = if singly > 0 {
                1
            } else {
                self.settings.batch_size
            };
            let size = rest.len().min(most);
            let batch: Vec<_> = rest.drain(..size).collect();
            let done = match self.attempt(&fetched.source_id, &batch, self.watch)? {
                Attempt::Done(done) => done,
                Attempt::Spoiled(_) if batch.len() > 1 => {
                    // One of them spoils it for all: alone, each answers for itself.
                    singly = batch.len();
                    batch.into_iter().rev().for_each(|e| rest.push_front(e));
                    continue;
                }
                Attempt::Spoiled(failure) => {
                    let spoiled = Spoiled(failure);
                    self.apply_batch(&fetched.source_id, &batch, &spoiled)?
                }
            };
            singly = singly.saturating_sub(size);
            if witness(&done).is_break() {
                break;
            }
            for n in done.left.into_iter().rev() {
                rest.push_front(batch[n]);
            }
        }
        Ok(())
    }

    /// Applies a batch. Where an error that is no proposal's statement's (at the commit, say) can be survived, it comes back.
    fn attempt(
        &self,
        source_id: &str,
        batch: &[&Listed],
        watch: &dyn Watch,
    ) -> Result<Attempt, ExtensionError> {
        if !self.transactions.can_recover() {
            return self.apply_batch(source_id, batch, watch).map(Attempt::Done);
        }
        match recovery::run(|| self.apply_batch(source_id, batch, watch)) {
            Ok(done) => done.map(Attempt::Done),
            Err(error) => {
                let failure = Failure::of_error(error, None);
                if failure.is_transient {
                    // A cancel, a full disk: nobody in the batch is to blame, unless it comes again and again.
                    watch.interrupted();
                    return Err(ExtensionError::TransactionFailed(failure.error));
                }
                Ok(Attempt::Spoiled(Failure {
                    is_transient: true,
                    ..failure
                }))
            }
        }
    }

    fn apply_batch(
        &self,
        source_id: &str,
        batch: &[&Listed],
        watch: &dyn Watch,
    ) -> Result<Done, ExtensionError> {
        within(self.transactions, || {
            let ledger = Ledger::open()?;
            let settings = &self.settings.applying;
            let role = ApplyRole::resolve(settings, &ledger)?;
            let applier = Applier {
                settings,
                role: &role,
                dry_run: self.settings.dry_run,
                watch,
            };
            applier.check_settings();
            if !applier.dry_run {
                poll::wait_until_alone(settings)?;
            }
            ledger.standing()?.require(applier.dry_run)?;
            let patience = Duration::ZERO;
            Batch::run(&ledger, &applier, source_id, Retry::Due, patience, batch)
        })
    }
}

/// What became of a batch.
enum Attempt {
    /// It was committed.
    Done(Done),
    /// It could not be, with one of them in it.
    Spoiled(Failure),
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
