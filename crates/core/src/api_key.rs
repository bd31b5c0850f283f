//! The API key: kept out of every log, and read from a file that nobody else can read.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

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
        let file = open(path)?;
        let metadata = file.metadata().map_err(ApiKeyError::FileUnreadable)?;
        check_file(&metadata, server_uid)?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(ApiKeyError::FileUnreadable)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(ApiKeyError::FileTooLarge);
        }
        ApiKey::parse(str::from_utf8(&bytes).map_err(|_| ApiKeyError::Malformed)?)
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

/// Opens without waiting, where the path is a pipe, and without passing the descriptor on to other programs (the standard
/// library's default).
fn open(path: &Path) -> Result<File, ApiKeyError> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path);
    opened.map_err(|error| match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR) => ApiKeyError::FileMissing,
        Some(libc::ENXIO) => ApiKeyError::FileNotRegular,
        _ => ApiKeyError::FileUnreadable(error),
    })
}

/// Looks at the opened file, not at the path: in between, the path could have come to mean another file.
fn check_file(metadata: &Metadata, server_uid: u32) -> Result<(), ApiKeyError> {
    if !metadata.is_file() {
        return Err(ApiKeyError::FileNotRegular);
    }
    check_rights(metadata.uid(), metadata.mode(), server_uid)?;
    if metadata.len() > MAX_FILE_BYTES {
        return Err(ApiKeyError::FileTooLarge);
    }
    Ok(())
}

/// Whose file it may be, and who else may have a right on it.
fn check_rights(owner: u32, mode: u32, server_uid: u32) -> Result<(), ApiKeyError> {
    const ROOT: u32 = 0;
    let forbidden = match owner {
        owner if owner == server_uid => 0o077,
        ROOT => 0o037,
        _ => return Err(ApiKeyError::FileOwner),
    };
    if mode & forbidden == 0 {
        Ok(())
    } else {
        Err(ApiKeyError::FileExposed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(owner: u32, mode: u32, server_uid: u32) -> Option<&'static str> {
        check_rights(owner, mode, server_uid)
            .err()
            .map(|error| error.code())
    }

    #[test]
    fn root_s_file_may_be_read_by_its_group_and_by_nobody_else() {
        for mode in [0o640, 0o600, 0o440] {
            assert_eq!(code(0, mode, 4321), None, "{mode:o}");
        }
        for mode in [0o660, 0o650, 0o644, 0o641, 0o604] {
            assert_eq!(
                code(0, mode, 4321),
                Some("API_KEY_FILE_EXPOSED"),
                "{mode:o}"
            );
        }
    }

    #[test]
    fn the_server_s_own_file_is_for_nobody_else() {
        for mode in [0o600, 0o400] {
            assert_eq!(code(4321, mode, 4321), None, "{mode:o}");
        }
        for mode in [0o640, 0o604, 0o620, 0o601] {
            assert_eq!(
                code(4321, mode, 4321),
                Some("API_KEY_FILE_EXPOSED"),
                "{mode:o}"
            );
        }
        assert_eq!(code(77, 0o600, 4321), Some("API_KEY_FILE_OWNER"));
    }
}
