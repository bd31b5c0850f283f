//! The worker that delivers reports once, right after the transaction that decided them has committed. It needs no
//! preloaded library, and when the server has no slot for it, the reports go out at the next call.

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;

use pgrx::pg_sys;
use pgrx::{PgXactCallbackEvent, register_xact_callback};
use synapsor_core::control_plane::ControlPlaneSettings;

use crate::control_plane::ControlPlane;
use crate::delivery;
use crate::error::ExtensionError;
use crate::ledger::Ledger;
use crate::log;
use crate::pg::lock::{self, Subject};
use crate::pg::transactions::{WorkersTransactions, WorkersWaits, within};
use crate::pg::{background, dsm};
use crate::settings;

use super::control;

thread_local! {
    static ASKED: Cell<bool> = const { Cell::new(false) };
    /// The settings for the worker. They stay until the next poll, or until this session ends.
    /// Never dropped with the thread: by then Postgres has taken its shared memory back.
    static HANDED_OVER: ManuallyDrop<RefCell<Option<(String, dsm::Segment)>>> =
        const { ManuallyDrop::new(RefCell::new(None)) };
}

/// Starts the worker when the current transaction commits. The worker talks to the control plane of `settings`, which may
/// be set for this session alone. It acts as the ledger's owner, and runs nothing but our fixed statements on the ledger.
///
/// A resident worker that sleeps is woken instead.
pub fn start_after_commit(settings: &ControlPlaneSettings, ledger: Ledger) {
    if control::will_report(settings.fingerprint()) {
        return;
    }
    hand_over(serde_json::to_string(settings).unwrap_or_default());
    if ASKED.replace(true) {
        return;
    }
    // pgrx keeps the callback over a PREPARE, for a transaction that asked for nothing.
    register_xact_callback(PgXactCallbackEvent::PreCommit, move || {
        if ASKED.replace(false) {
            start(ledger);
        }
    });
    register_xact_callback(PgXactCallbackEvent::Abort, || ASKED.set(false));
    register_xact_callback(PgXactCallbackEvent::Prepare, || ASKED.set(false));
}

fn hand_over(text: String) {
    HANDED_OVER.with(|kept| {
        let is_there = kept
            .borrow()
            .as_ref()
            .is_some_and(|(before, _)| *before == text);
        if !is_there {
            let segment = dsm::Segment::holding(&text);
            kept.replace(segment.map(|segment| (text, segment)));
        }
    });
}

/// Before the commit, since a failure after it would take the server down. The worker waits for the commit.
fn start(ledger: Ledger) {
    // SAFETY: plain reads.
    let (xid, database) = unsafe { (pg_sys::GetTopTransactionIdIfAny(), pg_sys::MyDatabaseId) };
    let handle = HANDED_OVER.with(|kept| {
        kept.borrow()
            .as_ref()
            .map_or(0, |(_, segment)| segment.handle())
    });
    let extra = format!(
        "{} {} {} {handle}",
        database.to_u32(),
        ledger.owner().to_u32(),
        xid.into_inner()
    );
    let reporter = background::Start {
        name: "synapsor_writeback reporter",
        function: "synapsor_reporter_main",
        extra: &extra,
        restart_after: None,
    };
    if !reporter.request() {
        log::note("no background worker slot is free; the reports go out at the next call");
    }
}

/// What the worker was told.
struct Orders {
    database: pg_sys::Oid,
    role: pg_sys::Oid,
    xid: u32,
    settings_handle: u32,
}

impl Orders {
    fn read() -> Option<Self> {
        let [database, role, xid, settings_handle] = background::orders()?;
        Some(Orders {
            database: database.into(),
            role: role.into(),
            xid,
            settings_handle,
        })
    }
}

/// The worker's main function.
#[pgrx::pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn synapsor_reporter_main(_argument: pg_sys::Datum) {
    let Some(orders) = Orders::read() else {
        return;
    };
    background::connect(orders.database, orders.role);
    background::show_work("delivering reports");
    if let Err(error) = carry_out(&orders) {
        log::warn(format_args!(
            "reports were not delivered, and go out at the next call: {error}"
        ));
    }
}

fn carry_out(orders: &Orders) -> Result<(), ExtensionError> {
    // Before the wait: the session that made the segment may leave as soon as it has committed.
    let settings = within(&WorkersTransactions, || {
        Ok::<_, ExtensionError>(settings(orders.settings_handle))
    })?;
    if orders.xid != 0 {
        wait(|| background::wait_for_transaction(orders.xid))?;
    }
    let _delivering = match lock::try_for_session(Subject::Delivering) {
        Some(lock) => lock,
        None => {
            // One worker waits, for what the session that is delivering may have missed; further ones leave it to that one.
            let Some(_next) = lock::try_for_session(Subject::NextDelivery) else {
                return Ok(());
            };
            wait(|| lock::wait_for_session(Subject::Delivering))?
        }
    };
    within(&WorkersTransactions, || {
        Ledger::open()?.standing()?.require_for_reports()
    })?;
    let control_plane = ControlPlane::open(&settings)?;
    delivery::deliver_due(&control_plane, &WorkersTransactions).map(drop)
}

fn wait<T>(for_what: impl FnOnce() -> T) -> Result<T, ExtensionError> {
    within(&WorkersWaits, || Ok(for_what()))
}

fn settings(handle: u32) -> ControlPlaneSettings {
    let handed_over = (handle != 0).then(|| dsm::read(handle)).flatten();
    handed_over
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_else(settings::control_plane)
}
