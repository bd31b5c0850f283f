//! `enum` and `set`: members by their name, byte for byte, never by their number.

use std::borrow::Cow;

use mysql::Value;
use synapsor_core::json::{Json, Kind};

use super::column::Column;
use super::text::cell_of;
use super::{Exact, Family, Fault, Typed};

/// The members of an enum or a set, in the order of their definition.
///
/// The servers describe columns in three-byte UTF-8, with `?` for a character beyond U+FFFF: a member with such a
/// character is known by no name, and a value that names it is refused.
#[derive(Debug)]
struct Members(Vec<String>);

impl Members {
    /// Reads `enum('a','b''c')`. Quotes are doubled; a backslash, a newline, a carriage return and a zero character
    /// are written with a backslash. `None` for anything else.
    fn parse(column_type: &str, keyword: &str) -> Option<Self> {
        let list = column_type.strip_prefix(keyword)?.strip_prefix('(')?;
        let mut characters = list.chars().peekable();
        let mut members = Vec::new();
        loop {
            characters.next_if_eq(&'\'')?;
            let mut member = String::new();
            loop {
                match characters.next()? {
                    '\'' if characters.next_if_eq(&'\'').is_none() => break,
                    '\\' => member.push(unescaped(characters.next()?)?),
                    c => member.push(c),
                }
            }
            members.push(member);
            match characters.next()? {
                ',' => {}
                ')' => return Some(Members(members)),
                _ => return None,
            }
        }
    }

    fn position(&self, name: &str) -> Result<usize, Fault> {
        self.0
            .iter()
            .position(|member| member == name)
            .ok_or(Fault::Mismatch)
    }
}

fn unescaped(c: char) -> Option<char> {
    match c {
        '\\' => Some('\\'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        '0' => Some('\0'),
        _ => None,
    }
}

/// `enum(…)`.
#[derive(Debug)]
pub(super) struct EnumType(Members);

impl EnumType {
    pub(super) fn of(column: &Column) -> Option<Self> {
        Members::parse(&column.column_type, "enum").map(EnumType)
    }
}

impl Family for EnumType {
    fn written(&self, value: &Json) -> Result<Typed, Fault> {
        let name = value.as_str().ok_or(Fault::Mismatch)?;
        self.0.position(&name)?;
        Ok(Typed::of_text(name.into_owned()))
    }

    fn read(&self, cell: &Value) -> Option<Exact> {
        cell_of(cell).map(|text| Exact::Text(text.to_owned()))
    }
}

/// `set(…)`.
#[derive(Debug)]
pub(super) struct SetType(Members);

impl SetType {
    /// `None` also for a set with an empty member: a cell doesn't tell whether that is in it.
    pub(super) fn of(column: &Column) -> Option<Self> {
        Members::parse(&column.column_type, "set")
            .filter(|members| members.0.iter().all(|member| !member.is_empty()))
            .map(SetType)
    }
}

impl Family for SetType {
    fn written(&self, value: &Json) -> Result<Typed, Fault> {
        let names = names(value)?;
        let mut positions = names
            .iter()
            .map(|name| self.0.position(name))
            .collect::<Result<Vec<_>, _>>()?;
        positions.sort_unstable();
        if positions.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Fault::NotExact);
        }
        let members: Vec<_> = positions
            .into_iter()
            .filter_map(|position| self.0.0.get(position).map(String::as_str))
            .collect();
        Ok(Typed::of_text(members.join(",")))
    }

    fn read(&self, cell: &Value) -> Option<Exact> {
        cell_of(cell).map(|text| Exact::Text(text.to_owned()))
    }
}

/// The names in an array of strings, or in a string with commas between them.
fn names(value: &Json) -> Result<Vec<String>, Fault> {
    if value.kind() == Kind::Array {
        let elements = value.elements().ok_or(Fault::Mismatch)?;
        return elements
            .iter()
            .map(|element| element.as_str().map(Cow::into_owned).ok_or(Fault::Mismatch))
            .collect();
    }
    let text = value.as_str().ok_or(Fault::Mismatch)?;
    Ok(match text.as_ref() {
        "" => Vec::new(),
        text => text.split(',').map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::ColumnType;
    use super::super::Fault::{Mismatch, NotExact};
    use super::super::sample::{cell, column, fault, held, sent};
    use super::*;

    const ODD: &str = r#"enum('a','b''c','d\\e','ö','x,y','','1','2','l\nr\rz\0','q"q',''')')"#;

    fn text(text: &str) -> Value {
        Value::Bytes(text.as_bytes().to_vec())
    }

    #[test]
    fn members_are_read_as_the_servers_write_them() {
        let members = Members::parse(ODD, "enum").unwrap();
        assert_eq!(
            members.0,
            [
                "a",
                "b'c",
                "d\\e",
                "ö",
                "x,y",
                "",
                "1",
                "2",
                "l\nr\rz\0",
                "q\"q",
                "')"
            ]
        );
    }

    #[test]
    fn a_definition_that_is_not_understood_makes_the_type_unsupported() {
        for column_type in [
            "enum",
            "enum(",
            "enum()",
            "enum('a'",
            "enum('a',)",
            "enum('a'x)",
            r"enum('\q')",
            "enum(a)",
            "set('a','')",
        ] {
            assert!(
                ColumnType::of(&column(column_type)).is_none(),
                "{column_type}"
            );
        }
    }

    #[test]
    fn a_member_is_named_byte_for_byte() {
        for name in ["\"a\"", "\"b'c\"", "\"\"", "\"1\"", "\"x,y\"", "\"d\\\\e\""] {
            assert_eq!(Some(held(ODD, name)), cell(ODD, &sent(ODD, name)), "{name}");
        }
        for other in [
            "\"A\"", "\"a \"", "\"3\"", "\"o\"", "1", "2", "0", "true", "[]", "[\"a\"]",
        ] {
            assert_eq!(fault(ODD, other), Mismatch, "{other}");
        }
    }

    #[test]
    fn a_set_is_written_in_the_order_of_its_definition() {
        const SET: &str = "set('c','a','b''c','1','2')";
        for (value, expected) in [
            ("\"\"", ""),
            ("[]", ""),
            ("\"a\"", "a"),
            ("\"a,c\"", "c,a"),
            ("[\"b'c\",\"c\"]", "c,b'c"),
            ("\"2\"", "2"),
        ] {
            assert_eq!(sent(SET, value), text(expected), "{value}");
            assert_eq!(cell(SET, &text(expected)), Some(held(SET, value)));
        }
        for value in ["\"a,a\"", "[\"a\",\"c\",\"a\"]"] {
            assert_eq!(fault(SET, value), NotExact, "{value}");
        }
        for value in [
            "\"A\"",
            "\"a,\"",
            "\",\"",
            "\"a, c\"",
            "\"3\"",
            "3",
            "[1]",
            "[null]",
            "[\"a,c\"]",
            "[\"\"]",
            "{}",
        ] {
            assert_eq!(fault(SET, value), Mismatch, "{value}");
        }
    }
}
