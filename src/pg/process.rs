//! Other processes of the server: whether they are there, waking them, ending them.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use pgrx::pg_sys;

/// A process of the server that was there when it was looked for.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pid: i32,
    entry: *mut pg_sys::PGPROC,
}

impl Process {
    /// Finds a process by its id; `None` for 0 and for one that is none of the server's.
    pub fn find(pid: i32) -> Option<Self> {
        // SAFETY: looks the process up in shared memory.
        let entry = unsafe { pg_sys::BackendPidGetProc(pid) };
        (pid != 0 && !entry.is_null()).then_some(Process { pid, entry })
    }

    /// Its id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Sets its latch. Can't fail, and does no harm when another process has taken the place meanwhile.
    pub fn wake(&self) {
        // SAFETY: entries stay where they are for as long as the server runs.
        unsafe { pg_sys::SetLatch(&raw mut (*self.entry).procLatch) };
    }

    /// Asks it to end. Can't fail; a process that has gone meanwhile is left in peace, whoever has its id now.
    pub fn terminate(&self) {
        // SAFETY: entries stay where they are; a signal to a process of the same user.
        unsafe {
            if (*self.entry).pid == self.pid {
                libc::kill(self.pid, libc::SIGTERM);
            }
        }
    }

    /// True when it is connected to a database.
    pub fn is_connected(&self) -> bool {
        // SAFETY: entries stay where they are.
        unsafe { (*self.entry).databaseId != pg_sys::InvalidOid }
    }
}

/// The id of this process.
pub fn own_pid() -> i32 {
    // SAFETY: a plain read.
    unsafe { pg_sys::MyProcPid }
}

/// The user that the server runs as.
pub fn own_uid() -> u32 {
    // SAFETY: has no precondition.
    unsafe { libc::geteuid() }
}

/// Where the server keeps its data.
pub fn data_directory() -> PathBuf {
    // SAFETY: set once before any backend starts; null or a C string.
    unsafe {
        let path = pg_sys::DataDir;
        if path.is_null() {
            return PathBuf::new();
        }
        OsStr::from_bytes(CStr::from_ptr(path).to_bytes()).into()
    }
}
