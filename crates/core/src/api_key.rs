//! The API key: kept out of every log, and read from a file that nobody else can read.

use std::fmt;
use std::io;
use std::path::Path;

use crate::private_file::{self, PrivateFileError};

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 4096;

/// The largest key file, in bytes: a key and some white space around it.
const MAX_FILE_BYTES: u64 = 2 * MAX_KEY_BYTES as u64;

/// The key that a call authenticates with. It shows itself nowhere: `Debug` says `ApiKey([redacted])`, and there is
/// no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Takes a key from a text, without the white space around it.
    ///
    /// # Errors
    /// `API_KEY_EMPTY`, `API_KEY_TOO_LONG`, or `API_KEY_MALFORMED` for anything but visible ASCII characters.
    pub fn parse(text: &str) -> Result<Self, ApiKeyError> {
        match text.trim_ascii() {
            "" => Err(ApiKeyError::Empty),
            key if key.len() > MAX_KEY_BYTES => Err(ApiKeyError::TooLong),
            key if key.bytes().all(|b| b.is_ascii_graphic()) => Ok(ApiKey(key.to_owned())),
            _ => Err(ApiKeyError::Malformed),
        }
    }

    /// Reads the key from a file. The file is held to the rule that Postgres has for the key of its certificate: it
    /// belongs to the user that the server runs as (`server_uid`, the effective one) and nobody else has any right on it, or to
    /// root, and its group may read it.
    ///
    /// # Errors
    /// An `API_KEY_FILE_…` code for the file, or one of [`ApiKey::parse`]'s for its content, which no error quotes.
    pub fn read_file(path: &Path, server_uid: u32) -> Result<Self, ApiKeyError> {
        let bytes = private_file::read(path, server_uid, MAX_FILE_BYTES)?;
        ApiKey::parse(str::from_utf8(&bytes).map_err(|_| ApiKeyError::Malformed)?)
    }

    /// A text without the key: a server may send back what it was sent.
    pub fn struck_out_of(&self, text: &str) -> String {
        text.replace(&self.0, "[redacted]")
    }

    /// The key itself, for the header that carries it and for striking it out of texts.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey([redacted])")
    }
}

/// Why there is no key. Never quotes it.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// There is no such file.
    #[error("API_KEY_FILE_MISSING: the key file does not exist")]
    FileMissing,
    /// It can't be opened or read.
    #[error("API_KEY_FILE_UNREADABLE: the key file can't be read: {}", .0.kind())]
    FileUnreadable(io::Error),
    /// A directory, a pipe, a socket, a device.
    #[error("API_KEY_FILE_NOT_REGULAR: the key file is not a regular file")]
    FileNotRegular,
    /// It belongs to somebody else, who could put another key there.
    #[error("API_KEY_FILE_OWNER: the key file must belong to the server's user or to root")]
    FileOwner,
    /// Others can read or write it.
    #[error(
        "API_KEY_FILE_EXPOSED: others have rights on the key file; it must be 0600 or less \
         when it belongs to the server's user, 0640 or less when it belongs to root"
    )]
    FileExposed,
    /// More than a key and some white space.
    #[error("API_KEY_FILE_TOO_LARGE: the key file holds more than a key")]
    FileTooLarge,
    /// Nothing but white space.
    #[error("API_KEY_EMPTY: the key is empty")]
    Empty,
    /// More than [`MAX_KEY_BYTES`].
    #[error("API_KEY_TOO_LONG: the key is longer than {MAX_KEY_BYTES} characters")]
    TooLong,
    /// A space, a line break, a control character, a character outside ASCII.
    #[error("API_KEY_MALFORMED: the key has characters other than visible ASCII ones")]
    Malformed,
}

impl ApiKeyError {
    /// The stable code: the error's text up to the first `:`.
    pub fn code(&self) -> &'static str {
        match self {
            ApiKeyError::FileMissing => "API_KEY_FILE_MISSING",
            ApiKeyError::FileUnreadable(_) => "API_KEY_FILE_UNREADABLE",
            ApiKeyError::FileNotRegular => "API_KEY_FILE_NOT_REGULAR",
            ApiKeyError::FileOwner => "API_KEY_FILE_OWNER",
            ApiKeyError::FileExposed => "API_KEY_FILE_EXPOSED",
            ApiKeyError::FileTooLarge => "API_KEY_FILE_TOO_LARGE",
            ApiKeyError::Empty => "API_KEY_EMPTY",
            ApiKeyError::TooLong => "API_KEY_TOO_LONG",
            ApiKeyError::Malformed => "API_KEY_MALFORMED",
        }
    }
}

impl From<PrivateFileError> for ApiKeyError {
    fn from(error: PrivateFileError) -> Self {
        match error {
            PrivateFileError::Missing => ApiKeyError::FileMissing,
            PrivateFileError::Unreadable(error) => ApiKeyError::FileUnreadable(error),
            PrivateFileError::NotRegular => ApiKeyError::FileNotRegular,
            PrivateFileError::Owner => ApiKeyError::FileOwner,
            PrivateFileError::Exposed => ApiKeyError::FileExposed,
            PrivateFileError::TooLarge => ApiKeyError::FileTooLarge,
        }
    }
}
