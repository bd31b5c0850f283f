//! What must hold for every element of the list, whatever it is: whose it is, which id it has, what is made of it.

use serde_json::value::RawValue;
use synapsor_core::builder;
use synapsor_core::dialect::Dialect;
use synapsor_core::failure::Failure;
use synapsor_core::json::Json;
use synapsor_core::judgement::{self, Retry, Sorted, Subject, Verdict};
use synapsor_core::ledger::Entry;
use synapsor_core::listed::{Bad, Listed, Ours};
use synapsor_core::outcome::Status;
use synapsor_core::proposal::{Proposal, is_usable_id};
use synapsor_core::refusal::Refusal;

/// The kinds that we serve.
pub const KINDS: [&str; 2] = ["postgres", "mysql"];

/// The longest error that is reported, in characters, with the sign that says that it was cut.
const LONGEST_REPORTED: usize = 501;

/// The codes that reading and building know (contract section 4).
const CODES: &[&str] = &[
    "WRITEBACK_PROPOSAL_INVALID",
    "UNSUPPORTED_WRITEBACK_KIND",
    "UNSUPPORTED_WRITEBACK_OPERATION",
    "WRITEBACK_TABLE_REQUIRED",
    "UNSAFE_IDENTIFIER",
    "WRITEBACK_INSERT_VALUES_REQUIRED",
    "WRITEBACK_UPDATE_VALUES_REQUIRED",
    "WRITEBACK_COLUMN_NOT_ALLOWED",
    "WRITEBACK_PRIMARY_KEY_REQUIRED",
    "WRITEBACK_PROTECTED_COLUMN_CHANGE",
    "WRITEBACK_TENANT_REQUIRED",
    "WRITEBACK_TENANT_MISMATCH",
];

/// Reads an element as each of our shells would.
pub fn check(raw: &RawValue, intact: bool) {
    let parsed = Proposal::parse(raw.get());
    let read = |kind, source_id| {
        let ours = Ours { kind, source_id };
        let listed = Listed::read(raw, &ours, intact);
        check_listed(&listed, &parsed, &ours, intact);
        check_sorted(&listed);
        matches!(listed, Listed::Proposal(_))
    };
    let takers = KINDS.map(|kind| read(kind, None));
    let expected = KINDS.map(|kind| intact && parsed.as_ref().is_ok_and(|p| is_for(p, kind)));
    assert_eq!(takers, expected, "whose it is");
    read("postgres", Some("src_1".to_owned()));
}

/// True for an approved proposal of this kind that can be reported. Without a kind it is for Postgres.
fn is_for(proposal: &Proposal, kind: &str) -> bool {
    let status = proposal.status.as_ref().map(Json::as_str);
    proposal.proposal_id.is_some()
        && status.is_none_or(|status| status.as_deref() == Some("approved"))
        && proposal.source_kind.as_deref().unwrap_or("postgres") == kind
}

fn check_listed(listed: &Listed, parsed: &Result<Proposal, Refusal>, ours: &Ours, intact: bool) {
    match listed {
        Listed::Proposal(proposal) => {
            let same = parsed
                .as_ref()
                .expect("what is listed as a proposal can be parsed as one");
            assert!(intact, "what was approved is not known");
            assert_eq!(proposal.proposal_id, same.proposal_id);
            assert_eq!(proposal.idempotency_key, same.idempotency_key);
            assert_eq!(proposal.changes, same.changes);
            assert_eq!(proposal.primary_key, same.primary_key);
            check_is_ours(proposal, ours);
        }
        Listed::Bad(bad) => check_bad(bad, parsed, intact),
        Listed::NotOurs { proposal_id, field } => {
            assert!(["source_kind", "source_id", "status"].contains(field));
            assert!(proposal_id.as_deref().is_none_or(is_usable_id));
        }
    }
}

/// What may be applied is approved, for our source, in our dialect, and can be reported.
fn check_is_ours(proposal: &Proposal, ours: &Ours) {
    assert!(proposal.proposal_id.as_deref().is_some_and(is_usable_id));
    assert!(proposal.key().is_some_and(is_usable_id));
    let status = proposal.status.as_ref();
    assert!(status.is_none_or(|status| status.as_str().as_deref() == Some("approved")));
    if let (Some(ours), Some(theirs)) = (&ours.source_id, &proposal.source_id) {
        assert_eq!(theirs.as_str().as_deref(), Some(ours.as_str()));
    }
    if let Ok(statement) = builder::build(proposal) {
        assert_eq!(
            Some(statement.dialect),
            Dialect::of_kind(ours.kind),
            "the wrong dialect"
        );
    }
}

fn check_bad(bad: &Bad, parsed: &Result<Proposal, Refusal>, intact: bool) {
    check_refusal(&bad.refusal);
    for id in [&bad.proposal_id, &bad.idempotency_key] {
        assert!(id.as_deref().is_none_or(is_usable_id));
    }
    check_is_digest(&bad.digest);
    match parsed {
        _ if !intact => assert_eq!(bad.refusal.culprit.as_deref(), Some("not valid UTF-8")),
        Err(refusal) => assert_eq!(&bad.refusal, refusal),
        Ok(proposal) => {
            assert_eq!(bad.refusal.culprit.as_deref(), Some("proposal_id"));
            assert!(proposal.proposal_id.is_none());
        }
    }
}

/// What an element is before the ledger is asked, and what is done with it then.
pub fn check_sorted(listed: &Listed) {
    match (judgement::sort(listed), listed) {
        (Sorted::Subject(subject), Listed::Proposal(_) | Listed::Bad(_)) => {
            assert_eq!(judgement::key(listed), Some(subject.key));
            assert!(is_usable_id(subject.key) && is_usable_id(subject.proposal_id));
            check_is_digest(&subject.digest);
            check_judged(&subject);
        }
        (Sorted::NotOurs(field), Listed::NotOurs { field: same, .. }) => assert_eq!(field, *same),
        (Sorted::Unusable { error, .. }, Listed::Bad(bad)) => {
            assert!(bad.proposal_id.is_none());
            assert_eq!(error, bad.refusal.to_string());
        }
        (sorted, _) => panic!("sorted wrongly: {sorted:?}"),
    }
}

/// Tried when nothing is known of it, never again once it is decided, and left alone when its content is another.
fn check_judged(subject: &Subject<'_>) {
    let entry = |digest: &str| Entry {
        digest: digest.to_owned(),
        status: Status::Applied,
        attempts: 1,
        is_due: true,
        is_report_due: true,
        report_state: "delivered".to_owned(),
        affected_rows: 1,
        operation: None,
        reason: None,
        error: None,
    };
    let judge = |known: Option<&Entry>| subject.judge(known, Retry::Now, false);
    assert_eq!(judge(None), Verdict::Try);
    assert_eq!(
        judge(Some(&entry(&subject.digest))),
        Verdict::Decided { report_again: true }
    );
    assert_eq!(judge(Some(&entry("another"))), Verdict::Mismatch);
}

/// A refusal's text up to the first `:` is a known code, and what is reported of it is one line that is not long.
pub fn check_refusal(refusal: &Refusal) {
    let text = refusal.to_string();
    let code = text.split(':').next().unwrap_or_default();
    assert!(CODES.contains(&code), "{text}");
    assert_eq!(code, refusal.code.as_str());
    let reported = Failure::from(refusal.clone()).error;
    assert!(reported.starts_with(code) && reported.chars().count() <= LONGEST_REPORTED);
    assert!(!reported.contains(char::is_control), "{reported:?}");
}

fn check_is_digest(digest: &str) {
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    assert!(digest.len() == 64 && digest.bytes().all(is_hex), "{digest}");
}
