//! Where it is measured: a private server with tickets, whoever works the proposals off, and a control plane of their own.

mod mysql;
mod postgres;
mod program;

use std::time::Duration;

pub use mysql::MySqlStage;
pub use postgres::PostgresStage;

use crate::control_plane::ControlPlane;
use crate::processes::Process;
use crate::reference::Reference;
use crate::runs::Runs;
use crate::tickets::Tickets;

/// The longest that anything takes.
pub const PATIENCE: Duration = Duration::from_secs(1800);

/// So long that only a wake-up makes the worker poll.
pub const NEVER: Duration = Duration::from_secs(3600);

/// What an idle worker could use up of a server.
#[derive(Clone, Copy, Debug)]
pub struct Counters {
    /// Bytes of write-ahead log so far.
    pub log_bytes: u64,
    /// Transaction ids given out so far.
    pub transactions: u64,
}

/// A server with a worker, of either kind.
pub trait Stage {
    /// What the server is, for people.
    fn name(&self) -> String;
    /// Its control plane.
    fn control_plane(&self) -> &ControlPlane;
    /// Its tickets.
    fn tickets(&self) -> &Tickets;
    /// Starts the worker, and gives its process when it has polled and rests.
    fn start_worker(&self, poll_interval: Duration) -> Process;
    /// Stops the worker.
    fn stop_worker(&self);
    /// Has the worker poll now.
    fn wake(&self);
    /// Waits until no report is owed any more: the control plane knows before the ledger does.
    fn settle(&self);
    /// Starts the sequential reference.
    fn reference(&self) -> Reference;
    /// The server's processes that work for the worker, besides its own.
    fn servers(&self) -> Vec<Process>;
    /// What has been used up so far.
    fn counters(&self) -> Counters;
}

/// What every stage can do.
impl dyn Stage + '_ {
    /// The processes that a worker's work is done by.
    pub fn cast(&self, worker: &Process) -> Vec<Process> {
        let mut cast = vec![worker.clone()];
        cast.extend(self.servers());
        cast.push(self.control_plane().process());
        cast
    }

    /// Approves proposals, and then measures how long the woken worker takes until the last report is accepted.
    pub fn work_off(
        &self,
        runs: &mut Runs,
        worker: &Process,
        proposals: impl Iterator<Item = String>,
    ) {
        self.control_plane().approve(proposals);
        runs.run(&self.cast(worker), || {
            self.wake();
            self.control_plane().wait(PATIENCE);
        });
        self.settle();
    }

    /// The same with the sequential reference.
    pub fn work_off_one_by_one(&self, runs: &mut Runs, reference: &Reference, count: usize) {
        self.control_plane().approve(self.tickets().updates(count));
        let mut cast = reference.processes();
        cast.extend(self.servers());
        cast.push(self.control_plane().process());
        runs.run(&cast, || {
            let done = reference.work();
            assert!(
                done == count,
                "the reference did {done} of {count} proposals"
            );
            self.control_plane().wait(PATIENCE);
        });
    }
}
