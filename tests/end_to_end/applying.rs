//! Applying and reporting, where nothing goes wrong but proposals.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simulated_control_plane::Status;
use synapsor_testbed::Proposal;

use crate::stage::{PATIENCE, Stage, close, statuses};

/// Waits for the final word on a proposal, and gives the body of the only report about it.
fn only_report(stage: &Stage, id: &str) -> Value {
    let told = stage
        .simulator
        .wait_for(|c| c.final_word(id).is_some(), PATIENCE);
    assert!(told, "no report about {id}");
    let reports = stage.simulator.reports_for(id);
    assert_eq!(reports.len(), 1, "reports about {id}");
    serde_json::from_slice(&reports[0].body).unwrap()
}

#[test]
fn an_update_is_applied_and_reported_in_the_contract_s_words() {
    let stage = Stage::new();
    stage.approve(close(1));
    let answer = stage.poll();
    assert_eq!(answer["ok"], true);
    assert_eq!(answer["count"], 1);
    assert_eq!(answer["results"][0]["proposal_id"], "wrp_1");
    assert_eq!(answer["results"][0]["status"], "applied");
    assert_eq!(answer["results"][0]["affected_rows"], 1);
    assert_eq!(answer["results"][0]["operation"], "update");
    assert_eq!(stage.tickets("closed"), 1);
    let report = json!({
        "status": "applied",
        "idempotency_key": "key_1",
        "external_commit_metadata": {"affected_rows": "1", "operation": "update"},
    });
    assert_eq!(only_report(&stage, "wrp_1"), report);
    assert!(stage.simulator.breaches().is_empty());
}

#[test]
fn an_insert_is_applied_and_reported_in_the_contract_s_words() {
    let stage = Stage::new();
    let insert = Proposal::insert("tickets")
        .id("wrp://external/xwp_7")
        .change("id", 101)
        .change("status", "new")
        .change("version", 1)
        .tenant("tenant_id", "acme");
    stage.approve(insert);
    assert_eq!(statuses(&stage.poll()), ["applied"]);
    let rows = stage.database.rows("SELECT * FROM tickets WHERE id = 101");
    assert_eq!(rows, ["101|acme|new|1|"]);
    let report = json!({
        "status": "applied",
        "external_commit_metadata": {"affected_rows": "1", "operation": "insert"},
    });
    assert_eq!(only_report(&stage, "wrp://external/xwp_7"), report);
}

#[test]
fn a_delete_is_applied_and_reported_in_the_contract_s_words() {
    let stage = Stage::new();
    let delete = Proposal::delete("tickets")
        .key("id", 7)
        .tenant("tenant_id", "acme");
    stage.approve(delete);
    assert_eq!(statuses(&stage.poll()), ["applied"]);
    assert_eq!(
        stage.database.rows("SELECT * FROM tickets WHERE id = 7"),
        [""; 0]
    );
    let report = json!({
        "status": "applied",
        "external_commit_metadata": {"affected_rows": "1", "operation": "delete"},
    });
    assert_eq!(only_report(&stage, "wrp_1"), report);
}

#[test]
fn a_stale_proposal_is_a_conflict_and_the_row_stays() {
    let stage = Stage::new();
    stage.approve(close(1).conflict("version", 9));
    let answer = stage.poll();
    assert_eq!(statuses(&answer), ["conflict"]);
    assert_eq!(answer["results"][0]["reason"], "CONFLICT_VALUE_CHANGED");
    assert_eq!(stage.tickets("closed"), 0);
    let report = json!({
        "status": "conflict",
        "idempotency_key": "key_1",
        "external_commit_metadata":
            {"affected_rows": "0", "operation": "update", "reason": "CONFLICT_VALUE_CHANGED"},
    });
    assert_eq!(only_report(&stage, "wrp_1"), report);
}

#[test]
fn another_tenant_s_row_is_not_found_and_stays() {
    let stage = Stage::new();
    stage.approve(close(1).tenant("tenant_id", "globex"));
    let answer = stage.poll();
    assert_eq!(statuses(&answer), ["conflict"]);
    assert_eq!(answer["results"][0]["reason"], "ROW_NOT_FOUND");
    assert_eq!(stage.tickets("closed"), 0);
}

#[test]
fn a_failure_is_reported_with_its_code_and_without_a_value() {
    let stage = Stage::new();
    stage.approve(close(1).change("amount", "a secret that is no number"));
    assert_eq!(statuses(&stage.poll()), ["failed"]);
    let report = json!({
        "status": "failed",
        "idempotency_key": "key_1",
        "error": "SQLSTATE 22P02: invalid_text_representation, column amount",
    });
    assert_eq!(only_report(&stage, "wrp_1"), report);
    assert_eq!(stage.tickets("closed"), 0);
}

#[test]
fn reports_go_out_within_a_second_of_the_commit_with_nothing_preloaded() {
    let stage = Stage::new();
    let preloaded: String = stage.database.value("SHOW shared_preload_libraries");
    assert_eq!(preloaded, "");
    let mut operator = stage.operator();
    for ticket in 1..=5 {
        stage.approve(close(ticket));
        operator.poll();
        let committed = Instant::now();
        let id = format!("wrp_{ticket}");
        let told = stage
            .simulator
            .wait_for(|c| c.final_word(&id).is_some(), PATIENCE);
        assert!(told);
        let delay = committed.elapsed();
        assert!(delay < Duration::from_secs(1), "the report took {delay:?}");
    }
    stage.wait_for_reports();
    assert_eq!(
        stage.ledger("report_state = 'delivered' AND report_attempts = 1"),
        5
    );
}

#[test]
fn ten_bad_proposals_harm_none_of_the_ninety_good_ones() {
    let stage = Stage::new();
    let bad = |ticket: i64| match ticket / 10 {
        1 => close(ticket).field("changes", "not an object"),
        2 => close(ticket).field("operation", "truncate"),
        3 => close(ticket).field("external_table", "tickets; DROP TABLE tickets"),
        4 => close(ticket).change("version", 2),
        5 => close(ticket).field("allowed_columns", json!(["id"])),
        6 => close(ticket).field("primary_key", json!({})),
        7 => close(ticket).change("no_such_column", 1),
        8 => close(ticket).change("amount", "12.345"),
        9 => close(ticket).field("external_table", "no_such_table"),
        _ => close(ticket).field("tenant_id", Value::Null),
    };
    for ticket in 1..=100 {
        let proposal = if ticket % 10 == 0 {
            bad(ticket)
        } else {
            close(ticket)
        };
        stage.approve(proposal);
    }
    let answer = stage.poll();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 100);
    assert_eq!(stage.tickets("closed"), 90);
    let failed: Vec<_> = results
        .iter()
        .filter(|result| result["status"] == "failed")
        .collect();
    let errors: Vec<_> = failed
        .iter()
        .map(|result| result["error"].as_str().unwrap())
        .collect();
    assert_eq!(
        errors,
        [
            "WRITEBACK_PROPOSAL_INVALID: changes",
            "UNSUPPORTED_WRITEBACK_OPERATION: truncate",
            "UNSAFE_IDENTIFIER: tickets; DROP TABLE tickets",
            "WRITEBACK_PROTECTED_COLUMN_CHANGE: version",
            "WRITEBACK_COLUMN_NOT_ALLOWED: update status",
            "WRITEBACK_PRIMARY_KEY_REQUIRED",
            "SQLSTATE 42703: undefined_column, column no_such_column",
            "WRITEBACK_VALUE_NOT_EXACT: amount",
            "SQLSTATE 42P01: undefined_table, table public.no_such_table",
            "WRITEBACK_TENANT_REQUIRED",
        ]
    );
    stage.wait_for_reports();
    stage.simulator.read(|control_plane| {
        assert_eq!(control_plane.count(Status::Applied), 90);
        assert_eq!(control_plane.count(Status::Failed), 10);
    });
}

#[test]
fn results_come_in_the_order_of_the_list() {
    let stage = Stage::new();
    stage.approve_closing((1..=20).rev());
    let answer = stage.poll();
    let results = answer["results"].as_array().unwrap();
    let ids: Vec<_> = results
        .iter()
        .map(|result| result["proposal_id"].as_str().unwrap())
        .collect();
    let expected: Vec<_> = (1..=20).rev().map(|n| format!("wrp_{n}")).collect();
    assert_eq!(ids, expected);
}

#[test]
fn what_is_not_ours_is_neither_applied_nor_reported() {
    use simulated_control_plane::{Endpoint, Fault, Quirk, Rule};
    let stage = Stage::new();
    let careless = Fault::quirk(Quirk::IgnoreFilters);
    stage.simulator.inject(Rule::on(Endpoint::List, careless));
    stage.approve(close(1).field("source_id", "src_2"));
    stage.approve(close(2).field("source_kind", "mysql"));
    stage.approve(close(3).field("status", "pending_review"));
    let answer = stage.poll();
    assert_eq!(statuses(&answer), ["skipped", "skipped", "skipped"]);
    assert_eq!(stage.tickets("closed"), 0);
    assert_eq!(stage.ledger("true"), 0);
    stage.operator().report();
    assert_eq!(stage.simulator.calls(Endpoint::Report), 0);
}

#[test]
fn a_dry_run_changes_records_and_reports_nothing() {
    use simulated_control_plane::Endpoint;
    let stage = Stage::new();
    stage.approve_closing(1..=3);
    stage.approve(close(4).conflict("version", 2));
    let mut operator = stage.operator();
    let row = operator
        .0
        .query_one("SELECT synapsor_poll_once(dry_run => true)", &[])
        .unwrap();
    let answer: Value = row.get(0);
    assert_eq!(answer["dry_run"], true);
    assert_eq!(
        statuses(&answer),
        ["applied", "applied", "applied", "conflict"]
    );
    assert_eq!(stage.tickets("closed"), 0);
    assert_eq!(stage.ledger("true"), 0);
    operator.report();
    assert_eq!(stage.simulator.calls(Endpoint::Report), 0);
}
