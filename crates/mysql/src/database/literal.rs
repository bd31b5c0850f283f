//! Values as parts of a statement's text. A text is written in hexadecimal, with its character set in front: neither a quote nor an
//! escape nor a setting of the session can make anything else of it, and a statement with nothing but ASCII in it is read alike in
//! every character set of a client.

use std::fmt::{self, Display, Formatter, Write};

/// A value, as SQL that is displayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Literal<'a> {
    /// SQL's NULL.
    Null,
    /// An integer.
    Number(i128),
    /// A decimal number; of its text, signs, digits and points are taken.
    Decimal(&'a str),
    /// A text.
    Text(&'a str),
    /// Bytes that are no text.
    Bytes(&'a [u8]),
    /// Year, month, day, hour, minute, second and microsecond.
    DateTime(u16, [u8; 5], u32),
}

impl<'a> Literal<'a> {
    /// Bytes as the server takes a parameter of them: as a text where they are one.
    pub fn of_bytes(bytes: &'a [u8]) -> Self {
        std::str::from_utf8(bytes).map_or(Literal::Bytes(bytes), Literal::Text)
    }
}

impl Display for Literal<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            Literal::Null => f.write_str("NULL"),
            Literal::Number(number) => number.fmt(f),
            Literal::Decimal(text) => text
                .chars()
                .filter(|c| matches!(c, '-' | '.' | '0'..='9'))
                .try_for_each(|c| f.write_char(c)),
            Literal::Text(text) => hexadecimal(f, "_utf8mb4", text.as_bytes()),
            // Without a character set in front, it would be a number where one is wanted.
            Literal::Bytes(bytes) => hexadecimal(f, "_binary", bytes),
            Literal::DateTime(year, [month, day, hour, minute, second], microsecond) => {
                write!(
                    f,
                    "TIMESTAMP'{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"
                )?;
                if microsecond > 0 {
                    write!(f, ".{microsecond:06}")?;
                }
                f.write_char('\'')
            }
        }
    }
}

fn hexadecimal(f: &mut Formatter<'_>, character_set: &str, bytes: &[u8]) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |half: u8| char::from(DIGITS[usize::from(half & 0xf)]);
    write!(f, "{character_set} X'")?;
    for byte in bytes {
        f.write_char(digit(byte >> 4))?;
        f.write_char(digit(*byte))?;
    }
    f.write_char('\'')
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
        let cases = [
            (Literal::from(&None::<String>), "NULL"),
            (Literal::from(Some(true)), "1"),
            (i64::MIN.into(), "-9223372036854775808"),
            (Literal::Number(u64::MAX.into()), "18446744073709551615"),
            (Literal::Decimal("-12.50"), "-12.50"),
            (Literal::of_bytes(&[0xff, 0x27]), "_binary X'FF27'"),
            (Literal::of_bytes(b"a'"), "_utf8mb4 X'6127'"),
            (
                Literal::DateTime(2024, [1, 2, 3, 4, 5], 0),
                "TIMESTAMP'2024-01-02 03:04:05'",
            ),
            (
                Literal::DateTime(987, [12, 31, 0, 0, 0], 1200),
                "TIMESTAMP'0987-12-31 00:00:00.001200'",
            ),
        ];
        for (literal, sql) in cases {
            assert_eq!(literal.to_string(), sql);
        }
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

        #[test]
        fn a_decimal_is_never_anything_but_a_number_s_characters(text in any::<String>()) {
            let literal = Literal::Decimal(&text).to_string();
            prop_assert!(literal.bytes().all(|b| b"-.0123456789".contains(&b)));
        }
    }
}
