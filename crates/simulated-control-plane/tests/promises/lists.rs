//! The list of approved proposals.

use serde_json::json;
use simulated_control_plane::{InvalidProposal, Options, Simulator, Status};

use crate::client::{Client, PROPOSALS, applied, raw_list, start};

#[test]
fn a_proposal_is_listed_byte_for_byte() {
    let simulator = start();
    let text =
        r#"{ "z":1.10, "a" : 123456789012345678901234567890, "proposal_id":"wrp_1", "e":1E+2 }"#;
    simulator.add_proposal(text).unwrap();
    let body = Client::of(&simulator).try_list().unwrap();
    assert_eq!(body, format!(r#"{{"ok":true,"proposals":[{text}]}}"#));
}

#[test]
fn raw_bytes_are_listed_as_they_are_among_the_others() {
    let simulator = start();
    simulator
        .add_proposal(json!({"proposal_id": "wrp_1"}))
        .unwrap();
    simulator.add_raw(&b"{\"broken\": \xff\xfe"[..], None);
    let answer = raw_list(&simulator).unwrap();
    let expected = b"[{\"proposal_id\":\"wrp_1\"},{\"broken\": \xff\xfe]";
    assert!(
        answer
            .windows(expected.len())
            .any(|window| window == expected)
    );
}

#[test]
fn a_raw_element_with_an_id_leaves_the_list_when_it_is_reported() {
    let simulator = start();
    simulator.add_raw(r#"{"proposal_id":"wrp_1","source_id":7}"#, Some("wrp_1"));
    let client = Client::of(&simulator);
    assert_eq!(client.list("&source_id=src_1").0, ["wrp_1"]);
    assert_eq!(client.report("wrp_1", &applied()).0, 200);
    assert!(client.list("").0.is_empty());
}

#[test]
fn the_list_is_filtered_by_source_project_and_status() {
    let simulator = start();
    for (id, source, project, status) in [
        ("a", "src_1", "prj_1", "approved"),
        ("b", "src_2", "prj_1", "approved"),
        ("c", "src_1", "prj_2", "approved"),
        ("d", "src_1", "prj_1", "pending_review"),
    ] {
        let proposal = json!({
            "proposal_id": id, "source_id": source, "project_id": project, "status": status,
        });
        simulator.add_proposal(proposal).unwrap();
    }
    let client = Client::of(&simulator);
    assert_eq!(client.list("&source_id=src_1").0, ["a", "c"]);
    assert_eq!(client.list("&source_id=src_1&project_id=prj_1").0, ["a"]);
    assert_eq!(client.list("&source_id=").0, ["a", "b", "c"]);
    let (_, pending) = client.get(&format!("{PROPOSALS}?status=pending_review"));
    assert_eq!(pending["proposals"].as_array().unwrap().len(), 1);
    let (_, all) = client.get(PROPOSALS);
    assert_eq!(all["proposals"].as_array().unwrap().len(), 4);
}

#[test]
fn pages_follow_one_another_and_stay_right_while_proposals_leave() {
    let simulator = start();
    let ids: Vec<String> = (0..7).map(|number| format!("wrp_{number}")).collect();
    simulator
        .add_proposals(ids.iter().map(|id| json!({"proposal_id": id})))
        .unwrap();
    let client = Client::of(&simulator);

    let (first, cursor) = client.list("&limit=3");
    assert_eq!(first, ids[..3]);
    assert_eq!(client.report("wrp_0", &applied()).0, 200);
    assert_eq!(client.report("wrp_4", &applied()).0, 200);
    let (second, cursor) = client.list(&format!("&limit=3&cursor={}", cursor.unwrap()));
    assert_eq!(second, ["wrp_3", "wrp_5", "wrp_6"]);
    assert_eq!(cursor, None);
}

#[test]
fn a_page_is_never_longer_than_the_longest() {
    let options = Options {
        max_page: 2,
        ..Options::default()
    };
    let simulator = Simulator::start(options).unwrap();
    simulator
        .add_proposals((0..3).map(|n| json!({"proposal_id": format!("{n}")})))
        .unwrap();
    let client = Client::of(&simulator);
    assert_eq!(client.list("").0.len(), 2);
    assert_eq!(client.list("&limit=100").0.len(), 2);
}

#[test]
fn a_bad_limit_or_cursor_is_400() {
    let simulator = start();
    let client = Client::of(&simulator);
    for query in ["limit=0", "limit=many", "cursor=elsewhere"] {
        assert_eq!(
            client.get(&format!("{PROPOSALS}?{query}")).0,
            400,
            "{query}"
        );
    }
}

#[test]
fn an_id_that_is_there_already_is_listed_once_more() {
    let simulator = start();
    simulator
        .add_proposal(json!({"proposal_id": "wrp_1"}))
        .unwrap();
    let client = Client::of(&simulator);
    client.report("wrp_1", &applied());
    simulator
        .add_proposal(json!({"proposal_id": "wrp_1"}))
        .unwrap();
    assert_eq!(client.list("").0, ["wrp_1"]);
    assert_eq!(client.report("wrp_1", &applied()).0, 200);
    assert!(client.list("").0.is_empty());
}

#[test]
fn only_an_approved_proposal_is_listed() {
    let simulator = start();
    simulator
        .add_proposal(json!({"proposal_id": "wrp_1"}))
        .unwrap();
    let client = Client::of(&simulator);
    for status in [Status::PendingReview, Status::Rejected, Status::Canceled] {
        assert!(simulator.set_status("wrp_1", status));
        assert!(client.list("").0.is_empty());
    }
    assert!(simulator.set_status("wrp_1", Status::Approved));
    assert_eq!(client.list("").0, ["wrp_1"]);
    assert!(!simulator.set_status("wrp_2", Status::Approved));
}

#[test]
fn a_text_that_is_no_proposal_is_refused() {
    let simulator = start();
    let refusals = [
        ("[]", InvalidProposal::NotAnObject),
        ("{", InvalidProposal::NotAnObject),
        (r#"{"proposal_id": 1}"#, InvalidProposal::NoId),
        (
            r#"{"proposal_id": "a", "status": "?"}"#,
            InvalidProposal::UnknownStatus,
        ),
    ];
    for (text, reason) in refusals {
        assert_eq!(simulator.add_proposal(text), Err(reason));
    }
}

#[test]
fn a_page_of_a_long_list_costs_no_more_than_one_of_a_short_list() {
    let simulator = start();
    let proposals = (0..100_000).map(|n| json!({"proposal_id": format!("wrp_{n}")}));
    simulator.add_proposals(proposals).unwrap();
    let client = Client::of(&simulator);
    client.list("&limit=1000");
    let start = std::time::Instant::now();
    let (ids, _) = client.list("&limit=1000&cursor=from_90000");
    assert_eq!(ids[0], "wrp_90000");
    assert!(start.elapsed().as_millis() < 500, "{:?}", start.elapsed());
}
