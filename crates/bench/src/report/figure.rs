//! A cell of a table: a median and its spread, in a unit.

use std::fmt;

use serde_json::{Value, json};

use crate::samples::Samples;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number as it is.
    Plain,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Bytes.
    Bytes,
    /// So many times as much.
    Times,
}

impl Unit {
    /// A number in this unit, with the digits that count.
    pub fn show(self, number: f64) -> String {
        self.with_sign(&digits(number / self.scale()))
    }

    /// A round number in this unit, as it is.
    pub fn show_round(self, number: f64) -> String {
        self.with_sign(&(number / self.scale()).to_string())
    }

    fn with_sign(self, number: &str) -> String {
        match self {
            Unit::Plain => number.to_owned(),
            Unit::Seconds => format!("{number} s"),
            Unit::Milliseconds => format!("{number} ms"),
            Unit::Bytes => format!("{number} MB"),
            Unit::Times => format!("{number} ×"),
        }
    }

    /// What is shown as one.
    fn scale(self) -> f64 {
        match self {
            Unit::Bytes => 1_048_576.0,
            _ => 1.0,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Unit::Plain => "1",
            Unit::Seconds => "s",
            Unit::Milliseconds => "ms",
            Unit::Bytes => "bytes",
            Unit::Times => "times",
        }
    }
}

/// Three digits that count, and no more than people read.
fn digits(number: f64) -> String {
    let decimals = match number.abs() {
        0.0 => 0,
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{number:.decimals$}")
}

/// What was found under one heading: the median of some runs, from the lowest to the highest.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The column's heading.
    pub name: &'static str,
    unit: Unit,
    median: f64,
    min: f64,
    max: f64,
    runs: usize,
}

impl Figure {
    /// The median of some runs.
    pub fn new(name: &'static str, unit: Unit, samples: &Samples) -> Self {
        Figure {
            name,
            unit,
            median: samples.median(),
            min: samples.min(),
            max: samples.max(),
            runs: samples.count(),
        }
    }

    /// A number that has no spread, such as the ratio of two medians.
    pub fn single(name: &'static str, unit: Unit, number: f64) -> Self {
        Figure::new(name, unit, &[number].into_iter().collect())
    }

    /// Everything, for a program.
    pub fn json(&self) -> Value {
        json!({
            "unit": self.unit.name(),
            "median": self.median,
            "min": self.min,
            "max": self.max,
            "runs": self.runs,
        })
    }
}

/// Such as `1.52 s (1.48–1.60)`; nothing for a number that does not exist.
impl fmt::Display for Figure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.median.is_nan() {
            return formatter.write_str("–");
        }
        formatter.write_str(&self.unit.show(self.median))?;
        if self.runs < 2 {
            return Ok(());
        }
        let bare = |number: f64| digits(number / self.unit.scale());
        write!(formatter, " ({}–{})", bare(self.min), bare(self.max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_shows_its_spread_where_it_has_one() {
        let samples = [1.5, 1.25, 12.0].into_iter().collect();
        let figure = Figure::new("seconds", Unit::Seconds, &samples);
        assert_eq!(figure.to_string(), "1.50 s (1.25–12.0)");
        let ratio = Figure::single("ratio", Unit::Times, 0.7);
        assert_eq!(ratio.to_string(), "0.700 ×");
        let bytes = [3.0 * 1048576.0, 0.0].into_iter().collect();
        let bytes = Figure::new("memory", Unit::Bytes, &bytes);
        assert_eq!(bytes.to_string(), "1.50 MB (0–3.00)");
    }

    #[test]
    fn what_was_not_found_is_a_dash() {
        let nothing = Figure::new("seconds", Unit::Seconds, &Samples::default());
        assert_eq!(nothing.to_string(), "–");
    }
}
