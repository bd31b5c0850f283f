//! JSON values kept as the text they arrived in, so that a number of any length and the order of columns survive.
//!
//! `serde_json::Value` is avoided on purpose: it merges repeated keys without a word, and with exact numbers
//! enabled it turns an object with a certain magic key into a number.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Levels of nesting that a value may have.
pub const MAX_DEPTH: usize = 128;

/// Columns that an object may name: as many as a table can have (MySQL's limit; that of Postgres is lower). What is
/// checked column by column then takes no time to speak of, however long a list a server makes up.
pub const MAX_COLUMNS: usize = 4096;

/// Keys that any other object may have: far more than anybody needs, and so few that they cost no memory to speak of.
const MAX_KEYS: usize = 100_000;

/// What a JSON text is, told from its first character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number of any length.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// One JSON value: its exact text, known to be well-formed and not nested deeper than [`MAX_DEPTH`].
#[derive(Clone, Debug)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Takes a value over; `None` when it is nested too deeply.
    pub fn new(raw: &RawValue) -> Option<Self> {
        (depth(raw.get()) <= MAX_DEPTH).then(|| Json(raw.to_owned()))
    }

    /// The text, as it arrived.
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// What the value is.
    pub fn kind(&self) -> Kind {
        kind(self.text())
    }

    /// True for `null`.
    pub fn is_null(&self) -> bool {
        self.kind() == Kind::Null
    }

    /// The string's content; `None` for anything else, and for a string that is not Unicode text (a lone surrogate).
    pub fn as_str(&self) -> Option<Cow<'_, str>> {
        string(self.text())
    }

    /// The array's elements; `None` for anything else.
    pub fn elements(&self) -> Option<Vec<Json>> {
        if self.kind() != Kind::Array {
            return None;
        }
        let elements: Vec<&RawValue> = serde_json::from_str(self.text()).ok()?;
        elements.into_iter().map(Json::new).collect()
    }

    /// The text without white space between its parts.
    pub fn compact(&self) -> String {
        compact(self.text())
    }
}

impl PartialEq for Json {
    /// Equal texts; strings compare by what they say, however they are escaped.
    fn eq(&self, other: &Self) -> bool {
        match (self.as_str(), other.as_str()) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, None) => self.compact() == other.compact(),
            _ => false,
        }
    }
}

impl serde::Serialize for Json {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Column → value, in the order of the JSON object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns(Vec<(String, Json)>);

impl Columns {
    /// The columns and their values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The columns' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The value of a column.
    pub fn get(&self, column: &str) -> Option<&Json> {
        self.0
            .iter()
            .find(|(name, _)| name == column)
            .map(|(_, value)| value)
    }

    /// True without a column.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads a JSON object; `None` for anything else, for a repeated key, for a value nested too deeply and for more
    /// than [`MAX_COLUMNS`].
    pub fn parse(text: &str) -> Option<Self> {
        let members = Members::parse(text)?;
        if members.0.len() > MAX_COLUMNS {
            return None;
        }
        members
            .0
            .into_iter()
            .map(|(name, raw)| Some((name, Json::new(raw)?)))
            .collect::<Option<Vec<_>>>()
            .map(Columns)
    }
}

/// The members of a JSON object, none of them looked into. A repeated key is an error: which of the two was
/// approved, nobody can say. So are more than [`MAX_KEYS`].
pub(crate) struct Members<'a>(pub(crate) Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut members, mut seen) = (Vec::new(), HashSet::new());
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if !seen.insert(name.clone()) {
                        return Err(A::Error::custom("a key is repeated"));
                    }
                    if members.len() == MAX_KEYS {
                        return Err(A::Error::custom("there are too many keys"));
                    }
                    members.push((name, value));
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Collect).map(Members)
    }
}

/// The first elements of a JSON array, at most so many, whatever comes after them; `None` for anything else.
pub(crate) fn first_elements<'t, T: Deserialize<'t>>(text: &'t str, most: usize) -> Option<Vec<T>> {
    struct Collect<T>(usize, PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Collect<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut elements = Vec::new();
            while elements.len() < self.0 {
                match seq.next_element()? {
                    Some(element) => elements.push(element),
                    None => return Ok(elements),
                }
            }
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok(elements)
        }
    }

    let mut reader = serde_json::Deserializer::from_str(text);
    reader.deserialize_seq(Collect(most, PhantomData)).ok()
}

/// What a well-formed JSON text is.
pub(crate) fn kind(text: &str) -> Kind {
    match text.trim_start().as_bytes().first() {
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::Array,
        Some(b'"') => Kind::String,
        Some(b't' | b'f') => Kind::Bool,
        Some(b'n') => Kind::Null,
        _ => Kind::Number,
    }
}

/// The content of a JSON string.
pub(crate) fn string(text: &str) -> Option<Cow<'_, str>> {
    if kind(text) != Kind::String {
        return None;
    }
    match serde_json::from_str::<&str>(text) {
        Ok(plain) => Some(Cow::Borrowed(plain)),
        Err(_) => serde_json::from_str::<String>(text).ok().map(Cow::Owned),
    }
}

/// A well-formed JSON text without the white space between its parts.
pub(crate) fn compact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    scan(text, |c, in_string, _| {
        if in_string || !c.is_ascii_whitespace() {
            out.push(c);
        }
    });
    out
}

/// The deepest level of nesting in a well-formed JSON text; 0 for a scalar.
fn depth(text: &str) -> usize {
    let mut deepest = 0;
    scan(text, |_, _, level| deepest = deepest.max(level));
    deepest
}

/// Walks a well-formed JSON text and says of each character whether it stands between a string's quotes, and how deep
/// it stands.
fn scan(text: &str, mut each: impl FnMut(char, bool, usize)) {
    let (mut in_string, mut escaped, mut level) = (false, false, 0usize);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => in_string = !in_string,
            '{' | '[' if !in_string => level += 1,
            '}' | ']' if !in_string => level = level.saturating_sub(1),
            _ => {}
        }
        each(c, in_string, level);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::new(serde_json::from_str(text).unwrap()).unwrap()
    }

    #[test]
    fn a_number_of_any_length_keeps_its_text() {
        for text in [
            "123456789012345678901234567890.000000000000000000001",
            "1e400",
            "-0",
            "1E+5",
        ] {
            assert_eq!(json(text).text(), text);
        }
    }

    #[test]
    fn a_repeated_key_is_refused() {
        assert!(Columns::parse(r#"{"a":1,"b":2,"a":3}"#).is_none());
        assert!(Columns::parse(r#"{"a":1,"\u0061":3}"#).is_none());
    }

    #[test]
    fn an_object_with_the_library_s_magic_key_stays_an_object() {
        let columns = Columns::parse(r#"{"doc":{"$serde_json::private::Number":"1"}}"#).unwrap();
        assert_eq!(columns.get("doc").unwrap().kind(), Kind::Object);
        assert!(Columns::parse(r#"{"$serde_json::private::RawValue":"1"}"#).is_some());
    }

    #[test]
    fn a_value_nested_too_deeply_is_refused() {
        let nested =
            |levels: usize| format!("{{\"c\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(Columns::parse(&nested(MAX_DEPTH)).is_some());
        assert!(Columns::parse(&nested(MAX_DEPTH + 1)).is_none());
        assert!(Columns::parse(&nested(100_000)).is_none());
    }

    #[test]
    fn what_stands_side_by_side_is_no_nesting() {
        assert_eq!(depth("[[], {}, [1]]"), 2);
    }

    #[test]
    fn brackets_in_a_string_are_no_nesting() {
        assert_eq!(depth(r#""[[{""#), 0);
        assert_eq!(depth(r#"["]}", {"\"}": [1]}]"#), 3);
    }

    #[test]
    fn more_columns_than_a_table_can_have_are_refused() {
        let columns = |count: usize| {
            let members: Vec<_> = (0..count).map(|n| format!("\"c{n}\":1")).collect();
            Columns::parse(&format!("{{{}}}", members.join(",")))
        };
        assert!(columns(MAX_COLUMNS).is_some());
        assert!(columns(MAX_COLUMNS + 1).is_none());
    }

    #[test]
    fn an_object_of_too_many_keys_is_refused() {
        let keys = |count: usize| {
            let members: Vec<_> = (0..count).map(|n| format!("\"{n}\":0")).collect();
            Members::parse(&format!("{{{}}}", members.join(","))).is_some()
        };
        assert!(keys(MAX_KEYS));
        assert!(!keys(MAX_KEYS + 1));
    }

    #[test]
    fn no_more_elements_are_taken_than_are_asked_for() {
        let first = |text, most| first_elements::<u8>(text, most);
        assert_eq!(first("[1,2,3]", 2), Some(vec![1, 2]));
        assert_eq!(first("[1,2,3]", 4), Some(vec![1, 2, 3]));
        let none = ["{}", "7", "[1", "[1,2", "[1,\"x\",2]"];
        assert!(none.iter().all(|text| first(text, 2).is_none()));
    }

    #[test]
    fn compacting_leaves_strings_alone() {
        assert_eq!(
            compact("{ \"a b\" : [ 1 , \" \\\" x\" ] }\n"),
            "{\"a b\":[1,\" \\\" x\"]}"
        );
    }

    #[test]
    fn strings_compare_by_what_they_say() {
        assert_eq!(json(r#""\u00e9""#), json("\"é\""));
        assert_ne!(json("7"), json("\"7\""));
    }

    #[test]
    fn anything_else_compares_by_its_text_but_for_white_space() {
        assert_eq!(json("{ \"a\": [1, 2] }"), json("{\"a\":[1,2]}"));
        assert_ne!(json("1"), json("1.0"));
    }

    #[test]
    fn what_a_value_is_shows_in_its_first_character() {
        for (text, is) in [
            ("null", Kind::Null),
            ("true", Kind::Bool),
            ("false", Kind::Bool),
            ("-1", Kind::Number),
            (r#""null""#, Kind::String),
            ("[null]", Kind::Array),
            ("\n{}", Kind::Object),
        ] {
            assert_eq!(kind(text), is, "{text}");
        }
    }

    #[test]
    fn an_array_and_nothing_else_has_elements() {
        let array = json(r#"[1.0, [2, 3], "x"]"#).elements().unwrap();
        let texts: Vec<_> = array.iter().map(Json::text).collect();
        assert_eq!(texts, ["1.0", "[2, 3]", r#""x""#]);
        for text in ["{}", r#""[1]""#, "1", "null"] {
            assert!(json(text).elements().is_none(), "{text}");
        }
    }
}
