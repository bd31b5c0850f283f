//! What a listed element is, before anything is done with it: whose, under which key, and whether it can be reported.

#![allow(clippy::unwrap_used)]

use synapsor_core::digest;
use synapsor_core::judgement::{Sorted, key, sort};
use synapsor_core::listed::{Listed, Ours};
use synapsor_core::results;

fn listed(text: &str) -> Listed {
    let ours = Ours {
        kind: "postgres",
        source_id: Some("src_1".to_owned()),
    };
    Listed::read(serde_json::from_str(text).unwrap(), &ours, true)
}

const GOOD: &str =
    r#"{"proposal_id":"p","idempotency_key":"k","external_schema":"s","external_table":"t"}"#;
const BAD: &str = r#"{"proposal_id":"p","idempotency_key":"k","changes":[]}"#;

#[test]
fn a_key_is_the_proposals_own_else_its_id_also_where_it_cannot_be_read() {
    for text in [GOOD, BAD] {
        assert_eq!(key(&listed(text)), Some("k"), "{text}");
        let without = text.replace(r#""idempotency_key":"k","#, "");
        assert_eq!(key(&listed(&without)), Some("p"), "{without}");
    }
    assert_eq!(
        key(&listed(r#"{"proposal_id":"p","source_id":"src_2"}"#)),
        None
    );
}

#[test]
fn what_cannot_be_read_is_decided_and_reported_under_its_id() {
    let element = listed(BAD);
    let Sorted::Subject(subject) = sort(&element) else {
        panic!("{element:?}");
    };
    assert_eq!((subject.key, subject.proposal_id), ("k", "p"));
    assert_eq!(subject.idempotency_key, Some("k"));
    assert_eq!(subject.digest, digest::of_text(BAD));
    let refusal = &subject.content.unwrap_err().refusal;
    assert_eq!(refusal.to_string(), "WRITEBACK_PROPOSAL_INVALID: changes");
}

#[test]
fn what_can_be_read_is_decided_by_its_content() {
    let element = listed(GOOD);
    let Sorted::Subject(subject) = sort(&element) else {
        panic!("{element:?}");
    };
    assert_eq!((subject.key, subject.proposal_id), ("k", "p"));
    assert_eq!(
        subject.digest,
        digest::of_proposal(subject.content.unwrap())
    );
}

#[test]
fn what_has_no_usable_id_is_shown_with_what_tells_it_from_others() {
    let told = |text: &str| match sort(&listed(text)) {
        Sorted::Unusable { error, digest } => (error, digest),
        sorted => panic!("{text}: {sorted:?}"),
    };
    let (error, digest) = told(r#"{"changes":{"a":1}}"#);
    assert_eq!(error, "WRITEBACK_PROPOSAL_INVALID: proposal_id");
    let shown = serde_json::json!({ "proposal_id": null, "status": "failed", "error": error });
    assert_eq!(results::unusable(&error), shown);
    assert_eq!(digest.len(), 64);
    assert_ne!(digest, told(r#"{"changes":{"a":2}}"#).1);
    assert_eq!(
        digest,
        told(r#"{ "changes": {"a": 1} }"#).1,
        "white space is no content"
    );
}

#[test]
fn what_is_not_ours_is_left_alone_and_says_why() {
    for (field, text) in [
        ("source_id", r#"{"proposal_id":"p","source_id":"src_2"}"#),
        (
            "source_kind",
            r#"{"proposal_id":"p","source_kind":"mysql"}"#,
        ),
        ("status", r#"{"proposal_id":"p","status":"pending_review"}"#),
    ] {
        let element = listed(text);
        assert!(matches!(sort(&element), Sorted::NotOurs(found) if found == field));
        let shown = results::skipped(&element, "not ours");
        let expected =
            serde_json::json!({ "proposal_id": "p", "status": "skipped", "reason": "not ours" });
        assert_eq!(shown, expected);
    }
}

#[test]
fn an_empty_source_kind_counts_as_absent() {
    let text = GOOD.replacen('{', r#"{"source_kind":"","#, 1);
    assert!(matches!(listed(&text), Listed::Proposal(_)));
    let ours = Ours {
        kind: "mysql",
        source_id: None,
    };
    let element = Listed::read(serde_json::from_str(&text).unwrap(), &ours, true);
    assert!(matches!(sort(&element), Sorted::NotOurs("source_kind")));
}

#[test]
fn what_a_proposal_says_of_itself_is_kept() {
    let text = GOOD.replacen(
        '{',
        r#"{"status":"approved","source_id":"src_1","later":1,"#,
        1,
    );
    let Listed::Proposal(proposal) = listed(&text) else {
        panic!("{text}");
    };
    let said = [&proposal.status, &proposal.source_id];
    let said = said.map(|value| value.as_ref().unwrap().as_str().unwrap().into_owned());
    assert_eq!(said, ["approved", "src_1"]);
    let others: Vec<_> = proposal
        .others
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(others, ["later"]);
}
