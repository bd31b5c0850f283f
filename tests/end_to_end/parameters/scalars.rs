//! Plain values aimed at a type: valid, at its limits, just beyond, and in every notation that it has.

use fastrand::Rng;

use super::hostile::{self, MARKER, digits, pick, sign};
use super::moments;
use super::notations::{bytes, composite, range, uuid};
use super::said::Value;
use super::types::{LABELS, Scalar};

/// A value for a type.
pub fn one(rng: &mut Rng, scalar: Scalar) -> Value {
    match scalar {
        Scalar::Integer { least, most, .. } => integer(rng, least, most),
        Scalar::Decimal(limits) => decimal(rng, limits),
        Scalar::Float(_) | Scalar::Money => {
            let number = match rng.u8(0..3) {
                0 => hostile::number(rng),
                _ => format!("{}{}.{}", sign(rng), rng.u16(..), rng.u16(..)),
            };
            number_or_text(rng, number)
        }
        Scalar::Truth if rng.bool() => Value::truth(rng.bool()),
        Scalar::Json | Scalar::Jsonb => document(rng),
        Scalar::Checked("email", _) if rng.bool() => {
            Value::text(format!("{MARKER}@example.org"), rng)
        }
        Scalar::Checked("percentage", _) => {
            let number = pick(
                rng,
                &["0", "100", "100.00", "100.01", "-0.01", "99.5", "33.333"],
            )
            .to_owned();
            number_or_text(rng, number)
        }
        Scalar::Checked("small" | "smaller", _) => integer(rng, 0, 10),
        Scalar::Checked(_, below) => one(rng, *below),
        _ => {
            let text = spelled(rng, scalar);
            // Where it is one, a number may as well come as a number.
            match text.parse::<u32>() {
                Ok(number) if rng.bool() && number.to_string() == text => Value::number(text),
                _ => Value::text(text, rng),
            }
        }
    }
}

fn spelled(rng: &mut Rng, scalar: Scalar) -> String {
    match scalar {
        Scalar::Text(most) | Scalar::Padded(most) => text(rng, most.unwrap_or(40)),
        Scalar::Name => text(rng, 63),
        Scalar::Letter => pick(
            rng,
            &[
                "a", "", "ab", "\u{e9}", "\\", "\\101", "\\377", "\\000", "\\400", "\\89a",
                "\\1012", "'",
            ],
        )
        .to_owned(),
        Scalar::Truth => pick(
            rng,
            &[
                "t", "TRUE", "tru", "yes", "y", "on", "1", "f", "of", "off", "o", " no ", "0", "2",
                "truex",
            ],
        )
        .to_owned(),
        Scalar::Bytes => bytes(rng),
        Scalar::Uuid => uuid(rng),
        Scalar::Bits(_) | Scalar::UpToBits(_) => {
            let bits: String = (0..rng.usize(0..7)).map(|_| rng.digit(2)).collect();
            format!(
                "{}{bits}",
                pick(rng, &["", "", "", "b", "B", "x", "X", "-", " "])
            )
        }
        Scalar::Label => pick(rng, LABELS).to_owned() + pick(rng, &["", "", "", " ", "x"]),
        Scalar::Xml => pick(
            rng,
            &[
                "<a>1</a>",
                "<a/>",
                "plain",
                "<a>",
                "<?xml version=\"1.0\"?><a/>",
                "<a b='\u{e9}'/>x",
                "&amp;",
                "&bad;",
                "<!-- -->",
            ],
        )
        .to_owned(),
        Scalar::Date => moments::date(rng),
        Scalar::Timestamp(_) | Scalar::Timestamptz(_) => moments::timestamp(rng),
        Scalar::Time(_) | Scalar::Timetz(_) => moments::time(rng),
        Scalar::Interval(_) => moments::interval(rng),
        Scalar::Address(_) => pick(rng, ADDRESSES).to_owned(),
        Scalar::Range(name) => range(rng, name),
        Scalar::Words => pick(
            rng,
            &[
                "'a':1 'b':2",
                "a b a",
                "'it''s':3A,4B",
                "",
                "a:0",
                "a:16383",
                "\\",
                "'open",
                "\u{e9}:1",
                "x:1,2,3",
            ],
        )
        .to_owned(),
        Scalar::Composite => composite(rng),
        _ => hostile::number(rng),
    }
}

const ADDRESSES: &[&str] = &[
    "10.0.0.1",
    "10.0.0.1/8",
    "10.0.0.0/8",
    "10",
    "10.1",
    "256.1.1.1",
    "10.0.0.1/33",
    "2001:db8::/32",
    "::1",
    "::ffff:1.2.3.4",
    "2001:db8::1/128",
    "::/0",
    "fe80::1%eth0",
    "08-00-2B-01-02-03",
    "08002b:010203",
    "0800.2b01.0203",
    "08002b010203",
    "08:00:2b:01:02",
    "08:00:2b:01:02:03:04:05",
    "0:0:0:0:0:0",
    "010.000.000.001",
    " 10.0.0.1 ",
];

fn integer(rng: &mut Rng, least: i64, most: i64) -> Value {
    let around = [least, most, 0, 1 << 31, 1 << 53][rng.usize(0..5)];
    let number = i128::from(around) + i128::from(rng.i8(-3..4));
    let text = match rng.u8(0..12) {
        0 => hostile::number(rng),
        1 => format!("{number}.0"),
        2 => format!("{}e{}", number / 100, rng.u8(0..4)),
        _ => number.to_string(),
    };
    number_or_text(rng, text)
}

fn decimal(rng: &mut Rng, limits: Option<(i64, i64)>) -> Value {
    let (precision, scale) = limits.unwrap_or((30, 15));
    let before = usize::try_from(precision - scale).unwrap_or(0) + rng.usize(0..2);
    let after = usize::try_from(scale).unwrap_or(0) + rng.usize(0..2);
    let before = rng.usize(0..=before);
    let after = rng.usize(0..=after);
    let zeros = pick(rng, &["", "", "00", "000000000000000000000000"]);
    let number = match rng.u8(0..10) {
        0 => hostile::number(rng),
        1 => format!("{}{}e{}", sign(rng), rng.u8(1..100), rng.i8(-6..7)),
        2 if scale < 0 => format!("{}{}00", sign(rng), rng.u16(1..2000)),
        _ => {
            let whole = digits(rng, before);
            let whole = match whole.trim_start_matches('0') {
                "" => "0",
                whole => whole,
            };
            let fraction = digits(rng, after) + zeros;
            let point = if fraction.is_empty() { "" } else { "." };
            format!("{}{whole}{point}{fraction}", sign(rng))
        }
    };
    match rng.u8(0..20) {
        0 => Value::text(
            pick(
                rng,
                &["NaN", "Infinity", "-inf", "1_000.5", "0x1F", "5.", ".5"],
            ),
            rng,
        ),
        _ => number_or_text(rng, number),
    }
}

/// A number as a number, or as a text in one of the forms that only a text can have.
fn number_or_text(rng: &mut Rng, number: String) -> Value {
    match rng.u8(0..10) {
        0..=5 => Value::number(number),
        6 | 7 => Value::text(number, rng),
        8 => {
            let padded = match number.strip_prefix('-') {
                Some(digits) => format!("-00{digits}"),
                None => format!("{}0{number}", pick(rng, &["", "+"])),
            };
            Value::text(padded, rng)
        }
        _ => Value::text(
            format!(
                "{}{number}{}",
                pick(rng, &[" ", "\n", MARKER, "$"]),
                pick(rng, &[" ", "", "x"])
            ),
            rng,
        ),
    }
}

/// About as long as the type takes, of any characters, with blanks at the end now and then.
fn text(rng: &mut Rng, most: usize) -> String {
    const CHARACTERS: &[&str] = &[
        "a",
        "Z",
        "7",
        " ",
        "'",
        "\"",
        "\\",
        "{",
        ",",
        "\u{e9}",
        "\u{1f680}",
        "e\u{301}",
        "\n",
        "$1",
    ];
    let length = match rng.u8(0..4) {
        0 => rng.usize(0..=most),
        1 => most + 1,
        _ => most,
    };
    let text: String = (0..length).map(|_| pick(rng, CHARACTERS)).collect();
    let text = match rng.u8(0..3) {
        0 => text.chars().take(length).collect(),
        1 if most > MARKER.len() => format!("{MARKER}{text}").chars().take(length).collect(),
        _ => "n".repeat(length),
    };
    text + pick(rng, &["", "", "", " ", "   "])
}

/// A document: anything that JSON has, in every spelling.
fn document(rng: &mut Rng) -> Value {
    match rng.u8(0..4) {
        0 => hostile::object(rng),
        1 => hostile::text(rng),
        _ => hostile::any(rng),
    }
}
