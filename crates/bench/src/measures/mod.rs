//! What is measured: a file for each.

mod applying;
mod cycle;
mod growth;
mod idle;
mod latency;
mod mysql;
mod neighbours;

use std::fmt;

use clap::ValueEnum;

use crate::plan::Plan;
use crate::report::Report;

/// A measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Measure {
    /// Applying alone, against a plpgsql loop.
    Applying,
    /// Fetch, apply and report, against a sequential reference.
    Cycle,
    /// Backlogs, a large ledger, a large target, wide rows: time and memory.
    Growth,
    /// From approval to accepted report, one by one.
    Latency,
    /// pgbench beside the worker.
    Neighbours,
    /// A worker with nothing to do.
    Idle,
    /// Cycle, growth and idle of the program for MySQL.
    Mysql,
}

impl Measure {
    /// All, in the order in which they are run.
    pub const ALL: [Measure; 7] = [
        Measure::Applying,
        Measure::Cycle,
        Measure::Growth,
        Measure::Latency,
        Measure::Neighbours,
        Measure::Idle,
        Measure::Mysql,
    ];

    /// Measures.
    pub fn run(self, plan: &Plan, report: &mut Report) {
        match self {
            Measure::Applying => applying::measure(plan, report),
            Measure::Cycle => cycle::measure(plan, report),
            Measure::Growth => growth::measure(plan, report),
            Measure::Latency => latency::measure(plan, report),
            Measure::Neighbours => neighbours::measure(plan, report),
            Measure::Idle => idle::measure(plan, report),
            Measure::Mysql => mysql::measure(plan, report),
        }
    }
}

/// The name on the command line.
impl fmt::Display for Measure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        formatter.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}
