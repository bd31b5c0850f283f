//! Background workers: registering and starting them, and what one has to do first.

use std::ffi::{CStr, CString, c_char};
use std::ptr;

use pgrx::pg_sys;
#[cfg(not(feature = "pg18"))]
pub(super) use pgrx::pg_sys::pqsignal;
#[cfg(feature = "pg18")]
pub(super) use pgrx::pg_sys::pqsignal_be as pqsignal;

use super::{process, reload};

/// What a worker is started with.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// Shown in the server's log and in `pg_stat_activity.backend_type`.
    pub name: &'a str,
    /// The exported function that it runs.
    pub function: &'a str,
    /// A text for it, at most 127 bytes.
    pub extra: &'a str,
    /// Seconds after which the postmaster starts it again when it ends in any other way than by returning; `None` for never.
    pub restart_after: Option<i32>,
}

impl Start<'_> {
    fn description(&self) -> pg_sys::BackgroundWorker {
        // SAFETY: plain bytes; zeroed is its empty form.
        let mut worker: pg_sys::BackgroundWorker = unsafe { std::mem::zeroed() };
        copy(&mut worker.bgw_name, self.name);
        copy(&mut worker.bgw_type, self.name);
        copy(&mut worker.bgw_library_name, "synapsor_writeback");
        copy(&mut worker.bgw_function_name, self.function);
        copy(&mut worker.bgw_extra, self.extra);
        worker.bgw_flags =
            (pg_sys::BGWORKER_SHMEM_ACCESS | pg_sys::BGWORKER_BACKEND_DATABASE_CONNECTION) as i32;
        worker.bgw_start_time = pg_sys::BgWorkerStartTime::BgWorkerStart_RecoveryFinished;
        worker.bgw_restart_time = self.restart_after.unwrap_or(pg_sys::BGW_NEVER_RESTART);
        worker
    }

    /// Asks the postmaster for the worker; `false` when it has no slot free.
    pub fn request(&self) -> bool {
        let mut worker = self.description();
        // SAFETY: a complete description.
        unsafe { pg_sys::RegisterDynamicBackgroundWorker(&raw mut worker, ptr::null_mut()) }
    }

    /// As [`Start::request`], for one that wants to know what becomes of it: its latch is set when the worker has started,
    /// and when it has ended. Outside any transaction.
    pub fn request_and_watch(&self) -> Option<Child> {
        let mut worker = self.description();
        worker.bgw_notify_pid = process::own_pid();
        let mut handle = ptr::null_mut();
        // SAFETY: a complete description; the handle is allocated where it lives until it is freed.
        unsafe {
            let before = pg_sys::MemoryContextSwitchTo(pg_sys::TopMemoryContext);
            let started = pg_sys::RegisterDynamicBackgroundWorker(&raw mut worker, &raw mut handle);
            pg_sys::MemoryContextSwitchTo(before);
            started.then(|| Child(handle))
        }
    }

    /// Has the postmaster start it with the server. While the library is being preloaded.
    pub fn register(&self) {
        let mut worker = self.description();
        // SAFETY: a complete description, in the postmaster.
        unsafe { pg_sys::RegisterBackgroundWorker(&raw mut worker) };
    }
}

/// A worker that this process has started.
pub struct Child(*mut pg_sys::BackgroundWorkerHandle);

impl Child {
    /// True once it has ended. One that the postmaster has not come to yet has not.
    pub fn has_ended(&self) -> bool {
        let mut pid = 0;
        // SAFETY: a handle of ours.
        let status = unsafe { pg_sys::GetBackgroundWorkerPid(self.0, &raw mut pid) };
        status == pg_sys::BgwHandleStatus::BGWH_STOPPED
    }

    /// Asks it to end, also when it has not started yet.
    pub fn terminate(&self) {
        // SAFETY: a handle of ours.
        unsafe { pg_sys::TerminateBackgroundWorker(self.0) };
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: allocated once, freed once.
        unsafe { pg_sys::pfree(self.0.cast()) };
    }
}

/// Text for a fixed field, cut to fit, with a zero byte at its end.
fn copy<const N: usize>(field: &mut [c_char; N], text: &str) {
    for (place, byte) in field.iter_mut().zip(text.bytes().take(N - 1)) {
        *place = byte as c_char;
    }
}

/// True while the server's preloaded libraries are being loaded, in a server that may start workers: `pg_upgrade`'s may not.
pub fn is_time_to_register() -> bool {
    // SAFETY: plain reads.
    unsafe { pg_sys::process_shared_preload_libraries_in_progress && !pg_sys::IsBinaryUpgrade }
}

/// The numbers that the worker was started with, separated by spaces.
pub fn orders<const N: usize>() -> Option<[u32; N]> {
    // SAFETY: set by the postmaster before the worker's function runs; a field of plain bytes.
    let bytes = unsafe { (*pg_sys::MyBgworkerEntry).bgw_extra };
    let text: String = bytes
        .iter()
        .take_while(|byte| **byte != 0)
        .map(|byte| char::from(*byte as u8))
        .collect();
    let numbers: Vec<u32> = text
        .split(' ')
        .filter_map(|number| number.parse().ok())
        .collect();
    numbers.try_into().ok()
}

unsafe extern "C-unwind" {
    /// tcop/postgres.c: ends the process at the next safe moment, also in the middle of a wait for a lock. (pgrx's own
    /// handler only sets a flag.)
    fn die(signal: i32);
}

/// Lets signals in, handled as in any backend, and connects to a database as a role. Without a role (`InvalidOid`) it is the bootstrap superuser.
///
/// SIGINT is left as Postgres has set it up: with a handler of our own, `lock_timeout` would not work.
pub fn connect(database: pg_sys::Oid, role: pg_sys::Oid) {
    // Before 17 a role without LOGIN is refused.
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    let flags = pg_sys::BGWORKER_BYPASS_ROLELOGINCHECK;
    #[cfg(not(any(feature = "pg17", feature = "pg18")))]
    let flags = 0;
    // SAFETY: at the beginning of a worker's main function, in this order.
    unsafe {
        pqsignal(libc::SIGTERM, Some(die));
        reload::watch();
        pg_sys::BackgroundWorkerUnblockSignals();
        pg_sys::BackgroundWorkerInitializeConnectionByOid(database, role, flags);
    }
    // Whatever the database's or the role's defaults are.
    for (name, value) in [
        (c"lock_timeout", c"0"),
        (c"statement_timeout", c"0"),
        (c"exit_on_error", c"off"),
        (c"idle_in_transaction_session_timeout", c"0"),
        #[cfg(any(feature = "pg17", feature = "pg18"))]
        (c"transaction_timeout", c"0"),
        (c"default_transaction_read_only", c"off"),
        (c"default_transaction_isolation", c"read committed"),
        (c"default_transaction_deferrable", c"off"),
    ] {
        pin(name, value);
    }
    // SAFETY: set by the postmaster before the worker's function runs; a C string.
    let name = unsafe { CStr::from_ptr((*pg_sys::MyBgworkerEntry).bgw_type.as_ptr()) };
    pin(c"application_name", name);
}

/// Connects to no database: the shared catalogs can be read, and nothing else.
pub fn connect_to_none() {
    connect(pg_sys::InvalidOid, pg_sys::InvalidOid);
}

fn pin(name: &CStr, value: &CStr) {
    // SAFETY: both live through the call.
    unsafe {
        pg_sys::SetConfigOption(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_OVERRIDE,
        );
    }
}

/// Says in `pg_stat_activity` that the worker is at work, and on what.
pub fn show_work(text: &str) {
    show(pg_sys::BackendState::STATE_RUNNING, text);
}

/// Says in `pg_stat_activity` that the worker waits, and for what.
pub fn show_idle(text: &str) {
    show(pg_sys::BackendState::STATE_IDLE, text);
}

fn show(state: pg_sys::BackendState::Type, text: &str) {
    let text = format!("synapsor_writeback: {text}");
    let text = CString::new(text.replace('\0', "")).unwrap_or_default();
    // SAFETY: the text lives through the call, which copies it.
    unsafe { pg_sys::pgstat_report_activity(state, text.as_ptr()) };
}

/// Sends the statistics that have gathered (rows read and written), which no background worker does by itself: without
/// them autovacuum never comes. Outside any transaction.
pub fn send_statistics() {
    // SAFETY: outside any transaction, as Postgres's own processes do before they wait.
    unsafe { pg_sys::pgstat_report_stat(true) };
}

/// Waits until a transaction has ended, one way or the other.
pub fn wait_for_transaction(xid: u32) {
    // SAFETY: a lock that every transaction with an id holds until it ends.
    unsafe {
        pg_sys::XactLockTableWait(
            xid.into(),
            ptr::null_mut(),
            ptr::null_mut(),
            pg_sys::XLTW_Oper::XLTW_None,
        );
    }
}
