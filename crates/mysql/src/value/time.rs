//! `time`: a span of up to 838 hours, either way.

use mysql::Value;
use synapsor_core::json::Json;

use super::calendar::{Clock, Reader, microseconds};
use super::column::Column;
use super::exact::time_of_day;
use super::{Exact, Family, Fault, Typed};

const LAST_HOUR: u32 = 838;

/// Both ends of the range are this far from zero, in microseconds: 838:59:59.
const LIMIT: i64 = (LAST_HOUR as i64 * 3600 + 59 * 60 + 59) * 1_000_000;

/// `time(digits)`.
#[derive(Debug)]
pub(super) struct TimeType {
    digits: u32,
}

impl TimeType {
    pub(super) fn of(column: &Column) -> Self {
        TimeType {
            digits: column.fraction_digits(),
        }
    }
}

impl Family for TimeType {
    fn written(&self, value: &Json) -> Result<Typed, Fault> {
        let text = value.as_str().ok_or(Fault::Mismatch)?;
        let mut reader = Reader::new(&text);
        let is_negative = reader.take('-');
        let hour_digits = reader.upcoming_digits().min(3);
        let clock = reader.clock(hour_digits).ok_or(Fault::Mismatch)?;
        if !reader.is_done() {
            return Err(Fault::Mismatch);
        }
        let microsecond = microseconds(clock.nanosecond, self.digits)?;
        let seconds = clock.hour * 3600 + clock.minute * 60 + clock.second;
        let span = i64::from(seconds) * 1_000_000 + i64::from(microsecond);
        if span > LIMIT {
            return Err(Fault::NotExact);
        }
        let span = if is_negative { -span } else { span };
        // MySQL 9.7 calls this one out of range unless it is a text.
        let parameter = if clock.hour == LAST_HOUR && microsecond > 0 {
            Value::Bytes(time_of_day(span).into_bytes())
        } else {
            time(span < 0, &clock, microsecond)
        };
        Ok(Typed {
            parameter,
            exact: Exact::Time(span),
        })
    }

    fn read(&self, cell: &Value) -> Option<Exact> {
        let Value::Time(is_negative, days, hour, minute, second, microsecond) = *cell else {
            return None;
        };
        let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        let span = i64::from(days)
            .checked_mul(24 * 3600 * 1_000_000)?
            .checked_add(seconds * 1_000_000 + i64::from(microsecond))?;
        Some(Exact::Time(if is_negative { -span } else { span }))
    }
}

fn time(is_negative: bool, clock: &Clock, microsecond: u32) -> Value {
    let [hour, minute, second] =
        [clock.hour % 24, clock.minute, clock.second].map(|part| part as u8);
    let days = clock.hour / 24;
    Value::Time(is_negative, days, hour, minute, second, microsecond)
}

#[cfg(test)]
mod tests {
    use super::super::Fault::{Mismatch, NotExact};
    use super::super::sample::{cell, fault, held, sent};
    use super::*;

    #[test]
    fn hours_have_one_to_three_digits() {
        for (text, expected) in [
            ("\"1:02:03\"", Value::Time(false, 0, 1, 2, 3, 0)),
            ("\"00:00:00\"", Value::Time(false, 0, 0, 0, 0, 0)),
            ("\"-00:00:00\"", Value::Time(false, 0, 0, 0, 0, 0)),
            ("\"-00:00:00.5\"", Value::Time(true, 0, 0, 0, 0, 500_000)),
            ("\"100:00:00\"", Value::Time(false, 4, 4, 0, 0, 0)),
            (
                "\"838:59:59.000000000\"",
                Value::Time(false, 34, 22, 59, 59, 0),
            ),
            ("\"-838:59:59\"", Value::Time(true, 34, 22, 59, 59, 0)),
            (
                "\"-838:00:00.500000000\"",
                Value::Bytes(b"-838:00:00.5".to_vec()),
            ),
        ] {
            assert_eq!(sent("time(6)", text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_time_is_a_mismatch() {
        for text in [
            "",
            "1",
            "12:30",
            "12:60:00",
            "12:30:60",
            "1234:00:00",
            "+1:00:00",
            "12:3:00",
            ":00:00",
            "12:30:00Z",
            "1 12:30:00",
            "12:30:00.",
            "12:30:00.1234567890",
            "123000",
            "--1:00:00",
            "2024-01-02T12:30:00",
        ] {
            assert_eq!(fault("time(6)", &format!("\"{text}\"")), Mismatch, "{text}");
        }
        assert_eq!(fault("time", "123000"), Mismatch);
    }

    #[test]
    fn a_time_beyond_the_range_or_finer_than_the_column_is_not_exact() {
        for (column_type, text) in [
            ("time(6)", "\"839:00:00\""),
            ("time(6)", "\"-838:59:59.000001\""),
            ("time(6)", "\"999:59:59\""),
            ("time", "\"12:30:00.1\""),
            ("time(6)", "\"12:30:00.0000001\""),
        ] {
            assert_eq!(fault(column_type, text), NotExact, "{column_type} {text}");
        }
    }

    #[test]
    fn a_cell_is_read_whatever_its_days_and_hours() {
        let same = held("time", "\"-100:00:00\"");
        assert_eq!(
            cell("time", &Value::Time(true, 4, 4, 0, 0, 0)),
            Some(same.clone())
        );
        assert_eq!(
            cell("time", &Value::Time(true, 0, 100, 0, 0, 0)),
            Some(same)
        );
    }
}
