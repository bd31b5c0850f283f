//! `datetime`, `timestamp` and `date`, from ISO 8601 texts. A text with a zone is converted to UTC, where the session
//! is; one without a zone is in UTC.

use jiff::SignedDuration;
use jiff::civil::DateTime;
use mysql::Value;
use synapsor_core::json::Json;

use super::calendar::{Moment, Reader, microseconds};
use super::column::Column;
use super::{Exact, Family, Fault, Typed};

/// The first year of both types; the servers' manuals promise nothing for those before.
const FIRST_YEAR: i16 = 1000;

/// `datetime(digits)` or `timestamp(digits)`.
#[derive(Debug)]
pub(super) struct DateTimeType {
    digits: u32,
    is_timestamp: bool,
}

impl DateTimeType {
    pub(super) fn of(column: &Column) -> Self {
        DateTimeType {
            digits: column.fraction_digits(),
            is_timestamp: column.data_type == "timestamp",
        }
    }

    /// A timestamp counts seconds from 1970, of which the first is taken, up to 31 bits.
    fn holds(&self, moment: DateTime) -> bool {
        if !self.is_timestamp {
            return moment.year() >= FIRST_YEAR;
        }
        let first = jiff::civil::date(1970, 1, 1).at(0, 0, 1, 0);
        let last = jiff::civil::date(2038, 1, 19).at(3, 14, 7, 999_999_999);
        first <= moment && moment <= last
    }
}

impl Family for DateTimeType {
    fn written(&self, value: &Json) -> Result<Typed, Fault> {
        let text = value.as_str().ok_or(Fault::Mismatch)?;
        let (local, offset) = moment(&text).ok_or(Fault::Mismatch)?;
        let utc = local
            .checked_sub(SignedDuration::from_secs(offset))
            .map_err(|_| Fault::NotExact)?;
        if !self.holds(utc) {
            return Err(Fault::NotExact);
        }
        let microsecond = microseconds(utc.subsec_nanosecond().unsigned_abs(), self.digits)?;
        let [month, day, hour, minute, second] = [
            utc.month(),
            utc.day(),
            utc.hour(),
            utc.minute(),
            utc.second(),
        ]
        .map(i8::unsigned_abs);
        let year = utc.year().unsigned_abs();
        Ok(Typed {
            parameter: Value::Date(year, month, day, hour, minute, second, microsecond),
            exact: Exact::DateTime(Moment {
                year,
                month,
                day,
                hour,
                minute,
                second,
                microsecond,
            }),
        })
    }

    fn read(&self, cell: &Value) -> Option<Exact> {
        match *cell {
            Value::Date(year, month, day, hour, minute, second, microsecond) => {
                Some(Exact::DateTime(Moment {
                    year,
                    month,
                    day,
                    hour,
                    minute,
                    second,
                    microsecond,
                }))
            }
            _ => None,
        }
    }
}

/// Date and time of day, with the seconds that their zone is ahead of UTC. A date alone is its midnight.
fn moment(text: &str) -> Option<(DateTime, i64)> {
    let mut reader = Reader::new(text);
    let date = reader.date()?;
    if reader.is_done() {
        return Some((date.at(0, 0, 0, 0), 0));
    }
    if !reader.take('T') {
        reader.expect(' ')?;
    }
    let clock = reader.clock(2).filter(|clock| clock.hour < 24)?;
    let offset = reader.zone()?;
    let [hour, minute, second] = [clock.hour, clock.minute, clock.second].map(|part| part as i8);
    reader.is_done().then_some(())?;
    Some((
        date.at(hour, minute, second, clock.nanosecond as i32),
        offset,
    ))
}

/// The type `date`. A date with a time of day is refused: the server would cut it.
#[derive(Debug)]
pub(super) struct DateType;

impl Family for DateType {
    fn written(&self, value: &Json) -> Result<Typed, Fault> {
        let text = value.as_str().ok_or(Fault::Mismatch)?;
        let mut reader = Reader::new(&text);
        let date = reader.date().ok_or(Fault::Mismatch)?;
        if !reader.is_done() {
            return Err(Fault::Mismatch);
        }
        if date.year() < FIRST_YEAR {
            return Err(Fault::NotExact);
        }
        let (year, month, day) = (
            date.year().unsigned_abs(),
            date.month().unsigned_abs(),
            date.day().unsigned_abs(),
        );
        Ok(Typed {
            parameter: Value::Date(year, month, day, 0, 0, 0, 0),
            exact: Exact::Date(year, month, day),
        })
    }

    fn read(&self, cell: &Value) -> Option<Exact> {
        match *cell {
            Value::Date(year, month, day, 0, 0, 0, 0) => Some(Exact::Date(year, month, day)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Fault::{Mismatch, NotExact};
    use super::super::sample::{cell, fault, held, sent};
    use super::*;

    fn quoted(text: &str) -> String {
        format!("\"{text}\"")
    }

    #[test]
    fn a_text_with_a_zone_is_converted_to_utc() {
        for text in [
            "2024-01-02T03:04:05Z",
            "2024-01-02 03:04:05",
            "2024-01-02T03:04:05",
            "2024-01-02 03:04:05.000000000Z",
            "2024-01-02T05:34:05+02:30",
            "2024-01-01T22:04:05-0500",
            "2024-01-02T04:04:05+01",
            "2024-01-02T03:04:05-00:00",
            "2024-01-03T03:03:05+23:59",
        ] {
            let expected = Value::Date(2024, 1, 2, 3, 4, 5, 0);
            assert_eq!(sent("datetime", &quoted(text)), expected, "{text}");
            assert_eq!(sent("timestamp", &quoted(text)), expected, "{text}");
        }
        assert_eq!(
            sent("datetime", "\"2024-02-29\""),
            Value::Date(2024, 2, 29, 0, 0, 0, 0)
        );
    }

    #[test]
    fn a_text_that_is_not_a_moment_is_a_mismatch() {
        for text in [
            "",
            "now",
            "2024-01-02T03:04",
            "2024-01-02T24:00:00",
            "2024-01-02T03:04:60Z",
            "2024-01-02T03:60:00",
            "2024-02-30",
            "2023-02-29T00:00:00Z",
            "0000-00-00",
            "0000-00-00 00:00:00",
            "2024-00-10",
            "2024-1-2",
            "24-01-02",
            "12024-01-02",
            "-2024-01-02",
            "2024-01-02T03:04:05[Europe/Berlin]",
            "2024-01-02T03:04:05+02:00[Europe/Berlin]",
            "2024-01-02T03:04:05+24:00",
            "2024-01-02T03:04:05+01:60",
            "2024-01-02T03:04:05+1",
            "2024-01-02T03:04:05+01:",
            "2024-01-02T03:04:05 Z",
            "2024-01-02T03:04:05z",
            "2024-01-02t03:04:05Z",
            "2024-01-02  03:04:05",
            "2024-01-02T03:04:05.",
            "2024-01-02T03:04:05.1234567890",
            "2024-01-02T03:04:05,5",
            " 2024-01-02",
            "2024-01-02T",
            "2024-01-02Z",
            "２024-01-02",
            "20240102",
        ] {
            assert_eq!(fault("datetime(6)", &quoted(text)), Mismatch, "{text}");
        }
        for text in ["1704164645", "true", "{}", "[]"] {
            assert_eq!(fault("timestamp", text), Mismatch, "{text}");
        }
    }

    #[test]
    fn a_fraction_that_the_column_would_round_is_not_exact() {
        let text = "\"2024-01-02T03:04:05.120000000Z\"";
        assert_eq!(
            sent("datetime(2)", text),
            Value::Date(2024, 1, 2, 3, 4, 5, 120_000)
        );
        assert_eq!(fault("datetime(1)", text), NotExact);
        assert_eq!(fault("timestamp", text), NotExact);
        assert_eq!(
            fault("datetime(6)", "\"2024-01-02 03:04:05.1234567\""),
            NotExact
        );
    }

    #[test]
    fn a_moment_outside_the_type_s_range_is_not_exact() {
        for text in [
            "1000-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999Z",
            "9999-12-31T22:00:00-01:59",
        ] {
            sent("datetime(6)", &quoted(text));
        }
        for text in [
            "0999-12-31T23:59:59Z",
            "1000-01-01T00:00:00+00:01",
            "0000-01-01",
            "9999-12-31T23:59:59-00:01",
        ] {
            assert_eq!(fault("datetime(6)", &quoted(text)), NotExact, "{text}");
        }
        for text in ["1970-01-01T00:00:01Z", "2038-01-19T03:14:07.999999Z"] {
            sent("timestamp(6)", &quoted(text));
        }
        for text in [
            "1970-01-01T00:00:00.999999Z",
            "1970-01-01T00:00:01+00:01",
            "2038-01-19T03:14:08Z",
        ] {
            assert_eq!(fault("timestamp(6)", &quoted(text)), NotExact, "{text}");
        }
    }

    #[test]
    fn a_date_has_no_time_of_day() {
        assert_eq!(
            sent("date", "\"2024-01-02\""),
            Value::Date(2024, 1, 2, 0, 0, 0, 0)
        );
        for text in [
            "2024-01-02T00:00:00Z",
            "2024-01-02 00:00:00",
            "2024-13-01",
            "",
        ] {
            assert_eq!(fault("date", &quoted(text)), Mismatch, "{text}");
        }
        assert_eq!(fault("date", "\"0999-12-31\""), NotExact);
        assert_eq!(cell("date", &Value::Date(2024, 1, 2, 0, 0, 0, 1)), None);
    }

    #[test]
    fn a_cell_with_the_servers_zero_date_is_read_and_equals_no_date() {
        let zero = cell("datetime", &Value::Date(0, 0, 0, 0, 0, 0, 0)).unwrap();
        assert_ne!(zero, held("datetime", "\"1970-01-01\""));
        assert_eq!(zero.to_json(), "0000-00-00 00:00:00");
    }
}
