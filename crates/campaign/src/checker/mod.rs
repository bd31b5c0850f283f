//! The invariants, held against what an episode left behind. The ledger is one witness among three, and the least believed.

use std::collections::{BTreeMap, HashMap};

use simulated_control_plane::Status;

use crate::case::{Case, Kind, Permit, TENANT};
use crate::evidence::{Change, Evidence, LedgerRow, Row};

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant.
    pub invariant: Invariant,
    /// The key that it is about; empty where it is about none.
    pub key: String,
    /// What was found.
    pub finding: String,
}

/// What must hold, in the order of the issue that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// Every effect has one row in the ledger, and the other way round.
    EffectAndReceipt,
    /// No key has two effects.
    Once,
    /// What the control plane heard is true, and was true at that moment.
    Truth,
    /// Every proposal is final, or has a next attempt.
    NothingStuck,
    /// Nothing changed that nobody approved.
    NothingElse,
    /// No conflict guard passed over a change in between.
    Guard,
    /// Once the faults end, everything drains.
    Drained,
}

/// Everything that is wrong.
pub fn check(cases: &[Case], evidence: &Evidence) -> Vec<Violation> {
    let mut checker = Checker {
        evidence,
        by_key: BTreeMap::new(),
        by_row: HashMap::new(),
        violations: Vec::new(),
    };
    for case in cases {
        // What is not ours has a key, but no say in it.
        if case.is_to_be_told() {
            checker.by_key.entry(&case.key).or_default().push(case);
        }
        if case.kind == Kind::Delete
            && let Some(row) = case.permit.as_ref().and_then(|permit| permit.row)
        {
            checker.by_row.insert(row, case);
        }
    }
    let effects = checker.effects();
    checker.require_receipts(&effects);
    checker.require_truth(cases, &effects);
    checker.require_marks();
    checker.violations
}

struct Checker<'a> {
    evidence: &'a Evidence,
    by_key: BTreeMap<&'a str, Vec<&'a Case>>,
    by_row: HashMap<i64, &'a Case>,
    violations: Vec<Violation>,
}

/// The changes of each key.
type Effects<'a> = BTreeMap<&'a str, Vec<&'a Change>>;

impl<'a> Checker<'a> {
    fn find(&mut self, invariant: Invariant, key: &str, finding: impl Into<String>) {
        self.violations.push(Violation {
            invariant,
            key: key.to_owned(),
            finding: finding.into(),
        });
    }

    /// What the writer did, each change with the key that it belongs to; and whether it was allowed to.
    fn effects(&mut self) -> Effects<'a> {
        let mut effects = Effects::new();
        let mut advances = BTreeMap::new();
        let evidence = self.evidence;
        for change in evidence.history.iter().filter(|change| change.by_writer) {
            let Some(case) = self.author(change) else {
                let found = format!("change {} was made for no proposal", change.number);
                self.find(Invariant::NothingElse, "", found);
                continue;
            };
            if is_advance(change) {
                *advances.entry(case.key.as_str()).or_insert(0) += 1;
                self.require_guard_to_advance(case, change, advances[case.key.as_str()]);
                continue;
            }
            match &case.permit {
                Some(permit) => self.require_permitted(case, permit, change),
                None => {
                    let found = format!("a proposal of kind {:?} had an effect", case.kind);
                    self.find(Invariant::NothingElse, &case.key, found);
                }
            }
            effects.entry(case.key.as_str()).or_default().push(change);
        }
        effects
    }

    /// Whose change it is: that of the key in the row's note, or of the delete of the row.
    fn author(&self, change: &Change) -> Option<&'a Case> {
        if change.after.is_none() {
            let id = change.before.as_ref()?.get("id")?.as_i64()?;
            return self.by_row.get(&id).copied();
        }
        let note = change.after.as_ref()?.get("note")?.as_str()?;
        self.by_key.get(note)?.first().copied()
    }

    fn require_permitted(&mut self, case: &Case, permit: &Permit, change: &Change) {
        let mut wrong = Vec::new();
        if change.table != permit.table {
            wrong.push(format!("in table {}", change.table));
        }
        let row = change.row();
        let id = row.and_then(|row| row.get("id")).and_then(|id| id.as_i64());
        if permit.row.is_some_and(|row| id != Some(row)) {
            wrong.push(format!("of row {id:?}"));
        }
        let tenants = [&change.before, &change.after];
        let tenant = |row: &Row| row.get("tenant_id").is_some_and(|t| t == TENANT);
        if !tenants.into_iter().flatten().all(tenant) {
            wrong.push("of another tenant's row".to_owned());
        }
        let columns = change.columns();
        if let Some(column) = columns.iter().find(|name| !permit.columns.contains(name)) {
            wrong.push(format!("of column {column}"));
        }
        let after = change.after.as_ref();
        for (column, value) in permit.values.iter().filter(|_| after.is_some()) {
            if after.and_then(|row| row.get(*column)) != Some(value) {
                wrong.push(format!("{column} is not {value}"));
            }
        }
        if !wrong.is_empty() {
            let found = format!("change {}: {}", change.number, wrong.join(", "));
            self.find(Invariant::NothingElse, &case.key, found);
        }
        if let (Some(expected), Some(before)) = (permit.version, &change.before) {
            let version = before.get("version").and_then(|version| version.as_i64());
            if version != Some(expected) {
                let found = format!(
                    "change {} was made at version {version:?}, and the guard says {expected}",
                    change.number
                );
                self.find(Invariant::Guard, &case.key, found);
            }
        }
    }

    /// A guard advances by one, once, in the row of its proposal.
    fn require_guard_to_advance(&mut self, case: &Case, change: &Change, count: usize) {
        let number = |row: &Option<Row>, column: &str| row.as_ref()?.get(column)?.as_i64();
        let permit = case.permit.as_ref().filter(|p| p.version.is_some());
        let is_its_row = permit.is_some_and(|p| p.row == number(&change.after, "id"));
        let step = number(&change.before, "version").map(|version| version + 1);
        if !is_its_row || count > 1 || number(&change.after, "version") != step {
            let found = format!("change {} advanced what is no guard of it", change.number);
            self.find(Invariant::NothingElse, &case.key, found);
        }
    }

    /// Effects and ledger agree, key by key.
    fn require_receipts(&mut self, effects: &Effects<'a>) {
        let keys: Vec<_> = self.by_key.keys().copied().collect();
        for key in keys {
            let count = effects.get(key).map_or(0, Vec::len);
            if count > 1 {
                self.find(Invariant::Once, key, format!("{count} effects"));
            }
            let row = self.evidence.ledger.get(key);
            let is_applied = row.is_some_and(|row| row.status == "applied");
            if is_applied != (count > 0) {
                let status = row.map_or("nothing", |row| &row.status);
                let found = format!("{count} effects, and the ledger says {status}");
                self.find(Invariant::EffectAndReceipt, key, found);
            }
            if row.is_none_or(|row| row.status == "retrying") {
                let status = row.map_or("nothing", |row| &row.status);
                let found = format!("in the end the ledger says {status}");
                self.find(Invariant::NothingStuck, key, found);
            }
        }
        let evidence = self.evidence;
        for (key, row) in &evidence.ledger {
            if !self.by_key.contains_key(key.as_str()) {
                let found = format!("the ledger has decided what is not ours: {}", row.status);
                self.find(Invariant::NothingElse, key, found);
            }
        }
    }

    /// What the control plane heard of each proposal.
    fn require_truth(&mut self, cases: &[Case], effects: &Effects<'a>) {
        for case in cases {
            let key = case.key.as_str();
            let heard = self.evidence.heard.get(&case.id);
            let heard = heard.map_or(&[][..], Vec::as_slice);
            if !case.is_to_be_told() {
                if !heard.is_empty() {
                    let found = format!("{} was reported, of kind {:?}", case.id, case.kind);
                    self.find(Invariant::Truth, key, found);
                }
                continue;
            }
            let changes = effects.get(key).map_or(&[][..], Vec::as_slice);
            for report in heard {
                self.require_true(case, report, changes);
            }
            self.require_told(case);
        }
    }

    /// The ledger may say that a report was accepted once it was, and not before.
    fn require_marks(&mut self) {
        let evidence = self.evidence;
        for mark in &evidence.marks {
            let mut heard = evidence.heard.get(&mark.proposal_id).into_iter().flatten();
            if !heard.any(|report| report.is_accepted && report.at <= mark.at) {
                let found = format!("{} counts as reported, and was not", mark.proposal_id);
                self.find(Invariant::Truth, &mark.key, found);
            }
        }
    }

    fn require_true(&mut self, case: &Case, report: &crate::evidence::Heard, changes: &[&Change]) {
        let said_applied = report.status == Status::Applied;
        if said_applied == changes.is_empty() {
            let found = format!(
                "{} was reported as {:?}, and has {} effects",
                case.id,
                report.status,
                changes.len()
            );
            self.find(Invariant::Truth, &case.key, found);
        } else if said_applied && changes.iter().all(|change| change.at > report.at) {
            let found = format!("{} was reported as applied before it was", case.id);
            self.find(Invariant::Truth, &case.key, found);
        }
    }

    fn require_told(&mut self, case: &Case) {
        let row = self.evidence.ledger.get(&case.key);
        let standing = self.evidence.standing.get(&case.id).copied();
        let expected = row.and_then(final_status);
        if standing == Some(Status::Approved) {
            let found = format!("{} is still approved at the control plane", case.id);
            self.find(Invariant::Drained, &case.key, found);
        } else if expected.is_some() && standing != expected {
            let found = format!(
                "the control plane holds {standing:?} for {}, the ledger {expected:?}",
                case.id
            );
            self.find(Invariant::Truth, &case.key, found);
        }
        if row.is_some_and(|row| row.report_state == "pending" || row.report_state == "rejected") {
            let found = format!("the report of {} is not delivered", case.id);
            self.find(Invariant::Drained, &case.key, found);
        }
    }
}

/// The ledger's word, as the control plane says it.
fn final_status(row: &LedgerRow) -> Option<Status> {
    match row.status.as_str() {
        "applied" => Some(Status::Applied),
        "conflict" => Some(Status::Conflict),
        "failed" => Some(Status::Failed),
        _ => None,
    }
}

/// A change of the version alone, which follows the update that it belongs to.
fn is_advance(change: &Change) -> bool {
    change.before.is_some() && change.columns() == ["version"]
}

#[cfg(test)]
mod tests;
