//! A file that holds a secret: a regular file that nobody else can read, held to the rule that Postgres has for the key of its
//! certificate.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Why the file is not read. The words fit after a name: `the key file …`.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// There is no such file.
    #[error("does not exist")]
    Missing,
    /// It can't be opened or read.
    #[error("can't be read: {}", .0.kind())]
    Unreadable(io::Error),
    /// A directory, a pipe, a socket, a device.
    #[error("is not a regular file")]
    NotRegular,
    /// It belongs to somebody else, who could put another secret there.
    #[error("must belong to the user that reads it or to root")]
    Owner,
    /// Others can read or write it.
    #[error(
        "is open to others; it must be 0600 or less when it belongs to the user that reads it, \
         0640 or less when it belongs to root"
    )]
    Exposed,
    /// More than allowed.
    #[error("is too large")]
    TooLarge,
}

/// Reads a file of at most `most` bytes. It belongs to the user that we run as (`own_uid`, the effective one) and nobody else has any
/// right on it, or to root, and its group may read it.
///
/// # Errors
/// A [`PrivateFileError`], which quotes nothing of the content.
pub fn read(path: &Path, own_uid: u32, most: u64) -> Result<Vec<u8>, PrivateFileError> {
    let file = open(path)?;
    let metadata = file.metadata().map_err(PrivateFileError::Unreadable)?;
    check_file(&metadata, own_uid, most)?;
    let mut bytes = Vec::new();
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(PrivateFileError::Unreadable)?;
    if bytes.len() as u64 > most {
        return Err(PrivateFileError::TooLarge);
    }
    Ok(bytes)
}

/// Opens without waiting, where the path is a pipe, and without passing the descriptor on to other programs (the standard
/// library's default).
fn open(path: &Path) -> Result<File, PrivateFileError> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path);
    opened.map_err(|error| match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR) => PrivateFileError::Missing,
        Some(libc::ENXIO) => PrivateFileError::NotRegular,
        _ => PrivateFileError::Unreadable(error),
    })
}

/// Looks at the opened file, not at the path: in between, the path could have come to mean another file.
fn check_file(metadata: &Metadata, own_uid: u32, most: u64) -> Result<(), PrivateFileError> {
    if !metadata.is_file() {
        return Err(PrivateFileError::NotRegular);
    }
    check_rights(metadata.uid(), metadata.mode(), own_uid)?;
    if metadata.len() > most {
        return Err(PrivateFileError::TooLarge);
    }
    Ok(())
}

/// Whose file it may be, and who else may have a right on it.
fn check_rights(owner: u32, mode: u32, own_uid: u32) -> Result<(), PrivateFileError> {
    const ROOT: u32 = 0;
    let forbidden = match owner {
        owner if owner == own_uid => 0o077,
        ROOT => 0o037,
        _ => return Err(PrivateFileError::Owner),
    };
    if mode & forbidden == 0 {
        Ok(())
    } else {
        Err(PrivateFileError::Exposed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_exposed(owner: u32, mode: u32) -> bool {
        match check_rights(owner, mode, 4321) {
            Ok(()) => false,
            Err(PrivateFileError::Exposed) => true,
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn root_s_file_may_be_read_by_its_group_and_by_nobody_else() {
        for mode in [0o640, 0o600, 0o440] {
            assert!(!is_exposed(0, mode), "{mode:o}");
        }
        for mode in [0o660, 0o650, 0o644, 0o641, 0o604] {
            assert!(is_exposed(0, mode), "{mode:o}");
        }
    }

    #[test]
    fn as_much_as_allowed_is_read_and_not_a_byte_more() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "0123").unwrap();
        let owner = file.as_file().metadata().unwrap().uid();
        assert_eq!(read(file.path(), owner, 4).unwrap(), b"0123");
        let error = read(file.path(), owner, 3).unwrap_err();
        assert!(matches!(error, PrivateFileError::TooLarge), "{error}");
    }

    /// The kernel says of this file that it is empty.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_that_holds_more_than_its_size_says_is_too_large() {
        let path = Path::new("/proc/self/environ");
        let owner = path.metadata().unwrap().uid();
        let error = read(path, owner, 3).unwrap_err();
        assert!(matches!(error, PrivateFileError::TooLarge), "{error}");
    }

    #[test]
    fn one_s_own_file_is_for_nobody_else() {
        for mode in [0o600, 0o400] {
            assert!(!is_exposed(4321, mode), "{mode:o}");
        }
        for mode in [0o640, 0o604, 0o620, 0o601] {
            assert!(is_exposed(4321, mode), "{mode:o}");
        }
        assert!(matches!(
            check_rights(77, 0o600, 4321),
            Err(PrivateFileError::Owner)
        ));
    }
}
