//! All findings, each under the name of its examination.

use super::finding::{Finding, Findings, of_error, unknown};
use crate::apply::failure;
use crate::error::ExtensionError;
use crate::pg::subtransaction::{self, Ending};

/// The examinations, in the order in which they are shown: the README lists them.
pub const NAMES: [&str; 25] = [
    "database",
    "extension",
    "settings",
    "key file",
    "key place",
    "TLS",
    "reachability",
    "authentication",
    "source",
    "clock",
    "role",
    "role rights",
    "targets",
    "grants",
    "keys",
    "triggers",
    "row security",
    "pause",
    "copy",
    "worker",
    "worker slots",
    "ledger",
    "reports",
    "schema",
    "guards",
];

/// A row of `synapsor_doctor()`.
pub type Row = (&'static str, Finding);

/// All findings so far.
#[derive(Debug, Default)]
pub struct Chart(Vec<Row>);

impl Chart {
    /// Makes an examination. An error in it is what it finds, and nothing of it stays; a cancel ends all of them.
    pub fn examine(&mut self, name: &'static str, examination: impl FnOnce() -> Findings) {
        let ran = subtransaction::run(|| Ending::Undo(examination()), |_| false);
        let findings = ran.unwrap_or_else(|error| {
            let failure = failure::of_sqlstate(&error.sqlstate, &[]);
            Err(ExtensionError::TransactionFailed(failure.error))
        });
        let findings = findings.unwrap_or_else(|error| vec![of_error(&error)]);
        self.add(name, findings);
    }

    /// Adds what was found already.
    pub fn add(&mut self, name: &'static str, findings: impl IntoIterator<Item = Finding>) {
        self.0
            .extend(findings.into_iter().map(|finding| (name, finding)));
    }

    /// What was found so far.
    pub fn found(self) -> Vec<Row> {
        self.0
    }

    /// Every examination has a row: also one that could not be made.
    pub fn finish(self) -> Vec<Row> {
        let mut rows = Vec::new();
        for name in NAMES {
            let before = rows.len();
            let found = self.0.iter().filter(|row| row.0 == name);
            rows.extend(found.cloned());
            if rows.len() == before {
                let why = "not examined: see what is wrong with the others first";
                rows.push((name, unknown(why)));
            }
        }
        rows
    }
}
