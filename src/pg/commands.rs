//! Commands that code of other people's may not give while it runs as the apply role, though Postgres would let that role:
//! what they do would outlast the one row that they were let in for.
//!
//! A role may change its own password and settings, give away what it owns, make functions that run as itself for
//! everybody, and put types into the session's temporary schema, where the caller's SQL would find them before the
//! real ones. `SECURITY_RESTRICTED_OPERATION` stops none of that.

use std::cell::Cell;
use std::ffi::c_char;
use std::sync::OnceLock;

use pgrx::{PgSqlErrorCode, pg_sys};

thread_local! {
    /// The role that is restricted now.
    static RESTRICTED: Cell<Option<pg_sys::Oid>> = const { Cell::new(None) };
}

/// Who was asked before us.
static NEXT: OnceLock<pg_sys::ProcessUtility_hook_type> = OnceLock::new();

/// While it lives, commands that the role itself gives are restricted: it may make tables, partitions and indexes, and
/// change no other definition, role or right. What others let it do in their own name (SECURITY DEFINER) is theirs to answer for.
pub struct Restriction(Option<pg_sys::Oid>);

impl Restriction {
    /// Restricts a role.
    pub fn of(role: pg_sys::Oid) -> Self {
        install();
        Restriction(RESTRICTED.replace(Some(role)))
    }
}

impl Drop for Restriction {
    fn drop(&mut self) {
        RESTRICTED.set(self.0);
    }
}

/// Once for each process, and for good: others may come to stand before us, and call us then.
fn install() {
    NEXT.get_or_init(|| {
        // SAFETY: a plain read and write, on the main thread.
        unsafe {
            let next = pg_sys::ProcessUtility_hook;
            pg_sys::ProcessUtility_hook = Some(process);
            next
        }
    });
}

unsafe extern "C-unwind" {
    /// tcop/utility.c, without pgrx's guard: an error passes by here as it is, with all its fields.
    fn standard_ProcessUtility(
        statement: *mut pg_sys::PlannedStmt,
        text: *const c_char,
        is_read_only_tree: bool,
        context: pg_sys::ProcessUtilityContext::Type,
        parameters: pg_sys::ParamListInfo,
        environment: *mut pg_sys::QueryEnvironment,
        receiver: *mut pg_sys::DestReceiver,
        completion: *mut pg_sys::QueryCompletion,
    );
}

/// Nothing in this frame needs to be dropped: Postgres's errors jump over it.
unsafe extern "C-unwind" fn process(
    statement: *mut pg_sys::PlannedStmt,
    text: *const c_char,
    is_read_only_tree: bool,
    context: pg_sys::ProcessUtilityContext::Type,
    parameters: pg_sys::ParamListInfo,
    environment: *mut pg_sys::QueryEnvironment,
    receiver: *mut pg_sys::DestReceiver,
    completion: *mut pg_sys::QueryCompletion,
) {
    // SAFETY: a complete statement, passed on to whom Postgres would have called without us.
    unsafe {
        check((*statement).utilityStmt, context);
        let next = match NEXT.get() {
            Some(Some(next)) => *next,
            _ => standard_ProcessUtility,
        };
        next(
            statement,
            text,
            is_read_only_tree,
            context,
            parameters,
            environment,
            receiver,
            completion,
        );
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn check(
    command: *mut pg_sys::Node,
    context: pg_sys::ProcessUtilityContext::Type,
) {
    // SAFETY: reads the backend's state; the command is a complete parse tree.
    let is_refused = RESTRICTED.get().is_some_and(|role| unsafe {
        role == pg_sys::GetUserId() && outlasts_a_row(command, context)
    });
    if is_refused {
        pgrx::ereport!(
            ERROR,
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            "definitions, roles and rights can't be changed while a proposal is being applied"
        );
    }
}

/// # Safety
/// `command` is a complete parse tree.
unsafe fn outlasts_a_row(
    command: *mut pg_sys::Node,
    context: pg_sys::ProcessUtilityContext::Type,
) -> bool {
    use pg_sys::NodeTag::{T_CreateStmt, T_CreateTableAsStmt, T_IndexStmt};
    // Parts of a command that has come by here itself.
    if context == pg_sys::ProcessUtilityContext::PROCESS_UTILITY_SUBCOMMAND {
        return false;
    }
    // SAFETY: the caller's promise.
    unsafe {
        let makes_a_table = matches!(
            (*command).type_,
            T_CreateStmt | T_CreateTableAsStmt | T_IndexStmt
        );
        pg_sys::GetCommandLogLevel(command) == pg_sys::LogStmtLevel::LOGSTMT_DDL && !makes_a_table
    }
}
