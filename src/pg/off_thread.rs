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

use super::latch;

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
    start(work)?.wait_until(deadline)
}

/// Starts `work` on a helper thread, to be waited for later. Dropped, it is abandoned.
pub fn start<T: Send + 'static>(
    work: impl FnOnce(&Abandoned) -> T + Send + 'static,
) -> Result<Running<T>, OffThreadError> {
    let (done, done_writer) = pipe().map_err(|_| OffThreadError::NoThread)?;
    let (sender, result) = channel();
    let abandoned = Abandoned::default();
    let guard = AbandonOnDrop(abandoned.clone());
    spawn_with_signals_blocked(move || {
        let result = catch_unwind(AssertUnwindSafe(|| work(&abandoned)));
        // Nobody listens after a cancel.
        let _ = sender.send(result);
        drop::<PipeWriter>(done_writer);
    })?;
    Ok(Running {
        done,
        result,
        _guard: guard,
    })
}

/// Work under way.
pub struct Running<T> {
    done: PipeReader,
    result: Receiver<thread::Result<T>>,
    _guard: AbandonOnDrop,
}

impl<T> Running<T> {
    /// Waits for the result, as [`run`] does.
    pub fn wait(self) -> Result<T, OffThreadError> {
        self.wait_until(None)
    }

    fn wait_until(self, deadline: Option<Instant>) -> Result<T, OffThreadError> {
        wait(&self.done, &self.result, deadline)
    }
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
        latch::wait_for_this_or(done.as_raw_fd(), LOOK_UP);
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
