//! Bodies: packed, deep, of very many elements; and what a server would like to have sent back.

use std::sync::mpsc::channel;
use std::thread;

use synapsor_core::control_plane::{Cause, Client, Config, ControlPlaneError, Page};
use synapsor_core::listed::{Listed, Ours};

use crate::raw::{RawServer, read_head};
use crate::support::{applied, config, key, list};

/// `{"proposals":[]}`, packed by gzip.
const PACKED: [u8; 36] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0x2a, 0x28, 0xca, 0x2f,
    0xc8, 0x2f, 0x4e, 0xcc, 0x29, 0x56, 0xb2, 0x8a, 0x8e, 0xad, 0x05, 0x00, 0xa0, 0x55, 0x9a, 0x8c,
    0x10, 0x00, 0x00, 0x00,
];

/// A client that takes twenty megabytes.
fn client(server: &RawServer) -> Client {
    let max_response_size = 20 * 1024 * 1024;
    Client::new(&Config {
        max_response_size,
        ..config(&server.base_url())
    })
    .unwrap()
}

fn page(body: impl AsRef<[u8]>) -> Result<Page, ControlPlaneError> {
    list(&client(&RawServer::json(body)))
}

/// What is not unpacked can't be a bomb. Nobody has asked for it, either.
#[test]
fn a_packed_body_is_not_unpacked() {
    for headers in [
        "content-encoding: gzip\r\n",
        "content-encoding: x-gzip, gzip\r\n",
    ] {
        let server = RawServer::with_status("200 OK", headers, PACKED);
        let error = list(&client(&server)).unwrap_err();
        assert_eq!(error.cause(), Cause::NotJson, "{headers}");
    }
}

#[test]
fn a_cookie_is_not_sent_back() {
    let (sender, heads) = channel();
    let server = RawServer::start(move |socket| {
        let head = String::from_utf8(read_head(socket)).unwrap();
        let _ = sender.send(head.to_ascii_lowercase());
        let answer = "HTTP/1.1 200 OK\r\nset-cookie: track=me; path=/\r\ncontent-length: 16\r\nconnection: close\r\n\r\n{\"proposals\":[]}";
        let _ = std::io::Write::write_all(socket, answer.as_bytes());
    });
    let client = client(&server);
    for _ in 0..2 {
        list(&client).unwrap();
        let head = heads.recv().unwrap();
        assert!(
            !head.contains("cookie") && !head.contains("referer"),
            "{head}"
        );
    }
}

#[test]
fn of_a_page_no_more_elements_are_looked_at_than_anybody_needs() {
    let body = format!(r#"{{"proposals":[{}7]}}"#, "7,".repeat(200_000));
    assert_eq!(page(body).unwrap().items.len(), 100_000);
    let body = format!(
        r#"{{"proposals":[{}],"next_cursor":"x"}}"#,
        ["7"; 100_000].join(",")
    );
    let page = page(body).unwrap();
    assert_eq!(
        (page.items.len(), page.next_cursor.as_deref()),
        (100_000, Some("x"))
    );
}

/// A value that is nested this deeply, in arrays or in objects.
fn nested(levels: usize) -> [String; 2] {
    let arrays = "[".repeat(levels) + &"]".repeat(levels);
    let objects = r#"{"a":"#.repeat(levels) + "1" + &"}".repeat(levels);
    [arrays, objects]
}

/// On a thread with as little stack as any that such a text can come to: a recursion would overflow it.
fn on_a_small_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let builder = thread::Builder::new().stack_size(256 * 1024);
    builder.spawn(work).unwrap().join().unwrap()
}

/// How each element of a list is read: its id, and whether it can be used.
fn verdicts(page: &Page) -> Vec<(Option<String>, bool)> {
    const OURS: Ours = Ours {
        kind: "postgres",
        source_id: None,
    };
    let verdict = |listed| match listed {
        Listed::Proposal(proposal) => (proposal.proposal_id, true),
        Listed::Bad(bad) => (bad.proposal_id, false),
        Listed::NotOurs { proposal_id, .. } => (proposal_id, false),
    };
    let items = page.items.iter();
    items.map(|item| verdict(item.read(&OURS))).collect()
}

#[test]
fn an_element_of_a_million_levels_harms_nothing_but_itself() {
    for deep in [10_000, 1_000_000].into_iter().flat_map(nested) {
        let fields = [
            "changes",
            "primary_key",
            "conflict",
            "tenant_id",
            "allowed_columns",
            "status",
        ];
        let mut elements = vec![deep.clone()];
        for field in fields {
            let value = if field.ends_with('s') {
                deep.clone()
            } else {
                format!(r#"{{"a":{deep}}}"#)
            };
            elements.push(format!(r#"{{"proposal_id":"{field}","{field}":{value}}}"#));
        }
        elements.push(r#"{"proposal_id":"innocent"}"#.to_owned());
        // One list each: together they would be too large.
        for element in elements {
            let body = format!(r#"{{"proposals":[{element},{{"proposal_id":"innocent"}}]}}"#);
            let verdicts = on_a_small_stack(move || page(body).map(|page| verdicts(&page)));
            let verdicts = verdicts.unwrap();
            assert_eq!(verdicts[1], (Some("innocent".to_owned()), true));
            assert!(
                !verdicts[0].1 || verdicts[0].0.as_deref() == Some("innocent"),
                "{verdicts:?}"
            );
        }
    }
}

#[test]
fn a_body_of_a_million_levels_is_an_error_or_passed_over() {
    for deep in [10_000, 1_000_000].into_iter().flat_map(nested) {
        for body in [deep.clone(), format!(r#"{{"proposals":{deep}}}"#)] {
            let read = on_a_small_stack(move || page(body).map(|page| verdicts(&page)));
            match read {
                Err(error) => assert_eq!(error.cause(), Cause::UnexpectedAnswer),
                Ok(verdicts) => assert!(verdicts.iter().all(|(_, is_usable)| !is_usable)),
            }
        }
        let body = format!(r#"{{"later":{deep},"proposals":[],"next_cursor":{deep}}}"#);
        let page = on_a_small_stack(move || page(body)).unwrap();
        assert!(page.items.is_empty() && page.next_cursor.is_none());
    }
}

/// Of an error's body, no more is read than 64 kB: as many levels as fit in.
#[test]
fn an_error_of_many_levels_is_an_error_like_any_other() {
    for deep in nested(10_000) {
        for field in [
            "error",
            "errors",
            "message",
            "code",
            "retry_after_ms",
            "request_id",
        ] {
            let body = format!(r#"{{"{field}":{deep}}}"#);
            let error = on_a_small_stack(move || {
                let server = RawServer::with_status("409 Conflict", "", body);
                client(&server)
                    .report(&key(), &applied("wrp_1"))
                    .unwrap_err()
            });
            assert_eq!(
                (error.cause(), error.status()),
                (Cause::Refused, Some(409)),
                "{field}"
            );
        }
    }
}
