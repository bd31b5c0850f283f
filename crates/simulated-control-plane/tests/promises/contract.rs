//! What is asked of every call.

use serde_json::json;
use simulated_control_plane::{Breach, Credential, ErrorShape, Options, Simulator};

use crate::client::{Client, KEY, PROPOSALS, applied, read, start};

#[test]
fn a_call_without_a_key_or_with_a_wrong_one_is_401() {
    let simulator = start();
    let client = Client::of(&simulator);
    let contract = |request: reqwest::blocking::RequestBuilder| {
        request
            .header("accept", "application/json")
            .header("user-agent", "promises/1.0")
            .header("x-request-id", "req_1")
    };
    let absent = contract(client.bare_request("GET", PROPOSALS));
    let wrong = contract(client.bare_request("GET", PROPOSALS)).bearer_auth("other");
    let basic = contract(client.bare_request("GET", PROPOSALS)).header("authorization", KEY);
    for request in [absent, wrong, basic] {
        let (status, body) = read(request.send().unwrap());
        assert_eq!((status, &body["error_code"]), (401, &json!("UNAUTHORIZED")));
    }
    let seen: Vec<Credential> = simulator.journal().iter().map(|e| e.credential).collect();
    use Credential::{Absent, Mismatched};
    assert_eq!(seen, [Absent, Mismatched, Mismatched]);
}

#[test]
fn a_call_without_a_header_of_the_contract_is_400_with_a_code_that_names_it() {
    let simulator = start();
    let client = Client::of(&simulator);
    let headers = [
        ("accept", "application/json", Breach::Accept),
        ("user-agent", "promises/1.0", Breach::UserAgent),
        ("x-request-id", "req_1", Breach::RequestId),
    ];
    for (left_out, _, breach) in headers {
        let mut request = client.bare_request("GET", PROPOSALS).bearer_auth(KEY);
        for (name, value, _) in headers {
            if name != left_out {
                request = request.header(name, value);
            }
        }
        let (status, body) = read(request.send().unwrap());
        assert_eq!((status, &body["error_code"]), (400, &json!(breach.code())));
        assert_eq!(simulator.journal().last().unwrap().breach, Some(breach));
    }
    assert_eq!(simulator.breaches().len(), 3);
}

#[test]
fn a_user_agent_without_a_version_is_400() {
    let simulator = start();
    let request = Client::of(&simulator)
        .bare_request("GET", PROPOSALS)
        .header("accept", "application/json")
        .header("user-agent", "promises")
        .header("x-request-id", "req_1")
        .bearer_auth(KEY);
    assert_eq!(
        read(request.send().unwrap()).1["error_code"],
        "USER_AGENT_REQUIRED"
    );
}

#[test]
fn a_body_that_is_not_declared_as_json_is_400() {
    let simulator = start();
    let path = format!("{PROPOSALS}/wrp_1/apply-result");
    let request = Client::of(&simulator)
        .request("POST", &path)
        .body(applied().to_string());
    assert_eq!(
        read(request.send().unwrap()).1["error_code"],
        "CONTENT_TYPE_REQUIRED"
    );
}

#[test]
fn every_answer_carries_the_request_id() {
    let simulator = start();
    let client = Client::of(&simulator);
    for path in [PROPOSALS, "/nowhere"] {
        let answer = client.request("GET", path).send().unwrap();
        assert_eq!(answer.headers()["x-request-id"], "req_1");
    }
}

#[test]
fn an_unknown_call_is_404_and_a_wrong_method_405() {
    let simulator = start();
    let client = Client::of(&simulator);
    assert_eq!(client.get("/v1/control/nothing").0, 404);
    assert_eq!(client.post(PROPOSALS, &json!({})).0, 405);
    assert_eq!(
        client.get(&format!("{PROPOSALS}/wrp_1/apply-result")).0,
        405
    );
}

#[test]
fn the_admin_surface_is_not_there_unless_asked_for() {
    let simulator = start();
    assert_eq!(Client::of(&simulator).get("/admin").0, 404);
}

#[test]
fn errors_come_in_every_shape_of_the_contract() {
    let shapes = [
        (ErrorShape::ErrorCode, "/error_code", "/message"),
        (ErrorShape::Code, "/code", "/message"),
        (ErrorShape::ErrorDescription, "/error", "/error_description"),
        (ErrorShape::Errors, "/errors/0/code", "/errors/0/message"),
    ];
    for (error_shape, code, message) in shapes {
        let options = Options {
            error_shape,
            ..Options::default()
        };
        let simulator = Simulator::start(options).unwrap();
        let (_, body) = Client::of(&simulator).get("/nowhere");
        assert_eq!(body.pointer(code).unwrap(), "NOT_FOUND", "{body}");
        assert!(body.pointer(message).unwrap().is_string(), "{body}");
    }
}

#[test]
fn a_body_past_16_mib_is_413() {
    let simulator = start();
    let path = format!("{PROPOSALS}/wrp_1/apply-result");
    let body = vec![b' '; 16 * 1024 * 1024 + 1];
    let answer = Client::of(&simulator)
        .request("POST", &path)
        .body(body)
        .send();
    // The answer may be lost, as the rest of the body is not read.
    assert!(answer.is_err() || answer.unwrap().status() == 413);
}
