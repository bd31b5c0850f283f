//! `CALL synapsor_poll()`: everything that can be done now, in batches that commit, with no transaction held open over
//! the network. What a cron job calls.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use pgrx::pg_sys;
use synapsor_core::digest;
use synapsor_core::listed::Listed;

use crate::apply::{Applier, ApplyRole};
use crate::batch::{Batch, Retry};
use crate::control_plane::{ControlPlane, Fetched};
use crate::delivery::{self, Tally};
use crate::error::ExtensionError;
use crate::ledger::Ledger;
use crate::pg::lock::{self, Subject};
use crate::pg::transactions::{ProceduresTransactions, Transactions, within};
use crate::poll::{self, Polling};
use crate::settings::Settings;

/// Listings in one CALL; a control plane that always has something new can't keep it for ever.
const MAX_ROUNDS: usize = 1_000;

/// Delivers, fetches, applies and reports until a listing has nothing new. An element is tried once in a CALL, so that
/// those which can't be done now are passed by.
pub fn poll(fcinfo: pg_sys::FunctionCallInfo) -> Result<(), ExtensionError> {
    let _polling = Polling::begin()?;
    poll::require_writable()?;
    let transactions =
        ProceduresTransactions::open(fcinfo).ok_or(ExtensionError::TransactionBlock)?;
    let settings = Settings::now()?;
    let (ledger, role) = within(&transactions, || {
        let ledger = Ledger::open()?;
        let role = ApplyRole::resolve(&settings.applying, &ledger)?;
        Ok::<_, ExtensionError>((ledger, role))
    })?;
    let control_plane = ControlPlane::open(&settings.control_plane)?;
    let applier = Applier {
        settings: &settings.applying,
        role: &role,
        dry_run: settings.dry_run,
    };
    let call = Call {
        settings: &settings,
        ledger,
        applier,
        control_plane,
        transactions: &transactions,
    };
    call.run()
}

struct Call<'a> {
    settings: &'a Settings,
    ledger: Ledger,
    applier: Applier<'a>,
    control_plane: ControlPlane,
    transactions: &'a dyn Transactions,
}

impl Call<'_> {
    fn run(&self) -> Result<(), ExtensionError> {
        let mut tally = self.deliver()?;
        let mut seen = HashSet::new();
        // What was seen and stays listed must not hide what comes after it.
        let mut still_listed = 0;
        for _ in 0..MAX_ROUNDS {
            let wanted = self.settings.max_proposals + still_listed;
            let fetched = self.control_plane.fetch(wanted)?;
            let ours = fetched
                .proposals
                .iter()
                .filter(|element| is_ours(element))
                .count();
            let news: Vec<_> = fetched
                .proposals
                .into_iter()
                .filter(|element| seen.insert(identity(element)))
                .collect();
            let seen_before = ours - news.iter().filter(|element| is_ours(element)).count();
            if news.is_empty() && (ours < wanted || seen_before == still_listed) {
                break;
            }
            still_listed = seen_before;
            self.apply(&Fetched {
                source_id: fetched.source_id,
                proposals: news,
            })?;
            tally = self.deliver()?;
        }
        self.prune()?;
        if let Some(error) = tally.last_error.filter(|_| tally.postponed > 0) {
            pgrx::warning!(
                "synapsor_writeback: {} reports are still owed: {error}",
                tally.postponed
            );
        }
        Ok(())
    }

    /// Applies in batches, each in a transaction of its own. A transient failure ends its batch.
    fn apply(&self, fetched: &Fetched) -> Result<(), ExtensionError> {
        let mut rest: VecDeque<&Listed> = fetched.proposals.iter().collect();
        while !rest.is_empty() {
            let size = rest.len().min(self.settings.batch_size);
            let batch: Vec<_> = rest.drain(..size).collect();
            let done = within(self.transactions, || {
                self.applier.check_settings();
                if !self.applier.dry_run {
                    poll::wait_until_alone(self.applier.settings)?;
                }
                Batch::run(
                    &self.ledger,
                    &self.applier,
                    &fetched.source_id,
                    Retry::Due,
                    Duration::ZERO,
                    &batch,
                )
            })?;
            for n in done.left.into_iter().rev() {
                rest.push_front(batch[n]);
            }
        }
        Ok(())
    }

    fn deliver(&self) -> Result<Tally, ExtensionError> {
        if self.applier.dry_run {
            return Ok(Tally::default());
        }
        let _delivering = lock::wait_for_session(Subject::Delivering);
        delivery::deliver_due(&self.ledger, &self.control_plane, self.transactions)
    }

    fn prune(&self) -> Result<(), ExtensionError> {
        let Some(retention) = self
            .settings
            .ledger_retention
            .filter(|_| !self.applier.dry_run)
        else {
            return Ok(());
        };
        while within(self.transactions, || self.ledger.prune(retention))? > 0 {}
        Ok(())
    }
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
