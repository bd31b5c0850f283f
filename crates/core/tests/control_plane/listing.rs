//! All pages of the list, from servers that page well, badly and not at all.

use std::sync::atomic::Ordering;
use std::time::Instant;

use simulated_control_plane::{Endpoint, Fault, Options, Quirk, Rule, Simulator};
use synapsor_core::control_plane::{Client, Config, Listing};
use synapsor_core::listed::{Listed, Ours};

use crate::raw::{RawServer, serving};
use crate::support::{client, config, key, proposal, simulator, simulator_with};

fn ours() -> Ours {
    Ours {
        kind: "postgres",
        source_id: None,
    }
}

fn ids(client: &Client, ours: &Ours, max: usize) -> Vec<String> {
    let key = key();
    let pages = Listing::new(client, &key, ours, None, max).map(Result::unwrap);
    let id = |listed| match listed {
        Listed::Proposal(proposal) => proposal.proposal_id.unwrap(),
        Listed::Bad(bad) => format!("bad {}", bad.proposal_id.unwrap_or_default()),
        Listed::NotOurs { proposal_id, .. } => {
            format!("foreign {}", proposal_id.unwrap_or_default())
        }
    };
    pages.flatten().map(id).collect()
}

fn numbered(count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("wrp_{n}")).collect()
}

#[test]
fn all_pages_come_in_the_server_s_order() {
    let simulator = Simulator::start(Options {
        max_page: 7,
        ..Options::default()
    })
    .unwrap();
    simulator.add_proposals((1..=23).map(proposal)).unwrap();
    assert_eq!(ids(&client(&simulator), &ours(), 1000), numbered(23));
    assert_eq!(simulator.calls(Endpoint::List), 4);
}

#[test]
fn no_more_than_asked_for_is_taken_and_no_page_too_many_is_asked_for() {
    let simulator = Simulator::start(Options {
        max_page: 7,
        ..Options::default()
    })
    .unwrap();
    simulator.add_proposals((1..=23).map(proposal)).unwrap();
    assert_eq!(ids(&client(&simulator), &ours(), 10), numbered(10));
    assert_eq!(simulator.calls(Endpoint::List), 2);
    assert_eq!(ids(&client(&simulator), &ours(), 0), numbered(0));
    assert_eq!(simulator.calls(Endpoint::List), 2);
}

#[test]
fn a_server_that_ignores_paging_is_read_once_and_cut() {
    let simulator = simulator_with(30);
    simulator.inject(Rule::on(Endpoint::List, Fault::quirk(Quirk::IgnorePaging)));
    assert_eq!(ids(&client(&simulator), &ours(), 12), numbered(12));
    assert_eq!(ids(&client(&simulator), &ours(), 100), numbered(30));
    assert_eq!(simulator.calls(Endpoint::List), 2);
}

#[test]
fn a_cursor_that_loops_ends_the_list() {
    let simulator = simulator_with(5);
    simulator.inject(Rule::on(Endpoint::List, Fault::quirk(Quirk::LoopingCursor)));
    assert_eq!(ids(&client(&simulator), &ours(), 1000), numbered(5));
    assert_eq!(simulator.calls(Endpoint::List), 2);
}

#[test]
fn cursors_that_take_turns_end_the_list() {
    let (server, requests) = serving(|n| {
        format!(
            r#"{{"proposals":[{}],"next_cursor":"{}"}}"#,
            proposal(n),
            n % 2
        )
    });
    let client = Client::new(&config(&server.base_url())).unwrap();
    assert_eq!(ids(&client, &ours(), 1000).len(), 3);
    assert_eq!(requests.load(Ordering::SeqCst), 3);
}

#[test]
fn new_cursors_without_anything_new_end_the_list() {
    for same in [
        "",
        r#"{"proposal_id":"wrp_1"}"#,
        "7",
        "{}",
        r#"{"status":"rejected"}"#,
    ] {
        let (server, requests) =
            serving(move |n| format!(r#"{{"proposals":[{same}],"next_cursor":"c{n}"}}"#));
        let client = Client::new(&config(&server.base_url())).unwrap();
        assert!(ids(&client, &ours(), 1000).len() <= 1, "{same}");
        assert!(requests.load(Ordering::SeqCst) <= 4, "{same}");
    }
}

#[test]
fn an_empty_page_in_between_does_not_end_the_list() {
    let (server, _) = serving(|n| match n {
        0 => format!(r#"{{"proposals":[{}],"next_cursor":"a"}}"#, proposal(1)),
        1 => r#"{"proposals":[],"next_cursor":"b"}"#.to_owned(),
        _ => format!(r#"{{"proposals":[{}]}}"#, proposal(2)),
    });
    let client = Client::new(&config(&server.base_url())).unwrap();
    assert_eq!(ids(&client, &ours(), 1000), numbered(2));
}

#[test]
fn a_list_that_never_ends_ends_all_the_same() {
    let foreign = |n| {
        format!(
            r#"{{"proposals":[{{"proposal_id":"x{n}","status":"failed"}}],"next_cursor":"c{n}"}}"#
        )
    };
    let (server, requests) = serving(foreign);
    let client = Client::new(&config(&server.base_url())).unwrap();
    let began = Instant::now();
    assert_eq!(ids(&client, &ours(), 10).len(), 1000);
    assert_eq!(requests.load(Ordering::SeqCst), 1000);
    eprintln!("1000 pages in {:?}", began.elapsed());
}

#[test]
fn very_much_that_is_not_ours_ends_the_list() {
    const MOST: usize = 100_000;
    let foreign = |n: usize| format!(r#"{{"proposal_id":"x{n}","status":"failed"}}"#);
    let (server, requests) = serving(move |page| {
        let elements: Vec<_> = match page {
            0 => (0..MOST).map(foreign).collect(),
            _ => vec![foreign(MOST + page)],
        };
        let elements = elements.join(",");
        format!(r#"{{"proposals":[{elements}],"next_cursor":"c{page}"}}"#)
    });
    let wide = Config {
        max_response_size: 64_000_000,
        ..config(&server.base_url())
    };
    let client = Client::new(&wide).unwrap();
    assert_eq!(ids(&client, &ours(), 10).len(), MOST + 1);
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[test]
fn other_sources_proposals_do_not_hide_ours() {
    let simulator = simulator();
    for n in 1..=20 {
        simulator
            .add_proposal(format!(
                r#"{{"proposal_id":"wrp_{n}","source_id":"src_{}"}}"#,
                n % 10
            ))
            .unwrap();
    }
    simulator.inject(Rule::on(Endpoint::List, Fault::quirk(Quirk::IgnoreFilters)));
    let ours = Ours {
        kind: "postgres",
        source_id: Some("src_9".into()),
    };
    let mine: Vec<_> = ids(&client(&simulator), &ours, 2)
        .into_iter()
        .filter(|id| !id.starts_with("foreign"))
        .collect();
    assert_eq!(mine, ["wrp_9", "wrp_19"]);
}

#[test]
fn the_same_id_with_another_effect_is_not_dropped() {
    let body = r#"{"proposals":[
        {"proposal_id":"a","changes":{"x":1}},
        {"proposal_id":"a","changes":{"x":1},"seen_at":"later"},
        {"proposal_id":"a","changes":{"x":2}},
        {"proposal_id":"a","changes":7}]}"#;
    let client = Client::new(&config(&RawServer::json(body).base_url())).unwrap();
    assert_eq!(ids(&client, &ours(), 1000), ["a", "a", "bad a"]);
}

#[test]
fn pages_before_an_error_are_not_lost() {
    let simulator = Simulator::start(Options {
        max_page: 2,
        ..Options::default()
    })
    .unwrap();
    simulator.add_proposals((1..=5).map(proposal)).unwrap();
    simulator.inject(Rule::on(Endpoint::List, Fault::status(503)).skip(1));
    let (client, key, ours) = (client(&simulator), key(), ours());
    let mut listing = Listing::new(&client, &key, &ours, None, 1000);
    assert_eq!(listing.next().unwrap().unwrap().len(), 2);
    assert_eq!(listing.next().unwrap().unwrap_err().status(), Some(503));
    assert!(listing.next().is_none());
}

#[test]
fn a_list_of_huge_elements_takes_no_more_than_one_answer_may_have() {
    let (server, requests) = serving(|n| {
        let filler = "x".repeat(400_000);
        format!(
            r#"{{"proposals":[{{"proposal_id":"wrp_{n}","more":"{filler}"}}],"next_cursor":"c{n}"}}"#
        )
    });
    let narrow = Config {
        max_response_size: 1_000_000,
        ..config(&server.base_url())
    };
    let client = Client::new(&narrow).unwrap();
    assert_eq!(ids(&client, &ours(), 1000).len(), 3);
    assert_eq!(requests.load(Ordering::SeqCst), 3);
}
