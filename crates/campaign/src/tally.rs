//! How often each fault has happened.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use comfy_table::{Table, presets};
use serde::{Deserialize, Serialize};

/// Counts for each place, kind and system. Kept in a file, it adds up over several runs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Place → what → system → how often.
    counts: BTreeMap<String, BTreeMap<String, BTreeMap<String, u64>>>,
    /// Faults that were ordered, and did not happen in time.
    missed: u64,
    /// Proposals.
    pub proposals: u64,
    /// Of these, how many were applied.
    pub applied: u64,
    /// Episodes.
    pub episodes: u64,
    /// Violations.
    pub violations: u64,
}

impl Tally {
    /// What other runs have kept in a file; nothing where there is none.
    ///
    /// # Panics
    /// When it holds something else.
    pub fn load(path: &Path) -> Self {
        match fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text).expect("a tally of an earlier run"),
            Err(_) => Tally::default(),
        }
    }

    /// Keeps it for the next run.
    ///
    /// # Panics
    /// When the file can't be written.
    pub fn save(&self, path: &Path) {
        let text = serde_json::to_string_pretty(self).expect("counts are JSON");
        fs::write(path, text).expect("the tally can be written");
    }

    /// Counts a fault of a system.
    pub fn count(&mut self, system: &str, (place, what): (String, String), happened: bool) {
        if !happened {
            self.missed += 1;
            return;
        }
        let kinds = self.counts.entry(place).or_default();
        let counts = kinds.entry(what).or_default();
        *counts.entry(system.to_owned()).or_default() += 1;
    }

    /// Each place and kind, with its counts.
    fn rows(&self) -> impl Iterator<Item = (&String, &String, &BTreeMap<String, u64>)> {
        let rows = |(place, kinds)| {
            let row = move |(what, counts)| (place, what, counts);
            BTreeMap::iter(kinds).map(row)
        };
        self.counts.iter().flat_map(rows)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut systems = BTreeMap::new();
        for (system, count) in self.rows().flat_map(|(_, _, counts)| counts) {
            *systems.entry(system.as_str()).or_insert(0) += count;
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["where", "what"].into_iter().chain(systems.keys().copied()));
        for (place, what, counts) in self.rows() {
            let count = |system: &&str| counts.get(*system).copied().unwrap_or(0).to_string();
            let cells = [place.clone(), what.clone()].into_iter();
            table.add_row(cells.chain(systems.keys().map(count)));
        }
        let sums = systems.values().map(u64::to_string);
        table.add_row(["all".to_owned(), String::new()].into_iter().chain(sums));
        for line in table.to_string().lines() {
            writeln!(formatter, "{}", line.trim_end())?;
        }
        write!(
            formatter,
            "{} crashes and faults of {} kinds in {} episodes ({} more were ordered and did not come about); \
             {} proposals, {} of them applied; {} violations",
            systems.values().sum::<u64>(),
            self.rows().count(),
            self.episodes,
            self.missed,
            self.proposals,
            self.applied,
            self.violations,
        )
    }
}
