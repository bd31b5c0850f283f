//! One element of the control plane's list: ours and readable, ours and bad, or not ours. An element that can't be
//! read never harms its neighbours.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::digest;
use crate::json;
use crate::proposal::{Proposal, is_usable_id};
use crate::refusal::{Code, Refusal};

/// Whose proposals we take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ours {
    /// The `source_kind` that we serve: `postgres` or `mysql`.
    pub kind: &'static str,
    /// The id of our source; a proposal that names another is not ours. Absent: any.
    pub source_id: Option<String>,
}

/// One element of the list.
#[derive(Clone, Debug)]
pub enum Listed {
    /// Ours, approved, with an id.
    Proposal(Box<Proposal>),
    /// Ours as far as can be told, but unreadable.
    Bad(Bad),
    /// Left alone: not applied, not reported.
    NotOurs {
        /// Its id, where it has a usable one.
        proposal_id: Option<String>,
        /// The field that says so: `source_kind`, `source_id` or `status`.
        field: &'static str,
    },
}

/// A proposal that can't be read.
#[derive(Clone, Debug)]
pub struct Bad {
    /// Its id, where it has a usable one; without one it can't be reported.
    pub proposal_id: Option<String>,
    /// Its idempotency key, where it has a usable one.
    pub idempotency_key: Option<String>,
    /// The digest of its whole text.
    pub digest: String,
    /// What is wrong with it.
    pub refusal: Refusal,
}

impl Bad {
    /// The key under which the ledger knows it.
    pub fn key(&self) -> Option<&str> {
        self.idempotency_key
            .as_deref()
            .or(self.proposal_id.as_deref())
    }
}

impl Listed {
    /// Sorts one element of the list. `intact` is false when its text was not valid UTF-8 on the wire and has been
    /// patched up: then what was approved is no longer known.
    pub fn read(raw: &RawValue, ours: &Ours, intact: bool) -> Self {
        let glance = Glance::of(raw.get());
        if let Some(field) = glance.foreign_field(ours) {
            return Listed::NotOurs {
                proposal_id: glance.proposal_id,
                field,
            };
        }
        let bad = |refusal| {
            Listed::Bad(Bad {
                proposal_id: glance.proposal_id.clone(),
                idempotency_key: glance.idempotency_key.clone(),
                digest: digest::of_text(raw.get()),
                refusal,
            })
        };
        if !intact {
            return bad(Refusal::of(Code::ProposalInvalid, "not valid UTF-8"));
        }
        match Proposal::parse(raw.get()) {
            Ok(proposal) if proposal.proposal_id.is_none() => {
                bad(Refusal::of(Code::ProposalInvalid, "proposal_id"))
            }
            Ok(proposal) => Listed::Proposal(Box::new(proposal)),
            Err(refusal) => bad(refusal),
        }
    }
}

/// The few fields that are read leniently, whatever else is wrong with the element.
#[derive(Default)]
struct Glance {
    proposal_id: Option<String>,
    idempotency_key: Option<String>,
    /// Every occurrence of `source_kind`, `source_id` and `status`, with its text.
    ownership: Vec<(&'static str, String)>,
}

impl Glance {
    fn of(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// The field that makes the element somebody else's. A value of the wrong type is nobody's approval.
    fn foreign_field(&self, ours: &Ours) -> Option<&'static str> {
        let is_foreign = |(field, text): &&(&'static str, String)| {
            let value = json::string(text);
            match *field {
                "status" => value.as_deref() != Some("approved"),
                "source_kind" => value.as_deref().is_some_and(|kind| kind != ours.kind),
                _ => ours
                    .source_id
                    .as_deref()
                    .is_some_and(|id| value.as_deref() != Some(id)),
            }
        };
        let absent_kind =
            ours.kind != "postgres" && self.ownership.iter().all(|(f, _)| *f != "source_kind");
        let named = self
            .ownership
            .iter()
            .find(is_foreign)
            .map(|(field, _)| *field);
        named.or(absent_kind.then_some("source_kind"))
    }

    fn take(&mut self, key: &[u8], raw: &RawValue) {
        if json::kind(raw.get()) == json::Kind::Null {
            return;
        }
        let id = || {
            json::string(raw.get())
                .filter(|id| is_usable_id(id))
                .map(|id| id.into_owned())
        };
        match key {
            b"proposal_id" => self.proposal_id = id(),
            b"idempotency_key" => self.idempotency_key = id(),
            // The empty name counts as absent, as it does in the proposal.
            b"source_kind" if json::string(raw.get()).as_deref() == Some("") => {}
            b"source_kind" => self.ownership.push(("source_kind", raw.get().to_owned())),
            b"source_id" => self.ownership.push(("source_id", raw.get().to_owned())),
            b"status" => self.ownership.push(("status", raw.get().to_owned())),
            _ => {}
        }
    }
}

impl<'de> Deserialize<'de> for Glance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Glance;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Glance, A::Error> {
                let mut glance = Glance::default();
                while let Some((Key(key), raw)) = map.next_entry::<Key, &RawValue>()? {
                    glance.take(&key, raw);
                }
                Ok(glance)
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

/// An object's key as bytes, so that one that is not Unicode text (a lone surrogate) does not hide the others.
struct Key(Vec<u8>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }

        deserializer.deserialize_bytes(Bytes).map(Key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Listed {
        let ours = Ours {
            kind: "postgres",
            source_id: Some("src_1".into()),
        };
        Listed::read(serde_json::from_str(text).unwrap(), &ours, true)
    }

    fn bad(text: &str) -> (Option<String>, String) {
        match read(text) {
            Listed::Bad(bad) => (bad.proposal_id, bad.refusal.to_string()),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_bad_proposal_keeps_its_id_whatever_is_wrong_with_it() {
        let cases = [
            (
                r#"{"proposal_id":"p","changes":7}"#,
                "WRITEBACK_PROPOSAL_INVALID: changes",
            ),
            (
                r#"{"proposal_id":"p","a":1,"a":2}"#,
                "WRITEBACK_PROPOSAL_INVALID",
            ),
            (
                r#"{"\ud800":1,"proposal_id":"p"}"#,
                "WRITEBACK_PROPOSAL_INVALID",
            ),
            (
                r#"{"proposal_id":"p","idempotency_key":""}"#,
                "WRITEBACK_PROPOSAL_INVALID: idempotency_key",
            ),
        ];
        for (text, error) in cases {
            assert_eq!(bad(text), (Some("p".into()), error.into()), "{text}");
        }
        let deep = format!(
            "{{\"proposal_id\":\"p\",\"changes\":{{\"a\":{}{}}}}}",
            "[".repeat(10_000),
            "]".repeat(10_000)
        );
        assert_eq!(
            bad(&deep),
            (
                Some("p".into()),
                "WRITEBACK_PROPOSAL_INVALID: changes".into()
            )
        );
    }

    #[test]
    fn without_a_usable_id_there_is_none() {
        for text in [
            "{}",
            "[]",
            "7",
            "null",
            r#"{"proposal_id":7}"#,
            r#"{"proposal_id":""}"#,
            r#"{"proposal_id":"\ud800"}"#,
        ] {
            assert_eq!(bad(text).0, None, "{text}");
        }
        assert_eq!(bad("{}").1, "WRITEBACK_PROPOSAL_INVALID: proposal_id");
    }

    #[test]
    fn what_is_not_ours_is_left_alone_even_when_it_is_bad() {
        let cases = [
            (
                r#"{"proposal_id":"p","source_kind":"mysql","changes":7}"#,
                "source_kind",
            ),
            (r#"{"proposal_id":"p","source_id":"src_2"}"#, "source_id"),
            (
                r#"{"proposal_id":"p","source_id":"src_1","source_id":"src_2"}"#,
                "source_id",
            ),
            (r#"{"proposal_id":"p","status":"pending_review"}"#, "status"),
            (r#"{"proposal_id":"p","status":true}"#, "status"),
        ];
        for (text, expected) in cases {
            match read(text) {
                Listed::NotOurs { proposal_id, field } => {
                    assert_eq!(
                        (proposal_id.as_deref(), field),
                        (Some("p"), expected),
                        "{text}"
                    );
                }
                other => panic!("{text}: {other:?}"),
            }
        }
        let fine = r#"{"proposal_id":"p","status":"approved","source_id":"src_1","source_kind":"postgres"}"#;
        assert!(matches!(read(fine), Listed::Proposal(_)));
    }

    #[test]
    fn a_proposal_that_was_not_valid_utf8_is_bad() {
        let ours = Ours {
            kind: "postgres",
            source_id: None,
        };
        let raw = serde_json::from_str("{\"proposal_id\":\"p\"}").unwrap();
        assert!(
            matches!(Listed::read(raw, &ours, false), Listed::Bad(bad) if bad.proposal_id.is_some())
        );
    }

    #[test]
    fn without_a_kind_a_proposal_is_for_postgres() {
        let ours = Ours {
            kind: "mysql",
            source_id: None,
        };
        let read = |text: &str| Listed::read(serde_json::from_str(text).unwrap(), &ours, true);
        for text in [
            r#"{"proposal_id":"p"}"#,
            r#"{"proposal_id":"p","source_kind":""}"#,
            r#"{"proposal_id":"p","source_kind":null}"#,
        ] {
            assert!(
                matches!(
                    read(text),
                    Listed::NotOurs {
                        field: "source_kind",
                        ..
                    }
                ),
                "{text}"
            );
        }
        assert!(matches!(
            read(r#"{"proposal_id":"p","source_kind":"mysql"}"#),
            Listed::Proposal(_)
        ));
    }
}
