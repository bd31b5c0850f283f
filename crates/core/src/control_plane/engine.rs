//! The thread that drives a client's connections, and the calls that are made on it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};
use std::{io, thread};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Steps after which it looks at clock and sockets: a server that floods one connection is not to put off the time-outs.
const LOOK_UP: u32 = 8;

/// A thread with a runtime. Ends with the last call that it drives once this is dropped; nobody waits for that.
#[derive(Debug)]
pub(super) struct Engine {
    handle: Handle,
    /// Dropped with the engine, which the thread notices.
    _alive: oneshot::Sender<()>,
}

impl Engine {
    /// Starts it. The thread inherits the caller's signal mask.
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .event_interval(LOOK_UP)
            .build()?;
        let handle = runtime.handle().clone();
        let (alive, end) = oneshot::channel();
        let drive = move || {
            // An error is what a dropped sender looks like.
            let _ = runtime.block_on(end);
            runtime.shutdown_background();
        };
        thread::Builder::new()
            .name("synapsor http".into())
            .spawn(drive)?;
        Ok(Engine {
            handle,
            _alive: alive,
        })
    }

    /// Waits for a call, on a thread that is not the engine's own and has a clock of its own: a server that floods a connection
    /// keeps the engine busy. `None` when the time is up.
    pub(super) fn wait_for<T>(&self, call: impl Future<Output = T>, time: Duration) -> Option<T> {
        let _context = self.handle.enter();
        let deadline = Instant::now().checked_add(time);
        let waker = Waker::from(Arc::new(Waiting(thread::current())));
        let mut call = pin!(call);
        loop {
            if let Poll::Ready(result) = call.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Some(result);
            }
            let left = deadline.map_or(time, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return None;
            }
            thread::park_timeout(left);
        }
    }

    /// Has something done on the engine's thread.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(work);
    }
}

/// Wakes a thread that waits for a call.
struct Waiting(Thread);

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
