//! What a failed poll says of the next one.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use synapsor_core::api_key::ApiKey;
use synapsor_core::control_plane::{Call, HeaderMap, Received};
use synapsor_core::schedule::Trouble;

fn trouble(status: u16, headers: &[(&'static str, &str)], body: &str) -> Trouble {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    let received = Received {
        status,
        headers: map,
        body: Ok(body.as_bytes().to_vec()),
    };
    let key = ApiKey::parse("syn_key").unwrap();
    let judged = received.judge(&key, &Call::get(&["v1"]), "ours");
    Trouble::from(&judged.err().unwrap())
}

#[test]
fn what_may_pass_is_asked_again_when_the_server_says() {
    let busy = trouble(503, &[("retry-after", "7")], "{}");
    let expected = Trouble {
        retry_after: Some(Duration::from_secs(7)),
        needs_somebody: false,
    };
    assert_eq!(busy, expected);
    assert_eq!(trouble(500, &[], "{}"), Trouble::default());
}

#[test]
fn what_somebody_has_to_repair_is_asked_again_slowly() {
    for (status, body) in [(401, "{}"), (403, "{}"), (200, "<html>"), (404, "<html>")] {
        assert!(trouble(status, &[], body).needs_somebody, "{status}");
    }
}
