//! The definitions of the settings `synapsor.*`: names, defaults, bounds, and who may set them.

use std::ffi::{CStr, CString};
use std::sync::atomic::{AtomicBool, Ordering};

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::pg_sys;

use crate::pg::error::Capture;

pub(super) type Text = GucSetting<Option<CString>>;

pub(super) static BASE_URL: Text = GucSetting::<Option<CString>>::new(Some(c"https://synapsor.ai"));
pub(super) static ALLOW_INSECURE_HTTP: GucSetting<bool> = GucSetting::<bool>::new(false);
pub(super) static API_KEY_FILE: Text = GucSetting::<Option<CString>>::new(Some(c""));
pub(super) static SOURCE_NAME: Text = GucSetting::<Option<CString>>::new(Some(c""));
pub(super) static SOURCE_ID: Text = GucSetting::<Option<CString>>::new(Some(c""));
pub(super) static PROJECT_ID: Text = GucSetting::<Option<CString>>::new(Some(c""));
pub(super) static DATABASES: Text = GucSetting::<Option<CString>>::new(Some(c""));
pub(super) static APPLY_ROLE: Text = GucSetting::<Option<CString>>::new(Some(c""));
pub(super) static POLL_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(5_000);
pub(super) static MAX_PROPOSALS: GucSetting<i32> = GucSetting::<i32>::new(1_000);
pub(super) static DRY_RUN: GucSetting<bool> = GucSetting::<bool>::new(false);
pub(super) static BATCH_SIZE: GucSetting<i32> = GucSetting::<i32>::new(100);
pub(super) static REPORT_CONCURRENCY: GucSetting<i32> = GucSetting::<i32>::new(64);
pub(super) static REQUEST_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(30_000);
pub(super) static CONNECT_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(10_000);
pub(super) static LOCK_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(5_000);
pub(super) static STATEMENT_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(30_000);
pub(super) static MAX_ATTEMPTS: GucSetting<i32> = GucSetting::<i32>::new(10);
pub(super) static MAX_RESPONSE_SIZE: GucSetting<i32> = GucSetting::<i32>::new(64 * 1024);
pub(super) static TENANT_SETTING: Text = GucSetting::<Option<CString>>::new(Some(c""));
pub(super) static REQUIRE_TENANT_GUARD: GucSetting<bool> = GucSetting::<bool>::new(false);
pub(super) static REQUIRE_CONFLICT_GUARD: GucSetting<bool> = GucSetting::<bool>::new(false);
pub(super) static ADVANCE_GUARD: GucSetting<bool> = GucSetting::<bool>::new(false);
pub(super) static ALLOW_CASCADE: GucSetting<bool> = GucSetting::<bool>::new(false);
pub(super) static CAPTURE: GucSetting<bool> = GucSetting::<bool>::new(false);
pub(super) static CA_FILE: Text = GucSetting::<Option<CString>>::new(Some(c""));
pub(super) static LEDGER_RETENTION: GucSetting<i32> = GucSetting::<i32>::new(90 * 24 * 60);

/// True when a client's options named our settings before the library was there to say who may set them.
pub(super) static TAMPERED: AtomicBool = AtomicBool::new(false);

/// Defines one setting, and notices where a client has tried to set it by way of its options (`PGOPTIONS`). Where the
/// library is not preloaded, such a value hides the operator's until now, and is then refused with a warning, which
/// leaves the default.
fn define_watchfully(define: impl FnOnce()) {
    let capture = Capture::start_with_warnings();
    define();
    if capture.finish().sqlstate().as_deref() == Some("42501") {
        TAMPERED.store(true, Ordering::Relaxed);
    }
}

/// Defines every setting, and reserves the prefix, so that a misspelt one is noticed. Called once, when the library
/// is loaded.
///
/// All are `PGC_SUSET`: a URL and a key file that an ordinary user could set would hand the key to whom he likes.
pub fn define() {
    define_control_plane();
    define_worker();
    define_applying();
    // SAFETY: the prefix is a constant.
    #[cfg(not(feature = "pg14"))]
    unsafe {
        pg_sys::MarkGUCPrefixReserved(c"synapsor".as_ptr());
    }
    #[cfg(feature = "pg14")]
    {
        unsafe extern "C-unwind" {
            fn EmitWarningsOnPlaceholders(class: *const std::ffi::c_char);
        }
        // SAFETY: as above; 14's name of the same function.
        unsafe {
            pg_sys::ffi::pg_guard_ffi_boundary(|| EmitWarningsOnPlaceholders(c"synapsor".as_ptr()))
        };
    }
}

fn define_control_plane() {
    text(
        c"synapsor.base_url",
        c"Where the control plane is.",
        c"https, or http to loopback.",
        &BASE_URL,
    );
    flag(
        c"synapsor.allow_insecure_http",
        c"Allows plain http to hosts other than this one.",
        c"The key and the proposals then travel unprotected.",
        &ALLOW_INSECURE_HTTP,
    );
    text(
        c"synapsor.api_key_file",
        c"The file that holds the API key.",
        c"Only its owner may read it, or root and its group. Empty: the server's environment variable SYNAPSOR_API_KEY.",
        &API_KEY_FILE,
    );
    text(
        c"synapsor.source_name",
        c"The name of this source.",
        c"Looked up once for its id.",
        &SOURCE_NAME,
    );
    text(
        c"synapsor.source_id",
        c"The id of this source.",
        c"Comes before synapsor.source_name.",
        &SOURCE_ID,
    );
    text(
        c"synapsor.project_id",
        c"The project of this source.",
        c"",
        &PROJECT_ID,
    );
    text(
        c"synapsor.ca_file",
        c"A further certificate authority.",
        c"A PEM file.",
        &CA_FILE,
    );
    milliseconds(
        c"synapsor.request_timeout",
        c"The longest that a call to the control plane may take.",
        &REQUEST_TIMEOUT,
        1,
    );
    milliseconds(
        c"synapsor.connect_timeout",
        c"The longest that connecting to the control plane may take.",
        &CONNECT_TIMEOUT,
        1,
    );
    number(
        c"synapsor.max_response_size",
        c"The longest answer that is read.",
        &MAX_RESPONSE_SIZE,
        (1, i32::MAX),
        GucFlags::UNIT_KB,
    );
    number(
        c"synapsor.max_proposals",
        c"The most proposals that one poll takes.",
        &MAX_PROPOSALS,
        (1, 1_000_000),
        GucFlags::empty(),
    );
    number(
        c"synapsor.report_concurrency",
        c"The most reports in flight.",
        &REPORT_CONCURRENCY,
        (1, 1_024),
        GucFlags::empty(),
    );
}

fn define_worker() {
    text(
        c"synapsor.databases",
        c"The databases that get a worker.",
        c"Separated by commas.",
        &DATABASES,
    );
    milliseconds(
        c"synapsor.poll_interval",
        c"How often the worker asks for proposals.",
        &POLL_INTERVAL,
        10,
    );
    number(
        c"synapsor.batch_size",
        c"Proposals in one transaction of the worker and of CALL synapsor_poll().",
        &BATCH_SIZE,
        (1, 100_000),
        GucFlags::empty(),
    );
    number(
        c"synapsor.ledger_retention",
        c"How long rows stay in the ledger after they were reported; 0 keeps them.",
        &LEDGER_RETENTION,
        (0, i32::MAX),
        GucFlags::UNIT_MIN,
    );
}

fn define_applying() {
    text(
        c"synapsor.apply_role",
        c"The role that changes are made as.",
        c"Never a superuser, never one that bypasses row security. Empty: the caller.",
        &APPLY_ROLE,
    );
    flag(
        c"synapsor.dry_run",
        c"Tries every proposal and undoes it.",
        c"Nothing is reported.",
        &DRY_RUN,
    );
    milliseconds(
        c"synapsor.lock_timeout",
        c"The longest that a proposal waits for a lock.",
        &LOCK_TIMEOUT,
        0,
    );
    milliseconds(
        c"synapsor.statement_timeout",
        c"The longest that a proposal takes.",
        &STATEMENT_TIMEOUT,
        0,
    );
    number(
        c"synapsor.max_attempts",
        c"How often a proposal is tried that fails for a passing reason.",
        &MAX_ATTEMPTS,
        (1, 1_000_000),
        GucFlags::empty(),
    );
    text(
        c"synapsor.tenant_setting",
        c"A setting that is bound to the proposal's tenant while its statement runs.",
        c"Such as app.tenant_id, for policies of row security.",
        &TENANT_SETTING,
    );
    flag(
        c"synapsor.require_tenant_guard",
        c"Refuses a proposal without a tenant guard.",
        c"",
        &REQUIRE_TENANT_GUARD,
    );
    flag(
        c"synapsor.require_conflict_guard",
        c"Refuses an update or delete without a conflict guard.",
        c"",
        &REQUIRE_CONFLICT_GUARD,
    );
    flag(
        c"synapsor.advance_guard",
        c"An update also advances its conflict column, where no trigger did.",
        c"An integer by one, a timestamp to now.",
        &ADVANCE_GUARD,
    );
    flag(
        c"synapsor.allow_cascade",
        c"Allows a delete, or an update of a referenced column, that foreign keys widen to other rows.",
        c"",
        &ALLOW_CASCADE,
    );
    flag(
        c"synapsor.capture",
        c"Keeps the values before and after each applied change, so that it can be taken back.",
        c"In synapsor.capture, until the ledger's row is pruned.",
        &CAPTURE,
    );
}

fn text(name: &'static CStr, short: &'static CStr, long: &'static CStr, setting: &'static Text) {
    define_watchfully(|| {
        GucRegistry::define_string_guc(
            name,
            short,
            long,
            setting,
            GucContext::Suset,
            GucFlags::empty(),
        );
    });
}

fn flag(
    name: &'static CStr,
    short: &'static CStr,
    long: &'static CStr,
    setting: &'static GucSetting<bool>,
) {
    define_watchfully(|| {
        GucRegistry::define_bool_guc(
            name,
            short,
            long,
            setting,
            GucContext::Suset,
            GucFlags::empty(),
        );
    });
}

fn milliseconds(
    name: &'static CStr,
    short: &'static CStr,
    setting: &'static GucSetting<i32>,
    least: i32,
) {
    number(name, short, setting, (least, i32::MAX), GucFlags::UNIT_MS);
}

fn number(
    name: &'static CStr,
    short: &'static CStr,
    setting: &'static GucSetting<i32>,
    (least, most): (i32, i32),
    unit: GucFlags,
) {
    define_watchfully(|| {
        GucRegistry::define_int_guc(
            name,
            short,
            c"",
            setting,
            least,
            most,
            GucContext::Suset,
            unit,
        );
    });
}
