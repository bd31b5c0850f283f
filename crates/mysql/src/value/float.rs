//! `float` and `double`: a number fits when the nearest float is written with the same digits. So 0.1 fits, although
//! no float is exactly a tenth; 16777217 doesn't fit a `float`, which would show 16777216.

use std::borrow::Cow;
use std::fmt::LowerExp;

use mysql::Value;
use synapsor_core::json::Json;

use super::column::Column;
use super::decimal::Decimal;
use super::integer::numeral;
use super::{Exact, Family, Fault, Typed};

/// `float` and `float(digits,scale)`.
#[derive(Debug)]
pub(super) struct FloatType(Limits);

/// `double` and `double(digits,scale)`.
#[derive(Debug)]
pub(super) struct DoubleType(Limits);

/// What the declaration adds to what a float can hold.
#[derive(Debug)]
struct Limits {
    is_unsigned: bool,
    /// Digits before and after the point, where they are declared.
    digits: Option<(u64, u64)>,
}

impl FloatType {
    pub(super) fn of(column: &Column) -> Self {
        FloatType(Limits::of(column))
    }
}

impl DoubleType {
    pub(super) fn of(column: &Column) -> Self {
        DoubleType(Limits::of(column))
    }
}

impl Family for FloatType {
    fn written(&self, value: &Json) -> Result<Typed, Fault> {
        let (text, number) = self.0.number(value)?;
        let float: f32 = text.parse().map_err(|_| Fault::Mismatch)?;
        let kept = self.0.rounded_by_server(float.into()) as f32;
        if kept != float || !is_written_as(float, &number) {
            return Err(Fault::NotExact);
        }
        let float = if number.is_zero() { 0.0 } else { float };
        Ok(Typed {
            parameter: Value::Float(float),
            exact: Exact::Float(float),
        })
    }

    fn read(&self, cell: &Value) -> Option<Exact> {
        match cell {
            Value::Float(float) if float.is_finite() => Some(Exact::Float(*float)),
            _ => None,
        }
    }
}

impl Family for DoubleType {
    fn written(&self, value: &Json) -> Result<Typed, Fault> {
        let (text, number) = self.0.number(value)?;
        let double: f64 = text.parse().map_err(|_| Fault::Mismatch)?;
        if self.0.rounded_by_server(double) != double || !is_written_as(double, &number) {
            return Err(Fault::NotExact);
        }
        let double = if number.is_zero() { 0.0 } else { double };
        Ok(Typed {
            parameter: Value::Double(double),
            exact: Exact::Double(double),
        })
    }

    fn read(&self, cell: &Value) -> Option<Exact> {
        match cell {
            Value::Double(double) if double.is_finite() => Some(Exact::Double(*double)),
            _ => None,
        }
    }
}

impl Limits {
    fn of(column: &Column) -> Self {
        let scale = column.numeric_scale.filter(|scale| *scale <= 30);
        Limits {
            is_unsigned: column.is_unsigned(),
            digits: column
                .numeric_precision
                .zip(scale)
                .map(|(precision, scale)| (precision.saturating_sub(scale), scale)),
        }
    }

    /// The number's text and digits, within the declared limits.
    fn number<'j>(&self, value: &'j Json) -> Result<(Cow<'j, str>, Decimal), Fault> {
        let text = numeral(value)?;
        let number = Decimal::parse(&text)?;
        let is_too_long = self
            .digits
            .is_some_and(|(whole, scale)| number.whole_digits() > whole || number.scale() > scale);
        if is_too_long || (self.is_unsigned && number.is_negative()) {
            return Err(Fault::NotExact);
        }
        Ok((text, number))
    }

    /// What the servers keep of a number where a scale is declared: they round its fraction in floating point, which
    /// changes a few numbers that have no more than these digits, such as -0.1 in a `double(20,10)`.
    fn rounded_by_server(&self, number: f64) -> f64 {
        let Some((_, scale)) = self.digits else {
            return number;
        };
        let Ok(power) = format!("1e{scale}").parse::<f64>() else {
            return number;
        };
        let whole = number.floor();
        whole + ((number - whole) * power).round_ties_even() / power
    }
}

/// True when a shortest text that reads as this float says the number. Never true of an infinite one.
pub(super) fn is_written_as(float: impl LowerExp, number: &Decimal) -> bool {
    shortest(float).is_some_and(|texts| texts.contains(number))
}

/// What this float is for people: the even one of its shortest texts, as servers, JavaScript and Python write it.
/// `None` for an infinite one.
pub(super) fn decimal_of(float: impl LowerExp) -> Option<Decimal> {
    shortest(float).map(|[even, _]| even)
}

/// The shortest texts that read as this float, the even one first. Mostly they are the same; but 21324919106177.3125
/// lies in the middle between 21324919106177.312 and 21324919106177.313, which both read as it.
fn shortest(float: impl LowerExp) -> Option<[Decimal; 2]> {
    let upward = format!("{float:e}");
    let digits = upward.split('e').next()?.bytes().filter(u8::is_ascii_digit);
    let even = format!("{float:.*e}", digits.count().saturating_sub(1));
    Some([Decimal::parse(&even).ok()?, Decimal::parse(&upward).ok()?])
}

#[cfg(test)]
mod tests {
    use super::super::Fault::{Mismatch, NotExact};
    use super::super::sample::{cell, fault, held, sent};
    use super::*;

    #[test]
    fn a_number_that_the_column_would_show_as_it_is_fits() {
        for (text, double) in [
            ("0.1", 0.1),
            ("\"0.10\"", 0.1),
            ("1e22", 1e22),
            ("-1.7976931348623157e308", f64::MIN),
            ("5e-324", 5e-324),
            ("9007199254740992", 9007199254740992.0),
            ("123", 123.0),
        ] {
            assert_eq!(sent("double", text), Value::Double(double), "{text}");
        }
        for (text, float) in [
            ("0.1", 0.1),
            ("16777216", 16777216.0),
            ("3.4028235e38", f32::MAX),
            ("1e-45", 1e-45),
        ] {
            assert_eq!(sent("float", text), Value::Float(float), "{text}");
        }
    }

    #[test]
    fn a_number_that_the_column_would_show_with_other_digits_is_not_exact() {
        for text in [
            "16777217",
            "0.10000000149011612",
            "1e39",
            "1e-46",
            "123456.789123",
        ] {
            assert_eq!(fault("float", text), NotExact, "{text}");
        }
        for text in [
            "9007199254740993",
            "1e400",
            "-1e400",
            "1e-400",
            "0.1000000000000000055511151231257827",
            "1e99999999999",
        ] {
            assert_eq!(fault("double", text), NotExact, "{text}");
        }
    }

    #[test]
    fn of_two_texts_equally_near_both_fit_and_people_see_the_even_one() {
        let double = Value::Double(21324919106177.313);
        for text in ["21324919106177.312", "21324919106177.313"] {
            assert_eq!(sent("double", text), double, "{text}");
        }
        for text in ["21324919106177.311", "21324919106177.3125"] {
            assert_eq!(fault("double", text), NotExact, "{text}");
        }
        let read = cell("double", &double).unwrap();
        assert_eq!(read.to_json().to_string(), "21324919106177.312");
    }

    #[test]
    fn a_text_that_is_not_a_finite_number_is_a_mismatch() {
        for text in [
            "\"nan\"",
            "\"inf\"",
            "\"Infinity\"",
            "\"1abc\"",
            "\"\"",
            "\"+1\"",
            "\".5\"",
            "true",
            "[]",
        ] {
            assert_eq!(fault("double", text), Mismatch, "{text}");
            assert_eq!(fault("float", text), Mismatch, "{text}");
        }
    }

    #[test]
    fn declared_digits_are_a_limit() {
        assert_eq!(sent("float(7,2)", "12345.67"), Value::Float(12345.67));
        assert_eq!(sent("double(5,2)", "-999.99"), Value::Double(-999.99));
        for (column_type, text) in [
            ("float(7,2)", "0.105"),
            ("float(7,2)", "100000"),
            ("double(5,2)", "1000"),
            ("double(5,2) unsigned", "-1"),
            ("float unsigned", "-0.5"),
        ] {
            assert_eq!(fault(column_type, text), NotExact, "{column_type} {text}");
        }
    }

    /// MySQL 9.7 and MariaDB 10.11 keep -0.09999999999999998.
    #[test]
    fn a_number_that_the_servers_own_rounding_changes_is_not_exact() {
        assert_eq!(fault("double(20,10)", "-0.1"), NotExact);
        assert_eq!(sent("double(20,10)", "0.1"), Value::Double(0.1));
        assert_eq!(sent("float(20,10)", "-0.1"), Value::Float(-0.1));
    }

    #[test]
    fn zero_has_no_sign() {
        assert_eq!(held("double", "-0.0"), Exact::Double(0.0));
        assert_eq!(
            cell("double", &Value::Double(-0.0)),
            Some(held("double", "0"))
        );
        assert!(
            matches!(sent("float unsigned", "-0"), Value::Float(zero) if zero.is_sign_positive())
        );
    }

    #[test]
    fn a_cell_without_a_number_is_not_understood() {
        assert_eq!(cell("double", &Value::Double(f64::NAN)), None);
        assert_eq!(cell("float", &Value::Double(0.1)), None);
    }
}
