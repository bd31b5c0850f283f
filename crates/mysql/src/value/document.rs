//! JSON documents, comparable by what they say: the order of keys, white space, escapes and the way a number is written
//! make no difference.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use synapsor_core::json::MAX_DEPTH;

use super::Fault;
use super::decimal::Decimal;
use super::exact::number_of;
use super::float::{decimal_of, is_written_as};

/// Levels of nesting that MySQL's `json` holds.
const NATIVE_DEPTH: usize = 100;

/// A JSON document.
#[derive(Clone, PartialEq)]
pub enum Document {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number of any length.
    Number(Decimal),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Document>),
    /// An object; no key is there twice.
    Object(BTreeMap<String, Document>),
}

/// What a document is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To be kept in MySQL's `json`, whose numbers are integers of 64 bits or doubles.
    Native,
    /// As a cell of MySQL's `json`, where a decimal that some function made may be found, too.
    NativeCell,
    /// As a text, to be kept as it is, or as the cell of one.
    Text,
}

impl Document {
    /// Reads a well-formed JSON text, in one pass.
    ///
    /// # Errors
    /// A mismatch for a string that is not Unicode; not exact for a repeated key, and for a nesting or a number that
    /// the purpose does not allow.
    pub(super) fn parse(text: &str, purpose: Purpose) -> Result<Self, Fault> {
        let mut reader = Reader {
            rest: text,
            purpose,
        };
        let document = reader.value(0)?;
        reader.skip_space();
        reader
            .rest
            .is_empty()
            .then_some(document)
            .ok_or(Fault::Mismatch)
    }

    /// Reads a text that may not be well-formed: a cell. `None` for one that can't be compared.
    pub(super) fn of_cell(text: &str, purpose: Purpose) -> Option<Self> {
        serde_json::from_str::<&RawValue>(text).ok()?;
        Document::parse(text, purpose).ok()
    }

    /// For people.
    pub(super) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match self {
            Document::Null => Value::Null,
            Document::Bool(value) => Value::from(*value),
            Document::Number(number) => number_of(&number.text()),
            Document::String(text) => Value::from(text.as_str()),
            Document::Array(elements) => elements.iter().map(Document::to_json).collect(),
            Document::Object(members) => members
                .iter()
                .map(|(key, value)| (key.clone(), value.to_json()))
                .collect(),
        }
    }
}

/// Reads a text that is known to be well-formed; what it does not check, it does not rely on either.
struct Reader<'t> {
    rest: &'t str,
    purpose: Purpose,
}

impl<'t> Reader<'t> {
    fn value(&mut self, level: usize) -> Result<Document, Fault> {
        self.skip_space();
        match self.rest.bytes().next().ok_or(Fault::Mismatch)? {
            b'{' => self.object(self.deeper(level)?),
            b'[' => self.array(self.deeper(level)?),
            b'"' => self.string().map(Document::String),
            b't' => self.word("true").map(|()| Document::Bool(true)),
            b'f' => self.word("false").map(|()| Document::Bool(false)),
            b'n' => self.word("null").map(|()| Document::Null),
            _ => self.number().map(Document::Number),
        }
    }

    fn deeper(&self, level: usize) -> Result<usize, Fault> {
        let deepest = match self.purpose {
            Purpose::Native => NATIVE_DEPTH,
            Purpose::NativeCell | Purpose::Text => MAX_DEPTH,
        };
        (level < deepest)
            .then_some(level + 1)
            .ok_or(Fault::NotExact)
    }

    fn array(&mut self, level: usize) -> Result<Document, Fault> {
        let mut elements = Vec::new();
        self.word("[")?;
        while !self.takes(']') {
            if !elements.is_empty() {
                self.word(",")?;
            }
            elements.push(self.value(level)?);
        }
        Ok(Document::Array(elements))
    }

    fn object(&mut self, level: usize) -> Result<Document, Fault> {
        let mut members = BTreeMap::new();
        self.word("{")?;
        while !self.takes('}') {
            if !members.is_empty() {
                self.word(",")?;
                self.skip_space();
            }
            let key = self.string()?;
            self.skip_space();
            self.word(":")?;
            if members.insert(key, self.value(level)?).is_some() {
                return Err(Fault::NotExact);
            }
        }
        Ok(Document::Object(members))
    }

    fn string(&mut self) -> Result<String, Fault> {
        let (mut is_escaped, mut is_open) = (false, false);
        let end = self.rest.bytes().position(|byte| {
            let is_quote = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            is_quote && std::mem::replace(&mut is_open, true)
        });
        let literal = self.split(end.map_or(0, |end| end + 1))?;
        serde_json::from_str(literal).map_err(|_| Fault::Mismatch)
    }

    fn number(&mut self) -> Result<Decimal, Fault> {
        let end = self
            .rest
            .find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'));
        let text = self.split(end.unwrap_or(self.rest.len()))?;
        let number = Decimal::parse(text)?;
        match self.purpose {
            Purpose::Native => native(text, &number).ok_or(Fault::NotExact),
            Purpose::NativeCell => Ok(native(text, &number).unwrap_or(number)),
            Purpose::Text => Ok(number),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), Fault> {
        self.rest = self.rest.strip_prefix(word).ok_or(Fault::Mismatch)?;
        Ok(())
    }

    fn takes(&mut self, c: char) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn split(&mut self, end: usize) -> Result<&'t str, Fault> {
        let (taken, rest) = self.rest.split_at_checked(end).ok_or(Fault::Mismatch)?;
        self.rest = rest;
        Ok(taken)
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }
}

/// What MySQL's `json` keeps of a number: an integer of 64 bits, with or without a sign, or what a double says. `None`
/// for a number that a double says otherwise.
fn native(text: &str, number: &Decimal) -> Option<Decimal> {
    if text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok() {
        return Some(number.clone());
    }
    let double: f64 = text.parse().ok()?;
    is_written_as(double, number)
        .then(|| decimal_of(double))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_cell(text: &str) -> Document {
        Document::of_cell(text, Purpose::Text).unwrap()
    }

    #[test]
    fn documents_compare_by_what_they_say() {
        let same = [
            r#"{"b":1,"a":[1.5,"é"],"c":{}}"#,
            "{ \"a\" : [ 15e-1 , \"\\u00e9\" ] ,\n\"c\":{ }, \"b\":1.0 }",
        ];
        assert!(of_cell(same[0]) == of_cell(same[1]));
        for (one, other) in [
            ("1", "\"1\""),
            ("null", "false"),
            ("[1,2]", "[2,1]"),
            ("{\"a\":1}", "{\"A\":1}"),
            ("9007199254740993", "9007199254740992"),
            ("[]", "{}"),
            ("[]", "[null]"),
            ("\"a\"", "\"a \""),
        ] {
            assert!(of_cell(one) != of_cell(other), "{one} {other}");
        }
    }

    #[test]
    fn a_cell_that_is_not_json_or_repeats_a_key_is_not_understood() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\" 1}",
            "nul",
            "1 2",
            "\"\u{1}\"",
            "01",
            "{\"a\":1,\"a\":1}",
            "\"\\ud800\"",
        ] {
            assert!(Document::of_cell(text, Purpose::Text).is_none(), "{text}");
        }
    }

    #[test]
    fn nesting_has_a_limit_and_costs_no_stack() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(Document::parse(&nested(100), Purpose::Native).is_ok());
        assert_eq!(
            Document::parse(&nested(101), Purpose::Native).err(),
            Some(Fault::NotExact)
        );
        assert!(Document::of_cell(&nested(MAX_DEPTH), Purpose::Text).is_some());
        assert!(Document::of_cell(&nested(1_000_000), Purpose::Text).is_none());
    }

    #[test]
    fn people_see_the_document() {
        let text = r#"{"$serde_json::private::Number":"1","a":[null,true,"x",123456789012345678901234567890.5]}"#;
        assert_eq!(of_cell(text).to_json().to_string(), text);
    }
}
