//! A bell that other threads ring, and that the main thread waits for beside its latch.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::latch;

/// Where the main thread listens.
pub struct Bell(UnixStream);

/// What another thread rings with.
pub struct Rope(UnixStream);

impl Bell {
    /// Hangs one up. The operating system may have no descriptor left.
    pub fn hang() -> std::io::Result<(Bell, Rope)> {
        let (bell, rope) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        rope.set_nonblocking(true)?;
        Ok((Bell(bell), Rope(rope)))
    }

    /// Waits until it is rung, or the latch is set, or for so long. A cancel or a shutdown ends the wait by raising its error.
    pub fn wait(&mut self, time: Duration) {
        latch::wait_for_this_or(self.0.as_raw_fd(), time);
        let mut rung = [0; 64];
        while self
            .0
            .read(&mut rung)
            .is_ok_and(|count| count == rung.len())
        {}
    }
}

impl Rope {
    /// Rings. One that rings already is not rung any louder.
    pub fn ring(&self) {
        let _ = (&self.0).write(&[0]);
    }
}
