//! The admin surface, as a person with curl uses it: no key, no header of the contract.

use serde_json::{Value, json};
use simulated_control_plane::{Options, Simulator, Status};

use crate::client::{Client, applied, read, start as start_without_admin};

fn start() -> Simulator {
    let options = Options {
        admin: true,
        ..Options::default()
    };
    Simulator::start(options).unwrap()
}

fn admin(simulator: &Simulator, method: &str, path: &str, body: &str) -> (u16, Value) {
    let request = Client::of(simulator).bare_request(method, &format!("/admin{path}"));
    read(request.body(body.to_owned()).send().unwrap())
}

#[test]
fn it_explains_itself() {
    let simulator = start();
    let answer = Client::of(&simulator)
        .bare_request("GET", "/admin")
        .send()
        .unwrap();
    let help = answer.text().unwrap();
    assert!(help.contains("/admin/faults") && help.contains("answer_lost"));
    assert_eq!(admin(&simulator, "GET", "/nowhere", "").0, 404);
}

#[test]
fn proposals_are_added_one_or_many_with_their_text_kept() {
    let simulator = start();
    let one = r#"{"proposal_id":"a", "price":1.10}"#;
    assert_eq!(admin(&simulator, "POST", "/proposals", one).0, 200);
    let many = r#"[{"proposal_id":"b", "price":2.20}, {"proposal_id":"c"}]"#;
    let (_, added) = admin(&simulator, "POST", "/proposals", many);
    assert_eq!(added["added"], json!(["b", "c"]));
    let list = Client::of(&simulator).try_list().unwrap();
    assert!(list.contains(one) && list.contains(r#"{"proposal_id":"b", "price":2.20}"#));
    let (status, refused) = admin(&simulator, "POST", "/proposals", "{}");
    assert_eq!((status, refused["message"].is_string()), (422, true));
}

#[test]
fn raw_elements_are_added_as_they_are() {
    let simulator = start();
    admin(&simulator, "POST", "/proposals/raw?id=a", "{broken");
    assert!(
        Client::of(&simulator)
            .try_list()
            .unwrap()
            .contains("[{broken]")
    );
    assert_eq!(simulator.status("a"), Some(Status::Approved));
}

#[test]
fn a_proposal_is_moved_and_its_reports_are_shown() {
    let simulator = start();
    admin(&simulator, "POST", "/proposals", r#"{"proposal_id":"a/b"}"#);
    assert_eq!(
        admin(&simulator, "POST", "/proposals/a%2Fb/status/canceled", "").0,
        200
    );
    assert_eq!(simulator.status("a/b"), Some(Status::Canceled));
    assert_eq!(
        admin(&simulator, "POST", "/proposals/a%2Fb/status/lost", "").0,
        422
    );
    assert_eq!(
        admin(&simulator, "POST", "/proposals/x/status/canceled", "").0,
        404
    );
    Client::of(&simulator).report("a%2Fb", &applied());
    let (_, reports) = admin(&simulator, "GET", "/proposals/a%2Fb/reports", "");
    assert_eq!(reports[0]["verdict"], "NotApproved");
    let (_, proposals) = admin(&simulator, "GET", "/proposals", "");
    assert_eq!(
        proposals,
        json!([{"proposal_id": "a/b", "status": "canceled", "reports": 1}])
    );
}

#[test]
fn the_journal_is_read_and_forgotten_and_does_not_hold_admin_calls() {
    let simulator = start();
    let client = Client::of(&simulator);
    client.list("");
    client.get("/nowhere");
    let (_, journal) = admin(&simulator, "GET", "/journal?last=1", "");
    assert_eq!(journal.as_array().unwrap().len(), 1);
    assert_eq!(journal[0]["request"], "GET /nowhere");
    assert_eq!(journal[0]["status"], 404);
    admin(&simulator, "DELETE", "/journal", "");
    assert!(simulator.journal().is_empty());
}

#[test]
fn faults_are_added_watched_and_taken_back() {
    let simulator = start();
    let client = Client::of(&simulator);
    let rule = r#"{"on": "list", "status": 503, "retry_after": "2", "times": 5}"#;
    let (_, added) = admin(&simulator, "POST", "/faults", rule);
    assert_eq!(added["number"], 1);
    let answer = client.try_list().unwrap();
    assert!(answer.contains("SERVICE_UNAVAILABLE"));
    let (_, rules) = admin(&simulator, "GET", "/faults", "");
    let expected = json!([{"number": 1, "fault": "status 503", "applied": 1, "left": 4}]);
    assert_eq!(rules, expected);
    admin(&simulator, "DELETE", "/faults/1", "");
    assert_eq!(client.list("").0.len(), 0);
    admin(
        &simulator,
        "POST",
        "/faults",
        r#"{"on": "any", "fault": "reset"}"#,
    );
    assert!(client.try_list().is_err());
    admin(&simulator, "DELETE", "/faults", "");
    assert_eq!(client.list("").0.len(), 0);
}

#[test]
fn every_fault_has_a_name() {
    let simulator = start();
    let names = [
        "hang",
        "reset",
        "close",
        "answer_lost",
        "half_body",
        "endless_body",
        "slow_body",
        "slow_headers",
        "html",
        "empty_body",
        "huge_body",
        "not_ok",
        "ignore_filters",
        "ignore_paging",
        "looping_cursor",
        "keep_listed",
    ];
    for name in names {
        let rule = json!({"on": "report", "fault": name, "length": 1000}).to_string();
        assert_eq!(admin(&simulator, "POST", "/faults", &rule).0, 200, "{name}");
    }
}

#[test]
fn a_rule_with_a_typing_error_is_refused() {
    let simulator = start();
    for rule in [
        r#"{"on": "lists", "status": 500}"#,
        r#"{"on": "list", "statsu": 500}"#,
        r#"{"on": "list", "status": 99}"#,
        r#"{"on": "list", "fault": "explode"}"#,
        r#"{"on": "list", "location": "line\nbreak"}"#,
    ] {
        assert_eq!(admin(&simulator, "POST", "/faults", rule).0, 422, "{rule}");
    }
    let (_, told) = admin(&simulator, "POST", "/faults", r#"{"on": "lists"}"#);
    assert!(
        told["message"].as_str().unwrap().contains("`list_sources`"),
        "{told}"
    );
}

#[test]
fn a_state_gives_sources_and_proposals_with_their_text_kept() {
    let simulator = start_without_admin();
    let proposal = r#"{ "proposal_id":"a",  "price":1.10}"#;
    let state = format!(
        r#"{{"sources": [{{"source_id": "src_1", "name": "app"}}], "proposals": [{proposal}]}}"#
    );
    simulator.load(&state).unwrap();
    let client = Client::of(&simulator);
    assert!(client.try_list().unwrap().contains(proposal));
    assert_eq!(
        client.get(&format!("{}/src_1", crate::client::SOURCES)).0,
        200
    );
    let error = simulator.load(r#"{"proposals": [{}]}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "proposal 1 of the state: a proposal has a proposal_id, and it is a string"
    );
    assert!(simulator.load(r#"{"proposal": []}"#).is_err());
}
