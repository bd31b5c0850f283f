//! `CALL synapsor_poll()`: everything that can be done now, in batches that commit, with no transaction held open over
//! the network. What a cron job calls.

use std::ops::ControlFlow;

use pgrx::pg_sys;
use synapsor_core::outbox::Tally;
use synapsor_core::rounds::{MAX_ROUNDS, Rounds};

use crate::apply::ApplyRole;
use crate::apply::watch::Unwatched;
use crate::batches::Batches;
use crate::control_plane::ControlPlane;
use crate::delivery;
use crate::error::ExtensionError;
use crate::ledger::Ledger;
use crate::log;
use crate::pg::lock::{self, Subject};
use crate::pg::transactions::{ProceduresTransactions, Transactions, within};
use crate::poll::{self, Polling};
use crate::settings::Settings;

/// Delivers, fetches, applies and reports until a listing has nothing new.
pub fn poll(fcinfo: pg_sys::FunctionCallInfo) -> Result<(), ExtensionError> {
    let _polling = Polling::begin()?;
    poll::require_writable()?;
    let transactions =
        ProceduresTransactions::open(fcinfo).ok_or(ExtensionError::TransactionBlock)?;
    let settings = Settings::now()?;
    within(&transactions, || {
        let ledger = Ledger::open()?;
        ledger.standing()?.require(settings.dry_run)?;
        ApplyRole::resolve(&settings.applying, &ledger)
    })?;
    let call = Call {
        control_plane: ControlPlane::open(&settings.control_plane)?,
        settings: &settings,
        transactions: &transactions,
    };
    call.run()
}

struct Call<'a> {
    settings: &'a Settings,
    control_plane: ControlPlane,
    transactions: &'a dyn Transactions,
}

impl Call<'_> {
    fn run(&self) -> Result<(), ExtensionError> {
        let mut tally = self.deliver()?;
        let mut rounds = Rounds::default();
        for _ in 0..MAX_ROUNDS {
            let wanted = rounds.wanted(self.settings.max_proposals);
            let fetched = self.control_plane.fetch(wanted)?;
            let Some(news) = rounds.news(fetched, wanted) else {
                break;
            };
            let to_the_end = |_: &mut _| ControlFlow::Continue(());
            let batches = Batches {
                settings: self.settings,
                transactions: self.transactions,
                watch: &Unwatched,
            };
            let before = lock::held_by_sql();
            batches.apply(&news.fetched, to_the_end)?;
            lock::release_all_but(&before);
            tally = self.deliver()?;
        }
        self.prune()?;
        if let Some(error) = tally.last_error.filter(|_| tally.postponed > 0) {
            log::warn(format_args!(
                "{} reports are still owed: {error}",
                tally.postponed
            ));
        }
        Ok(())
    }

    fn deliver(&self) -> Result<Tally, ExtensionError> {
        if self.settings.dry_run {
            return Ok(Tally::default());
        }
        let _delivering = lock::wait_for_session(Subject::Delivering);
        delivery::deliver_due(&self.control_plane, self.transactions)
    }

    fn prune(&self) -> Result<(), ExtensionError> {
        match self.settings.ledger_retention {
            Some(retention) if !self.settings.dry_run => {
                delivery::prune(retention, self.transactions)
            }
            _ => Ok(()),
        }
    }
}
