//! A call in a session of its own that goes on while the test does something else.

use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use postgres::{CancelToken, Client, Error, NoTls};
use synapsor_testbed::wait_for;

use crate::stage::{PATIENCE, Stage};

/// A call under way.
pub struct Background {
    /// Its backend.
    pub pid: i32,
    cancel: CancelToken,
    ended: Receiver<Instant>,
    thread: JoinHandle<Result<(), Error>>,
}

impl Background {
    /// Starts a statement of the operator.
    pub fn run(stage: &Stage, sql: &str) -> Self {
        Self::run_in(stage.operator().0, sql)
    }

    /// Starts a statement in a session that is there already.
    pub fn run_in(mut session: Client, sql: &str) -> Self {
        let pid = session
            .query_one("SELECT pg_backend_pid()", &[])
            .unwrap()
            .get(0);
        let cancel = session.cancel_token();
        let (sender, ended) = channel();
        let sql = sql.to_owned();
        let thread = thread::spawn(move || {
            let result = session.batch_execute(&sql);
            let _ = sender.send(Instant::now());
            result
        });
        Background {
            pid,
            cancel,
            ended,
            thread,
        }
    }

    /// Asks the server to cancel it, as a client does.
    pub fn cancel(&self) {
        self.cancel.cancel_query(NoTls).unwrap();
    }

    /// True once it has ended.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for its end, and says when that was and what came of it.
    pub fn end(self) -> (Instant, Result<(), Error>) {
        let ended = self
            .ended
            .recv_timeout(2 * PATIENCE)
            .expect("the call ends");
        (ended, self.thread.join().unwrap())
    }

    /// Waits until it waits for a lock.
    pub fn wait_until_blocked(&self, stage: &Stage) {
        let query = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = {} AND wait_event_type = 'Lock'",
            self.pid
        );
        wait_for("the call waits for a lock", PATIENCE, || {
            stage.database.value::<i64>(&query) == 1
        });
    }
}

/// How long something takes, and what comes of it.
pub fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed(), result)
}
