//! No error and no debug output shows the key, whatever the server does with it.

use std::time::Duration;

use simulated_control_plane::{Delivery, Fault, Rule};
use synapsor_core::api_key::ApiKey;
use synapsor_core::control_plane::{
    Call, Client, ControlPlaneError, Filter, NewSource, Secret, SourceError,
};

use crate::raw::RawServer;
use crate::support::{config, hasty_client, simulator};

const PLANTED: &str = "syn_PLANTED/Key+0123=";
const PASSWORD: &str = "p%40ssPLANTED";

fn planted() -> ApiKey {
    ApiKey::parse(PLANTED).unwrap()
}

fn shows_nothing(error: &ControlPlaneError) {
    let (code, message, id) = (error.code(), error.message(), error.request_id());
    let shown = format!(
        "{error} {error:?} {error:#?} {code} {message} {id} {}",
        error.hint()
    );
    assert!(!shown.to_lowercase().contains("planted"), "{shown}");
}

#[test]
fn a_server_that_sends_the_key_back_does_not_bring_it_into_an_error() {
    let bodies = [
        format!(r#"{{"error_code":"{PLANTED}","message":"{PLANTED}","request_id":"{PLANTED}"}}"#),
        r#"{"message":"Bearer syn_PLANTED/Key+0123=","request_id":"syn_PLANTED%2FKey%2B0123%3D"}"#
            .to_owned(),
        format!(r#"{{"error":"key {} is bad"}}"#, PLANTED.to_uppercase()),
        format!(r#"{{"errors":[{{"message":"a\u0000{PLANTED}\u0007b"}}]}}"#),
        format!(r#"{{"message":"{}{PLANTED}"}}"#, "x".repeat(290)),
        format!("<html>{PLANTED}"),
        PLANTED.to_owned(),
    ];
    for status in [
        "200 OK",
        "400 Bad Request",
        "401 Unauthorized",
        "409 Conflict",
        "503 Busy",
    ] {
        for body in &bodies {
            let body = if status.starts_with("200") {
                body.replacen('{', r#"{"ok":false,"#, 1)
            } else {
                body.clone()
            };
            let headers = format!("x-request-id: {PLANTED}\r\nretry-after: {PLANTED}\r\n");
            let server = RawServer::with_status(status, &headers, &body);
            let client = Client::new(&config(&server.base_url())).unwrap();
            let error = client
                .list_approved(&planted(), &Filter::default())
                .unwrap_err();
            shows_nothing(&error);
        }
    }
}

#[test]
fn a_key_that_looks_like_a_code_is_no_code() {
    let key = ApiKey::parse("SYNPLANTED0123").unwrap();
    let body = r#"{"error_code":"SYNPLANTED0123","message":"m"}"#;
    let server = RawServer::with_status("409 Conflict", "", body);
    let client = Client::new(&config(&server.base_url())).unwrap();
    let error = client.list_approved(&key, &Filter::default()).unwrap_err();
    assert_eq!(error.code(), "CONTROL_PLANE_REFUSED");
    shows_nothing(&error);
}

#[test]
fn no_failure_of_the_transport_shows_the_key() {
    let faults = [
        Fault::hang(),
        Fault::reset(),
        Fault::html(500),
        Fault::body(200, PLANTED),
        Fault::delivered(Delivery::HalfBody),
        Fault::delivered(Delivery::EndlessBody),
        Fault::delivered(Delivery::SlowBody(Duration::from_millis(50))),
    ];
    for fault in faults {
        let simulator = simulator();
        simulator.inject(Rule::on_any(fault));
        let client = hasty_client(&simulator.base_url(), 300);
        shows_nothing(
            &client
                .list_approved(&planted(), &Filter::default())
                .unwrap_err(),
        );
    }
    for base_url in ["http://127.0.0.1:1", "https://no-such-host.invalid"] {
        let client = Client::new(&config(base_url)).unwrap();
        shows_nothing(
            &client
                .list_approved(&planted(), &Filter::default())
                .unwrap_err(),
        );
    }
}

#[test]
fn a_key_in_the_path_does_not_come_into_an_error() {
    let client = Client::new(&config("http://127.0.0.1:1")).unwrap();
    let error = client
        .call(&planted(), &Call::get(&["v1", PLANTED]))
        .unwrap_err();
    shows_nothing(&error);
}

#[test]
fn a_connection_s_password_does_not_come_into_an_error() {
    let url = format!("postgres://app:{PASSWORD}@db:5432/app");
    let new = NewSource {
        project_id: "prj_1".into(),
        database_id: "db_1".into(),
        kind: "postgres".into(),
        name: None,
        url: Secret::from_env("env:APP_URL", |_| Some(url.clone())).unwrap(),
        ssl_mode: None,
        mode: None,
    };
    let body =
        format!(r#"{{"error_code":"BAD_URL","message":"can't connect to {url} with {PASSWORD}"}}"#);
    let server = RawServer::with_status("422 Unprocessable", "", body);
    let client = Client::new(&config(&server.base_url())).unwrap();
    let error = client.create_source(&planted(), &new).unwrap_err();
    assert_eq!(
        error.message(),
        "can't connect to [redacted] with [redacted]"
    );
    assert_eq!(format!("{:?}", new.url), "Secret([redacted])");
    assert!(!format!("{new:?}").contains("PLANTED"));
}

#[test]
fn a_secret_given_as_itself_is_refused_and_not_quoted() {
    for reference in [
        "postgres://u:PLANTED@h/d",
        "env:",
        "env:a b",
        "ENV:PLANTED",
        "env:PLANTED=x",
    ] {
        let error = Secret::from_env(reference, |_| Some("x".into())).unwrap_err();
        assert_eq!(error, SourceError::SecretAsItself);
        assert!(!error.to_string().contains("PLANTED"));
    }
    let unset = Secret::from_env("env:APP_URL", |_| None).unwrap_err();
    assert_eq!(unset.to_string(), "SECRET_ENV_REQUIRED: APP_URL is not set");
}

#[test]
fn neither_client_nor_call_shows_a_secret() {
    let client = Client::new(&config("http://127.0.0.1:1")).unwrap();
    let secrets = [PLANTED];
    let call = Call {
        secrets: &secrets,
        body: Some(PLANTED.into()),
        ..Call::get(&["v1"])
    };
    let shown = format!("{client:?} {call:?} {:?}", planted());
    assert!(!shown.contains("PLANTED"), "{shown}");
    assert!(shown.contains(r#"Call(GET ["v1"])"#), "{shown}");
}
