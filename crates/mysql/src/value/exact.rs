//! What a column holds, comparable exactly.

use std::fmt;
use std::net::IpAddr;

use serde_json::Value;

use super::calendar::{Moment, push_fraction};
use super::decimal::Decimal;
use super::document::Document;
use super::float::decimal_of;

/// What a column holds. Two are equal when the column holds the same value, whatever its collation calls equal.
#[derive(Clone, PartialEq)]
pub enum Exact {
    /// SQL's NULL.
    Null,
    /// An integer, a year, or the bits of a `bit` column.
    Integer(i128),
    /// A decimal number, without needless zeros.
    Decimal(Decimal),
    /// A `float`, finite. Zero has no sign.
    Float(f32),
    /// A `double`, finite. Zero has no sign.
    Double(f64),
    /// A text; also a member of an enum, the members of a set in the order of their definition, a uuid in lower case.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Year, month and day.
    Date(u16, u8, u8),
    /// A date with a time of day, of a `timestamp` in UTC.
    DateTime(Moment),
    /// A time, in microseconds.
    Time(i64),
    /// A network address.
    Address(IpAddr),
    /// A JSON document.
    Json(Document),
}

impl Exact {
    /// For people: numbers of any size as they are, bytes as `"0x…"`.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Exact::Null => Value::Null,
            Exact::Integer(number) => number_of(&number.to_string()),
            Exact::Decimal(number) => number_of(&number.text()),
            Exact::Float(number) => shortest(*number),
            Exact::Double(number) => shortest(*number),
            Exact::Text(text) => Value::from(text.as_str()),
            Exact::Bytes(bytes) => Value::from(hexadecimal(bytes)),
            Exact::Date(year, month, day) => Value::from(format!("{year:04}-{month:02}-{day:02}")),
            Exact::DateTime(moment) => Value::from(moment.to_string()),
            Exact::Time(microseconds) => Value::from(time_of_day(*microseconds)),
            Exact::Address(address) => Value::from(address.to_string()),
            Exact::Json(document) => document.to_json(),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Exact::Null => "Null",
            Exact::Integer(_) => "Integer",
            Exact::Decimal(_) => "Decimal",
            Exact::Float(_) => "Float",
            Exact::Double(_) => "Double",
            Exact::Text(_) => "Text",
            Exact::Bytes(_) => "Bytes",
            Exact::Date(..) => "Date",
            Exact::DateTime(_) => "DateTime",
            Exact::Time(_) => "Time",
            Exact::Address(_) => "Address",
            Exact::Json(_) => "Json",
        }
    }
}

/// The kind alone: a row's value must never reach a log.
impl fmt::Debug for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The shortest number that reads as the same float.
fn shortest(float: impl fmt::LowerExp) -> Value {
    decimal_of(float).map_or(Value::Null, |number| number_of(&number.text()))
}

/// A JSON number of any length.
pub(super) fn number_of(text: &str) -> Value {
    text.parse::<serde_json::Number>()
        .map_or_else(|_| Value::from(text), Value::Number)
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + bytes.len() * 2);
    text.push_str("0x");
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    text
}

/// A time as the servers write it: `-838:59:59`, `00:00:00.5`.
pub(super) fn time_of_day(microseconds: i64) -> String {
    let sign = if microseconds < 0 { "-" } else { "" };
    let (seconds, fraction) = (
        microseconds.unsigned_abs() / 1_000_000,
        microseconds.unsigned_abs() % 1_000_000,
    );
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let mut text = format!("{sign}{hours:02}:{minutes:02}:{:02}", seconds % 60);
    push_fraction(&mut text, fraction as u32);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(exact: Exact) -> String {
        exact.to_json().to_string()
    }

    #[test]
    fn people_see_numbers_of_any_size_as_they_are() {
        let long = "-12345678901234567890123456789012345.123456789012345678901234567891";
        assert_eq!(
            shown(Exact::Integer(u64::MAX.into())),
            "18446744073709551615"
        );
        assert_eq!(shown(Exact::Decimal(Decimal::parse(long).unwrap())), long);
        assert_eq!(shown(Exact::Float(0.1)), "0.1");
        assert_eq!(shown(Exact::Double(1.0)), "1");
        assert_eq!(shown(Exact::Double(5e-324)), "5e-324");
    }

    #[test]
    fn people_see_bytes_in_hexadecimal_and_times_as_the_server_writes_them() {
        assert_eq!(shown(Exact::Bytes(vec![0, 0xab, 255])), "\"0x00abff\"");
        assert_eq!(shown(Exact::Date(2024, 1, 2)), "\"2024-01-02\"");
        assert_eq!(
            shown(Exact::Time(-(838 * 3600 + 59 * 60 + 59) * 1_000_000)),
            "\"-838:59:59\""
        );
        assert_eq!(shown(Exact::Time(10)), "\"00:00:00.00001\"");
    }

    #[test]
    fn a_value_is_never_in_what_a_log_would_show() {
        let secret = Exact::Text("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "Text");
        let typed = super::super::Typed::of_text("hunter2".to_owned());
        assert_eq!(format!("{typed:?}"), "Typed(Text)");
    }

    #[test]
    fn zero_has_no_sign() {
        assert_eq!(Exact::Double(-0.0), Exact::Double(0.0));
        assert_eq!(shown(Exact::Double(-0.0)), "0");
    }
}
