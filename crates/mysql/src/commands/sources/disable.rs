//! `sources disable`: asks first.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::Args;

use super::calls::{Calls, Portrait};
use super::{Context, Named, answer};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::table;

/// Which source, and whether to ask.
#[derive(Args, Debug)]
pub struct DisableArgs {
    #[command(flatten)]
    /// Which source.
    named: Named,
    /// Do it without asking
    #[arg(long, short)]
    yes: bool,
}

/// Disables a source.
///
/// # Errors
/// `NOT_CONFIRMED` where nobody can be asked, or says no; and those of the calls.
pub fn run(context: &Context<'_>, args: &DisableArgs) -> Result<Exit, Error> {
    if !args.yes && !is_somebody_there() {
        let why = "there is no terminal to ask on; nothing was disabled";
        return Err(Error::NotConfirmed(why.into()));
    }
    let mut calls = Calls::open(context)?;
    let id = calls.id_of(&args.named.source)?;
    if !args.yes {
        confirm(&id, &calls.portrait_of(&id)?)?;
    }
    let whole = calls.ask(|client, key| client.disable_source(key, &id))?;
    answer::print(context.output, &calls.read(&whole)?);
    Ok(Exit::Success)
}

/// The question goes to the standard error, so that the answer of the control plane can go into a file.
fn is_somebody_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

fn confirm(id: &str, source: &Portrait) -> Result<(), Error> {
    let unknown = "?".to_owned();
    let [name, kind, status] =
        [&source.name, &source.kind, &source.status].map(|text| text.as_ref().unwrap_or(&unknown));
    let question =
        format!("Disable the source {name} ({id}, {kind}, {status})? Type its name, or yes: ");
    let mut stderr = io::stderr();
    let _ = write!(stderr, "{}", table::printable(&question)).and_then(|()| stderr.flush());
    let mut typed = String::new();
    let trouble = |error| Error::Io("the terminal".into(), error);
    io::stdin().lock().read_line(&mut typed).map_err(trouble)?;
    let typed = typed.trim();
    let is_meant = typed == id || source.name.as_deref() == Some(typed);
    if typed.eq_ignore_ascii_case("yes") || (is_meant && !typed.is_empty()) {
        Ok(())
    } else {
        Err(Error::NotConfirmed("nothing was disabled".into()))
    }
}
