//! How much is measured: the sizes of the issue, or small ones that only show that everything runs.

use std::time::Duration;

/// Sizes and repetitions.
#[derive(Clone, Debug)]
pub struct Plan {
    /// True for the small sizes.
    pub is_quick: bool,
    /// How often everything is repeated.
    pub runs: usize,
    /// Rows of an ordinary target.
    pub tickets: usize,
    /// `applying`: how many of each operation.
    pub applied: usize,
    /// `applying`: proposals in a transaction.
    pub batch_sizes: Vec<usize>,
    /// `cycle`: proposals of the worker.
    pub cycle: usize,
    /// `cycle`: the control plane's latencies in milliseconds, and proposals of the sequential reference for each.
    pub latencies: Vec<(u64, usize)>,
    /// `growth`: backlogs, in growing order.
    pub backlogs: Vec<usize>,
    /// `growth`: rows of a ledger, and of a target, that is large.
    pub many_rows: usize,
    /// `growth`: proposals worked off with a large ledger, and with a large target.
    pub among_many: usize,
    /// `growth`: proposals for rows with a hundred columns.
    pub wide: usize,
    /// `growth`: proposals with a megabyte each.
    pub heavy: usize,
    /// `latency`: single proposals.
    pub singles: usize,
    /// `neighbours`: pgbench's scale.
    pub scale: usize,
    /// `neighbours` and `idle`: how long a run takes.
    pub stretch: Duration,
}

impl Plan {
    /// The sizes of the issue.
    pub fn full() -> Self {
        Plan {
            is_quick: false,
            runs: 5,
            tickets: 100_000,
            applied: 20_000,
            batch_sizes: vec![1, 10, 100, 1000],
            cycle: 2000,
            latencies: vec![(0, 2000), (5, 400), (20, 200)],
            backlogs: vec![1000, 10_000, 100_000],
            many_rows: 10_000_000,
            among_many: 10_000,
            wide: 1000,
            heavy: 40,
            singles: 300,
            scale: 10,
            stretch: Duration::from_secs(10),
        }
    }

    /// Small ones: whether everything runs, and no more.
    pub fn quick() -> Self {
        Plan {
            is_quick: true,
            runs: 2,
            tickets: 10_000,
            applied: 1000,
            batch_sizes: vec![1, 100],
            cycle: 300,
            latencies: vec![(0, 300), (5, 50), (20, 25)],
            backlogs: vec![100, 1000, 10_000],
            many_rows: 1_000_000,
            among_many: 1000,
            wide: 100,
            heavy: 10,
            singles: 30,
            scale: 1,
            stretch: Duration::from_secs(2),
        }
    }
}
