//! The versions of TLS, by what goes over a bare socket.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use simulated_control_plane::{Certificate, Options, Simulator};
use synapsor_core::control_plane::{Cause, Client, Config, TlsFault};

use crate::raw::RawServer;
use crate::support::{config, list};

const TLS_1_3: [u8; 2] = [3, 4];
const TLS_1_2: [u8; 2] = [3, 3];
const TLS_1_1: [u8; 2] = [3, 2];
const TLS_1_0: [u8; 2] = [3, 1];
const SSL_3: [u8; 2] = [3, 0];

/// A client that would speak TLS to a bare server; whose certificates it trusts is of no importance.
fn client(server: &RawServer) -> Client {
    let tls = Some(Certificate::Valid);
    let authority = Simulator::start(Options {
        tls,
        ..Options::default()
    });
    Client::new(&Config {
        ca_pem: authority.unwrap().ca_pem().map(Into::into),
        request_timeout: Duration::from_millis(1_000),
        ..config(&server.base_url().replace("http:", "https:"))
    })
    .unwrap()
}

/// The first record that a client sends: its ClientHello, without the record's own head.
fn client_hello(socket: &mut TcpStream) -> Vec<u8> {
    let mut head = [0; 5];
    socket.read_exact(&mut head).unwrap();
    assert_eq!(head[0], 22, "a handshake");
    let mut hello = vec![0; u16::from_be_bytes([head[3], head[4]]).into()];
    socket.read_exact(&mut hello).unwrap();
    hello
}

/// What the extension `supported_versions` offers (RFC 8446, 4.2.1).
fn offered_versions(hello: &[u8]) -> Vec<[u8; 2]> {
    let number = |at: usize| usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
    // Type, length, version, random; then the session's id, the ciphers and the compressions, each after its length.
    let mut at = 4 + 2 + 32;
    at += 1 + usize::from(hello[at]);
    at += 2 + number(at);
    at += 1 + usize::from(hello[at]);
    let end = at + 2 + number(at);
    at += 2;
    while at < end {
        let (kind, length) = (number(at), number(at + 2));
        if kind == 43 {
            let versions = &hello[at + 5..at + 4 + length];
            return versions.chunks(2).map(|v| [v[0], v[1]]).collect();
        }
        at += 4 + length;
    }
    panic!("no versions are offered: {hello:?}");
}

#[test]
fn nothing_but_tls_1_3_and_1_2_is_offered() {
    let (sender, hellos) = channel();
    let server = RawServer::start(move |socket| {
        let _ = sender.send(client_hello(socket));
    });
    assert!(list(&client(&server)).is_err());
    let mut offered = offered_versions(&hellos.recv().unwrap());
    offered.sort_unstable();
    assert_eq!(offered, [TLS_1_2, TLS_1_3]);
}

/// A ServerHello that picks a version, and a cipher that this version has.
fn server_hello([major, minor]: [u8; 2]) -> Vec<u8> {
    let mut hello = vec![major, minor];
    hello.extend([7; 32]);
    hello.extend([0, 0x00, 0x2f, 0]);
    let length = u8::try_from(hello.len()).unwrap();
    [
        &[22, major, minor, 0, length + 4, 2, 0, 0, length],
        hello.as_slice(),
    ]
    .concat()
}

#[test]
fn a_server_that_picks_an_older_version_is_refused() {
    for version in [TLS_1_1, TLS_1_0, SSL_3] {
        let server = RawServer::start(move |socket| {
            client_hello(socket);
            let _ = socket.write_all(&server_hello(version));
            let _ = socket.read(&mut [0; 100]);
        });
        let error = list(&client(&server)).unwrap_err();
        assert_eq!(
            error.cause(),
            Cause::Tls(TlsFault::Handshake),
            "{version:?}"
        );
    }
}

/// Says nothing at all, or drips a record that never ends.
#[test]
fn a_handshake_that_hangs_or_drips_ends_at_the_time_out() {
    for drips in [false, true] {
        let server = RawServer::start(move |socket| {
            client_hello(socket);
            let _ = socket.write_all(if drips { &[22, 3, 3, 0x40, 0] } else { &[] });
            for _ in 0..50 {
                thread::sleep(Duration::from_millis(100));
                if drips && socket.write_all(&[2]).is_err() {
                    return;
                }
            }
        });
        let client = client(&server);
        let began = Instant::now();
        let error = list(&client).unwrap_err();
        assert_eq!(error.cause(), Cause::Timeout, "drips: {drips}");
        let took = began.elapsed();
        assert!(
            took < Duration::from_millis(2_000),
            "drips: {drips}: {took:?}"
        );
    }
}
