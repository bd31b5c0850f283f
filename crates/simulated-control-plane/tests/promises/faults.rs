//! Faults in what is answered.

use std::time::{Duration, Instant, UNIX_EPOCH};

use serde_json::json;
use simulated_control_plane::Endpoint::{List, ListSources, Report};
use simulated_control_plane::{Fault, HeaderValue, Quirk, Rule};

use crate::client::{
    Client, PROPOSALS, SOURCES, applied, failed, start, with_fault, with_one_proposal,
};

#[test]
fn a_status_comes_with_the_hints_it_was_given() {
    let fault = Fault::status(503)
        .retry_after(7)
        .retry_after_ms(1500)
        .retryable(true)
        .retryable_header(true);
    let simulator = with_fault(List, fault);
    let answer = Client::of(&simulator)
        .request("GET", PROPOSALS)
        .send()
        .unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "7");
    assert_eq!(answer.headers()["x-synapsor-retryable"], "true");
    assert_eq!(answer.headers()["x-request-id"], "req_1");
    let body: serde_json::Value = answer.json().unwrap();
    assert_eq!(body["error_code"], "SERVICE_UNAVAILABLE");
    assert_eq!(body["retry_after_ms"], 1500);
    assert_eq!(body["retryable"], true);
}

#[test]
fn retry_after_can_be_an_http_date() {
    let when = UNIX_EPOCH + Duration::from_secs(784_111_777);
    let simulator = with_fault(List, Fault::status(429).retry_after_date(when));
    let answer = Client::of(&simulator)
        .request("GET", PROPOSALS)
        .send()
        .unwrap();
    assert_eq!(
        answer.headers()["retry-after"],
        "Sun, 06 Nov 1994 08:49:37 GMT"
    );
}

#[test]
fn a_call_can_fail_with_status_200() {
    let simulator = with_fault(Report, Fault::not_ok("WRITEBACK_PAUSED"));
    let (status, body) = Client::of(&simulator).report("wrp_1", &applied());
    assert_eq!((status, &body["ok"]), (200, &json!(false)));
    assert_eq!(body["error_code"], "WRITEBACK_PAUSED");
    assert_eq!(simulator.final_word("wrp_1"), None, "nothing was stored");
}

#[test]
fn a_body_can_be_anything() {
    for body in [
        r#"{"proposals": {}}"#,
        r#"{"proposals": "none"}"#,
        "{}",
        "[",
        "\0",
    ] {
        let simulator = with_fault(List, Fault::body(200, body));
        assert_eq!(Client::of(&simulator).try_list().unwrap(), body);
    }
}

#[test]
fn a_body_can_be_html_or_empty() {
    let simulator = with_fault(List, Fault::html(502));
    let answer = Client::of(&simulator)
        .request("GET", PROPOSALS)
        .send()
        .unwrap();
    assert_eq!(answer.status(), 502);
    assert_eq!(answer.headers()["content-type"], "text/html");
    assert!(answer.text().unwrap().starts_with("<!doctype html>"));
    let simulator = with_fault(List, Fault::empty_body());
    assert_eq!(Client::of(&simulator).try_list().unwrap(), "");
}

#[test]
fn a_report_can_be_stored_and_answered_with_an_empty_body_or_an_error() {
    for fault in [Fault::empty_body(), Fault::status(500)] {
        let simulator = with_fault(Report, fault.after_the_work());
        Client::of(&simulator).report("wrp_1", &applied());
        assert!(simulator.final_word("wrp_1").is_some());
    }
}

#[test]
fn a_huge_body_is_valid_json_of_the_asked_size() {
    let simulator = with_fault(List, Fault::huge_body(5_000_000));
    let body = Client::of(&simulator).try_list().unwrap();
    assert_eq!(body.len(), 5_000_000);
    let parsed: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(parsed["proposals"], json!([]));
}

#[test]
fn a_redirect_names_its_target() {
    for status in [302, 307] {
        let target = HeaderValue::from_static("http://127.0.0.1:1/elsewhere");
        let simulator = with_fault(List, Fault::redirect(status, target));
        let answer = Client::of(&simulator)
            .request("GET", PROPOSALS)
            .send()
            .unwrap();
        assert_eq!(answer.status().as_u16(), status);
        assert_eq!(answer.headers()["location"], "http://127.0.0.1:1/elsewhere");
    }
}

#[test]
fn latency_delays_the_true_answer_but_not_the_work() {
    let latency = Duration::from_millis(300);
    let simulator = with_fault(Report, Fault::latency(latency));
    let client = Client::new(&simulator, |b| b.timeout(Duration::from_millis(100)));
    assert!(
        client
            .try_report("wrp_1", &applied())
            .unwrap_err()
            .is_timeout()
    );
    assert!(
        simulator.final_word("wrp_1").is_some(),
        "stored, although the client gave up"
    );

    let simulator = with_fault(List, Fault::latency(latency));
    let start = Instant::now();
    assert_eq!(Client::of(&simulator).list("").0, ["wrp_1"]);
    assert!(start.elapsed() >= latency);
}

#[test]
fn faults_compose() {
    let latency = Duration::from_millis(50);
    let slow = Fault::latency(latency);
    let fault = slow
        .clone()
        .and(Fault::status(429).retry_after(1))
        .and(slow);
    let simulator = with_fault(List, fault);
    let start = Instant::now();
    let answer = Client::of(&simulator)
        .request("GET", PROPOSALS)
        .send()
        .unwrap();
    assert!(start.elapsed() >= 2 * latency);
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["retry-after"], "1");
}

#[test]
fn filters_can_be_ignored() {
    let simulator = start();
    for (id, status) in [("a", "approved"), ("b", "rejected")] {
        let proposal = json!({"proposal_id": id, "source_id": "src_1", "status": status});
        simulator.add_proposal(proposal).unwrap();
    }
    simulator.inject(Rule::on(List, Fault::quirk(Quirk::IgnoreFilters)));
    assert_eq!(
        Client::of(&simulator).list("&source_id=src_2").0,
        ["a", "b"]
    );
}

#[test]
fn paging_can_be_ignored() {
    let simulator = start();
    simulator
        .add_proposals(["a", "b", "c"].map(|id| json!({"proposal_id": id})))
        .unwrap();
    simulator.inject(Rule::on(List, Fault::quirk(Quirk::IgnorePaging)));
    let (ids, cursor) = Client::of(&simulator).list("&limit=1&cursor=whatever");
    assert_eq!((ids.len(), cursor), (3, None));
}

#[test]
fn a_cursor_can_loop() {
    let simulator = start();
    simulator
        .add_proposals(["a", "b"].map(|id| json!({"proposal_id": id})))
        .unwrap();
    simulator.inject(Rule::on(List, Fault::quirk(Quirk::LoopingCursor)));
    let client = Client::of(&simulator);
    let (first, cursor) = client.list("&limit=1");
    let cursor = cursor.unwrap();
    let second = client.list(&format!("&limit=1&cursor={cursor}"));
    assert_eq!(second, (first, Some(cursor)));
}

#[test]
fn a_list_can_refuse_to_shrink() {
    let simulator = with_one_proposal();
    simulator.inject(Rule::on(Report, Fault::quirk(Quirk::KeepListed)));
    let client = Client::of(&simulator);
    for _ in 0..2 {
        assert_eq!(client.report("wrp_1", &applied()).0, 200);
        assert_eq!(client.list("").0, ["wrp_1"]);
    }
    assert_eq!(client.report("wrp_1", &failed()).0, 409);
}

#[test]
fn a_rule_skips_then_holds_then_is_used_up() {
    let simulator = start();
    let rule = simulator.inject(Rule::on(List, Fault::status(500)).skip(1).times(2));
    let client = Client::of(&simulator);
    let statuses: Vec<u16> = (0..5).map(|_| client.get(PROPOSALS).0).collect();
    assert_eq!(statuses, [200, 500, 500, 200, 200]);
    assert_eq!(simulator.applied(rule), 2);
}

#[test]
fn a_sequence_of_rules_is_a_sequence_of_faults() {
    let simulator = start();
    for status in [500, 429, 404] {
        simulator.inject(Rule::on(List, Fault::status(status)).times(1));
    }
    let client = Client::of(&simulator);
    let statuses: Vec<u16> = (0..4).map(|_| client.get(PROPOSALS).0).collect();
    assert_eq!(statuses, [500, 429, 404, 200]);
}

#[test]
fn a_rule_can_be_for_one_proposal_for_the_sources_or_for_every_call() {
    let simulator = start();
    simulator
        .add_proposals(["a", "b"].map(|id| json!({"proposal_id": id})))
        .unwrap();
    let client = Client::of(&simulator);
    simulator.inject(Rule::on(Report, Fault::status(500)).for_proposal("b"));
    simulator.inject(Rule::on_sources(Fault::status(501)));
    assert_eq!(client.report("a", &applied()).0, 200);
    assert_eq!(client.report("b", &applied()).0, 500);
    assert_eq!(client.get(&format!("{SOURCES}/src_1")).0, 501);
    assert_eq!(client.get(PROPOSALS).0, 200);
    simulator.inject(Rule::on_any(Fault::status(502)));
    assert_eq!(client.get(PROPOSALS).0, 502);
}

#[test]
fn rules_can_be_taken_back() {
    let simulator = start();
    let client = Client::of(&simulator);
    let rule = simulator.inject(Rule::on(List, Fault::status(500)));
    simulator.inject(Rule::on(ListSources, Fault::status(500)));
    simulator.withdraw(rule);
    assert_eq!((client.get(PROPOSALS).0, client.get(SOURCES).0), (200, 500));
    simulator.clear_faults();
    assert_eq!(client.get(SOURCES).0, 200);
}
