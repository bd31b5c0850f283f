//! Being asked to stop: SIGTERM and SIGINT, within a second, whatever the program waits for. SIGHUP wakes a sleeping one.

use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// How long the program may take to stop by itself.
const PATIENCE: Duration = Duration::from_millis(900);

/// Whether the program was asked to stop. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_asked: AtomicBool,
    is_woken: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Listens to signals from now on. One that asks to stop ends the process, with exit code 0, when it has not ended by itself in 900 ms:
    /// what it waits for then (an answer of the control plane, above all) is asked again by the next run.
    ///
    /// # Errors
    /// When the system has no thread or pipe left.
    pub fn on_signals() -> io::Result<Self> {
        let stop = Stop::default();
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
        let listener = stop.clone();
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for signal in signals.forever() {
                    if signal == SIGHUP {
                        listener.wake();
                    } else if listener.is_asked() {
                        process::exit(0);
                    } else {
                        listener.ask();
                        exit_after(PATIENCE);
                    }
                }
            })?;
        Ok(stop)
    }

    /// Asks the program to stop.
    pub fn ask(&self) {
        self.0.is_asked.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// True when it was asked to.
    pub fn is_asked(&self) -> bool {
        self.0.is_asked.load(Ordering::SeqCst)
    }

    /// The flag itself.
    pub fn flag(&self) -> &AtomicBool {
        &self.0.is_asked
    }

    /// Ends the sleep under way, or the next one.
    pub fn wake(&self) {
        *self.woken() = true;
        self.0.changed.notify_all();
    }

    /// True when a sleep would end at once.
    pub fn is_woken(&self) -> bool {
        *self.woken()
    }

    /// Sleeps so long, or until it is woken; true when it was woken.
    pub fn sleep(&self, time: Duration) -> bool {
        let start = Instant::now();
        let mut woken = self.woken();
        while !*woken {
            let Some(left) = time.checked_sub(start.elapsed()).filter(|t| !t.is_zero()) else {
                return false;
            };
            woken = self
                .0
                .changed
                .wait_timeout(woken, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        // A stop stays; a wake-up is used up.
        *woken = self.is_asked();
        true
    }

    fn woken(&self) -> MutexGuard<'_, bool> {
        self.0
            .is_woken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn exit_after(time: Duration) {
    let timer = move || {
        thread::sleep(time);
        process::exit(0);
    };
    if thread::Builder::new().spawn(timer).is_err() {
        process::exit(0);
    }
}
