//! What a proposal would do, as one number: SHA-256 over a canonical form of everything that has an effect.

use sha2::{Digest as _, Sha256};

use crate::json::{Columns, Json, compact};
use crate::proposal::Proposal;

/// The digest of a proposal's content: target, operation, changes, key, tenant and conflict. Ids, status and unknown
/// fields have no effect and do not enter. Lowercase hexadecimal, 64 characters.
///
/// The canonical form is a JSON array of labelled parts, without white space; columns are sorted by name, since
/// their order has no effect, and values keep their text.
pub fn of_proposal(proposal: &Proposal) -> String {
    let operation = proposal
        .operation
        .as_deref()
        .unwrap_or("update")
        .to_lowercase();
    let mut form = Form(b"[1".to_vec());
    form.push_text(Some(proposal.source_kind.as_deref().unwrap_or("postgres")));
    form.push_text(proposal.schema.as_deref());
    form.push_text(proposal.table.as_deref());
    form.push_text(Some(&operation));
    form.push_columns(&proposal.changes);
    form.push_columns(&proposal.primary_key);
    form.push_text(proposal.tenant_column.as_deref());
    form.push_value(proposal.tenant_id.as_ref());
    form.push_text(proposal.conflict_guard().map(|(column, _)| column));
    form.push_value(proposal.conflict_guard().map(|(_, value)| value));
    form.push("]");
    hex(&form.0)
}

/// The digest of a proposal that can't be read: of its whole text.
pub fn of_text(text: &str) -> String {
    hex(format!("[0,{}]", compact(text)).as_bytes())
}

fn hex(form: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: u8| char::from(DIGITS[usize::from(n)]);
    let digits = |byte: u8| [digit(byte >> 4), digit(byte & 0xf)];
    Sha256::digest(form).into_iter().flat_map(digits).collect()
}

/// The canonical form, as far as it has been written.
struct Form(Vec<u8>);

impl Form {
    fn push(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    fn push_text(&mut self, text: Option<&str>) {
        self.push(",");
        match text {
            Some(text) => self.push_string(text),
            None => self.push("null"),
        }
    }

    fn push_value(&mut self, value: Option<&Json>) {
        self.push(",");
        match value {
            Some(value) => self.push_json(value),
            None => self.push("null"),
        }
    }

    fn push_columns(&mut self, columns: &Columns) {
        let mut sorted: Vec<_> = columns.iter().collect();
        sorted.sort_by_key(|(name, _)| *name);
        self.push(",{");
        for (n, (name, value)) in sorted.into_iter().enumerate() {
            self.push(if n == 0 { "" } else { "," });
            self.push_string(name);
            self.push(":");
            self.push_json(value);
        }
        self.push("}");
    }

    /// A string is written anew, so that the way it was escaped does not matter.
    fn push_json(&mut self, value: &Json) {
        match value.as_str() {
            Some(text) => self.push_string(&text),
            None => self.push(&value.compact()),
        }
    }

    fn push_string(&mut self, text: &str) {
        // A text can always be written, and to memory.
        let _ = serde_json::to_writer(&mut self.0, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> String {
        of_proposal(&Proposal::parse(text).unwrap())
    }

    const BASE: &str = r#"{"external_schema":"s","external_table":"t","changes":{"a":1,"b":"é"},"primary_key":{"id":7}}"#;

    #[test]
    fn what_has_no_effect_does_not_change_the_digest() {
        let same = [
            r#"{"external_schema":"s","external_table":"t","changes":{"b":"\u00e9","a":1},"primary_key":{"id":7}}"#,
            r#"{"proposal_id":"x","idempotency_key":"k","status":"approved","later":1,"operation":"UPDATE",
                "external_catalog":"s","external_table":"t","changes":{"a": 1 ,"b":"é"},"primary_key":{"id":7}}"#,
        ];
        for text in same {
            assert_eq!(digest(text), digest(BASE), "{text}");
        }
    }

    #[test]
    fn whatever_has_an_effect_changes_the_digest() {
        let base = |from: &str, to: &str| {
            assert!(BASE.contains(from), "{from}");
            digest(&BASE.replacen(from, to, 1))
        };
        let others = [
            base("\"s\"", "\"s2\""),
            base("\"t\"", "\"t2\""),
            base(":1", ":2"),
            base(":1", ":\"1\""),
            base(":1", ":1.0"),
            base("\"b\"", "\"c\""),
            base(":7", ":8"),
            base("{\"external", "{\"operation\":\"insert\",\"external"),
            base(
                "{\"external",
                "{\"tenant_column\":\"x\",\"tenant_id\":1,\"external",
            ),
            base(
                "{\"external",
                "{\"tenant_column\":\"x\",\"tenant_id\":2,\"external",
            ),
            base(
                "{\"external",
                "{\"conflict_column\":\"v\",\"conflict\":{\"v\":1},\"external",
            ),
            base(
                "{\"external",
                "{\"conflict_column\":\"v\",\"conflict\":{\"v\":null},\"external",
            ),
        ];
        let distinct: std::collections::HashSet<_> =
            others.iter().chain([&digest(BASE)]).cloned().collect();
        assert_eq!(distinct.len(), others.len() + 1);
    }

    #[test]
    fn the_digest_stays_the_same_from_release_to_release() {
        assert_eq!(
            digest(BASE),
            "44d9040a204830a581de2c34144d248ae6a56f05b476338eeb23559bf42cd68e"
        );
    }
}
