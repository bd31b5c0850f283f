//! What comes back, and what is made of it: a bad element harms itself, and a bad body is a clear error.

use std::time::{Duration, Instant};

use simulated_control_plane::{Delivery, Endpoint, Fault};
use synapsor_core::control_plane::{Cause, Client, Config, ControlPlaneError, Page};
use synapsor_core::listed::{Listed, Ours};

use crate::raw::RawServer;
use crate::support::{
    applied, client, config, failing, failure, hasty_client, key, list, simulator, simulator_with,
};

const OURS: Ours = Ours {
    kind: "postgres",
    source_id: None,
};

fn page(body: impl AsRef<[u8]>) -> Result<Page, ControlPlaneError> {
    list(&Client::new(&config(&RawServer::json(body).base_url())).unwrap())
}

/// For each element its id, and whether it can be used.
fn verdicts(page: &Page) -> Vec<(Option<String>, bool)> {
    let verdict = |listed| match listed {
        Listed::Proposal(proposal) => (proposal.proposal_id, true),
        Listed::Bad(bad) => (bad.proposal_id, false),
        Listed::NotOurs { proposal_id, .. } => (proposal_id, false),
    };
    page.items
        .iter()
        .map(|item| verdict(item.read(&OURS)))
        .collect()
}

#[test]
fn proposals_come_in_the_server_s_order_with_their_text_untouched() {
    let simulator = simulator();
    let texts = [
        r#"{"proposal_id":"b","changes":{"z":1.10,"a":123456789012345678901234567890}}"#,
        r#"{"proposal_id":"a","changes":{"a":"\u00e9"}}"#,
    ];
    for text in texts {
        simulator.add_proposal(text).unwrap();
    }
    let page = list(&client(&simulator)).unwrap();
    assert_eq!(
        verdicts(&page),
        [(Some("b".into()), true), (Some("a".into()), true)]
    );
    assert!(
        page.items[0]
            .raw
            .get()
            .contains(r#"{"z":1.10,"a":123456789012345678901234567890}"#)
    );
}

#[test]
fn one_bad_element_harms_only_itself() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let body = format!(
        r#"{{"proposals":[7,null,"x",{{"proposal_id":"deep","changes":{{"a":{deep}}}}},{deep},{{"proposal_id":"fine"}}]}}"#
    );
    let page = page(body).unwrap();
    let expected = [None, None, None, Some("deep"), None, Some("fine")];
    let expected = expected.map(|id| (id.map(str::to_owned), id == Some("fine")));
    assert_eq!(verdicts(&page), expected);
}

#[test]
fn only_the_element_that_is_not_valid_utf8_is_lost() {
    let body = b"{\"note\":\"\xff\",\"proposals\":[{\"proposal_id\":\"a\"},{\"proposal_id\":\"b\",\"x\":\"\xc3\"},{\"proposal_id\":\"c\"}]}";
    let page = page(body).unwrap();
    let expected = [("a", true), ("b", false), ("c", true)];
    assert_eq!(
        verdicts(&page),
        expected.map(|(id, fine)| (Some(id.to_owned()), fine))
    );
}

#[test]
fn a_replacement_character_in_a_valid_body_is_a_character_like_any_other() {
    let page = page("{\"proposals\":[{\"proposal_id\":\"a\u{fffd}\"}]}").unwrap();
    assert_eq!(verdicts(&page), [(Some("a\u{fffd}".into()), true)]);
}

#[test]
fn a_byte_order_mark_and_white_space_around_the_body_do_no_harm() {
    assert!(
        page("\u{feff} \n{\"proposals\":[]}\r\n")
            .unwrap()
            .items
            .is_empty()
    );
}

#[test]
fn a_list_without_an_array_of_proposals_is_an_error() {
    let bodies = [
        "{}",
        "",
        "[]",
        "7",
        "null",
        "\"x\"",
        r#"{"proposals":null}"#,
        r#"{"proposals":{}}"#,
    ];
    for body in bodies {
        let error = page(body).unwrap_err();
        assert_eq!(error.code(), "CONTROL_PLANE_UNEXPECTED_ANSWER", "{body}");
        assert_eq!(
            error.message(),
            "the answer has no array of proposals in it"
        );
        assert_eq!(error.status(), Some(200));
    }
}

#[test]
fn an_answer_that_contradicts_itself_is_not_believed() {
    let twice = [
        r#"{"proposals":[],"proposals":[{"proposal_id":"a"}]}"#,
        r#"{"ok":false,"ok":true,"proposals":[]}"#,
    ];
    for body in twice {
        assert_eq!(
            page(body).unwrap_err().code(),
            "CONTROL_PLANE_UNEXPECTED_ANSWER",
            "{body}"
        );
    }
}

#[test]
fn an_answer_that_contradicts_itself_accepts_no_report() {
    for body in [r#"{"ok":true,"ok":false}"#, r#"{"\ud800":1,"ok":false}"#] {
        let client = Client::new(&config(&RawServer::json(body).base_url())).unwrap();
        let error = client.report(&key(), &applied("wrp_1")).unwrap_err();
        assert_eq!(error.cause(), Cause::UnexpectedAnswer, "{body}");
    }
}

#[test]
fn a_cursor_is_a_text_or_a_number_and_anything_else_ends_the_list() {
    let cursor = |text: &str| {
        page(format!(r#"{{"proposals":[],"next_cursor":{text}}}"#))
            .unwrap()
            .next_cursor
    };
    assert_eq!(cursor(r#""c\u00e9""#).as_deref(), Some("cé"));
    assert_eq!(
        cursor("12345678901234567890").as_deref(),
        Some("12345678901234567890")
    );
    let long = format!("\"{}\"", "x".repeat(5000));
    for text in ["null", "\"\"", "true", "[]", "{}", r#""\ud800""#, &long] {
        assert_eq!(cursor(text), None, "{text}");
    }
}

#[test]
fn an_empty_body_accepts_a_report() {
    let simulator = failing(Endpoint::Report, Fault::empty_body());
    assert!(client(&simulator).report(&key(), &applied("wrp_1")).is_ok());
    let server = RawServer::answering("HTTP/1.1 204 No Content\r\n\r\n");
    let client = Client::new(&config(&server.base_url())).unwrap();
    assert_eq!(
        client.report(&key(), &applied("wrp_1")).unwrap().status,
        204
    );
}

#[test]
fn a_good_status_with_a_web_page_accepts_nothing() {
    let simulator = failing(Endpoint::Report, Fault::html(200));
    let error = client(&simulator)
        .report(&key(), &applied("wrp_1"))
        .unwrap_err();
    assert_eq!(error.code(), "CONTROL_PLANE_NOT_JSON");
}

#[test]
fn a_body_that_is_not_json_is_named_by_path_and_status_and_never_quoted() {
    let fault = Fault::html(200);
    let error = failure(fault).to_string();
    assert!(
        error.contains("/v1/control/external-writebacks/proposals"),
        "{error}"
    );
    assert!(
        error.contains("HTTP 200") && !error.contains("gateway"),
        "{error}"
    );
    for body in [
        "{\"proposals\":[",
        "{} {}",
        "\u{0}",
        "{'a':1}",
        "NaN",
        "[1,]",
    ] {
        assert_eq!(page(body).unwrap_err().cause(), Cause::NotJson, "{body}");
    }
}

#[test]
fn a_body_past_the_cap_is_refused_whether_announced_or_not() {
    let small = |base_url: &str| {
        Client::new(&Config {
            max_response_size: 1000,
            ..config(base_url)
        })
        .unwrap()
    };
    let announced = failing(Endpoint::List, Fault::huge_body(1001));
    assert_eq!(
        list(&small(&announced.base_url())).unwrap_err().cause(),
        Cause::TooLarge
    );
    let fits = failing(Endpoint::List, Fault::huge_body(1000));
    assert!(list(&small(&fits.base_url())).is_ok());
    let lie = RawServer::answering("HTTP/1.1 200 OK\r\ncontent-length: 99999999999999\r\n\r\n{");
    assert_eq!(
        list(&small(&lie.base_url())).unwrap_err().cause(),
        Cause::TooLarge
    );
}

#[test]
fn an_endless_body_ends_at_the_cap() {
    let simulator = failing(Endpoint::List, Fault::delivered(Delivery::EndlessBody));
    let client = Client::new(&Config {
        max_response_size: 100_000,
        ..config(&simulator.base_url())
    });
    assert_eq!(
        list(&client.unwrap()).unwrap_err().code(),
        "CONTROL_PLANE_TOO_LARGE"
    );
}

#[test]
fn the_answer_to_a_report_has_a_cap_of_its_own() {
    const MEGABYTE: usize = 1024 * 1024;
    for (bytes, cause) in [(MEGABYTE, None), (MEGABYTE + 1, Some(Cause::TooLarge))] {
        let simulator = failing(Endpoint::Report, Fault::huge_body(bytes));
        let config = Config {
            max_response_size: 64_000_000,
            ..config(&simulator.base_url())
        };
        let client = Client::new(&config).unwrap();
        let answer = client.report(&key(), &applied("wrp_1"));
        assert_eq!(answer.err().map(|error| error.cause()), cause, "{bytes}");
    }
}

#[test]
fn a_call_ends_at_its_time_out_however_slowly_the_answer_drips() {
    let drip = Duration::from_millis(50);
    let faults = [
        Fault::hang(),
        Fault::latency(Duration::from_secs(5)),
        Fault::delivered(Delivery::SlowBody(drip)),
        Fault::delivered(Delivery::SlowHeaders(drip)),
    ];
    for fault in faults {
        let name = format!("{fault}");
        let simulator = simulator_with(20);
        simulator.inject(simulated_control_plane::Rule::on(Endpoint::List, fault));
        let began = Instant::now();
        let error = list(&hasty_client(&simulator.base_url(), 400)).unwrap_err();
        assert_eq!(error.code(), "CONTROL_PLANE_TIMEOUT", "{name}");
        let took = began.elapsed();
        assert!(
            took >= Duration::from_millis(390) && took < Duration::from_millis(900),
            "{name}: {took:?}"
        );
    }
}

/// The worst case for a time-out that starts anew with each read: almost the whole time dripping, then silence.
#[test]
fn a_drip_that_falls_silent_does_not_start_the_time_out_anew() {
    let server = RawServer::start(|socket| {
        use std::io::Write;
        crate::raw::read_head(socket);
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n");
        for _ in 0..7 {
            let _ = socket.write_all(b" ");
            std::thread::sleep(Duration::from_millis(250));
        }
        std::thread::sleep(Duration::from_secs(5));
    });
    let began = Instant::now();
    let error = list(&hasty_client(&server.base_url(), 2_000)).unwrap_err();
    assert_eq!(error.cause(), Cause::Timeout);
    assert!(
        began.elapsed() < Duration::from_millis(3_500),
        "{:?}",
        began.elapsed()
    );
}
