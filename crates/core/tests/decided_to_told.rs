//! From a decision to what everybody is told of it: the ledger's row, the operator's result, the control plane's report.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use synapsor_core::builder::{Role, build};
use synapsor_core::decision::Decision;
use synapsor_core::failure::Failure;
use synapsor_core::judgement::Subject;
use synapsor_core::ledger::{Circumstances, Entry, Row};
use synapsor_core::outbox::{Owed, Tally};
use synapsor_core::outcome::{ConflictReason, Guards, Policy, Status};
use synapsor_core::proposal::Proposal;
use synapsor_core::refusal::Code;
use synapsor_core::report::Report;
use synapsor_core::results;

const CIRCUMSTANCES: Circumstances<'_> = Circumstances {
    source_id: "src_1",
    applied_as: "writer",
    max_attempts: 3,
    random: 1.0,
};

const ALL_GUARDS: Guards = Guards {
    primary_key: true,
    tenant: true,
    conflict: true,
};

fn proposal() -> Proposal {
    proposal_of("update")
}

fn proposal_of(operation: &str) -> Proposal {
    let proposal = json!({
        "proposal_id": "wrp_1", "idempotency_key": "key_1", "external_schema": "public", "external_table": "tickets",
        "operation": operation, "changes": { "status": "closed" }, "primary_key": { "id": 7, "part": 2 },
        "tenant_column": "tenant", "tenant_id": "acme", "conflict_column": "version", "conflict": { "version": 3 },
        "allowed_columns": ["id", "part", "tenant", "version", "status"],
    });
    Proposal::parse(&proposal.to_string()).unwrap()
}

fn transient() -> Failure {
    Failure {
        is_transient: true,
        detail: Some("Process 7 waits".to_owned()),
        ..Failure::of_sqlstate("40P01", "deadlock_detected", &[])
    }
}

fn row(before: Option<&Entry>, decision: Decision) -> Row {
    let proposal = proposal();
    let subject = Subject::of_proposal(&proposal).unwrap();
    Row::of(&subject, before, decision, CIRCUMSTANCES)
}

/// The body of the report that a row owes; `None` while it is being tried.
fn told(row: &Row) -> Option<Value> {
    let verdict = Owed::verdict(
        row.status,
        row.affected_rows,
        row.operation.clone(),
        row.reason.clone(),
        row.error.clone(),
    )?;
    let report = Report {
        proposal_id: row.proposal_id.clone(),
        idempotency_key: row.idempotency_key.clone(),
        verdict,
    };
    assert_eq!(report.status(), row.status);
    Some(report.body())
}

#[test]
fn what_was_applied_is_one_row_and_says_so() {
    let row = row(None, Decision::applied(Some(true)).with_guards(ALL_GUARDS));
    assert_eq!(
        (row.status, row.affected_rows, row.attempts),
        (Status::Applied, 1, 1)
    );
    assert_eq!(row.next_attempt_in, None);
    assert_eq!(
        results::decided(&row),
        json!({
            "proposal_id": "wrp_1", "status": "applied", "affected_rows": 1, "operation": "update",
            "guards": { "primary_key": true, "tenant": true, "conflict": true }, "guard_advanced": true,
        })
    );
    let expected = json!({
        "status": "applied", "idempotency_key": "key_1",
        "external_commit_metadata": { "affected_rows": "1", "operation": "update" },
    });
    assert_eq!(told(&row), Some(expected));
}

#[test]
fn a_conflict_changed_no_row_and_says_why() {
    for reason in [
        ConflictReason::RowNotFound,
        ConflictReason::ConflictValueChanged,
        ConflictReason::RowNotChanged,
    ] {
        let row = row(None, Decision::conflict(reason));
        assert_eq!((row.status, row.affected_rows), (Status::Conflict, 0));
        assert_eq!(row.next_attempt_in, None);
        let result = results::decided(&row);
        assert_eq!(
            (&result["status"], &result["reason"]),
            (&json!("conflict"), &json!(reason.as_str()))
        );
        let body = told(&row).unwrap();
        let metadata =
            json!({ "affected_rows": "0", "operation": "update", "reason": reason.as_str() });
        assert_eq!(body["external_commit_metadata"], metadata);
    }
}

#[test]
fn a_failure_tells_its_code_and_keeps_what_the_server_said_for_itself() {
    let mut failure = Failure::of_sqlstate("23514", "check_violation", &[]);
    failure.detail = Some("Failing row contains (secret).".to_owned());
    let row = row(None, Decision::failed(failure));
    assert_eq!((row.status, row.affected_rows), (Status::Failed, 0));
    assert_eq!(row.sqlstate.as_deref(), Some("23514"));
    assert_eq!(
        row.error_detail.as_deref(),
        Some("Failing row contains (secret).")
    );
    let body = told(&row).unwrap();
    let expected = json!({
        "status": "failed", "idempotency_key": "key_1", "error": "SQLSTATE 23514: check_violation",
    });
    assert_eq!(body, expected);
    assert!(!results::decided(&row).to_string().contains("secret"));
}

#[test]
fn what_may_pass_is_tried_again_and_nobody_is_told_yet() {
    let row = row(None, Decision::failed(transient()));
    assert_eq!((row.status, row.attempts), (Status::Retrying, 1));
    assert_eq!(row.next_attempt_in, Some(1.0), "the back-off's first step");
    assert_eq!(told(&row), None);
    assert_eq!(row.entry().report_state, "");
}

#[test]
fn the_last_attempt_that_counts_is_final_with_the_last_cause() {
    let mut entry = row(None, Decision::failed(transient())).entry();
    entry.is_due = true;
    let second = row(Some(&entry), Decision::failed(transient()));
    assert_eq!((second.status, second.attempts), (Status::Retrying, 2));
    assert_eq!(second.next_attempt_in, Some(2.0));
    let mut entry = second.entry();
    let early = row(Some(&entry), Decision::failed(transient()));
    assert_eq!(
        (early.status, early.attempts),
        (Status::Retrying, 2),
        "a try ahead of its schedule does not count"
    );
    entry.is_due = true;
    let last = row(Some(&entry), Decision::failed(transient()));
    assert_eq!((last.status, last.attempts), (Status::Failed, 3));
    assert_eq!(last.next_attempt_in, None);
    assert_eq!(
        told(&last).unwrap()["error"],
        "SQLSTATE 40P01: deadlock_detected"
    );
}

#[test]
fn a_row_says_whose_it_is_and_where_it_went() {
    let row = row(None, Decision::applied(None));
    let strings = [
        &row.source_id,
        &row.target_schema,
        &row.target_table,
        &row.operation,
    ];
    let strings = strings.map(|text| text.as_deref().unwrap());
    assert_eq!(strings, ["src_1", "public", "tickets", "update"]);
    assert_eq!(
        (row.key.as_str(), row.applied_as.as_str()),
        ("key_1", "writer")
    );
    assert_eq!(row.idempotency_key.as_deref(), Some("key_1"));
}

#[test]
fn an_entry_is_what_its_row_says() {
    let row = row(None, Decision::conflict(ConflictReason::RowNotFound));
    let entry = row.entry();
    assert_eq!((entry.status, entry.attempts), (Status::Conflict, 1));
    assert_eq!((entry.is_due, entry.is_report_due), (false, false));
    assert_eq!(entry.report_state, "pending");
    let proposal = proposal();
    let subject = Subject::of_proposal(&proposal).unwrap();
    assert_eq!(entry.digest, subject.digest);
    assert_eq!(
        results::recorded(&subject, &entry),
        json!({
            "proposal_id": "wrp_1", "status": "conflict", "affected_rows": 0, "operation": "update",
            "reason": "ROW_NOT_FOUND", "already_decided": true,
        })
    );
    assert_eq!(
        results::mismatch(&subject),
        json!({ "proposal_id": "wrp_1", "status": "refused", "error": "WRITEBACK_IDEMPOTENCY_MISMATCH" })
    );
    let again = subject.again();
    assert_eq!(
        (again.key.as_str(), again.proposal_id.as_str()),
        ("key_1", "wrp_1")
    );
    assert_eq!(again.idempotency_key.as_deref(), Some("key_1"));
}

#[test]
fn a_status_is_read_as_it_is_written() {
    let all = [
        Status::Applied,
        Status::Conflict,
        Status::Failed,
        Status::Retrying,
    ];
    for status in all {
        assert_eq!(Status::parse(status.as_str()), Some(status));
        assert_eq!(status.is_final(), status != Status::Retrying);
    }
    assert_eq!(Status::parse("Applied"), None);
}

#[test]
fn the_second_look_asks_for_key_and_tenant_and_nothing_else() {
    for operation in ["update", "delete"] {
        let proposal = proposal_of(operation);
        let statement = build(&proposal).unwrap();
        let (sql, params) = statement.row_lookup().unwrap();
        assert_eq!(
            sql,
            r#"SELECT 1 FROM "public"."tickets" WHERE "id" = $1 AND "part" = $2 AND "tenant" = $3"#
        );
        let roles: Vec<_> = params.iter().map(|param| param.role).collect();
        assert_eq!(roles, [Role::Key, Role::Key, Role::Tenant]);
        assert_eq!(statement.conflict_column(), Some("version"));
    }
    let insert = proposal_of("insert");
    assert!(build(&insert).unwrap().row_lookup().is_none());
}

#[test]
fn what_the_operator_demands_is_demanded_of_each_operation() {
    let strict = Policy {
        require_tenant_guard: true,
        require_conflict_guard: true,
    };
    let check = |policy: Policy, change: fn(&mut Proposal), operation: &str| {
        let mut proposal = proposal_of(operation);
        change(&mut proposal);
        let refused = policy.check(&build(&proposal).unwrap()).err();
        refused.map(|refusal| refusal.to_string())
    };
    let without_tenant = |proposal: &mut Proposal| proposal.tenant_column = None;
    let without_conflict = |proposal: &mut Proposal| proposal.conflict_column = None;
    let tenant = Some(Code::TenantGuardRequired.to_string());
    let conflict = Some(Code::ConflictGuardRequired.to_string());
    for operation in ["update", "delete"] {
        assert_eq!(check(strict, |_| {}, operation), None);
        assert_eq!(check(strict, without_tenant, operation), tenant);
        assert_eq!(check(strict, without_conflict, operation), conflict);
        assert_eq!(check(Policy::default(), without_tenant, operation), None);
        assert_eq!(check(Policy::default(), without_conflict, operation), None);
    }
    assert_eq!(check(strict, without_conflict, "insert"), None);
    assert_eq!(check(strict, without_tenant, "insert"), tenant);
}

#[test]
fn deliveries_add_up() {
    let mut tally = Tally {
        delivered: 1,
        rejected: 2,
        postponed: 3,
        unsent: 1,
        last_error: Some("first".to_owned()),
    };
    tally.add(Tally {
        delivered: 10,
        rejected: 20,
        postponed: 30,
        unsent: 10,
        last_error: None,
    });
    tally.leave(5);
    let counts = (
        tally.delivered,
        tally.rejected,
        tally.postponed,
        tally.unsent,
    );
    assert_eq!(counts, (11, 22, 38, 16));
    assert_eq!(tally.last_error.as_deref(), Some("first"));
    tally.add(Tally {
        last_error: Some("second".to_owned()),
        ..Tally::default()
    });
    assert_eq!(tally.last_error.as_deref(), Some("second"));
}
