//! What a failed call is called, and what is done about it.

use std::net::TcpListener;
use std::time::{Duration, SystemTime};

use simulated_control_plane::{
    Delivery, Endpoint, ErrorShape, Fault, HeaderValue, Options, Rule, Simulator,
};
use synapsor_core::api_key::ApiKey;
use synapsor_core::control_plane::{Cause, Client, Disposition, Filter};

use crate::raw::RawServer;
use crate::support::{
    applied, client, config, failing, failure, key, list, simulator, simulator_with,
};

const NOW: Disposition = Disposition::Retry { after: None };

#[test]
fn each_status_has_its_cause_and_its_consequence() {
    let cases = [
        (400, Cause::Refused, Disposition::Rejected),
        (401, Cause::Unauthorized, Disposition::Key),
        (403, Cause::Forbidden, Disposition::Key),
        (404, Cause::Refused, Disposition::Rejected),
        (408, Cause::Unavailable, NOW),
        (409, Cause::Refused, Disposition::Rejected),
        (410, Cause::Refused, Disposition::Rejected),
        (412, Cause::Refused, Disposition::Rejected),
        (413, Cause::Refused, Disposition::Rejected),
        (418, Cause::Refused, Disposition::Rejected),
        (422, Cause::Refused, Disposition::Rejected),
        (425, Cause::Unavailable, NOW),
        (429, Cause::Busy, NOW),
        (500, Cause::Unavailable, NOW),
        (501, Cause::UnexpectedStatus, Disposition::Unusable),
        (502, Cause::Unavailable, NOW),
        (503, Cause::Unavailable, NOW),
        (504, Cause::Unavailable, NOW),
        (522, Cause::UnexpectedStatus, Disposition::Unusable),
    ];
    for (status, cause, disposition) in cases {
        let error = failure(Fault::status(status));
        assert_eq!(error.status(), Some(status));
        assert_eq!(
            (error.cause(), error.disposition()),
            (cause, disposition),
            "{status}"
        );
        assert_eq!(error.is_retryable(), disposition == NOW, "{status}");
    }
}

#[test]
fn a_bystander_s_web_page_rejects_no_report() {
    for (status, cause, disposition) in [
        (404, Cause::NotJson, Disposition::Unusable),
        (405, Cause::NotJson, Disposition::Unusable),
        (400, Cause::NotJson, Disposition::Unusable),
        (401, Cause::Unauthorized, Disposition::Key),
        (409, Cause::Refused, Disposition::Rejected),
        (502, Cause::Unavailable, NOW),
    ] {
        let error = failure(Fault::html(status));
        assert_eq!(
            (error.cause(), error.disposition()),
            (cause, disposition),
            "{status}"
        );
    }
}

#[test]
fn the_server_s_code_and_request_id_are_found_in_every_shape() {
    for shape in [ErrorShape::ErrorCode, ErrorShape::Code, ErrorShape::Errors] {
        let options = Options {
            error_shape: shape,
            ..Options::default()
        };
        let simulator = Simulator::start(options).unwrap();
        let error = client(&simulator)
            .report(&key(), &applied("nobody"))
            .unwrap_err();
        assert_eq!(error.status(), Some(404), "{shape:?}");
        assert!(
            !error.code().starts_with("CONTROL_PLANE_"),
            "{shape:?}: {error}"
        );
        assert!(!error.request_id().is_empty());
    }
}

#[test]
fn not_ok_under_a_good_status_is_an_error() {
    let error = failure(Fault::not_ok("SOURCE_DISABLED"));
    assert_eq!(
        (error.code(), error.status()),
        ("SOURCE_DISABLED", Some(200))
    );
    assert_eq!(error.disposition(), Disposition::Rejected);
    let error = failure(
        Fault::not_ok("TRY_LATER")
            .retryable(true)
            .retry_after_ms(1500),
    );
    assert_eq!(
        error.disposition(),
        Disposition::Retry {
            after: Some(Duration::from_millis(1500))
        }
    );
}

#[test]
fn the_server_may_call_any_refusal_retryable() {
    assert_eq!(
        failure(Fault::status(409).retryable(true)).disposition(),
        NOW
    );
    assert_eq!(
        failure(Fault::status(409).retryable_header(true)).disposition(),
        NOW
    );
    assert_eq!(
        failure(Fault::status(409).retryable_header(false)).disposition(),
        Disposition::Rejected
    );
    assert_eq!(
        failure(Fault::status(401).retryable(true)).disposition(),
        Disposition::Key
    );
}

#[test]
fn the_wait_is_the_body_s_else_the_header_s() {
    let wait = |fault: Fault| failure(fault).retry_after();
    let busy = || Fault::status(429);
    assert_eq!(wait(busy()), None);
    assert_eq!(wait(busy().retry_after(7)), Some(Duration::from_secs(7)));
    assert_eq!(
        wait(busy().retry_after(7).retry_after_ms(40)),
        Some(Duration::from_millis(40))
    );
    let date = wait(busy().retry_after_date(SystemTime::now() + Duration::from_secs(30))).unwrap();
    assert!((25..=31).contains(&date.as_secs()), "{date:?}");
    assert_eq!(
        wait(busy().retry_after(u64::MAX)),
        Some(Duration::from_secs(3600))
    );
}

#[test]
fn a_key_that_is_not_known_is_told_from_one_that_may_not() {
    let simulator = simulator();
    let wrong = ApiKey::parse("syn_wrong").unwrap();
    let error = client(&simulator)
        .list_approved(&wrong, &Filter::default())
        .unwrap_err();
    assert_eq!(
        (error.cause(), error.disposition()),
        (Cause::Unauthorized, Disposition::Key)
    );
    assert!(error.hint().contains("api_key_file"));
}

#[test]
fn nobody_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = list(&Client::new(&config(&base_url)).unwrap()).unwrap_err();
    assert_eq!(
        (error.code(), error.status()),
        ("CONTROL_PLANE_UNREACHABLE", None)
    );
    assert_eq!(error.disposition(), NOW);
}

#[test]
fn a_name_that_does_not_resolve_is_told_from_a_server_that_is_down() {
    let client = Client::new(&config("https://no-such-host.invalid")).unwrap();
    let error = list(&client).unwrap_err();
    assert_eq!(
        (error.code(), error.disposition()),
        ("CONTROL_PLANE_DNS", NOW)
    );
}

#[test]
fn a_name_that_resolves_is_used() {
    let simulator = simulator();
    let base_url = format!("http://localhost:{}", simulator.address().port());
    list(&Client::new(&config(&base_url)).unwrap()).unwrap();
}

#[test]
fn a_broken_connection_is_interrupted_and_retryable() {
    let faults = [
        Fault::reset(),
        Fault::close(),
        Fault::delivered(Delivery::HalfBody),
    ];
    for fault in faults {
        let name = format!("{fault}");
        let error = failure(fault);
        assert_eq!(
            (error.code(), error.disposition()),
            ("CONTROL_PLANE_INTERRUPTED", NOW),
            "{name}"
        );
    }
}

#[test]
fn what_is_not_http_is_an_error_like_any_other() {
    let answers: [&[u8]; 6] = [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        &[0xff; 100_000],
    ];
    for answer in answers {
        let server = RawServer::answering(answer);
        let error = list(&Client::new(&config(&server.base_url())).unwrap()).unwrap_err();
        assert_eq!(error.disposition(), NOW, "{error}");
    }
}

#[test]
fn a_redirect_is_not_followed_and_the_key_goes_nowhere_else() {
    let elsewhere = simulator();
    let location = format!(
        "{}/v1/control/external-writebacks/proposals",
        elsewhere.base_url()
    );
    for status in [301, 302, 303, 307, 308] {
        let fault = Fault::redirect(status, HeaderValue::try_from(&location).unwrap());
        let simulator = simulator_with(1);
        simulator.inject(Rule::on_any(fault));
        let client = client(&simulator);
        let errors = [
            list(&client).unwrap_err(),
            client.report(&key(), &applied("wrp_1")).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.code(), "CONTROL_PLANE_REDIRECT");
            assert_eq!(error.disposition(), Disposition::Unusable);
        }
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn an_error_says_status_code_request_id_and_message_on_one_line() {
    let body = r#"{"error_code":"NOPE","message":"no\nway","request_id":"req_7"}"#;
    let server = RawServer::with_status("409 Conflict", "x-request-id: other\r\n", body);
    let error = list(&Client::new(&config(&server.base_url())).unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "NOPE: no way (HTTP 409, request id req_7)"
    );
}

#[test]
fn a_message_is_bounded_and_a_strange_code_is_ours() {
    let body = format!(
        r#"{{"error_code":"two words","message":"{}"}}"#,
        "é".repeat(10_000)
    );
    let server = RawServer::with_status("400 Bad Request", "x-request-id: req_8\r\n", body);
    let error = list(&Client::new(&config(&server.base_url())).unwrap()).unwrap_err();
    assert_eq!(
        (error.code(), error.request_id()),
        ("CONTROL_PLANE_REFUSED", "req_8")
    );
    assert!(error.message().chars().count() <= 301);
}

#[test]
fn our_own_request_id_is_quoted_where_the_server_has_none() {
    let simulator = failing(Endpoint::List, Fault::reset());
    let error = list(&client(&simulator)).unwrap_err();
    let sent = simulator.journal()[0]
        .header("x-request-id")
        .map(str::to_owned);
    assert_eq!(Some(error.request_id()), sent.as_deref());
}

#[test]
fn every_cause_has_a_code_and_a_hint() {
    let error = failure(Fault::status(503));
    assert_eq!(error.cause().code(), "CONTROL_PLANE_UNAVAILABLE");
    assert!(error.hint().ends_with('.'));
}
