//! What an episode left behind, from three witnesses: the tables' own trigger-written history, the ledger, and the journal of the
//! control plane. None of them is asked what it thinks of the others.

use std::collections::{BTreeSet, HashMap};
use std::time::SystemTime;

use serde_json::{Map, Value};
use simulated_control_plane::Status;

/// A row as the history keeps it: column → value.
pub type Row = Map<String, Value>;

/// A change of a row, as a trigger saw it.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its place in the history.
    pub number: i64,
    /// When it was committed, by the database's clock; where that does not tell, when it was made.
    pub at: SystemTime,
    /// Which table.
    pub table: String,
    /// True for whatever the application did not do itself.
    pub by_writer: bool,
    /// The row before; `None` for an insert.
    pub before: Option<Row>,
    /// The row after; `None` for a delete.
    pub after: Option<Row>,
}

/// A row of the ledger.
#[derive(Clone, Debug)]
pub struct LedgerRow {
    /// `retrying`, `applied`, `conflict`, `failed`.
    pub status: String,
    /// `pending`, `delivered`, `rejected`; empty while it is retrying.
    pub report_state: String,
    /// What else it says, for people.
    pub rest: String,
}

/// A report that the control plane heard.
#[derive(Clone, Debug)]
pub struct Heard {
    /// What it said.
    pub status: Status,
    /// When it had arrived.
    pub at: SystemTime,
    /// True when it was accepted.
    pub is_accepted: bool,
}

/// The ledger was told that a report was accepted, as a trigger on it saw.
#[derive(Clone, Debug)]
pub struct Mark {
    /// The key.
    pub key: String,
    /// The proposal that was reported.
    pub proposal_id: String,
    /// When, by the database's clock.
    pub at: SystemTime,
}

/// Everything about the proposals of an episode.
#[derive(Debug, Default)]
pub struct Evidence {
    /// All changes of rows of the episode, in order.
    pub history: Vec<Change>,
    /// The ledger, by key.
    pub ledger: HashMap<String, LedgerRow>,
    /// Every time that the ledger was told of a delivery.
    pub marks: Vec<Mark>,
    /// Every report, by proposal id.
    pub heard: HashMap<String, Vec<Heard>>,
    /// Where each proposal is in its life, by its id.
    pub standing: HashMap<String, Status>,
}

impl Change {
    /// The row, as it was last.
    pub fn row(&self) -> Option<&Row> {
        self.after.as_ref().or(self.before.as_ref())
    }

    /// The columns whose value is another since.
    pub fn columns(&self) -> Vec<&str> {
        let rows = [self.before.as_ref(), self.after.as_ref()];
        let names: BTreeSet<_> = rows.into_iter().flatten().flat_map(Row::keys).collect();
        let [before, after] = rows.map(|row| move |name: &str| row.and_then(|row| row.get(name)));
        let is_changed = |name: &&str| before(name) != after(name);
        names
            .into_iter()
            .map(String::as_str)
            .filter(is_changed)
            .collect()
    }
}
