//! MariaDB's `uuid`.

use mysql::Value;
use synapsor_core::json::Json;

use super::text::cell_of;
use super::{Exact, Family, Fault, Typed};

/// The type `uuid`: 36 characters with hyphens, or 32 hexadecimal digits.
#[derive(Debug)]
pub(super) struct UuidType;

impl Family for UuidType {
    fn written(&self, value: &Json) -> Result<Typed, Fault> {
        value
            .as_str()
            .and_then(|text| canonical(&text))
            .map(Typed::of_text)
            .ok_or(Fault::Mismatch)
    }

    fn read(&self, cell: &Value) -> Option<Exact> {
        cell_of(cell).and_then(canonical).map(Exact::Text)
    }
}

/// In lower case, with hyphens.
fn canonical(text: &str) -> Option<String> {
    let digits = match text.len() {
        32 => text.to_owned(),
        36 => {
            let groups: Vec<_> = text.split('-').collect();
            let lengths: Vec<_> = groups.iter().map(|group| group.len()).collect();
            (lengths == [8, 4, 4, 4, 12]).then(|| groups.concat())?
        }
        _ => return None,
    };
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let digits = digits.to_ascii_lowercase();
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32];
    let groups: Option<Vec<_>> = groups.into_iter().map(|range| digits.get(range)).collect();
    Some(groups?.join("-"))
}

#[cfg(test)]
mod tests {
    use super::super::Fault::Mismatch;
    use super::super::sample::{cell, fault, held, sent};
    use mysql::Value;

    const CANONICAL: &str = "123e4567-e89b-12d3-a456-426655440000";

    #[test]
    fn both_forms_are_the_same_uuid() {
        let text = Value::Bytes(CANONICAL.as_bytes().to_vec());
        for value in [
            "\"123e4567-e89b-12d3-a456-426655440000\"",
            "\"123E4567-E89B-12D3-A456-426655440000\"",
            "\"123e4567e89b12d3a456426655440000\"",
        ] {
            assert_eq!(sent("uuid", value), text, "{value}");
            assert_eq!(cell("uuid", &text), Some(held("uuid", value)));
        }
    }

    #[test]
    fn another_text_is_a_mismatch() {
        for value in [
            "\"\"",
            "\"{123e4567-e89b-12d3-a456-426655440000}\"",
            "\"123e4567-e89b-12d3-a456-42665544000g\"",
            "\"123e4567e-89b-12d3-a456-426655440000\"",
            "\"123e4567-e89b-12d3-a456-4266554400000\"",
            "\"ä23e4567e89b12d3a45642665544000\"",
            "7",
            "true",
        ] {
            assert_eq!(fault("uuid", value), Mismatch, "{value}");
        }
    }
}
