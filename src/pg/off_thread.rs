//! Work that waits on the network, on a thread of its own, while the backend stays responsive.
//!
//! A backend stuck in a system call would ignore cancels and hold up `DROP DATABASE` everywhere. So the main thread
//! waits on its latch and looks after interrupts, and the helper thread never touches Postgres.

use std::io::{PipeReader, PipeWriter, pipe};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use pgrx::pg_sys;

/// The longest that an interrupt goes unnoticed, should its wake-up be lost.
const LOOK_UP: Duration = Duration::from_millis(100);

/// Tells the helper thread that nobody waits for it any more.
#[derive(Clone, Default)]
pub struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    /// The flag itself.
    pub fn flag(&self) -> &AtomicBool {
        &self.0
    }
}

/// Why there is no result.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum OffThreadError {
    /// The operating system gave no thread or no pipe.
    #[error("the operating system has no thread to spare")]
    NoThread,
    /// The work panicked: a bug of ours.
    #[error("the helper thread panicked")]
    Panicked,
    /// It took longer than it may.
    #[error("the control plane's answers took too long")]
    TooLong,
}

/// Runs `work` on a helper thread and waits for its result. A cancel or a shutdown ends the wait at once; the
/// thread then finds its flag set, starts nothing new and ends with the call that it is in.
pub fn run<T: Send + 'static>(
    work: impl FnOnce(&Abandoned) -> T + Send + 'static,
) -> Result<T, OffThreadError> {
    run_until(None, work)
}

/// As [`run`], and waits no longer than until the deadline.
pub fn run_until<T: Send + 'static>(
    deadline: Option<Instant>,
    work: impl FnOnce(&Abandoned) -> T + Send + 'static,
) -> Result<T, OffThreadError> {
    let (done_reader, done_writer) = pipe().map_err(|_| OffThreadError::NoThread)?;
    let (sender, receiver) = channel();
    let abandoned = Abandoned::default();
    let guard = AbandonOnDrop(abandoned.clone());
    spawn_with_signals_blocked(move || {
        let result = catch_unwind(AssertUnwindSafe(|| work(&abandoned)));
        // Nobody listens after a cancel.
        let _ = sender.send(result);
        drop::<PipeWriter>(done_writer);
    })?;
    let result = wait(&done_reader, &receiver, deadline);
    drop(guard);
    result
}

/// Sets the flag also when a cancel unwinds the wait.
struct AbandonOnDrop(Abandoned);

impl Drop for AbandonOnDrop {
    fn drop(&mut self) {
        self.0.flag().store(true, Ordering::Relaxed);
    }
}

fn wait<T>(
    done: &PipeReader,
    receiver: &Receiver<thread::Result<T>>,
    deadline: Option<Instant>,
) -> Result<T, OffThreadError> {
    loop {
        // The thread closes its end of the pipe after it has sent: the pipe wakes us, the channel has the result.
        if let Ok(result) = receiver.try_recv() {
            return result.map_err(|_| OffThreadError::Panicked);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(OffThreadError::TooLong);
        }
        wait_for_latch_or(done);
        pgrx::check_for_interrupts!();
    }
}

fn wait_for_latch_or(done: &PipeReader) {
    let events = pg_sys::WL_LATCH_SET
        | pg_sys::WL_TIMEOUT
        | pg_sys::WL_SOCKET_READABLE
        | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: the process's own latch and an open descriptor.
    unsafe {
        pg_sys::WaitLatchOrSocket(
            pg_sys::MyLatch,
            events as i32,
            done.as_raw_fd(),
            LOOK_UP.as_millis() as _,
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
}

/// A thread must never run one of Postgres's signal handlers: it inherits a mask that blocks them all.
fn spawn_with_signals_blocked(work: impl FnOnce() + Send + 'static) -> Result<(), OffThreadError> {
    // SAFETY: plain manipulation of this thread's signal mask, put back before anything else happens.
    let spawned = unsafe {
        let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        let spawned = thread::Builder::new()
            .name("synapsor http".into())
            .spawn(work);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
        spawned
    };
    spawned.map(drop).map_err(|_| OffThreadError::NoThread)
}
