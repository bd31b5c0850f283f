//! Decimal numbers as their digits, never by way of a float; and `decimal(p,s)`.

use mysql::Value;
use synapsor_core::json::Json;

use super::column::Column;
use super::integer::{is_digits, numeral};
use super::{Exact, Family, Fault, Typed};

/// Zeros that are written out; what has more is written with an exponent.
const MOST_ZEROS: i64 = 100;

/// A decimal number of any length: `0.digits × 10^point`. Two are equal when their values are.
#[derive(Clone, PartialEq, Eq)]
pub struct Decimal {
    is_negative: bool,
    /// Without leading and trailing zeros; empty for zero, which has no sign and no point.
    digits: String,
    point: i64,
}

impl Decimal {
    /// Reads `-?digits[.digits][e±digits]`; nothing is allocated for an exponent, however large.
    ///
    /// # Errors
    /// A mismatch for another text; not exact for an exponent beyond 32 bits.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let (is_negative, magnitude) = match text.strip_prefix('-') {
            Some(magnitude) => (true, magnitude),
            None => (false, text),
        };
        let (mantissa, exponent) = match magnitude.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (magnitude, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let exponent_digits = exponent.map(|text| text.strip_prefix(['+', '-']).unwrap_or(text));
        let is_well_formed = [Some(whole), fraction, exponent_digits]
            .into_iter()
            .flatten()
            .all(is_digits);
        if !is_well_formed {
            return Err(Fault::Mismatch);
        }
        let all = [whole, fraction.unwrap_or_default()].concat();
        let significant = all.trim_start_matches('0');
        let digits = significant.trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Ok(Decimal {
                is_negative: false,
                digits,
                point: 0,
            });
        }
        let exponent: i32 = exponent
            .map_or(Ok(0), str::parse)
            .map_err(|_| Fault::NotExact)?;
        let leading_zeros = all.len() - significant.len();
        Ok(Decimal {
            is_negative,
            digits,
            point: whole.len() as i64 - leading_zeros as i64 + i64::from(exponent),
        })
    }

    /// Digits after the point.
    pub(super) fn scale(&self) -> u64 {
        u64::try_from(self.digits.len() as i64 - self.point).unwrap_or(0)
    }

    /// Digits before the point, 0 for a number below 1.
    pub(super) fn whole_digits(&self) -> u64 {
        u64::try_from(self.point).unwrap_or(0)
    }

    /// True without digits after the point.
    pub(super) fn is_integer(&self) -> bool {
        self.scale() == 0
    }

    /// True below zero.
    pub(super) fn is_negative(&self) -> bool {
        self.is_negative
    }

    /// True for zero.
    pub(super) fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// The number's one text: without an exponent, unless it is very large or very small.
    pub(super) fn text(&self) -> String {
        let sign = if self.is_negative { "-" } else { "" };
        let digits = self.digits.as_str();
        let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
        let missing = self.point - digits.len() as i64;
        if self.is_zero() {
            "0".to_owned()
        } else if missing > MOST_ZEROS || self.point < -MOST_ZEROS {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            format!("{sign}{first}{point}{rest}e{}", self.point - 1)
        } else if self.point <= 0 {
            format!("{sign}0.{}{digits}", zeros(-self.point))
        } else if missing >= 0 {
            format!("{sign}{digits}{}", zeros(missing))
        } else {
            let (whole, fraction) = digits.split_at(self.whole_digits() as usize);
            format!("{sign}{whole}.{fraction}")
        }
    }
}

/// `decimal(precision,scale)`.
#[derive(Debug)]
pub(super) struct DecimalType {
    whole_digits: u64,
    scale: u64,
    is_unsigned: bool,
}

impl DecimalType {
    pub(super) fn of(column: &Column) -> Option<Self> {
        let scale = column.numeric_scale?;
        Some(DecimalType {
            whole_digits: column.numeric_precision?.checked_sub(scale)?,
            scale,
            is_unsigned: column.is_unsigned(),
        })
    }
}

impl Family for DecimalType {
    /// An integer is sent as one, where 64 bits hold it; another number as its text, which the servers compare and
    /// store as a decimal.
    fn written(&self, value: &Json) -> Result<Typed, Fault> {
        let number = Decimal::parse(&numeral(value)?)?;
        if number.scale() > self.scale
            || number.whole_digits() > self.whole_digits
            || (self.is_unsigned && number.is_negative())
        {
            return Err(Fault::NotExact);
        }
        let text = number.text();
        let parameter = text
            .parse()
            .map(Value::Int)
            .or_else(|_| text.parse().map(Value::UInt))
            .unwrap_or(Value::Bytes(text.into_bytes()));
        Ok(Typed {
            parameter,
            exact: Exact::Decimal(number),
        })
    }

    fn read(&self, cell: &Value) -> Option<Exact> {
        let Value::Bytes(text) = cell else {
            return None;
        };
        Decimal::parse(std::str::from_utf8(text).ok()?)
            .ok()
            .map(Exact::Decimal)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Fault::{Mismatch, NotExact};
    use super::super::sample::{cell, fault, held, sent};
    use super::*;

    fn text(number: &str) -> String {
        Decimal::parse(number).unwrap().text()
    }

    #[test]
    fn a_number_has_one_text_however_it_is_written() {
        for (written, expected) in [
            ("1.50", "1.5"),
            ("150e-2", "1.5"),
            ("0.00015E4", "1.5"),
            ("0015e-1", "1.5"),
            ("-0", "0"),
            ("-0.000e99999999999999999999", "0"),
            ("100", "100"),
            ("1e+2", "100"),
            ("-0.001", "-0.001"),
            ("1e101", "1e101"),
            ("-12e300", "-1.2e301"),
            ("1e-102", "1e-102"),
        ] {
            assert_eq!(text(written), expected, "{written}");
        }
    }

    #[test]
    fn an_exponent_costs_no_memory() {
        let huge = Decimal::parse("1e2147483647").unwrap();
        assert_eq!(huge.text(), "1e2147483647");
        assert_eq!(Decimal::parse("1e2147483648").err(), Some(NotExact));
        assert_eq!(
            Decimal::parse("1e-99999999999999999999").err(),
            Some(NotExact)
        );
        assert_eq!(fault("decimal(65,30)", "1e400"), NotExact);
        assert_eq!(fault("decimal(65,30)", "1e-2000000000"), NotExact);
    }

    #[test]
    fn a_text_that_is_not_a_number_is_a_mismatch() {
        for text in [
            "\"\"",
            "\"-\"",
            "\".5\"",
            "\"5.\"",
            "\"+5\"",
            "\"5 \"",
            "\"5e\"",
            "\"1,5\"",
            "\"0x5\"",
            "\"NaN\"",
            "\"1.2.3\"",
            "\"1e2e3\"",
            "\"1e1.5\"",
            "\"--1\"",
            "\"٣\"",
            "true",
            "[]",
            "{}",
        ] {
            assert_eq!(fault("decimal(10,2)", text), Mismatch, "{text}");
        }
    }

    #[test]
    fn what_the_column_would_round_or_cut_is_not_exact() {
        for (column_type, text) in [
            ("decimal(5,2)", "1000"),
            ("decimal(5,2)", "1.005"),
            ("decimal(5,2)", "999.994"),
            ("decimal(3,3)", "1"),
            ("decimal(10,0)", "0.5"),
            ("decimal(5,2) unsigned", "-0.01"),
        ] {
            assert_eq!(fault(column_type, text), NotExact, "{column_type} {text}");
        }
    }

    #[test]
    fn sixty_five_digits_are_sent_and_read_back_as_they_are() {
        let long = "-12345678901234567890123456789012345.123456789012345678901234567891";
        let value = Value::Bytes(long.as_bytes().to_vec());
        assert_eq!(sent("decimal(65,30)", long), value);
        assert_eq!(
            cell("decimal(65,30)", &value).unwrap(),
            held("decimal(65,30)", &format!("\"{long}\""))
        );
        assert_eq!(
            sent("decimal(5,2)", "\"999.990\""),
            Value::Bytes(b"999.99".to_vec())
        );
    }

    #[test]
    fn an_integer_is_sent_as_one_where_it_fits() {
        assert_eq!(sent("decimal(30,2)", "-7.00"), Value::Int(-7));
        assert_eq!(sent("decimal(30,2)", "-0"), Value::Int(0));
        assert_eq!(
            sent("decimal(30,2)", "18446744073709551615"),
            Value::UInt(u64::MAX)
        );
        assert_eq!(
            sent("decimal(30,2)", "18446744073709551616"),
            Value::Bytes(b"18446744073709551616".to_vec())
        );
    }

    #[test]
    fn a_cell_s_zeros_do_not_matter() {
        for (text, same) in [("7.00", "7"), ("0000000005", "5"), ("0.000", "-0")] {
            let read = cell("decimal(12,3)", &Value::Bytes(text.as_bytes().to_vec()));
            assert_eq!(read.unwrap(), held("decimal(12,3)", same), "{text}");
        }
    }
}
