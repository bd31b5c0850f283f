//! Writing below a folder and nowhere else: each step down opens a real folder, never a link, and a file is always a new one.
//!
//! What is opened is held open, so that nobody can swap a folder for a link between look and step.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A folder that is open.
pub struct Folder(OwnedFd);

impl Folder {
    /// Opens a folder, which is made, with those above it, where it is missing. This path is the operator's, and may be a link.
    ///
    /// # Errors
    /// Those of the system.
    pub fn open(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_DIRECTORY);
        Ok(Folder(options.open(path)?.into()))
    }

    /// Opens the folder `name` in this one, which is made where it is missing.
    ///
    /// # Errors
    /// `ELOOP` or `ENOTDIR` for a link and for anything else that is not a folder; and others of the system's.
    pub fn enter(&self, name: &str) -> io::Result<Self> {
        let c_name = CString::new(name)?;
        // SAFETY: the descriptor is open, and the name ends with NUL.
        let made = unsafe { libc::mkdirat(self.0.as_raw_fd(), c_name.as_ptr(), 0o777) };
        if let Err(error) = checked(made)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(error);
        }
        self.open_at(name, libc::O_RDONLY | libc::O_DIRECTORY)
            .map(Folder)
    }

    /// Makes the file `name` in this folder, and writes it.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] where there is anything of this name, a link too; and others of the system's.
    pub fn create(&self, name: &str, contents: &[u8]) -> io::Result<()> {
        let file = self.open_at(name, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL)?;
        File::from(file).write_all(contents)
    }

    /// Removes the file `name`, if there is one; what it was linked to stays.
    ///
    /// # Errors
    /// Those of the system.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        let name = CString::new(name)?;
        // SAFETY: the descriptor is open, and the name ends with NUL.
        let removed = unsafe { libc::unlinkat(self.0.as_raw_fd(), name.as_ptr(), 0) };
        match checked(removed) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn open_at(&self, name: &str, flags: libc::c_int) -> io::Result<OwnedFd> {
        const MODE: libc::c_uint = 0o666;
        let name = CString::new(name)?;
        let flags = flags | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        // SAFETY: the descriptor is open, and the name ends with NUL.
        let opened = unsafe { libc::openat(self.0.as_raw_fd(), name.as_ptr(), flags, MODE) };
        let descriptor = checked(opened)?;
        // SAFETY: just opened, and nobody else's.
        Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
    }
}

/// What a system call returned, or why it failed.
fn checked(returned: libc::c_int) -> io::Result<libc::c_int> {
    if returned < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(returned)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_made_in_folders_that_are_made() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(&home.path().join("x/y")).unwrap();
        folder
            .enter("a")
            .unwrap()
            .enter("b")
            .unwrap()
            .create("f", b"1")
            .unwrap();
        folder.enter("a").unwrap().create("g", b"2").unwrap();
        assert_eq!(fs::read(home.path().join("x/y/a/b/f")).unwrap(), b"1");
        assert_eq!(fs::read(home.path().join("x/y/a/g")).unwrap(), b"2");
    }

    #[test]
    fn a_link_is_neither_entered_nor_written_through() {
        let home = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path(), home.path().join("folder")).unwrap();
        symlink(outside.path().join("new"), home.path().join("file")).unwrap();
        let folder = Folder::open(home.path()).unwrap();
        let error = folder
            .enter("folder")
            .err()
            .and_then(|error| error.raw_os_error());
        assert!(
            matches!(error, Some(libc::ELOOP | libc::ENOTDIR)),
            "{error:?}"
        );
        let error = folder.create("file", b"1").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_removed_is_the_name_and_not_what_it_is_linked_to() {
        let home = tempfile::tempdir().unwrap();
        let outside = home.path().join("outside");
        fs::write(&outside, "kept").unwrap();
        fs::hard_link(&outside, home.path().join("name")).unwrap();
        let folder = Folder::open(home.path()).unwrap();
        folder.remove("name").unwrap();
        folder.remove("name").unwrap();
        folder.create("name", b"new").unwrap();
        assert_eq!(fs::read(&outside).unwrap(), b"kept");
    }
}
