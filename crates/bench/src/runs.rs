//! Runs of the same thing, and what they make of it in a table.

use crate::processes::{Process, Usage, watched};
use crate::report::{Figure, Table, Unit};
use crate::samples::Samples;

/// Runs of the same work.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    /// How many seconds each took.
    pub seconds: Samples,
    /// Proposals in a run.
    proposals: usize,
    used: Vec<Used>,
}

/// What the process of one role used, run by run.
#[derive(Clone, Debug)]
struct Used {
    role: &'static str,
    /// Microseconds of processor time for each proposal.
    cpu: Samples,
    /// Per cent of the time that it took.
    busy: Samples,
    peak_private: Samples,
    peak_resident: Samples,
}

impl Runs {
    /// Runs of so many proposals each.
    pub fn of(proposals: usize) -> Self {
        Runs {
            proposals,
            ..Runs::default()
        }
    }

    /// Runs the work once more, with its processes watched.
    pub fn run(&mut self, processes: &[Process], work: impl FnOnce()) {
        let (seconds, usages) = watched(processes, work);
        self.add(seconds, &usages);
    }

    /// Adds a run.
    pub fn add(&mut self, seconds: f64, usages: &[Usage]) {
        self.seconds.push(seconds);
        for (n, usage) in usages.iter().enumerate() {
            if n == self.used.len() {
                self.used.push(Used::new(usage.role));
            }
            let used = &mut self.used[n];
            let microseconds = usage.cpu.as_secs_f64() * 1e6;
            used.cpu.push(microseconds / self.proposals as f64);
            used.busy.push(100.0 * usage.cpu.as_secs_f64() / seconds);
            used.peak_private.push(usage.peak_private as f64);
            used.peak_resident.push(usage.peak_resident as f64);
        }
    }

    /// Proposals a second.
    pub fn rate(&self) -> Samples {
        self.seconds.map(|seconds| self.proposals as f64 / seconds)
    }

    /// The most private memory of a process, in bytes.
    pub fn peak_private(&self, role: &str) -> f64 {
        let used = self.used.iter().find(|used| used.role == role);
        used.map_or(f64::NAN, |used| used.peak_private.max())
    }

    /// Seconds and rate, for a table of speeds.
    pub fn speed(&self) -> [Figure; 2] {
        [
            Figure::new("seconds", Unit::Seconds, &self.seconds),
            Figure::new("proposals/s", Unit::Plain, &self.rate()),
        ]
    }

    /// Adds a row for each process to a table of processes.
    pub fn add_processes(&self, table: &mut Table, case: &str) {
        for used in &self.used {
            table.row(
                &[case, used.role],
                [
                    Figure::new("CPU µs/proposal", Unit::Plain, &used.cpu),
                    Figure::new("busy %", Unit::Plain, &used.busy),
                    Figure::new("peak private", Unit::Bytes, &used.peak_private),
                    Figure::new("VmHWM", Unit::Bytes, &used.peak_resident),
                ],
            );
        }
    }
}

impl Used {
    fn new(role: &'static str) -> Self {
        Used {
            role,
            cpu: Samples::default(),
            busy: Samples::default(),
            peak_private: Samples::default(),
            peak_resident: Samples::default(),
        }
    }
}
