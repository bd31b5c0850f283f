//! What sessions ask of the worker: start, stop, pause, resume, wake. What is asked for is a row of `synapsor.hold` (or its
//! absence), and holds from the commit on; the worker is told at the commit.

use std::cell::RefCell;
use std::mem::ManuallyDrop;

use pgrx::{PgXactCallbackEvent, register_xact_callback};

use crate::error::ExtensionError;
use crate::ledger::Ledger;
use crate::ledger::standing::Hold;
use crate::pg::databases;
use crate::pg::process::Process;
use crate::pg::xact;
use crate::poll;

use super::launcher;
use super::roster::{self, Found};

/// What is told at the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    Start,
    Stop,
    Wake,
}

/// A message, and whom it is for.
struct Envelope {
    message: Message,
    addressee: Option<(Found, Option<Process>)>,
}

thread_local! {
    /// What the current transaction has to say when it commits. Never dropped with the thread: by then Postgres has taken its
    /// shared memory back.
    static OUTBOX: ManuallyDrop<RefCell<Vec<Envelope>>> = const { ManuallyDrop::new(RefCell::new(Vec::new())) };
}

/// `synapsor_start_worker()`: `false` when one was there already.
pub fn start() -> Result<bool, ExtensionError> {
    poll::require_writable()?;
    let was_stopped = Ledger::open()?.release(Hold::Stopped)?;
    let was_there = worker_of(&roster::find()).is_some();
    tell_at_commit(Message::Start);
    Ok(was_stopped || !was_there)
}

/// `synapsor_stop_worker()`: `false` when it was stopped already.
pub fn stop() -> Result<bool, ExtensionError> {
    poll::require_writable()?;
    let is_news = Ledger::open()?.hold(Hold::Stopped)?;
    tell_at_commit(Message::Stop);
    Ok(is_news)
}

/// `synapsor_pause()`: `false` when it was paused already.
pub fn pause() -> Result<bool, ExtensionError> {
    poll::require_writable()?;
    let is_news = Ledger::open()?.hold(Hold::Paused)?;
    tell_at_commit(Message::Wake);
    Ok(is_news)
}

/// `synapsor_resume()`: `false` when it was not paused. A copy becomes a database of its own.
pub fn resume() -> Result<bool, ExtensionError> {
    poll::require_writable()?;
    let ledger = Ledger::open()?;
    let is_news = ledger.settle_here()? | ledger.release(Hold::Paused)?;
    tell_at_commit(Message::Wake);
    Ok(is_news)
}

/// `synapsor_wake()`: at once; `false` when there is no worker.
pub fn wake() -> Result<bool, ExtensionError> {
    let found = roster::find();
    let (Some(found), Some(worker)) = (&found, worker_of(&found)) else {
        return Ok(false);
    };
    if let Some(slot) = found.roster.of(databases::own()) {
        slot.wake(worker);
    }
    Ok(true)
}

fn worker_of(found: &Option<Found>) -> Option<Process> {
    found.as_ref()?.roster.of(databases::own())?.worker()
}

/// Wakes the worker at the commit, where it would report at once what this transaction decided; `false` where it would not.
pub fn will_report(fingerprint: u64) -> bool {
    let Some(found) = roster::find() else {
        return false;
    };
    let slot = found.roster.of(databases::own());
    let would =
        slot.is_some_and(|slot| slot.worker().is_some() && slot.would_report_at_once(fingerprint));
    if would {
        tell_at_commit(Message::Wake);
    }
    would
}

fn tell_at_commit(message: Message) {
    let found = roster::find();
    let worker = worker_of(&found);
    let envelope = Envelope {
        message,
        addressee: found.map(|found| (found, worker)),
    };
    let is_first = OUTBOX.with(|outbox| {
        let mut outbox = outbox.borrow_mut();
        outbox.push(envelope);
        outbox.len() == 1
    });
    if is_first {
        register_xact_callback(PgXactCallbackEvent::PreCommit, prepare);
        register_xact_callback(PgXactCallbackEvent::Commit, tell);
        register_xact_callback(PgXactCallbackEvent::Abort, forget);
        register_xact_callback(PgXactCallbackEvent::Prepare, forget);
    }
}

/// What can fail comes before the commit: a launcher, where there is none that stays. One that is not needed leaves by itself.
fn prepare() {
    let wants_launcher = OUTBOX.with(|outbox| {
        outbox.borrow().iter().any(|envelope| {
            let is_kept = |(found, _): &(Found, Option<Process>)| found.roster.is_permanent();
            envelope.message == Message::Start && !envelope.addressee.as_ref().is_some_and(is_kept)
        })
    });
    if wants_launcher && !launcher::request(databases::own(), xact::current_xid()) {
        ExtensionError::NoWorkerSlot
            .into_report()
            .report(pgrx::PgLogLevel::ERROR);
    }
}

/// After the commit: flags, latches and a signal, none of which can fail.
fn tell() {
    for envelope in take() {
        let Some((found, worker)) = &envelope.addressee else {
            continue;
        };
        let Some(slot) = found.roster.of(databases::own()) else {
            continue;
        };
        match (envelope.message, worker) {
            (Message::Start, _) => slot.start(),
            (Message::Stop, worker) => {
                slot.stop();
                worker.iter().for_each(Process::terminate);
            }
            (Message::Wake, Some(worker)) => slot.wake(*worker),
            (Message::Wake, None) => {}
        }
        found.launcher.wake();
    }
}

fn forget() {
    drop(take());
}

fn take() -> Vec<Envelope> {
    OUTBOX.with(|outbox| outbox.take())
}
