//! A proposal on the standard input.

use std::io::{self, Read};

use synapsor_core::proposal::Proposal;

use crate::error::Error;

/// The largest proposal that is read, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// Reads a proposal.
///
/// # Errors
/// `INPUT_INVALID`, `WRITEBACK_PROPOSAL_INVALID: <field>`
pub fn proposal() -> Result<Proposal, Error> {
    let mut text = String::new();
    io::stdin()
        .lock()
        .take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| Error::Input(format!("the standard input: {}", error.kind())))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(Error::Input("the proposal is too large".into()));
    }
    if text.trim().is_empty() {
        let usage = "there is no proposal on the standard input; pipe its JSON in";
        return Err(Error::Input(usage.into()));
    }
    Ok(Proposal::parse(&text)?)
}
