//! What sessions ask of the worker: start, stop, pause, resume, wake. What is asked for is a row of `synapsor.hold` (or its
//! absence), and holds from the commit on; the worker is told at the commit.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::time::{Duration, Instant};

use pgrx::{
    PgSubXactCallbackEvent, PgXactCallbackEvent, pg_sys, register_subxact_callback,
    register_xact_callback,
};

use crate::error::ExtensionError;
use crate::ledger::Ledger;
use crate::ledger::standing::Hold;
use crate::pg::databases;
use crate::pg::lock::{self, Subject};
use crate::pg::process::Process;
use crate::pg::{latch, xact};
use crate::poll;

use super::launcher;
use super::roster::{self, Found};
use super::slot::Slot;

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
    /// The launcher that keeps this database.
    launcher: Option<Found>,
    worker: Option<Process>,
    /// What asked for it; with that it is taken back.
    subtransaction: pg_sys::SubTransactionId,
}

thread_local! {
    /// What the current transaction has to say when it commits. Never dropped with the thread: by then Postgres has taken its
    /// shared memory back.
    static OUTBOX: ManuallyDrop<RefCell<Vec<Envelope>>> = const { ManuallyDrop::new(RefCell::new(Vec::new())) };
}

/// `synapsor_start_worker()`: `false` when one was there already.
pub fn start() -> Result<bool, ExtensionError> {
    poll::require_writable()?;
    let ledger = Ledger::open()?;
    take_turns();
    let was_stopped = ledger.release(Hold::Stopped)?;
    let found = roster::find();
    let slot = found.as_ref().and_then(Found::slot);
    if !was_stopped && slot.is_some_and(|slot| slot.worker().is_some() && !slot.is_stopped()) {
        return Ok(false);
    }
    tell_at_commit(Message::Start);
    Ok(true)
}

/// `synapsor_stop_worker()`: `false` when it was stopped already.
pub fn stop() -> Result<bool, ExtensionError> {
    poll::require_writable()?;
    let ledger = Ledger::open()?;
    take_turns();
    let is_news = ledger.hold(Hold::Stopped)?;
    tell_at_commit(Message::Stop);
    Ok(is_news)
}

/// Until this transaction has ended, and has told the worker, nobody else starts or stops it: messages keep the order of the
/// commits.
fn take_turns() {
    lock::wait_for_transaction(Subject::Commanding);
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
    let slot = found.as_ref().and_then(Found::slot);
    let Some((slot, worker)) = slot.and_then(|slot| Some((slot, slot.worker()?))) else {
        return Ok(false);
    };
    slot.wake(worker);
    Ok(true)
}

/// Wakes the worker, if there is one, at the commit.
pub fn wake_at_commit() {
    tell_at_commit(Message::Wake);
}

/// Wakes the worker at the commit, where it would report at once what this transaction decided; `false` where it would not.
pub fn will_report(fingerprint: u64) -> bool {
    let found = roster::find();
    let slot = found.as_ref().and_then(Found::slot);
    let would =
        slot.is_some_and(|slot| slot.worker().is_some() && slot.would_report_at_once(fingerprint));
    if would {
        tell_at_commit(Message::Wake);
    }
    would
}

fn tell_at_commit(message: Message) {
    let launcher = roster::find();
    let envelope = Envelope {
        message,
        worker: roster::worker(launcher.as_ref()),
        launcher,
        subtransaction: xact::current_subtransaction(),
    };
    let is_first = OUTBOX.with(|outbox| {
        let mut outbox = outbox.borrow_mut();
        outbox.push(envelope);
        outbox.len() == 1
    });
    if is_first {
        follow_subtransactions();
        register_xact_callback(PgXactCallbackEvent::PreCommit, prepare);
        register_xact_callback(PgXactCallbackEvent::PrePrepare, refuse_prepare);
        register_xact_callback(PgXactCallbackEvent::Commit, tell);
        register_xact_callback(PgXactCallbackEvent::Abort, forget);
        register_xact_callback(PgXactCallbackEvent::Prepare, forget);
    }
}

/// What was asked for in a savepoint is taken back with it.
fn follow_subtransactions() {
    register_subxact_callback(PgSubXactCallbackEvent::AbortSub, |own, _| {
        OUTBOX.with(|outbox| outbox.borrow_mut().retain(|e| e.subtransaction != own));
    });
    register_subxact_callback(PgSubXactCallbackEvent::CommitSub, |own, parent| {
        OUTBOX.with(|outbox| {
            let mut outbox = outbox.borrow_mut();
            for envelope in outbox.iter_mut().filter(|e| e.subtransaction == own) {
                envelope.subtransaction = parent;
            }
        });
    });
}

/// What can fail comes before the commit: a launcher, where there is none that stays. One that is not needed leaves by itself.
fn prepare() {
    let wants_launcher = OUTBOX.with(|outbox| {
        outbox.borrow().iter().any(|envelope| {
            let launcher = envelope.launcher.as_ref();
            let is_kept = launcher.is_some_and(|launcher| launcher.roster.is_permanent());
            envelope.message == Message::Start && !is_kept
        })
    });
    if wants_launcher && !request_launcher() {
        ExtensionError::NoWorkerSlot
            .into_report()
            .report(pgrx::PgLogLevel::ERROR);
    }
}

/// Sessions that do this at the same moment take a slot each, and all launchers but one give theirs back at once: worth a wait.
fn request_launcher() -> bool {
    const PATIENCE: Duration = Duration::from_secs(2);
    const STEP: Duration = Duration::from_millis(20);
    let start = Instant::now();
    loop {
        if launcher::request(databases::own(), xact::current_xid()) {
            return true;
        }
        if start.elapsed() >= PATIENCE {
            return false;
        }
        latch::wait(STEP);
    }
}

/// What is told at the commit can't be told by whoever commits a prepared transaction.
fn refuse_prepare() {
    let matters = |envelope: &Envelope| matches!(envelope.message, Message::Start | Message::Stop);
    if OUTBOX.with(|outbox| outbox.borrow().iter().any(matters)) {
        pgrx::ereport!(
            ERROR,
            pgrx::PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            "cannot PREPARE a transaction that starts or stops the worker"
        );
    }
}

/// After the commit: flags, latches and a signal, none of which can fail.
fn tell() {
    for envelope in take() {
        let slot = envelope.launcher.as_ref().and_then(Found::slot);
        match (envelope.message, slot, envelope.worker) {
            (Message::Start, Some(slot), _) => slot.start(),
            (Message::Stop, slot, worker) => {
                slot.into_iter().for_each(Slot::stop);
                worker.iter().for_each(Process::terminate);
            }
            (Message::Wake, Some(slot), Some(worker)) => slot.wake(worker),
            (Message::Start | Message::Wake, _, _) => {}
        }
        if let Some(found) = &envelope.launcher {
            found.launcher.wake();
        }
    }
}

fn forget() {
    drop(take());
}

fn take() -> Vec<Envelope> {
    OUTBOX.with(|outbox| outbox.take())
}
