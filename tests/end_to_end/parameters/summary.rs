//! What came out of a run: cases by type and outcome, and what went against the oracle.

use std::collections::BTreeMap;
use std::fmt;

use super::case::Case;
use super::types::COLUMNS;

/// The longest JSON text that is shown of a case.
const MOST_SHOWN: usize = 300;

/// A run in numbers.
#[derive(Default)]
pub struct Summary {
    by_type: BTreeMap<usize, Counts>,
    /// One of each kind: the same thing about the same column is told once, however often it is found.
    findings: BTreeMap<(usize, String), (u64, String)>,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    applied: u64,
    failed: u64,
    conflict: u64,
}

impl Summary {
    /// Counts a case.
    pub fn count(&mut self, case: &Case, status: &str) {
        let counts = self.by_type.entry(case.column).or_default();
        match status {
            "applied" => counts.applied += 1,
            "conflict" => counts.conflict += 1,
            _ => counts.failed += 1,
        }
    }

    /// Notes what was wrong with a case, and how to have it again, alone.
    pub fn find(&mut self, case: &Case, kind: &str, what: &str) {
        let json: String = case.value.json.chars().take(MOST_SHOWN).collect();
        let found = || {
            format!(
                "{kind}: {what}\n    {} as {:?}, row before {:?}: {json}\n    SYNAPSOR_PARAMETER_SEED={} SYNAPSOR_PARAMETER_CASES=1",
                case.column().declared,
                case.used,
                case.before,
                case.seed,
            )
        };
        let key = (case.column, kind.to_owned());
        self.findings.entry(key).or_insert_with(|| (0, found())).0 += 1;
    }

    /// What went against the oracle: one of each kind, and how many there were.
    pub fn findings(&self) -> impl Iterator<Item = String> {
        self.findings
            .values()
            .map(|(count, found)| format!("{count} × {found}"))
    }
}

impl Counts {
    fn columns(self) -> [u64; 4] {
        let all = self.applied + self.failed + self.conflict;
        [all, self.applied, self.failed, self.conflict]
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, columns: [String; 4]| {
            let [all, applied, failed, conflict] = columns;
            writeln!(
                formatter,
                "{name:<26} {all:>8} {applied:>8} {failed:>8} {conflict:>8}"
            )
        };
        line(
            "type",
            ["cases", "applied", "failed", "conflict"].map(str::to_owned),
        )?;
        let mut total = Counts::default();
        for (column, counts) in &self.by_type {
            let columns = counts.columns().map(|count| count.to_string());
            line(COLUMNS[*column].declared, columns)?;
            total.applied += counts.applied;
            total.failed += counts.failed;
            total.conflict += counts.conflict;
        }
        line("all", total.columns().map(|count| count.to_string()))
    }
}
