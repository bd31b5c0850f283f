//! Each invariant is found broken where it is, and only there.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use simulated_control_plane::Status;

use super::*;
use crate::evidence::{Change, Evidence, Heard, LedgerRow, Mark};

/// A guarded update of row 1, applied and told.
struct Scene {
    cases: Vec<Case>,
    evidence: Evidence,
}

fn moment(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn row(status: &str, note: Option<&str>, version: i64) -> Value {
    json!({ "id": 1, "tenant_id": "acme", "status": status, "note": note, "version": version })
}

fn change(before: Value, after: Value) -> Change {
    Change {
        number: 1,
        at: moment(10),
        table: "tickets".to_owned(),
        by_writer: true,
        before: before.as_object().cloned(),
        after: after.as_object().cloned(),
    }
}

fn ledger_row(status: &str) -> LedgerRow {
    LedgerRow {
        status: status.to_owned(),
        report_state: "delivered".to_owned(),
        rest: String::new(),
    }
}

fn case(kind: Kind, id: &str, key: &str) -> Case {
    let permit = Permit {
        table: "tickets",
        row: Some(1),
        columns: &["status", "note"],
        values: vec![("status", json!("closed"))],
        version: Some(1),
    };
    Case {
        id: id.to_owned(),
        key: key.to_owned(),
        kind,
        permit: Some(permit).filter(|_| kind == Kind::Guarded),
        text: String::new(),
    }
}

fn scene() -> Scene {
    let mut evidence = Evidence {
        history: vec![change(row("open", None, 1), row("closed", Some("key"), 1))],
        ..Evidence::default()
    };
    evidence
        .ledger
        .insert("key".to_owned(), ledger_row("applied"));
    let heard = Heard {
        status: Status::Applied,
        at: moment(11),
        is_accepted: true,
    };
    evidence.heard.insert("id".to_owned(), vec![heard]);
    evidence.standing.insert("id".to_owned(), Status::Applied);
    evidence.marks.push(Mark {
        key: "key".to_owned(),
        proposal_id: "id".to_owned(),
        at: moment(12),
    });
    Scene {
        cases: vec![case(Kind::Guarded, "id", "key")],
        evidence,
    }
}

impl Scene {
    fn broken(&self) -> Vec<Invariant> {
        let violations = check(&self.cases, &self.evidence);
        let mut broken: Vec<_> = violations.into_iter().map(|v| v.invariant).collect();
        broken.sort_unstable();
        broken.dedup();
        broken
    }

    fn assert_broken(&self, invariant: Invariant) {
        let broken = self.broken();
        assert!(broken.contains(&invariant), "{invariant:?}: {broken:?}");
    }

    fn change(&mut self) -> &mut Change {
        &mut self.evidence.history[0]
    }

    fn set(&mut self, side: fn(&mut Change) -> &mut Option<Row>, column: &str, value: Value) {
        let row = side(self.change()).as_mut().unwrap();
        row.insert(column.to_owned(), value);
    }
}

#[test]
fn what_is_in_order_is_no_violation() {
    assert_eq!(scene().broken(), []);
}

#[test]
fn the_advance_of_a_guard_belongs_to_its_update() {
    let mut scene = scene();
    let advance = change(row("closed", Some("key"), 1), row("closed", Some("key"), 2));
    scene.evidence.history.push(advance);
    assert_eq!(scene.broken(), []);
}

#[test]
fn an_effect_without_a_receipt_and_a_receipt_without_an_effect_are_found() {
    let mut without_receipt = scene();
    without_receipt.evidence.ledger.clear();
    without_receipt.assert_broken(Invariant::EffectAndReceipt);
    let mut without_effect = scene();
    without_effect.evidence.history.clear();
    without_effect.assert_broken(Invariant::EffectAndReceipt);
}

#[test]
fn a_second_effect_is_found_also_where_it_changes_nothing() {
    let mut scene = scene();
    let again = change(row("closed", Some("key"), 1), row("closed", Some("key"), 1));
    scene.evidence.history.push(again);
    scene.assert_broken(Invariant::Once);
}

#[test]
fn a_lie_is_found() {
    for status in [Status::Failed, Status::Conflict] {
        let mut scene = scene();
        let lie = Heard {
            status,
            at: moment(12),
            is_accepted: false,
        };
        scene.evidence.heard.get_mut("id").unwrap().push(lie);
        scene.assert_broken(Invariant::Truth);
    }
}

#[test]
fn what_was_reported_before_it_was_true_is_found() {
    let mut scene = scene();
    scene.evidence.heard.get_mut("id").unwrap()[0].at = moment(9);
    scene.assert_broken(Invariant::Truth);
}

#[test]
fn another_last_word_than_the_ledger_s_is_found() {
    let mut scene = scene();
    scene
        .evidence
        .standing
        .insert("id".to_owned(), Status::Failed);
    scene.assert_broken(Invariant::Truth);
}

#[test]
fn what_hangs_is_found() {
    let mut scene = scene();
    scene.evidence.history.clear();
    scene.evidence.heard.clear();
    scene
        .evidence
        .ledger
        .insert("key".to_owned(), ledger_row("retrying"));
    scene.assert_broken(Invariant::NothingStuck);
}

#[test]
fn what_does_not_drain_is_found() {
    let mut listed = scene();
    listed
        .evidence
        .standing
        .insert("id".to_owned(), Status::Approved);
    listed.assert_broken(Invariant::Drained);
    let mut owed = scene();
    owed.evidence.ledger.get_mut("key").unwrap().report_state = "pending".to_owned();
    owed.assert_broken(Invariant::Drained);
}

#[test]
fn a_change_of_another_row_table_column_or_tenant_is_found() {
    let mut other_row = scene();
    other_row.set(|change| &mut change.before, "id", json!(2));
    other_row.set(|change| &mut change.after, "id", json!(2));
    let mut other_table = scene();
    other_table.change().table = "credits".to_owned();
    let mut other_column = scene();
    other_column.set(|change| &mut change.after, "amount", json!(5));
    let mut other_tenant = scene();
    other_tenant.set(|change| &mut change.before, "tenant_id", json!("globex"));
    let mut nobody_s = scene();
    nobody_s.set(|change| &mut change.after, "note", json!("another key"));
    for scene in [other_row, other_table, other_column, other_tenant, nobody_s] {
        scene.assert_broken(Invariant::NothingElse);
    }
}

#[test]
fn a_change_for_what_nobody_approved_is_found() {
    let mut effect = scene();
    effect.cases = vec![case(Kind::Unapproved, "id", "key")];
    effect.assert_broken(Invariant::NothingElse);
    let mut told = scene();
    told.cases = vec![case(Kind::Elsewhere, "id", "key")];
    told.evidence.history.clear();
    told.assert_broken(Invariant::Truth);
    told.assert_broken(Invariant::NothingElse);
}

#[test]
fn a_guard_that_let_a_change_pass_is_found() {
    let mut scene = scene();
    scene.set(|change| &mut change.before, "version", json!(2));
    scene.set(|change| &mut change.after, "version", json!(2));
    assert_eq!(scene.broken(), [Invariant::Guard]);
}

#[test]
fn another_value_than_the_approved_one_is_found() {
    let mut scene = scene();
    scene.set(|change| &mut change.after, "status", json!("nonsense"));
    assert_eq!(scene.broken(), [Invariant::NothingElse]);
}

#[test]
fn a_report_that_counts_as_delivered_and_was_not_is_found() {
    let mut early = scene();
    early.evidence.marks[0].at = moment(10);
    assert_eq!(early.broken(), [Invariant::Truth]);
    let mut refused = scene();
    refused.evidence.heard.get_mut("id").unwrap()[0].is_accepted = false;
    assert_eq!(refused.broken(), [Invariant::Truth]);
}

#[test]
fn a_guard_that_advances_twice_or_by_two_is_found() {
    let advance = |from, to| {
        change(
            row("closed", Some("key"), from),
            row("closed", Some("key"), to),
        )
    };
    for advances in [vec![advance(1, 2), advance(2, 3)], vec![advance(1, 3)]] {
        let mut scene = scene();
        scene.evidence.history.extend(advances);
        assert_eq!(scene.broken(), [Invariant::NothingElse]);
    }
}
