//! Background workers. README.md beside this file has their states, and what each event does to them.
//!
//! ```text
//! launcher, keeper   keeps a worker for each of its databases
//! scout              a worker's first life: which role to connect as
//! resident           the worker proper: look, work, sleep
//! cycle, outbox      its work: fetch and apply, deliver
//! roster, slot, post what they tell each other, in shared memory
//! control, status    what sessions ask of them
//! one_shot           reports right after a commit, where no worker is there to send them
//! ```

pub mod control;
mod cycle;
mod keeper;
pub mod launcher;
pub mod one_shot;
mod outbox;
mod post;
mod resident;
pub mod roster;
mod scout;
pub mod slot;
pub mod status;

use crate::error::ExtensionError;
use crate::log;
use slot::State;

/// One line in the server's log on a change of state.
fn log_state(state: State, reason: &str) {
    log::note(format_args!("{}: {reason}", state.as_str()));
}

/// An error in words, and what to do about it.
fn with_hint(error: &ExtensionError) -> String {
    match error.hint() {
        Some(hint) => format!("{error}. {hint}"),
        None => error.to_string(),
    }
}
