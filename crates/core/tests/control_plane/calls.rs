//! What is sent: headers, paths, queries, bodies, connections.

use std::collections::HashSet;
use std::thread;

use serde_json::json;
use simulated_control_plane::{Credential, Endpoint, Entry, Fault};
use synapsor_core::control_plane::{Call, Client, Filter};

use crate::raw::RawServer;
use crate::support::{applied, client, config, failing, key, list, simulator, simulator_with};

/// The simulator refuses a call that breaks the contract, and keeps the breach in its journal.
#[test]
fn every_call_keeps_the_contract() {
    let simulator = simulator_with(2);
    let client = client(&simulator);
    list(&client).unwrap();
    client.report(&key(), &applied("wrp_1")).unwrap();
    assert_eq!(simulator.breaches().len(), 0, "{:?}", simulator.breaches());
}

#[test]
fn every_call_carries_the_headers_of_the_contract() {
    let simulator = simulator_with(1);
    let client = client(&simulator);
    list(&client).unwrap();
    client.report(&key(), &applied("wrp_1")).unwrap();
    let journal = simulator.journal();
    for entry in &journal {
        assert_eq!(entry.credential, Credential::Matched);
        assert_eq!(entry.header("accept"), Some("application/json"));
        assert_eq!(entry.header("user-agent"), Some("synapsor-writeback/0.0.0"));
        assert_eq!(entry.header("accept-encoding"), None);
        let has_body = !entry.body.is_empty();
        assert_eq!(
            entry.header("content-type"),
            has_body.then_some("application/json")
        );
    }
    let ids: HashSet<_> = journal
        .iter()
        .filter_map(|entry| entry.header("x-request-id"))
        .collect();
    assert_eq!(ids.len(), journal.len());
}

#[test]
fn the_list_asks_for_approved_proposals_of_this_source() {
    let simulator = simulator();
    let filter = Filter {
        source_id: Some("src_1 &x=y".into()),
        project_id: Some("prj_é".into()),
        limit: Some(7),
        cursor: Some("a+b/c=".into()),
    };
    let _ = client(&simulator).list_approved(&key(), &filter);
    let entry = only(simulator.journal());
    assert_eq!(entry.method, "GET");
    assert_eq!(entry.path, "/v1/control/external-writebacks/proposals");
    assert_eq!(
        entry.query,
        "source_id=src_1%20%26x%3Dy&project_id=prj_%C3%A9&status=approved&limit=7&cursor=a%2Bb%2Fc%3D"
    );
}

#[test]
fn an_id_is_one_segment_of_the_path_whatever_is_in_it() {
    let ids = [
        "wrp://external/xwp_7",
        "a/../../b",
        "é ?#%2F&",
        "...",
        "a;b=c,d",
    ];
    for id in ids {
        let simulator = simulator();
        simulator
            .add_proposal(json!({ "proposal_id": id }))
            .unwrap();
        client(&simulator).report(&key(), &applied(id)).unwrap();
        assert_eq!(simulator.reports_for(id).len(), 1, "{id}");
    }
}

#[test]
fn everything_but_unreserved_characters_is_escaped() {
    let simulator = simulator();
    let path = ["v1", "x", "aZ09-._~!*'();:@&=+$,/?%#[] \u{e9}"];
    let _ = client(&simulator).call(&key(), &Call::get(&path));
    let escaped =
        "/v1/x/aZ09-._~%21%2A%27%28%29%3B%3A%40%26%3D%2B%24%2C%2F%3F%25%23%5B%5D%20%C3%A9";
    assert_eq!(only(simulator.journal()).path, escaped);
}

#[test]
fn an_id_that_would_walk_up_the_path_is_not_sent() {
    let simulator = simulator();
    for id in ["", ".", "..", "%2e%2E"] {
        let error = client(&simulator).report(&key(), &applied(id)).unwrap_err();
        assert_eq!(error.code(), "CONTROL_PLANE_UNUSABLE_ID");
    }
    assert!(simulator.journal().is_empty());
}

#[test]
fn the_path_of_the_base_url_is_kept() {
    let server = RawServer::start(|socket| {
        let head = String::from_utf8(crate::raw::read_head(socket)).unwrap();
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let body = format!(r#"{{"path":"{path}"}}"#);
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let _ = std::io::Write::write_all(socket, answer.as_bytes());
    });
    let client = Client::new(&config(&format!("{}/a/b/", server.base_url()))).unwrap();
    let answer = client.call(&key(), &Call::get(&["v1", "x"])).unwrap();
    assert_eq!(answer.text, r#"{"path":"/a/b/v1/x"}"#);
}

#[test]
fn a_report_s_body_is_the_contract_s() {
    let simulator = simulator_with(1);
    let acceptance = client(&simulator)
        .report(&key(), &applied("wrp_1"))
        .unwrap();
    assert_eq!(acceptance.status, 200);
    let expected = json!({
        "status": "applied",
        "idempotency_key": "key of wrp_1",
        "external_commit_metadata": { "affected_rows": "1", "operation": "update" },
    });
    let entry = only(simulator.journal());
    assert_eq!(
        (entry.endpoint, entry.json()),
        (Endpoint::Report, Some(expected))
    );
}

#[test]
fn a_report_that_fails_is_sent_once() {
    for fault in [Fault::status(503), Fault::status(409), Fault::reset()] {
        let simulator = failing(Endpoint::Report, fault);
        let answer = client(&simulator).report(&key(), &applied("wrp_1"));
        assert!(answer.is_err());
        assert_eq!(simulator.calls(Endpoint::Report), 1);
    }
}

#[test]
fn connections_are_kept_alive_and_shared_by_clones_and_threads() {
    let simulator = simulator();
    let client = client(&simulator);
    for _ in 0..5 {
        let client = client.clone();
        thread::spawn(move || list(&client).unwrap())
            .join()
            .unwrap();
    }
    assert_eq!(simulator.connections(), 1);
}

#[test]
fn a_connection_that_the_server_closed_meanwhile_is_replaced() {
    let simulator = simulator();
    let client = client(&simulator);
    list(&client).unwrap();
    simulator.go_down();
    simulator.come_back().unwrap();
    list(&client).unwrap();
}

fn only(mut journal: Vec<Entry>) -> Entry {
    assert_eq!(journal.len(), 1);
    journal.remove(0)
}
