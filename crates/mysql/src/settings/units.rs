//! Values with units, the same on the command line, in the environment and in the TOML file.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A length of time: `500ms`, `5s`, `90days`; a plain number is milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Duration);

/// `on` or `off`; also `true`, `false`, `yes`, `no`, `1`, `0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch(pub bool);

/// How many: a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub usize);

/// A number of bytes: `64MB` (of 1,000 kB), `64MiB`; a plain number is bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromStr for Time {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(milliseconds) = text.parse() {
            return Ok(Time(Duration::from_millis(milliseconds)));
        }
        humantime::parse_duration(text)
            .map(Time)
            .map_err(|_| "a length of time: 500ms, 5s, 10min, 90days")
    }
}

impl FromStr for Switch {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "on" | "true" | "yes" | "1" => Ok(Switch(true)),
            "off" | "false" | "no" | "0" => Ok(Switch(false)),
            _ => Err("on or off"),
        }
    }
}

impl FromStr for Count {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Count).map_err(|_| "a whole number")
    }
}

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<ByteSize>()
            .map(|size| Size(size.as_u64()))
            .map_err(|_| "a number of bytes: 64MB, 512KiB")
    }
}

/// Reads a text, a number or a truth value of a TOML file as its text.
struct AsText;

impl Visitor<'_> for AsText {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }
}

fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err = &'static str>,
    D: Deserializer<'de>,
{
    let text = deserializer.deserialize_any(AsText)?;
    let wanted = |wanted| D::Error::custom(format!("expected {wanted}"));
    text.parse().map_err(wanted)
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer)
    }
}

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_has_a_unit_or_is_in_milliseconds() {
        let time = |text: &str| text.parse().map(|Time(time)| time);
        assert_eq!(time("250"), Ok(Duration::from_millis(250)));
        assert_eq!(time("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(time("90days"), Ok(Duration::from_secs(90 * 86_400)));
        for text in ["", "soon", "-5s", "1.5"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_switch_is_on_or_off() {
        for (text, on) in [("on", true), ("TRUE", true), ("off", false), ("0", false)] {
            assert_eq!(text.parse(), Ok(Switch(on)));
        }
        assert!("maybe".parse::<Switch>().is_err());
    }

    #[test]
    fn a_size_has_a_unit_or_is_in_bytes() {
        assert_eq!("512".parse(), Ok(Size(512)));
        assert_eq!("1KiB".parse(), Ok(Size(1024)));
        assert!("many".parse::<Size>().is_err());
    }
}
