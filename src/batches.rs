//! Batches that commit, each in a transaction of its own: what `CALL synapsor_poll()` and the worker have in common.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::Duration;

use synapsor_core::control_plane::Fetched;
use synapsor_core::judgement::Retry;
use synapsor_core::listed::Listed;

use crate::apply::watch::{Spoiled, Watch};
use crate::apply::{Applier, ApplyRole, Failure, failure};
use crate::batch::{Batch, Done};
use crate::error::ExtensionError;
use crate::ledger::Ledger;
use crate::pg::recovery;
use crate::pg::transactions::{Transactions, within};
use crate::poll;
use crate::settings::Settings;

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
        mut witness: impl FnMut(&mut Done) -> ControlFlow<()>,
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
            let mut done = match self.attempt(&fetched.source_id, &batch, self.watch)? {
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
            if witness(&mut done).is_break() {
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
                let failure = failure::of_error(error, None);
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
