//! What the issue asks for, and whether it was found.

use serde_json::{Value, json};

use super::figure::Unit;
use super::table;

/// What must be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Applying alone against the plpgsql loop.
    Applying,
    /// The whole cycle against the sequential reference, without latency.
    CycleAtOnce,
    /// The same with 20 ms.
    CycleFarAway,
    /// The time for the largest backlog against the one before.
    Growth,
    /// The memory for the largest backlog beyond that for the smallest.
    GrowthOfMemory,
    /// The memory for the largest backlog.
    Memory,
    /// The time with a large ledger against an empty one.
    LargeLedger,
    /// From approval to accepted report, woken.
    Latency,
    /// The neighbours' latency with the worker against that without.
    Neighbours,
}

/// A bound.
enum Bound {
    AtLeast(f64),
    AtMost(f64),
    Under(f64),
}

const MEGABYTE: f64 = 1_048_576.0;

impl Target {
    const ALL: [Target; 9] = [
        Target::Applying,
        Target::CycleAtOnce,
        Target::CycleFarAway,
        Target::Growth,
        Target::GrowthOfMemory,
        Target::Memory,
        Target::LargeLedger,
        Target::Latency,
        Target::Neighbours,
    ];

    fn measure(self) -> &'static str {
        match self {
            Target::Applying => "applying alone, batch 100, against the plpgsql loop",
            Target::CycleAtOnce => "whole cycle against the sequential reference, 0 ms",
            Target::CycleFarAway => "whole cycle against the sequential reference, 20 ms",
            Target::Growth => "time for the largest backlog against a tenth of it",
            Target::GrowthOfMemory => "worker memory at the largest backlog beyond the smallest",
            Target::Memory => "worker memory at the largest backlog",
            Target::LargeLedger => "time with a large ledger against an empty one",
            Target::Latency => "woken, approval to accepted report, p99, 0 ms",
            Target::Neighbours => "pgbench p99 with the worker at 200 a second, against without",
        }
    }

    fn bound(self) -> (Unit, Bound) {
        match self {
            Target::Applying => (Unit::Times, Bound::AtLeast(0.7)),
            Target::CycleAtOnce => (Unit::Times, Bound::AtLeast(8.0)),
            Target::CycleFarAway => (Unit::Times, Bound::AtLeast(60.0)),
            Target::Growth => (Unit::Times, Bound::AtMost(11.0)),
            Target::GrowthOfMemory => (Unit::Bytes, Bound::AtMost(16.0 * MEGABYTE)),
            Target::Memory => (Unit::Bytes, Bound::Under(40.0 * MEGABYTE)),
            Target::LargeLedger | Target::Neighbours => (Unit::Times, Bound::AtMost(1.1)),
            Target::Latency => (Unit::Milliseconds, Bound::Under(50.0)),
        }
    }
}

impl Bound {
    fn is_met_by(&self, found: f64) -> bool {
        match self {
            Bound::AtLeast(least) => found >= *least,
            Bound::AtMost(most) => found <= *most,
            Bound::Under(limit) => found < *limit,
        }
    }

    fn show(&self, unit: Unit) -> String {
        match self {
            Bound::AtLeast(least) => format!("at least {}", unit.show_round(*least)),
            Bound::AtMost(most) => format!("at most {}", unit.show_round(*most)),
            Bound::Under(limit) => format!("under {}", unit.show_round(*limit)),
        }
    }
}

/// What was found of the targets.
#[derive(Clone, Debug, Default)]
pub struct Findings(Vec<(Target, f64)>);

impl Findings {
    /// Notes what was found.
    pub fn push(&mut self, target: Target, found: f64) {
        self.0.push((target, found));
    }

    /// Prints the table of all targets: what was not measured is said to be so.
    pub fn print(&self) {
        let columns = ["target", "wanted", "found", ""].map(str::to_owned);
        let row = |target: Target| {
            let (unit, bound) = target.bound();
            let (found, verdict) = match self.found(target) {
                None => ("–".to_owned(), "not measured"),
                Some(found) if bound.is_met_by(found) => (unit.show(found), "met"),
                Some(found) => (unit.show(found), "NOT MET"),
            };
            let wanted = bound.show(unit);
            vec![
                target.measure().to_owned(),
                wanted,
                found,
                verdict.to_owned(),
            ]
        };
        table::print(usize::MAX, columns, Target::ALL.into_iter().map(row));
    }

    /// One object for each target, for a program.
    pub fn json(&self) -> Value {
        let object = |target: Target| {
            let (unit, bound) = target.bound();
            let found = self.found(target);
            json!({
                "target": target.measure(),
                "wanted": bound.show(unit),
                "found": found,
                "met": found.map(|found| bound.is_met_by(found)),
            })
        };
        Target::ALL.into_iter().map(object).collect()
    }

    fn found(&self, target: Target) -> Option<f64> {
        let found = self.0.iter().find(|(of, _)| *of == target);
        found.map(|(_, found)| *found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_missed_or_not_measured() {
        let mut findings = Findings::default();
        findings.push(Target::Applying, 0.7);
        findings.push(Target::Memory, 40.0 * MEGABYTE);
        let json = findings.json();
        let met = |name: &str| {
            let all = json.as_array().unwrap();
            let one = all
                .iter()
                .find(|one| one["target"].as_str().unwrap().contains(name));
            one.unwrap()["met"].as_bool()
        };
        assert_eq!(met("applying alone"), Some(true));
        assert_eq!(met("memory at the largest backlog"), None);
        assert_eq!(met("p99, 0 ms"), None);
    }
}
