//! Reports, and what they do to a proposal.

use serde_json::json;
use simulated_control_plane::{Status, Verdict, Word};

use crate::client::{Client, PROPOSALS, applied, failed, read, start, with_one_proposal};

#[test]
fn an_accepted_report_is_the_final_word_and_takes_the_proposal_off_the_list() {
    let conflict = json!({
        "status": "conflict",
        "external_commit_metadata": {"affected_rows": "0", "operation": "delete"},
    });
    let reports = [
        (applied(), Status::Applied),
        (conflict, Status::Conflict),
        (failed(), Status::Failed),
    ];
    for (report, status) in reports {
        let simulator = with_one_proposal();
        let client = Client::of(&simulator);
        assert_eq!(client.report("wrp_1", &report).0, 200);
        assert_eq!(simulator.status("wrp_1"), Some(status));
        assert_eq!(simulator.final_word("wrp_1").unwrap().status, status);
        assert_eq!(simulator.read(|plane| plane.count(status)), 1);
        assert!(client.list("").0.is_empty());
    }
}

#[test]
fn a_word_holds_what_was_reported() {
    let simulator = with_one_proposal();
    let client = Client::of(&simulator);
    let mut report = applied();
    report["external_commit_metadata"]["guard"] = json!("held");
    client.report("wrp_1", &report);
    let stored = &simulator.reports_for("wrp_1")[0];
    let word = Word {
        status: Status::Applied,
        idempotency_key: None,
        affected_rows: Some("1".to_owned()),
        operation: Some("update".to_owned()),
        error: None,
    };
    assert_eq!(stored.word, word);
    assert_eq!(stored.metadata["guard"], "held");
    assert_eq!(stored.body, report.to_string());
}

#[test]
fn the_same_report_again_is_harmless() {
    let simulator = with_one_proposal();
    let client = Client::of(&simulator);
    for _ in 0..3 {
        assert_eq!(client.report("wrp_1", &applied()).0, 200);
    }
    let verdicts: Vec<Verdict> = simulator
        .reports_for("wrp_1")
        .iter()
        .map(|r| r.verdict)
        .collect();
    assert_eq!(
        verdicts,
        [Verdict::Stored, Verdict::Repeated, Verdict::Repeated]
    );
    assert_eq!(simulator.read(|plane| plane.count(Status::Applied)), 1);
}

#[test]
fn a_contradicting_report_is_409_and_keeps_the_first_word() {
    let simulator = with_one_proposal();
    let client = Client::of(&simulator);
    client.report("wrp_1", &applied());
    let mut other_count = applied();
    other_count["external_commit_metadata"]["affected_rows"] = json!("2");
    for contradiction in [failed(), other_count] {
        assert_eq!(client.report("wrp_1", &contradiction).0, 409);
    }
    assert_eq!(
        simulator
            .final_word("wrp_1")
            .unwrap()
            .affected_rows
            .as_deref(),
        Some("1")
    );
    assert_eq!(simulator.read(|plane| plane.report_count("wrp_1")), 3);
}

#[test]
fn a_report_about_a_proposal_that_is_not_approved_is_409() {
    for status in [Status::PendingReview, Status::Rejected, Status::Canceled] {
        let simulator = with_one_proposal();
        simulator.set_status("wrp_1", status);
        let (answered, body) = Client::of(&simulator).report("wrp_1", &applied());
        assert_eq!(
            (answered, &body["error_code"]),
            (409, &json!("PROPOSAL_NOT_APPROVED"))
        );
        assert_eq!(simulator.final_word("wrp_1"), None);
    }
}

#[test]
fn a_report_about_an_unknown_proposal_is_404() {
    let simulator = start();
    let (status, body) = Client::of(&simulator).report("wrp_1", &applied());
    assert_eq!(
        (status, &body["error_code"]),
        (404, &json!("PROPOSAL_NOT_FOUND"))
    );
}

#[test]
fn an_id_in_the_path_is_percent_decoded() {
    let simulator = start();
    let id = "wrp://external/xwp_7 %ü";
    simulator.add_proposal(json!({"proposal_id": id})).unwrap();
    let client = Client::of(&simulator);
    let encoded = "wrp%3A%2F%2Fexternal%2Fxwp_7%20%25%C3%BC";
    assert_eq!(client.report(encoded, &applied()).0, 200);
    assert_eq!(simulator.status(id), Some(Status::Applied));
}

#[test]
fn an_id_that_is_not_percent_encoded_is_404() {
    let simulator = start();
    simulator
        .add_proposal(json!({"proposal_id": "a/b"}))
        .unwrap();
    assert_eq!(Client::of(&simulator).report("a/b", &applied()).0, 404);
}

#[test]
fn a_report_echoes_the_key_of_the_proposal() {
    let simulator = start();
    let proposal = json!({"proposal_id": "wrp_1", "idempotency_key": "key_1"});
    simulator.add_proposal(proposal).unwrap();
    let client = Client::of(&simulator);
    let mut report = applied();
    let (status, body) = client.report("wrp_1", &report);
    assert_eq!(
        (status, &body["error_code"]),
        (422, &json!("IDEMPOTENCY_KEY_MISMATCH"))
    );
    report["idempotency_key"] = json!("key_1");
    assert_eq!(client.report("wrp_1", &report).0, 200);
}

#[test]
fn a_report_of_the_wrong_shape_is_422_and_nothing_is_stored() {
    let simulator = with_one_proposal();
    let client = Client::of(&simulator);
    let metadata = |metadata| json!({"status": "applied", "external_commit_metadata": metadata});
    let wrong = [
        json!({}),
        json!({"status": "done"}),
        json!({"status": "approved"}),
        json!({"status": "failed"}),
        json!({"status": "failed", "error": ""}),
        json!({"status": "failed", "error": {"code": "X"}}),
        json!({"status": "failed", "error": "X", "idempotency_key": 1}),
        json!({"status": "applied"}),
        metadata(json!("1")),
        metadata(json!({"operation": "update"})),
        metadata(json!({"affected_rows": 1, "operation": "update"})),
        metadata(json!({"affected_rows": "", "operation": "update"})),
        metadata(json!({"affected_rows": "one", "operation": "update"})),
        metadata(json!({"affected_rows": "1"})),
        metadata(json!({"affected_rows": "1", "operation": "UPDATE"})),
        json!({"status": "failed", "error": "X", "row": {"email": "a@example.com"}}),
    ];
    for body in wrong {
        let (status, answer) = client.report("wrp_1", &body);
        assert_eq!(
            (status, &answer["error_code"]),
            (422, &json!("REPORT_INVALID")),
            "{body}"
        );
    }
    assert!(simulator.reports_for("wrp_1").is_empty());
    assert_eq!(client.list("").0, ["wrp_1"]);
}

#[test]
fn a_report_that_is_not_a_json_object_is_400() {
    let simulator = with_one_proposal();
    let client = Client::of(&simulator);
    let path = format!("{PROPOSALS}/wrp_1/apply-result");
    for body in ["", "applied", "[]"] {
        let request = client
            .request("POST", &path)
            .header("content-type", "application/json");
        let (status, answer) = read(request.body(body).send().unwrap());
        assert_eq!(
            (status, &answer["error_code"]),
            (400, &json!("INVALID_JSON")),
            "{body}"
        );
    }
}
