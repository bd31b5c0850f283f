//! Reading dates, times of day and zones from ISO 8601 texts, digit by digit: nothing is guessed, nothing is skipped.

use std::fmt;

use super::Fault;
use super::integer::is_digits;

/// A date with a time of day, as a cell has it; the servers' zero date has zeros.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// 0 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// 0 to 999,999.
    pub microsecond: u32,
}

/// As the servers show it: `2024-01-02 03:04:05.5`.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
            self.year, self.month, self.day, self.hour, self.minute, self.second
        );
        push_fraction(&mut text, self.microsecond);
        f.write_str(&text)
    }
}

/// Appends a second's fraction without needless zeros; nothing for none.
pub(super) fn push_fraction(text: &mut String, microsecond: u32) {
    if microsecond > 0 {
        text.push_str(format!(".{microsecond:06}").trim_end_matches('0'));
    }
}

/// Hours, minutes and seconds, and the second's fraction.
pub(super) struct Clock {
    pub(super) hour: u32,
    pub(super) minute: u32,
    pub(super) second: u32,
    pub(super) nanosecond: u32,
}

/// What is left of a text.
pub(super) struct Reader<'t>(&'t str);

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Reader(text)
    }

    /// True at the end.
    pub(super) fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a character, if it is the next.
    pub(super) fn take(&mut self, c: char) -> bool {
        match self.0.strip_prefix(c) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    /// Takes a character that has to be there.
    pub(super) fn expect(&mut self, c: char) -> Option<()> {
        self.take(c).then_some(())
    }

    /// Takes exactly so many digits.
    pub(super) fn digits(&mut self, count: usize) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        let number = is_digits(digits).then(|| digits.parse().ok())??;
        self.0 = rest;
        Some(number)
    }

    /// How many digits come next.
    pub(super) fn upcoming_digits(&self) -> usize {
        self.0.bytes().take_while(u8::is_ascii_digit).count()
    }

    /// `YYYY-MM-DD`, a day that the calendar has.
    pub(super) fn date(&mut self) -> Option<jiff::civil::Date> {
        let year = self.digits(4)?;
        self.expect('-')?;
        let month = self.digits(2)?;
        self.expect('-')?;
        let day = self.digits(2)?;
        jiff::civil::Date::new(year as i16, month as i8, day as i8).ok()
    }

    /// `H…:MM:SS[.f…]`: so many digits of hours, at most 9 of the fraction.
    pub(super) fn clock(&mut self, hour_digits: usize) -> Option<Clock> {
        let hour = self.digits(hour_digits)?;
        self.expect(':')?;
        let minute = self.digits(2).filter(|minute| *minute < 60)?;
        self.expect(':')?;
        let second = self.digits(2).filter(|second| *second < 60)?;
        let nanosecond = if self.take('.') { self.fraction()? } else { 0 };
        Some(Clock {
            hour,
            minute,
            second,
            nanosecond,
        })
    }

    fn fraction(&mut self) -> Option<u32> {
        let count = self.upcoming_digits();
        let digits = self.digits(count.min(10)).filter(|_| count <= 9)?;
        Some(digits * 10u32.pow(9 - count as u32))
    }

    /// The seconds that a zone is ahead of UTC: `Z`, `±HH:MM`, `±HHMM`, `±HH`; without one it is UTC.
    pub(super) fn zone(&mut self) -> Option<i64> {
        if self.is_done() || self.take('Z') {
            return Some(0);
        }
        let sign = if self.take('-') {
            -1
        } else {
            self.expect('+')?;
            1
        };
        let hours = self.digits(2).filter(|hours| *hours < 24)?;
        let minutes = if self.take(':') || !self.is_done() {
            self.digits(2).filter(|minutes| *minutes < 60)?
        } else {
            0
        };
        Some(sign * i64::from(hours * 3600 + minutes * 60))
    }
}

/// The microseconds of a fraction that a column with so many digits keeps.
pub(super) fn microseconds(nanosecond: u32, digits: u32) -> Result<u32, Fault> {
    if nanosecond.is_multiple_of(10u32.pow(9 - digits)) {
        Ok(nanosecond / 1000)
    } else {
        Err(Fault::NotExact)
    }
}
