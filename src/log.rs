//! What we say in the server's log.

use std::cell::RefCell;
use std::fmt::Display;

thread_local! {
    static DATABASE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on every line names the database: for a background process, of which `log_line_prefix` can't tell where it is.
pub fn speak_for(database: &str) {
    DATABASE.set(Some(database.to_owned()));
}

/// A line in the log, for nobody but its readers.
pub fn note(text: impl Display) {
    pgrx::log!("{}", line(text));
}

/// A warning, which a session's client is shown as well.
pub fn warn(text: impl Display) {
    pgrx::warning!("{}", line(text));
}

fn line(text: impl Display) -> String {
    DATABASE.with_borrow(|database| match database {
        Some(database) => format!("synapsor_writeback: database \"{database}\": {text}"),
        None => format!("synapsor_writeback: {text}"),
    })
}
