//! Ends statements that take too long, or that stand in the way of a stop. MySQL limits the time of queries only, so a second
//! connection kills the first: the server then rolls its transaction back.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use mysql::{Conn, Opts};

use crate::stop::Stop;

/// How long a statement may go on after the program was asked to stop.
const GRACE: Duration = Duration::from_millis(300);

/// How often the stop is looked at while a statement runs.
const STEP: Duration = Duration::from_millis(50);

/// Watches one statement at a time. The thread ends with the last clone.
#[derive(Clone, Debug)]
pub struct Watchdog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    watched: Mutex<Watched>,
    changed: Condvar,
    stop: Stop,
    kill: Opts,
}

#[derive(Debug, Default)]
struct Watched {
    /// The connection whose statement runs, and when it has to end.
    running: Option<(u64, Option<Instant>)>,
    /// Why it was killed.
    verdict: Option<Verdict>,
    /// A kill is under way.
    is_killing: bool,
    is_over: bool,
}

/// Why a statement was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It took too long.
    TimedOut,
    /// The program was asked to stop.
    Stopped,
}

impl Watchdog {
    /// Starts to watch. `kill` opens the second connection.
    pub fn start(kill: Opts, stop: Stop) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            watched: Mutex::default(),
            changed: Condvar::new(),
            stop,
            kill,
        });
        let watching = shared.clone();
        thread::Builder::new()
            .name("watchdog".into())
            .spawn(move || watching.watch())?;
        Ok(Watchdog(shared))
    }

    /// Watches a statement of the connection with this id: `limit` is the longest that it may take, zero for no limit.
    /// Says why it was ended, if it was; then the connection is no good any more.
    pub fn watch<T>(
        &self,
        id: u64,
        limit: Duration,
        statement: impl FnOnce() -> T,
    ) -> (T, Option<Verdict>) {
        let deadline = (!limit.is_zero()).then(|| Instant::now() + limit);
        let mut watched = self.0.lock();
        watched.verdict = None;
        watched.running = Some((id, deadline));
        drop(watched);
        self.0.changed.notify_all();
        let result = statement();
        let mut watched = self.0.lock();
        // A kill that is under way must not hit what comes next.
        while watched.is_killing {
            watched = self.0.wait(watched, STEP);
        }
        watched.running = None;
        (result, watched.verdict.take())
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // The watching thread holds one clone of what is shared.
        if Arc::strong_count(&self.0) <= 2 {
            self.0.lock().is_over = true;
            self.0.changed.notify_all();
        }
    }
}

impl Shared {
    fn watch(&self) {
        let mut asked_since = None;
        let mut watched = self.lock();
        while !watched.is_over {
            let Some((id, deadline)) = watched.running.filter(|_| watched.verdict.is_none()) else {
                watched = self.wait(watched, Duration::from_secs(3600));
                continue;
            };
            let now = Instant::now();
            if self.stop.is_asked() {
                asked_since.get_or_insert(now);
            }
            let is_late = deadline.is_some_and(|deadline| now >= deadline);
            let is_in_the_way = asked_since.is_some_and(|since| now >= since + GRACE);
            if !is_late && !is_in_the_way {
                watched = self.wait(watched, STEP);
                continue;
            }
            watched.verdict = Some(if is_late {
                Verdict::TimedOut
            } else {
                Verdict::Stopped
            });
            watched.is_killing = true;
            drop(watched);
            self.kill(id);
            watched = self.lock();
            watched.is_killing = false;
            self.changed.notify_all();
        }
    }

    /// Where this fails, the statement ends when the connection's own limits do.
    fn kill(&self, id: u64) {
        if let Ok(mut conn) = Conn::new(self.kill.clone()) {
            let _ = conn.query_drop(format!("KILL CONNECTION {id}"));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, guard: MutexGuard<'a, Watched>, time: Duration) -> MutexGuard<'a, Watched> {
        let waited = self.changed.wait_timeout(guard, time);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
