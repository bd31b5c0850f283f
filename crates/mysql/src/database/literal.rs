//! Values as parts of a statement's text. A text is written in hexadecimal, with its character set in front: neither a quote nor an
//! escape nor a setting of the session can make anything else of it, and a statement with nothing but ASCII in it is read alike in
//! every character set of a client.

use std::fmt::{self, Display, Formatter, Write};

/// A value, as SQL that is displayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Literal<'a> {
    /// SQL's NULL.
    Null,
    /// A number.
    Number(i128),
    /// A text.
    Text(&'a str),
}

impl Display for Literal<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Null => f.write_str("NULL"),
            Literal::Number(number) => number.fmt(f),
            Literal::Text(text) => {
                f.write_str("_utf8mb4 X'")?;
                for byte in text.bytes() {
                    f.write_char(digit(byte >> 4))?;
                    f.write_char(digit(byte & 0xf))?;
                }
                f.write_char('\'')
            }
        }
    }
}

/// The hexadecimal digit of a number below 16.
fn digit(half: u8) -> char {
    char::from(b"0123456789ABCDEF"[usize::from(half & 0xf)])
}

impl<'a> From<&'a str> for Literal<'a> {
    fn from(text: &'a str) -> Self {
        Literal::Text(text)
    }
}

impl<'a> From<&'a String> for Literal<'a> {
    fn from(text: &'a String) -> Self {
        Literal::Text(text)
    }
}

impl<'a> From<&'a Option<String>> for Literal<'a> {
    fn from(text: &'a Option<String>) -> Self {
        text.as_ref().map_or(Literal::Null, Literal::from)
    }
}

impl From<Option<bool>> for Literal<'_> {
    fn from(value: Option<bool>) -> Self {
        value.map_or(Literal::Null, |value| i64::from(value).into())
    }
}

impl From<i64> for Literal<'_> {
    fn from(number: i64) -> Self {
        Literal::Number(i128::from(number))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_written_in_hexadecimal() {
        let cases = [
            ("", "_utf8mb4 X''"),
            ("hi", "_utf8mb4 X'6869'"),
            ("'\\\"`;\0\n", "_utf8mb4 X'275C22603B000A'"),
            ("é😀", "_utf8mb4 X'C3A9F09F9880'"),
        ];
        for (text, literal) in cases {
            assert_eq!(Literal::from(text).to_string(), literal);
        }
    }

    #[test]
    fn what_is_no_text_is_written_as_it_is() {
        assert_eq!(Literal::from(&None::<String>).to_string(), "NULL");
        assert_eq!(Literal::from(Some(true)).to_string(), "1");
        assert_eq!(Literal::from(i64::MIN).to_string(), "-9223372036854775808");
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_literal_and_each_can_be_read_back(text in any::<String>()) {
            let literal = Literal::from(&text).to_string();
            let digits = literal.strip_prefix("_utf8mb4 X'").and_then(|rest| rest.strip_suffix('\''));
            let digits = digits.expect("an introducer, and quotes around the digits");
            prop_assert!(digits.bytes().all(|b| b.is_ascii_hexdigit()));
            let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
            let bytes: Vec<u8> = digits.as_bytes().chunks(2).map(byte).collect();
            prop_assert_eq!(bytes, text.as_bytes());
        }
    }
}
