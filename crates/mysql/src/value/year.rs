//! `year`: 1901 to 2155, and 0.

use mysql::Value;
use synapsor_core::json::{Json, Kind};

use super::integer::{cell_of, integer, is_digits, numeral, parameter};
use super::{Exact, Family, Fault, Typed};

/// The type `year`. A year of two digits is refused: the server would make 2026 of 26.
#[derive(Debug)]
pub(super) struct YearType;

impl Family for YearType {
    fn written(&self, value: &Json) -> Result<Typed, Fault> {
        let text = numeral(value)?;
        let year = if value.kind() == Kind::String {
            four_digits(&text)?
        } else {
            integer(&text)?
        };
        if year != 0 && !(1901..=2155).contains(&year) {
            return Err(Fault::NotExact);
        }
        Ok(Typed {
            parameter: parameter(year).ok_or(Fault::NotExact)?,
            exact: Exact::Integer(year),
        })
    }

    fn read(&self, cell: &Value) -> Option<Exact> {
        cell_of(cell).map(Exact::Integer)
    }
}

fn four_digits(text: &str) -> Result<i128, Fault> {
    if text.len() != 4 || !is_digits(text) {
        return Err(Fault::Mismatch);
    }
    text.parse().map_err(|_| Fault::Mismatch)
}

#[cfg(test)]
mod tests {
    use super::super::Fault::{Mismatch, NotExact};
    use super::super::sample::{fault, sent};
    use mysql::Value;

    #[test]
    fn a_year_is_an_integer_or_four_digits() {
        for (text, year) in [
            ("1901", 1901),
            ("2155", 2155),
            ("0", 0),
            ("\"0000\"", 0),
            ("\"2024\"", 2024),
        ] {
            assert_eq!(sent("year(4)", text), Value::Int(year), "{text}");
        }
    }

    #[test]
    fn two_digits_are_never_taken_for_a_year_of_this_century() {
        for text in ["26", "1", "69", "1900", "2156", "-1", "\"0026\"", "2024.5"] {
            assert_eq!(fault("year", text), NotExact, "{text}");
        }
        for text in [
            "\"26\"",
            "\"0\"",
            "\"\"",
            "\"20245\"",
            "\"+202\"",
            "true",
            "2024.0",
        ] {
            assert_eq!(fault("year", text), Mismatch, "{text}");
        }
    }
}
