//! Ids that would lead a request elsewhere, break a log's line, or fill a ledger.

use serde_json::json;
use simulated_control_plane::{Endpoint, Fault, Quirk, Rule};

use super::list::HostileList;
use crate::stage::{Stage, close, statuses};

/// Usable, and one segment of a path all the same.
const STRANGE: &[&str] = &[
    "../x",
    "../../v1/control/external-sources/src_1/disable",
    "a/../../b",
    "/",
    "//evil.example/x",
    "http://evil.example/",
    "x?status=applied",
    "x#y",
    "x&y=z;w",
    "x\\..\\y",
    "%2e%2e%2fx",
    "%00",
    "x y",
    "'; DROP TABLE tickets; --",
    "\u{202e}evil",
    "日本",
];

/// Nothing that can be sent, kept or shown.
const UNUSABLE: &[&str] = &[
    "",
    ".",
    "..",
    "a\nb",
    "a\r\nX-Evil: 1",
    "a\0b",
    "\u{1b}[31m",
];

#[test]
fn a_strange_id_stays_one_segment_of_the_path_and_is_reported_under_its_name() {
    let stage = Stage::new();
    let mut list = HostileList::new(&stage);
    for (n, id) in (51..).zip(STRANGE) {
        list.add(
            id,
            close(n).id(id).idempotency_key(id).to_string(),
            "applied",
        );
    }
    list.poll(&mut stage.operator());
    let reports = stage
        .simulator
        .requests_matching(|entry| entry.endpoint == Endpoint::Report);
    for id in STRANGE {
        let of_id: Vec<_> = reports.iter().filter(|entry| entry.id == *id).collect();
        assert_eq!(of_id.len(), 1, "{id}");
        let entry = of_id[0];
        assert_eq!(entry.path.matches('/').count(), 6, "{}", entry.path);
        assert!(entry.query.is_empty(), "{}", entry.query);
    }
}

#[test]
fn an_unusable_id_is_shown_as_none_and_nothing_is_written_or_reported_of_it() {
    let stage = Stage::new();
    let mut list = HostileList::new(&stage);
    let error = "WRITEBACK_PROPOSAL_INVALID: proposal_id";
    let long = "x".repeat(1024 * 1024);
    let ids = UNUSABLE.iter().copied().chain([long.as_str()]);
    for (n, id) in (51..).zip(ids) {
        list.add_nameless(close(n).id(id).to_string(), error);
    }
    for id in [json!(7), json!(null), json!(["x"]), json!({})] {
        list.add_nameless(close(90).field("proposal_id", id).to_string(), error);
    }
    let half = close(91).id("HALF").to_string().replace("HALF", "\\ud800");
    list.add_nameless(half, error);
    list.poll(&mut stage.operator());
    assert_eq!(
        stage
            .database
            .value::<i64>("SELECT count(*) FROM tickets WHERE id > 50 AND status <> 'open'"),
        0
    );
}

/// Ten thousand times the same, and then an innocent.
fn flood(stage: &Stage) {
    let same = (0..10_000).map(|_| close(1));
    stage.simulator.add_proposals(same).unwrap();
    stage.approve_closing(2..=2);
}

/// Both were applied and reported, once.
fn assert_done(stage: &Stage) {
    stage.wait_for_reports();
    assert_eq!((stage.tickets("closed"), stage.ledger("true")), (2, 2));
    assert_eq!(stage.simulator.calls(Endpoint::Report), 2);
}

#[test]
fn the_same_proposal_ten_thousand_times_is_applied_and_reported_once() {
    let stage = Stage::new();
    flood(&stage);
    let whole_list = Fault::quirk(Quirk::IgnorePaging);
    stage.simulator.inject(Rule::on(Endpoint::List, whole_list));
    assert_eq!(statuses(&stage.poll()), ["applied"; 2]);
    assert_done(&stage);
}

/// A list that brings nothing new page after page is not read to its end; what is behind that comes with the next one.
#[test]
fn an_innocent_behind_pages_of_the_same_waits_for_the_next_poll() {
    let stage = Stage::new();
    flood(&stage);
    assert_eq!(statuses(&stage.poll()), ["applied"]);
    stage.wait_for_reports();
    assert_eq!(statuses(&stage.poll()), ["applied"]);
    assert_done(&stage);
}
