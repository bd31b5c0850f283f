//! Texts that must not be seen: a connection's URL, and the files that hold one.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Deserializer};
use synapsor_core::private_file;

use crate::error::Error;

/// The largest file that holds a secret, in bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// A text that shows itself nowhere: `Debug` says `SecretText([redacted])`, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Takes a text, without the white space around it.
    pub fn new(text: &str) -> Self {
        SecretText(text.trim().to_owned())
    }

    /// Reads one from a file that is held to the rule for key files (see [`private_file`]).
    ///
    /// # Errors
    /// `SECRET_FILE: <path> <why>`
    pub fn read_file(path: &Path) -> Result<Self, Error> {
        let trouble = |why: &str| Error::SecretFile(format!("{} {why}", path.display()));
        let bytes = private_file::read(path, own_uid(), MAX_FILE_BYTES)
            .map_err(|error| trouble(&error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| trouble("is not UTF-8 text"))?;
        Ok(SecretText::new(&text))
    }

    /// The text itself, for the one who needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| SecretText::new(&text))
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText([redacted])")
    }
}

/// The user that we run as.
pub fn own_uid() -> u32 {
    // SAFETY: has no precondition.
    unsafe { libc::geteuid() }
}
