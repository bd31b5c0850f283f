//! Numbers as what their digits say, of any length: the oracle's own arithmetic, which knows no float.

/// An exact decimal number: `digits × 10^exponent`. Two are equal when they are the same number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    /// Without a zero at either end; empty for zero.
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// Reads `[+-]digits[.digits][e[+-]digits]`, with white space around it as C knows it.
    pub fn parse(text: &str) -> Option<Self> {
        let text = trimmed(text);
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, parse_power(power)?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let significant = all.trim_start_matches('0');
        let digits = significant.trim_end_matches('0');
        let zeros = (significant.len() - digits.len()) as i64;
        Some(match digits {
            "" => Decimal {
                negative: false,
                digits: String::new(),
                exponent: 0,
            },
            _ => Decimal {
                negative,
                digits: digits.to_owned(),
                exponent: power - fraction.len() as i64 + zeros,
            },
        })
    }

    /// How many digits stand after the point; negative where the number ends in zeros before it.
    pub fn scale(&self) -> i64 {
        -self.exponent
    }

    /// How many digits stand before the point; negative where the number begins with zeros after it.
    pub fn magnitude(&self) -> i64 {
        self.digits.len() as i64 + self.exponent
    }

    /// True for nothing at all.
    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// The number as an integer; `None` with a fraction, and beyond what any of Postgres's integers hold.
    pub fn integer(&self) -> Option<i128> {
        if self.is_zero() {
            return Some(0);
        }
        if self.exponent < 0 || self.magnitude() > 30 {
            return None;
        }
        let sign = if self.negative { "-" } else { "" };
        let zeros = "0".repeat(usize::try_from(self.exponent).ok()?);
        format!("{sign}{}{zeros}", self.digits).parse().ok()
    }

    /// True for a number with a fraction.
    pub fn has_fraction(&self) -> bool {
        self.exponent < 0
    }
}

/// An exponent of any length: past what any type reaches, how far does not matter.
fn parse_power(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let power = digits.parse().unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
    Some(if text.starts_with('-') { -power } else { power })
}

/// The text without white space around it, as C's `isspace` knows it.
pub fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\u{b}', '\u{c}', '\r'])
}

#[test]
fn the_oracle_s_numbers_are_equal_when_they_are_the_same_number() {
    let same = [
        ("1.10", "1.1"),
        ("1e2", "100"),
        (" +0 ", "-0.00"),
        ("12.5E-1", "1.25"),
        (".5", "0.5"),
    ];
    for (left, right) in same {
        assert_eq!(
            Decimal::parse(left),
            Decimal::parse(right),
            "{left} {right}"
        );
        assert!(Decimal::parse(left).is_some());
    }
    assert_ne!(
        Decimal::parse("9007199254740992"),
        Decimal::parse("9007199254740993")
    );
    assert_ne!(Decimal::parse("1e400"), Decimal::parse("1e401"));
    for text in ["", ".", "e5", "1e", "1 2", "0x1", "NaN"] {
        assert_eq!(Decimal::parse(text), None, "{text}");
    }
}
