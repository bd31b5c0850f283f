//! What texts mean in types whose notation is simple: worked out by their definitions, without asking Postgres.

use super::decimal::{Decimal, trimmed};
use super::meaning::Meaning;

/// An integer, whatever its size.
pub fn integer(base: &str, least: i64, most: i64, text: &str) -> Option<Meaning> {
    let range = i128::from(least)..=i128::from(most);
    if let Some(number) = Decimal::parse(text) {
        if number.has_fraction() {
            return None;
        }
        let (shown, fits) = match number.integer() {
            Some(number) => (number.to_string(), range.contains(&number)),
            None => (text.to_owned(), false),
        };
        // For some integers a leading zero means octal digits, which is no reading of ours.
        let is_plain =
            !text.contains(['.', 'e', 'E']) && (base != "oid" || !has_leading_zero(text));
        return Some(Meaning::known(base, shown, fits)?.unless_refused(is_plain));
    }
    // Only some majors read these in an oid, which is what it is then refused for in all.
    let number = other_notation(text).filter(|_| base != "oid")?;
    Some(Meaning::known(base, number.to_string(), range.contains(&number))?.unless_refused(false))
}

fn has_leading_zero(text: &str) -> bool {
    let digits = trimmed(text).trim_start_matches(['+', '-']);
    digits.len() > 1 && digits.starts_with('0')
}

/// `0x1f`, `0o17`, `0b11` and `1_000`, which PostgreSQL 16 began to read.
fn other_notation(text: &str) -> Option<i128> {
    let text = trimmed(text);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.to_ascii_lowercase().replace('_', "");
    let radix = match digits.get(..2) {
        Some("0x") => 16,
        Some("0o") => 8,
        Some("0b") => 2,
        _ => return digits.parse::<i128>().ok().map(|number| sign * number),
    };
    i128::from_str_radix(&digits[2..], radix)
        .ok()
        .map(|number| sign * number)
}

/// A number, with the precision and scale that are declared.
pub fn decimal(limits: Option<(i64, i64)>, text: &str) -> Option<Meaning> {
    if let Some(number) = Decimal::parse(text) {
        let fits = limits.is_none_or(|(precision, scale)| {
            number.is_zero() || number.scale() <= scale && number.magnitude() <= precision - scale
        });
        // Far out, numeric itself ends somewhere.
        let is_near =
            number.scale() < 10_000 && number.magnitude() < 100_000 && text.len() < 10_000;
        return Some(Meaning::known("numeric", trimmed(text), fits)?.unless_refused(is_near));
    }
    let shown = match trimmed(text).to_ascii_lowercase().as_str() {
        "nan" => return Meaning::known("numeric", "NaN", true),
        "infinity" | "+infinity" | "inf" | "+inf" => "Infinity",
        "-infinity" | "-inf" => "-Infinity",
        other => {
            let number = match other_notation(other) {
                Some(number) => number.to_string(),
                None => other.replace('_', ""),
            };
            let is_read = Decimal::parse(&number).is_some();
            let meaning = is_read.then(|| decimal(limits, &number))??;
            return Some(meaning.unless_refused(false));
        }
    };
    Meaning::known("numeric", shown, limits.is_none())
}

/// One byte: a character of ASCII, or since PostgreSQL 16 three octal digits; an empty text is the byte zero.
pub fn letter(text: &str) -> Option<Meaning> {
    if text.len() < 2 {
        return Meaning::known("\"char\"", text, true);
    }
    let octal = text.strip_prefix('\\').filter(|digits| digits.len() == 3);
    let byte = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok());
    let shown = match byte {
        Some(0) => String::new(),
        Some(byte) if byte.is_ascii() => char::from(byte).to_string(),
        Some(_) => text.to_owned(),
        None => return Meaning::known("\"char\"", text, false),
    };
    Some(Meaning::known("\"char\"", shown, true)?.unless_refused(false))
}

/// A word for true or false, or the beginning of one.
pub fn truth(text: &str) -> Option<bool> {
    let text = trimmed(text).to_ascii_lowercase();
    let begins = |word: &str, least: usize| text.len() >= least && word.starts_with(text.as_str());
    if begins("true", 1) || begins("yes", 1) || text == "on" || text == "1" {
        return Some(true);
    }
    (begins("false", 1) || begins("no", 1) || begins("off", 2) || text == "0").then_some(false)
}

/// Hexadecimal digits after `\x`, else every byte as it is, but for `\\` and `\nnn`.
pub fn bytes(text: &str) -> Option<String> {
    let mut shown = String::from("\\x");
    if let Some(digits) = text.strip_prefix("\\x") {
        let pairs: Vec<&str> = digits.split([' ', '\n', '\t', '\r']).collect();
        let is_paired = |part: &&str| {
            part.len().is_multiple_of(2) && part.bytes().all(|b| b.is_ascii_hexdigit())
        };
        shown += &pairs.concat().to_ascii_lowercase();
        return pairs.iter().all(is_paired).then_some(shown);
    }
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let (byte, left) = match (first, after) {
            (b'\\', [b'\\', left @ ..]) => (b'\\', left),
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', left @ ..]) => {
                ((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), left)
            }
            (b'\\', _) => return None,
            (byte, left) => (*byte, left),
        };
        shown += &format!("{byte:02x}");
        rest = left;
    }
    Some(shown)
}

/// 32 hexadecimal digits; a hyphen may follow each four of them, and braces may surround them.
pub fn uuid(text: &str) -> Option<String> {
    let inner = text
        .strip_prefix('{')
        .map_or(Some(text), |text| text.strip_suffix('}'))?;
    let mut digits = String::new();
    for c in inner.chars() {
        match c {
            '-' if !digits.is_empty() && digits.len().is_multiple_of(4) && digits.len() < 32 => {}
            c if c.is_ascii_hexdigit() => digits.push(c.to_ascii_lowercase()),
            _ => return None,
        }
    }
    let has_pair_of_hyphens = inner.contains("--");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| digits.get(part));
    let parts: Vec<&str> = parts.into_iter().collect::<Option<_>>()?;
    (digits.len() == 32 && !has_pair_of_hyphens).then(|| parts.join("-"))
}

/// Binary digits, or hexadecimal ones after `x`.
pub fn bits(text: &str) -> Option<String> {
    let is_binary = |digits: &str| digits.bytes().all(|byte| matches!(byte, b'0' | b'1'));
    if let Some(digits) = text.strip_prefix(['x', 'X']) {
        let nibbles = digits
            .chars()
            .map(|c| c.to_digit(16).map(|n| format!("{n:04b}")));
        return nibbles.collect();
    }
    let digits = text.strip_prefix(['b', 'B']).unwrap_or(text);
    is_binary(digits).then(|| digits.to_owned())
}
