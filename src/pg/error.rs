//! A Postgres error as a value, with the names that pgrx's own report leaves out: constraint, column, type.

use std::ffi::{CStr, c_char, c_int, c_void};

use pgrx::pg_sys;
use pgrx::pg_sys::panic::CaughtError;

/// An error that Postgres raised.
#[derive(Clone, Debug)]
pub struct PgError {
    /// Five characters, as `23505`.
    pub sqlstate: String,
    /// The message; it may quote values, and stays in the database.
    pub message: String,
    /// The DETAIL; it may quote rows, and stays in the database.
    pub detail: Option<String>,
    /// The constraint that was violated.
    pub constraint: Option<String>,
    /// The column concerned.
    pub column: Option<String>,
    /// The data type concerned.
    pub data_type: Option<String>,
    /// Raised because the backend was interrupted.
    is_interrupt: bool,
}

/// The parts of an error that only Postgres's own error data has.
#[derive(Clone, Debug, Default)]
pub struct Details {
    sqlstate: Option<c_int>,
    message: Option<String>,
    constraint: Option<String>,
    column: Option<String>,
    data_type: Option<String>,
}

impl Details {
    /// The SQLSTATE of the last message; `None` when there was none.
    pub fn sqlstate(&self) -> Option<String> {
        self.sqlstate.map(unpack_sqlstate)
    }
}

impl PgError {
    /// Puts together what pgrx caught and what was captured of the same error. What was captured is of another one
    /// where a trigger raised an error again that it had caught before: Postgres then calls no callback.
    pub fn of(cause: &CaughtError, details: Details) -> Self {
        let (CaughtError::PostgresError(report)
        | CaughtError::ErrorReport(report)
        | CaughtError::RustPanic {
            ereport: report, ..
        }) = cause;
        let is_the_same = details.message.as_deref() == Some(report.message());
        let details = if is_the_same {
            details
        } else {
            Details::default()
        };
        let code = details.sqlstate.unwrap_or(report.sql_error_code() as c_int);
        PgError {
            sqlstate: unpack_sqlstate(code),
            message: report.message().to_owned(),
            detail: report.detail().map(str::to_owned),
            constraint: details.constraint,
            column: details.column,
            data_type: details.data_type,
            is_interrupt: report.function_name() == Some("ProcessInterrupts"),
        }
    }

    /// True for a cancel of this backend: by its user, or by a time-out of his. It ends the caller's transaction
    /// whatever we think of it. An error that only borrows the code (a trigger that raises it, a foreign
    /// server that passes its own on) is like any other.
    pub fn is_cancel(&self) -> bool {
        self.sqlstate == "57014" && self.is_interrupt
    }
}

/// `ERRCODE` as its five characters: six bits for each, counted from `'0'` (Postgres's `unpack_sql_state`).
pub fn unpack_sqlstate(code: c_int) -> String {
    (0..5)
        .map(|n| char::from(((code >> (6 * n)) & 0x3f) as u8 + b'0'))
        .collect()
}

/// While it lives, every error that Postgres raises leaves its names behind; the last one counts.
///
/// Postgres calls the callbacks of `error_context_stack` while it finishes an error, before it jumps: the one place
/// where the complete error data can be read without a `sigsetjmp` of our own.
pub struct Capture(Box<Frame>);

struct Frame {
    callback: pg_sys::ErrorContextCallback,
    lowest_level: c_int,
    /// `client_min_messages` and `log_min_messages`, to be put back.
    min_messages: Option<(c_int, c_int)>,
    details: Details,
}

unsafe extern "C-unwind" {
    /// Postgres's own, without pgrx's guard, which must not nest inside an error that is being raised.
    fn CopyErrorData() -> *mut pg_sys::ErrorData;
    fn FreeErrorData(edata: *mut pg_sys::ErrorData);
}

impl Capture {
    /// Starts capturing errors.
    pub fn start() -> Self {
        Self::from_level(pg_sys::PGERROR as c_int)
    }

    /// Starts capturing errors and warnings. Client and log are sent warnings meanwhile, even where they are not wanted:
    /// what goes nowhere is not even put together.
    pub fn start_with_warnings() -> Self {
        let mut capture = Self::from_level(pg_sys::WARNING as c_int);
        // SAFETY: plain reads and writes of a setting's variable, put back in the drop.
        unsafe {
            let warning = pg_sys::WARNING as c_int;
            capture.0.min_messages = Some((pg_sys::client_min_messages, pg_sys::log_min_messages));
            pg_sys::client_min_messages = pg_sys::client_min_messages.min(warning);
            pg_sys::log_min_messages = pg_sys::log_min_messages.min(warning);
        }
        capture
    }

    fn from_level(lowest_level: c_int) -> Self {
        let mut frame = Box::new(Frame {
            callback: pg_sys::ErrorContextCallback::default(),
            lowest_level,
            min_messages: None,
            details: Details::default(),
        });
        // SAFETY: the frame is boxed, so that its address holds until `finish` or `drop` unlinks it.
        unsafe {
            frame.callback.previous = pg_sys::error_context_stack;
            frame.callback.callback = Some(capture);
            frame.callback.arg = (&raw mut *frame).cast();
            pg_sys::error_context_stack = &raw mut frame.callback;
        }
        Capture(frame)
    }

    /// Stops, and returns what the last error left.
    pub fn finish(mut self) -> Details {
        std::mem::take(&mut self.0.details)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // SAFETY: callbacks are linked and unlinked like a stack; ours is the innermost again.
        unsafe {
            pg_sys::error_context_stack = self.0.callback.previous;
            if let Some((client, log)) = self.0.min_messages {
                pg_sys::client_min_messages = client;
                pg_sys::log_min_messages = log;
            }
        }
    }
}

/// While it lives, warnings go nowhere.
pub struct Quiet {
    client: c_int,
    log: c_int,
}

impl Quiet {
    /// Begins.
    pub fn start() -> Self {
        let error = pg_sys::PGERROR as c_int;
        // SAFETY: plain reads and writes of settings' variables, put back in the drop.
        unsafe {
            let quiet = Quiet {
                client: pg_sys::client_min_messages,
                log: pg_sys::log_min_messages,
            };
            pg_sys::client_min_messages = error;
            pg_sys::log_min_messages = error;
            quiet
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // SAFETY: as in `start`.
        unsafe {
            pg_sys::client_min_messages = self.client;
            pg_sys::log_min_messages = self.log;
        }
    }
}

/// Called by Postgres for every message, NOTICEs included, while `CurrentMemoryContext` is `ErrorContext`.
unsafe extern "C-unwind" fn capture(frame: *mut c_void) {
    // SAFETY: `arg` is the boxed frame, alive as long as it is linked. CopyErrorData wants another context than
    // ErrorContext.
    unsafe {
        let frame = &mut *frame.cast::<Frame>();
        let error_context = pg_sys::CurrentMemoryContext;
        pg_sys::CurrentMemoryContext = match pg_sys::TopTransactionContext {
            none if none.is_null() => pg_sys::TopMemoryContext,
            context => context,
        };
        let edata = CopyErrorData();
        if (*edata).elevel >= frame.lowest_level {
            frame.details = Details {
                sqlstate: Some((*edata).sqlerrcode),
                message: text((*edata).message),
                constraint: text((*edata).constraint_name),
                column: text((*edata).column_name),
                data_type: text((*edata).datatype_name),
            };
        }
        FreeErrorData(edata);
        pg_sys::CurrentMemoryContext = error_context;
    }
}

/// # Safety
/// `text` is null or a C string.
unsafe fn text(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(text) };
    Some(text.to_string_lossy().into_owned())
}
