//! One element of the list: read, judged, digested, built in both dialects.

use std::borrow::Cow;

use serde_json::value::RawValue;
use synapsor_core::builder::{self, EXPECTED_ROW_COUNT};
use synapsor_core::digest;
use synapsor_core::proposal::Proposal;
use synapsor_core::refusal::Code;

use crate::element;
use crate::grammar::{self, Choices};
use crate::respelling::{Spelling, count_of_values, respelled};
use crate::statement;

/// Any bytes as one element of the list.
///
/// # Panics
/// When a promise is broken.
pub fn proposal(data: &[u8]) {
    let (text, intact) = match data.split_first() {
        Some((0, choices)) => {
            let text = grammar::proposal(&mut Choices::new(choices));
            (Cow::Owned(text), true)
        }
        _ => {
            let text = String::from_utf8_lossy(data);
            let intact = matches!(text, Cow::Borrowed(_));
            (text, intact)
        }
    };
    let Ok(raw) = serde_json::from_str::<&RawValue>(&text) else {
        assert!(
            Proposal::parse(&text).is_err(),
            "what is no JSON is no proposal"
        );
        return;
    };
    element::check(raw, intact);
    if let Ok(proposal) = Proposal::parse(raw.get()) {
        check_digest(&proposal);
        for kind in element::KINDS {
            check_build(&proposal, kind);
        }
        check_dialects(&proposal);
        check_own_kind(&proposal);
    }
}

/// The digest is a function of what has an effect, and of all of that.
fn check_digest(proposal: &Proposal) {
    let digest = digest::of_proposal(proposal);
    let again = respelled(proposal, Spelling::Reversed, |value, _| {
        value.text().to_owned()
    });
    let again = Proposal::parse(&again).expect("a proposal can be written anew");
    let same = digest::of_proposal(&again);
    assert_eq!(same, digest, "spelling has no effect");

    let number = usize::from_str_radix(&digest[..8], 16).expect("the digest is hexadecimal");
    let Some(chosen) = number.checked_rem(count_of_values(proposal)) else {
        return;
    };
    let changed = respelled(proposal, Spelling::Plain, |value, n| match n == chosen {
        true => format!("[{}]", value.text()),
        false => value.text().to_owned(),
    });
    // The changed value may be nested one level too deeply now.
    if let Ok(changed) = Proposal::parse(&changed) {
        let other = digest::of_proposal(&changed);
        assert_ne!(other, digest, "value {chosen} has an effect");
    }
}

/// Neither a statement's text nor a refusal's depends on a value, but for whether that is null.
fn check_build(proposal: &Proposal, kind: &str) {
    let replaced = respelled(proposal, Spelling::Plain, |value, _| {
        let replaced = match value.is_null() {
            true => "null",
            false => "\"REPLACED\"",
        };
        replaced.to_owned()
    });
    let replaced = Proposal::parse(&replaced).expect("a proposal can be written anew");
    match (
        builder::build_as(proposal, kind),
        builder::build_as(&replaced, kind),
    ) {
        (Ok(statement), Ok(other)) => {
            statement::check(proposal, &statement);
            assert_eq!(statement.sql, other.sql, "a value is in the text");
            assert_eq!(EXPECTED_ROW_COUNT, 1);
        }
        // The one refusal that compares values; the replaced ones are all the same.
        (Err(refusal), _) if refusal.code == Code::TenantMismatch => {
            assert_eq!(refusal.culprit, proposal.tenant_column);
        }
        (Err(refusal), other) => {
            element::check_refusal(&refusal);
            assert_eq!(Some(refusal), other.err(), "a value is in the refusal");
        }
        (Ok(_), Err(refusal)) => panic!("refused for its values: {refusal}"),
    }
}

/// The dialects agree on everything but quotes, placeholders and the longest name.
fn check_dialects(proposal: &Proposal) {
    let [postgres, mysql] = element::KINDS.map(|kind| builder::build_as(proposal, kind));
    match (postgres, mysql) {
        (Ok(postgres), Ok(mysql)) => {
            assert_eq!(statement::neutral(&postgres), statement::neutral(&mysql));
            assert_eq!(postgres.operation, mysql.operation);
            assert_eq!(postgres.guards, mysql.guards);
        }
        (Err(postgres), Err(mysql)) if postgres.code != Code::UnsafeIdentifier => {
            assert_eq!(postgres, mysql);
        }
        (Err(postgres), _) => assert_eq!(postgres.code, Code::UnsafeIdentifier),
        (Ok(_), Err(mysql)) => panic!("for MySQL alone: {mysql}"),
    }
}

/// Without being told a dialect, the builder takes that of the proposal's kind.
fn check_own_kind(proposal: &Proposal) {
    let kind = proposal.source_kind.as_deref().unwrap_or("postgres");
    let (own, told) = (builder::build(proposal), builder::build_as(proposal, kind));
    match (own, told) {
        (Ok(own), Ok(told)) => assert_eq!(own.sql, told.sql),
        (own, told) => assert_eq!(own.err(), told.err()),
    }
}
