//! Faults on the wire, seen through a bare socket.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use simulated_control_plane::Endpoint::{List, Report};
use simulated_control_plane::{Delivery, Fault};

use crate::client::{Client, applied, raw_call, raw_list, with_fault};

const BODY: &str = r#"{"ok":true,"proposals":[{"proposal_id":"wrp_1"}]}"#;

#[test]
fn a_reset_is_a_real_one() {
    let simulator = with_fault(List, Fault::reset());
    assert_eq!(
        raw_list(&simulator).unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
}

#[test]
fn a_close_comes_without_a_byte() {
    let simulator = with_fault(List, Fault::close());
    assert_eq!(raw_list(&simulator).unwrap(), b"");
}

#[test]
fn a_hang_lasts_until_the_client_leaves_or_the_simulator_stops() {
    let simulator = with_fault(List, Fault::hang());
    let mut socket = raw_call(&simulator);
    socket
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    assert_eq!(
        socket.read(&mut [0]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let start = Instant::now();
    drop(simulator);
    assert!(matches!(socket.read(&mut [0]), Ok(0) | Err(_)));
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn half_a_body_promises_the_whole() {
    let simulator = with_fault(List, Fault::delivered(Delivery::HalfBody));
    let answer = String::from_utf8(raw_list(&simulator).unwrap()).unwrap();
    assert!(
        answer.contains(&format!("content-length: {}\r\n", BODY.len())),
        "{answer}"
    );
    assert!(
        answer.ends_with(&format!("\r\n\r\n{}", &BODY[..BODY.len() / 2])),
        "{answer}"
    );

    let simulator = with_fault(List, Fault::delivered(Delivery::HalfBody));
    assert!(Client::of(&simulator).try_list().is_err());
}

#[test]
fn an_endless_body_starts_with_the_true_one_and_ends_when_the_client_leaves() {
    let simulator = with_fault(List, Fault::delivered(Delivery::EndlessBody));
    let mut start = vec![0; 4_000_000];
    raw_call(&simulator).read_exact(&mut start).unwrap();
    let start = String::from_utf8(start).unwrap();
    assert!(start.contains("transfer-encoding: chunked") && start.contains(BODY));
    assert_eq!(
        Client::of(&simulator).list("").0,
        ["wrp_1"],
        "the next client is served"
    );
}

#[test]
fn a_slow_body_comes_byte_by_byte() {
    let interval = Duration::from_millis(5);
    let simulator = with_fault(List, Fault::delivered(Delivery::SlowBody(interval)));
    let start = Instant::now();
    assert_eq!(Client::of(&simulator).try_list().unwrap(), BODY);
    let bytes = u32::try_from(BODY.len()).unwrap();
    assert!(start.elapsed() >= (bytes - 1) * interval);
}

#[test]
fn slow_headers_come_byte_by_byte() {
    let interval = Duration::from_millis(2);
    let simulator = with_fault(List, Fault::delivered(Delivery::SlowHeaders(interval)));
    let start = Instant::now();
    let answer = raw_list(&simulator).unwrap();
    assert!(answer.ends_with(BODY.as_bytes()));
    let bytes = u32::try_from(answer.len()).unwrap();
    assert!(start.elapsed() >= (bytes - 1) * interval);
}

#[test]
fn a_bad_delivery_composes_with_a_status() {
    let fault = Fault::status(503).and(Fault::delivered(Delivery::HalfBody));
    let simulator = with_fault(List, fault);
    assert!(
        raw_list(&simulator)
            .unwrap()
            .starts_with(b"HTTP/1.1 503 Service Unavailable\r\n")
    );
}

#[test]
fn a_lost_answer_leaves_a_stored_report() {
    let simulator = with_fault(Report, Fault::answer_lost());
    let client = Client::of(&simulator);
    assert!(client.try_report("wrp_1", &applied()).is_err());
    assert!(simulator.final_word("wrp_1").is_some());
    assert_eq!(
        client.report("wrp_1", &applied()).0,
        200,
        "the same report again"
    );
}

#[test]
fn a_reset_hang_or_close_stores_no_report() {
    for fault in [Fault::reset(), Fault::hang(), Fault::close()] {
        let simulator = with_fault(Report, fault);
        let client = Client::new(&simulator, |b| b.timeout(Duration::from_millis(300)));
        assert!(client.try_report("wrp_1", &applied()).is_err());
        assert_eq!(simulator.final_word("wrp_1"), None);
    }
}

#[test]
fn a_report_whose_answer_comes_in_half_is_stored() {
    let simulator = with_fault(Report, Fault::delivered(Delivery::HalfBody));
    assert!(
        Client::of(&simulator)
            .try_report("wrp_1", &applied())
            .is_err()
    );
    assert!(simulator.final_word("wrp_1").is_some());
}
