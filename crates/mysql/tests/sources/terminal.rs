//! The program on a terminal of its own, with somebody who reads and types.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::{Child, Command};
use std::ptr;

/// How long a dialogue may say nothing, in milliseconds.
const PATIENCE: i32 = 60_000;

/// A program on a terminal.
pub struct Dialogue {
    child: Child,
    terminal: File,
    seen: String,
}

impl Dialogue {
    /// Starts a command with input, output and errors on a new terminal.
    pub fn start(mut command: Command) -> Self {
        let (ours, theirs) = pair();
        let copy = || theirs.try_clone().unwrap();
        command
            .env("TERM", "xterm")
            .stdin(copy())
            .stdout(copy())
            .stderr(copy());
        Dialogue {
            child: command.spawn().unwrap(),
            terminal: ours.into(),
            seen: String::new(),
        }
    }

    /// Reads until the program asks: a `?` was written, and a line is awaited.
    pub fn wait_for_question(&mut self) {
        while !self.seen.contains('?') {
            assert!(self.read(), "it ended without a question: {}", self.seen);
        }
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) {
        self.terminal
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    /// Ends the input (Ctrl-D).
    pub fn type_end(&mut self) {
        self.terminal.write_all(b"\x04").unwrap();
    }

    /// Reads to the end; all that was seen, and the exit code.
    pub fn end(mut self) -> (String, i32) {
        while self.read() {}
        let code = self.child.wait().unwrap().code().unwrap();
        (self.seen, code)
    }

    /// Reads what comes; false once the program has left the terminal.
    fn read(&mut self) -> bool {
        let mut wanted = libc::pollfd {
            fd: self.terminal.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one element, which lives as long as the call.
        let ready = unsafe { libc::poll(&mut wanted, 1, PATIENCE) };
        assert_eq!(ready, 1, "nothing came after: {}", self.seen);
        let mut bytes = [0; 4096];
        match self.terminal.read(&mut bytes) {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.seen
                    .push_str(&String::from_utf8_lossy(&bytes[..count]));
                true
            }
        }
    }
}

/// A terminal's two ends: ours, and the program's.
fn pair() -> (OwnedFd, OwnedFd) {
    let (mut ours, mut theirs) = (0, 0);
    let none = ptr::null_mut();
    // SAFETY: both descriptors are written to variables of ours; name, settings and size are left out.
    let opened = unsafe {
        libc::openpty(
            &mut ours,
            &mut theirs,
            none,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    assert_eq!(opened, 0);
    // Of two terminals that are made at once, neither must be kept open by the other's program.
    for end in [ours, theirs] {
        // SAFETY: a descriptor of ours.
        unsafe { libc::fcntl(end, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    // SAFETY: just opened, and nobody else's.
    unsafe { (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) }
}
