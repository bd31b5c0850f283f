//! The simulated control plane, in a process of its own, so that what it costs is not taken for the worker's.

mod orders;
pub mod process;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use crate::own_process::OwnProcess;
use crate::processes::Process;
use orders::{Counts, Order, Welcome};

/// The subcommand that it is started with.
pub const SUBCOMMAND: &str = "control-plane";

/// The key of its clients.
pub const API_KEY: &str = "syn_bench_key";

/// The source that all proposals are for.
pub const SOURCE_ID: &str = "src_1";

/// As many proposals are handed over at once.
const AT_ONCE: usize = 1000;

/// A running control plane. Ends when dropped.
pub struct ControlPlane {
    process: RefCell<OwnProcess>,
    base_url: String,
    approved: Cell<usize>,
}

impl ControlPlane {
    /// Starts one.
    pub fn start() -> Self {
        let mut process = OwnProcess::start(&[SUBCOMMAND]);
        let welcome: Welcome = process.answer();
        ControlPlane {
            process: RefCell::new(process),
            base_url: welcome.base_url,
            approved: Cell::new(0),
        }
    }

    /// Where it listens.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Its process.
    pub fn process(&self) -> Process {
        Process::new("control plane", self.process.borrow().pid())
    }

    /// Every call takes so many milliseconds from now on.
    pub fn set_latency(&self, milliseconds: u64) {
        self.order(&Order::Latency { milliseconds });
    }

    /// Lists approved proposals, and says how many.
    pub fn approve(&self, proposals: impl IntoIterator<Item = String>) -> usize {
        let mut proposals = proposals.into_iter();
        let before = self.approved.get();
        loop {
            let some: Vec<_> = proposals.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                return self.approved.get() - before;
            }
            self.approved.set(self.approved.get() + some.len());
            self.order(&Order::Approve { proposals: some });
        }
    }

    /// Waits until all that was approved has been reported as applied.
    ///
    /// # Panics
    /// When something was reported otherwise, or not in time.
    pub fn wait(&self, patience: Duration) {
        let approved = self.approved.get();
        let counts = self.order(&Order::Wait {
            reported: approved,
            seconds: patience.as_secs(),
        });
        assert!(
            counts.applied == approved,
            "of {approved} approved proposals {} were reported as applied, {} otherwise",
            counts.applied,
            counts.not_applied,
        );
    }

    /// How often it has been asked for proposals.
    pub fn polls(&self) -> u64 {
        self.order(&Order::Count).polls
    }

    fn order(&self, order: &Order) -> Counts {
        self.process.borrow_mut().ask(order)
    }
}
