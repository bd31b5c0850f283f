//! Ends statements that take too long, or that stand in the way of a stop. MySQL limits the time of queries only, so a second
//! connection kills the first: the server then rolls its transaction back. Where the server does not let us (it takes a session for that
//! of a trigger's definer while the trigger runs), we hang up: the server notices sooner or later, and what was not committed is undone.

use std::mem;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;

use super::address::Address;
use super::connection;
use crate::settings::DatabaseSettings;
use crate::stop::Stop;

/// How long a statement may go on after the program was asked to stop.
const GRACE: Duration = Duration::from_millis(300);

/// The longest wait for the second connection, and for its answer.
const KILL_PATIENCE: Duration = Duration::from_secs(2);

/// How often the stop is looked at while a statement runs.
const STEP: Duration = Duration::from_millis(50);

/// Watches one statement at a time. The thread ends with the last clone.
#[derive(Clone)]
pub struct Watchdog(Arc<Shared>);

struct Shared {
    watched: Mutex<Duty>,
    changed: Condvar,
    stop: Stop,
    address: Address,
    settings: DatabaseSettings,
}

#[derive(Debug, Default)]
struct Duty {
    running: Option<Running>,
    /// Why it was killed.
    verdict: Option<Verdict>,
    /// A kill is under way.
    is_killing: bool,
    /// Nothing ran when it was looked last: whoever begins has to say so.
    is_resting: bool,
    is_over: bool,
}

/// What tells one server from another: behind one address there can be several, and each numbers its connections by itself.
pub const IDENTITY: &str = "CONCAT_WS(':', @@hostname, @@port, @@server_id, @@datadir)";

/// A connection whose statements are watched.
#[derive(Clone, Debug)]
pub struct Watched {
    /// As the server numbers it.
    id: u64,
    /// Which server that is, by [`IDENTITY`].
    server: Arc<str>,
    /// Of whatever kind.
    socket: Arc<UnixStream>,
}

impl Watched {
    /// The connection with this number on this server.
    pub fn of(id: u64, server: &Arc<str>, socket: &Arc<UnixStream>) -> Self {
        Watched {
            id,
            server: server.clone(),
            socket: socket.clone(),
        }
    }
}

/// A statement that runs.
#[derive(Clone, Debug)]
struct Running {
    connection: Watched,
    /// When it has to end.
    deadline: Option<Instant>,
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
    /// Starts to watch. The second connection goes to the same address.
    pub fn start(
        address: &Address,
        settings: &DatabaseSettings,
        stop: Stop,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            watched: Mutex::default(),
            changed: Condvar::new(),
            stop,
            address: address.clone(),
            settings: DatabaseSettings {
                connect_timeout: settings.connect_timeout.min(KILL_PATIENCE),
                ..settings.clone()
            },
        });
        let watching = shared.clone();
        thread::Builder::new()
            .name("watchdog".into())
            .spawn(move || watching.watch())?;
        Ok(Watchdog(shared))
    }

    /// Watches a statement of a connection: `limit` is the longest that it may take, zero for no limit.
    /// Says why it was ended, if it was; then the connection is no good any more.
    pub fn watch<T>(
        &self,
        connection: Watched,
        limit: Duration,
        statement: impl FnOnce() -> T,
    ) -> (T, Option<Verdict>) {
        let deadline = (!limit.is_zero()).then(|| Instant::now() + limit);
        let mut watched = self.0.lock();
        watched.verdict = None;
        watched.running = Some(Running {
            connection,
            deadline,
        });
        // Statement after statement, the watching thread looks by itself: to wake it for each would cost more than many a statement.
        let is_resting = mem::take(&mut watched.is_resting);
        drop(watched);
        if is_resting {
            self.0.changed.notify_all();
        }
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
            let running = watched.running.clone();
            let Some(running) = running.filter(|_| watched.verdict.is_none()) else {
                watched.is_resting = true;
                watched = self.wait(watched, Duration::from_secs(3600));
                continue;
            };
            let now = Instant::now();
            if self.stop.is_asked() {
                asked_since.get_or_insert(now);
            }
            let is_late = running.deadline.is_some_and(|deadline| now >= deadline);
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
            self.kill(&running.connection);
            watched = self.lock();
            watched.is_killing = false;
            self.changed.notify_all();
        }
    }

    /// Where the server can't be told to, the connection is closed from our side.
    fn kill(&self, connection: &Watched) {
        if !self.is_killed(connection).unwrap_or(false) {
            // One that has ended by itself is fine.
            let _ = connection.socket.shutdown(Shutdown::Both);
        }
    }

    fn is_killed(&self, connection: &Watched) -> Option<bool> {
        let mut conn = connection::open(&self.address, &self.settings, Some(KILL_PATIENCE)).ok()?;
        let server: Option<String> = conn.query_first(format!("SELECT {IDENTITY}")).ok()?;
        if server.as_deref() != Some(&*connection.server) {
            return Some(false);
        }
        let kill = format!("KILL CONNECTION {}", connection.id);
        Some(conn.query_drop(kill).is_ok())
    }

    fn lock(&self) -> MutexGuard<'_, Duty> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, guard: MutexGuard<'a, Duty>, time: Duration) -> MutexGuard<'a, Duty> {
        let waited = self.changed.wait_timeout(guard, time);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
