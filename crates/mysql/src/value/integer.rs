//! Integers, from `tinyint` to `bigint unsigned`.

use std::borrow::Cow;

use mysql::Value;
use synapsor_core::json::{Json, Kind};

use super::column::Column;
use super::decimal::Decimal;
use super::{Exact, Family, Fault, Typed};

/// An integer type: what it holds, both ends included.
#[derive(Debug)]
pub(super) struct IntegerType {
    least: i128,
    greatest: i128,
    /// `tinyint(1)`, which is what `boolean` means to the servers.
    is_boolean: bool,
}

impl IntegerType {
    pub(super) fn of(column: &Column) -> Option<Self> {
        let bits = match column.data_type.as_str() {
            "tinyint" => 8,
            "smallint" => 16,
            "mediumint" => 24,
            "int" => 32,
            "bigint" => 64,
            _ => return None,
        };
        let (least, greatest) = if column.is_unsigned() {
            (0, (1 << bits) - 1)
        } else {
            (-1 << (bits - 1), (1 << (bits - 1)) - 1)
        };
        Some(IntegerType {
            least,
            greatest,
            is_boolean: column.column_type.starts_with("tinyint(1)"),
        })
    }
}

impl Family for IntegerType {
    fn written(&self, value: &Json) -> Result<Typed, Fault> {
        let number = match value.kind() {
            Kind::Bool if self.is_boolean => boolean(value),
            _ => integer(&numeral(value)?)?,
        };
        if number < self.least || number > self.greatest {
            return Err(Fault::NotExact);
        }
        Ok(Typed {
            parameter: parameter(number).ok_or(Fault::NotExact)?,
            exact: Exact::Integer(number),
        })
    }

    fn read(&self, cell: &Value) -> Option<Exact> {
        cell_of(cell).map(Exact::Integer)
    }
}

/// The text of a number, or of a string that is to be read as one.
pub(super) fn numeral(value: &Json) -> Result<Cow<'_, str>, Fault> {
    match value.kind() {
        Kind::Number => Ok(Cow::Borrowed(value.text().trim())),
        _ => value.as_str().ok_or(Fault::Mismatch),
    }
}

/// Reads a plain integer: digits after an optional minus, no leading zero, no point, no exponent.
pub(super) fn integer(text: &str) -> Result<i128, Fault> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_plain = is_digits(digits) && (digits == "0" || !digits.starts_with('0'));
    if is_plain {
        return text.parse().map_err(|_| Fault::NotExact);
    }
    match Decimal::parse(text) {
        // The server would round it.
        Ok(number) if !number.is_integer() => Err(Fault::NotExact),
        _ => Err(Fault::Mismatch),
    }
}

/// True for one ASCII digit or more, and nothing else.
pub(super) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// 1 for `true`, 0 for `false`.
pub(super) fn boolean(value: &Json) -> i128 {
    i128::from(value.text().trim() == "true")
}

/// The parameter for an integer of up to 64 bits.
pub(super) fn parameter(number: i128) -> Option<Value> {
    i64::try_from(number)
        .map(Value::Int)
        .or_else(|_| u64::try_from(number).map(Value::UInt))
        .ok()
}

/// What an integer's cell holds.
pub(super) fn cell_of(cell: &Value) -> Option<i128> {
    match cell {
        Value::Int(number) => Some((*number).into()),
        Value::UInt(number) => Some((*number).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Fault::{Mismatch, NotExact};
    use super::super::sample::{column, fault, sent};
    use mysql::Value;

    #[test]
    fn both_ends_of_every_type_fit_and_the_next_number_is_not_exact() {
        for (column_type, least, greatest) in [
            ("tinyint(4)", -128, 127),
            ("tinyint unsigned", 0, 255),
            ("smallint", -32768, 32767),
            ("smallint(5) unsigned", 0, 65535),
            ("mediumint", -8388608, 8388607),
            ("mediumint unsigned", 0, 16777215),
            ("int(11)", -2147483648, 2147483647),
            ("int unsigned zerofill", 0, 4294967295),
            ("bigint", i128::from(i64::MIN), i128::from(i64::MAX)),
            ("bigint(20) unsigned", 0, i128::from(u64::MAX)),
        ] {
            for inside in [least, greatest] {
                for text in [inside.to_string(), format!("\"{inside}\"")] {
                    let expected = i64::try_from(inside)
                        .map(Value::Int)
                        .unwrap_or(Value::UInt(inside as u64));
                    assert_eq!(sent(column_type, &text), expected, "{column_type} {text}");
                }
            }
            for outside in [least - 1, greatest + 1] {
                let text = outside.to_string();
                assert_eq!(fault(column_type, &text), NotExact, "{column_type} {text}");
            }
        }
        assert_eq!(fault("bigint", &"9".repeat(1000)), NotExact);
    }

    #[test]
    fn a_text_that_is_not_a_plain_integer_is_a_mismatch_and_never_zero() {
        for text in [
            "\"acme\"", "\"1abc\"", "\"\"", "\" 1\"", "\"1 \"", "\"+1\"", "\"007\"", "\"-\"",
            "\"--1\"", "\"0x10\"", "\"1e3\"", "\"١\"", "1e3", "1.0", "[1]", "{}", "true",
        ] {
            assert_eq!(fault("int", text), Mismatch, "{text}");
        }
    }

    #[test]
    fn a_fraction_would_be_rounded_and_is_not_exact() {
        for text in ["1.5", "\"1.5\"", "-0.5", "15e-1"] {
            assert_eq!(fault("int", text), NotExact, "{text}");
        }
    }

    #[test]
    fn zero_has_no_sign() {
        assert_eq!(sent("int", "-0"), Value::Int(0));
    }

    #[test]
    fn booleans_are_for_the_type_that_the_servers_call_boolean() {
        assert_eq!(sent("tinyint(1)", "true"), Value::Int(1));
        assert_eq!(sent("tinyint(1)", "false"), Value::Int(0));
        assert_eq!(sent("tinyint(1)", "127"), Value::Int(127));
        for other in ["tinyint(4)", "int(1)", "tinyint(10)"] {
            assert_eq!(fault(other, "true"), Mismatch, "{other}");
        }
        assert_eq!(fault("tinyint(1)", "\"true\""), Mismatch);
    }

    #[test]
    fn a_cell_of_another_kind_is_not_understood() {
        let ty = super::super::ColumnType::of(&column("int")).unwrap();
        assert!(super::super::read(&Value::Bytes(b"7".to_vec()), &ty).is_none());
    }
}
