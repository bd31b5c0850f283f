//! Answers without end, and answers that are none.

use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use synapsor_core::control_plane::{Cause, ControlPlaneError};

use crate::raw::{RawServer, read_head};
use crate::support::{hasty_client, list};

const TIME_OUT: u64 = 1_000;

/// Socket buffers included, which take a few megabytes of what nobody reads.
const MOST: usize = 16 * 1024 * 1024;

/// Writes a beginning and then the same again and again, until the client has had enough; says how many bytes it took.
fn flood(beginning: &'static str, again: &'static str) -> (RawServer, Receiver<usize>) {
    let (sender, written) = channel();
    let server = RawServer::start(move |socket| {
        read_head(socket);
        let _ = sender.send(pour(socket, beginning, again));
    });
    (server, written)
}

fn pour(socket: &mut TcpStream, beginning: &str, again: &str) -> usize {
    let patience = Some(Duration::from_secs(5));
    socket.set_write_timeout(patience).unwrap();
    let _ = socket.write_all(beginning.as_bytes());
    let portion = again.repeat(64 * 1024 / again.len() + 1);
    let mut written = 0;
    while socket.write_all(portion.as_bytes()).is_ok() {
        written += portion.len();
    }
    written
}

/// The error of a call that ends in time.
fn error_in_time(server: &RawServer, what: &str) -> ControlPlaneError {
    let client = hasty_client(&server.base_url(), TIME_OUT);
    let began = Instant::now();
    let error = list(&client).unwrap_err();
    let took = began.elapsed();
    assert!(
        took < Duration::from_millis(TIME_OUT + 1_000),
        "{what}: {took:?}"
    );
    error
}

/// What comes first, and what comes without end.
const ENDLESS: [(&str, &str, &str); 8] = [
    ("a word", "", "a"),
    ("a reason", "HTTP/1.1 200 ", "a"),
    ("a header's name", "HTTP/1.1 200 OK\r\n", "a"),
    ("a header", "HTTP/1.1 200 OK\r\nx: ", "a"),
    ("headers", "HTTP/1.1 200 OK\r\n", "x-a: b\r\n"),
    (
        "a chunk's extension",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;",
        "a",
    ),
    (
        "extensions",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "1;a=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n \r\n",
    ),
    (
        "trailers",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
        "x-a: b\r\n",
    ),
];

#[test]
fn what_has_no_end_is_not_read_to_it() {
    for (what, beginning, again) in ENDLESS {
        let (server, written) = flood(beginning, again);
        let error = error_in_time(&server, what);
        assert_ne!(
            error.cause(),
            Cause::Timeout,
            "{what}: it was read until the time-out"
        );
        let written = written.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(written < MOST, "{what}: {written} bytes were taken");
    }
}

/// Nothing of it is kept, so that time alone is bounded.
#[test]
fn what_is_read_and_forgotten_without_end_ends_at_the_time_out() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let endless = [
        ("", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("", "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"),
        (chunked, "0"),
    ];
    for (beginning, again) in endless {
        let (server, _) = flood(beginning, again);
        let error = error_in_time(&server, again);
        assert_eq!(error.cause(), Cause::Timeout, "{again}");
    }
}

#[test]
fn thousands_of_headers_are_too_many() {
    let headers: String = (0..5_000).map(|n| format!("x-{n}: {n}\r\n")).collect();
    let server = RawServer::with_status("200 OK", &headers, r#"{"proposals":[]}"#);
    assert_eq!(
        error_in_time(&server, "headers").cause(),
        Cause::Interrupted
    );
}

#[test]
fn a_megabyte_in_one_header_is_too_much() {
    let header = format!("x: {}\r\n", "a".repeat(1024 * 1024));
    let server = RawServer::with_status("200 OK", &header, r#"{"proposals":[]}"#);
    assert_eq!(
        error_in_time(&server, "a header").cause(),
        Cause::Interrupted
    );
}

/// A list that an old or careless client would take.
#[test]
fn a_list_without_a_proper_head_is_none() {
    let heads = [
        "",
        "HTTP/0.9 200 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\ncontent-length: 16\r\n\r\n",
        "HTTP/1.1 2xx OK\r\ncontent-length: 16\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 0x10\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551632\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 16\r\ncontent-length: 17\r\n\r\n",
    ];
    for head in heads {
        let server = RawServer::answering(format!(r#"{head}{{"proposals":[]}}"#));
        error_in_time(&server, head);
    }
}

/// In the head, in a chunk's extension, in the trailers: each byte comes well before any time-out between reads.
#[test]
fn a_drip_ends_at_the_time_out_wherever_it_drips() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let beginnings = [
        "HTTP/1.1 200 ",
        "HTTP/1.1 200 OK\r\nx: ",
        &format!("{chunked}1;"),
        &format!("{chunked}0\r\nx: "),
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 500 Oops\r\ncontent-length: 1000\r\n\r\n",
    ];
    for beginning in beginnings.map(str::to_owned) {
        let what = beginning.clone();
        let server = RawServer::start(move |socket| {
            read_head(socket);
            let _ = socket.write_all(beginning.as_bytes());
            while socket.write_all(b" ").is_ok() {
                thread::sleep(Duration::from_millis(50));
            }
        });
        let error = error_in_time(&server, &what);
        // Of an answer that is an error anyway, the status is worth more than the rest of its body.
        let expected = if what.contains("500") {
            Cause::Unavailable
        } else {
            Cause::Timeout
        };
        assert_eq!(error.cause(), expected, "{what}");
    }
}
