//! Texts in the notations that Postgres has for bytes, ids, ranges and rows.

use fastrand::Rng;

use super::hostile::pick;
use super::moments;

/// Bytes, in both notations.
pub fn bytes(rng: &mut Rng) -> String {
    let hex: String = (0..rng.usize(0..12))
        .map(|_| format!("{:02X}", rng.u8(..)))
        .collect();
    match rng.u8(0..6) {
        0 => format!("\\x{hex}0"),
        1 => format!("\\x{hex} 0a\n"),
        2 => pick(
            rng,
            &[
                "plain",
                "\\\\",
                "\\001a\\377",
                "\\400",
                "a\\",
                "\u{e9}",
                "",
                "\\X00",
                "\\\\x00",
            ],
        )
        .to_owned(),
        _ => format!("\\x{hex}"),
    }
}

/// A uuid, with hyphens in all places.
pub fn uuid(rng: &mut Rng) -> String {
    let digits = format!("{:032x}", rng.u128(..));
    match rng.u8(0..8) {
        0 => digits,
        1 => format!("{{{digits}}}"),
        2 => digits[1..].to_owned(),
        3 => digits
            .as_bytes()
            .chunks(4)
            .map(String::from_utf8_lossy)
            .collect::<Vec<_>>()
            .join("-")
            .to_uppercase(),
        4 => format!(" {digits}"),
        _ => format!(
            "{}-{}-{}-{}-{}",
            &digits[..8],
            &digits[8..12],
            &digits[12..16],
            &digits[16..20],
            &digits[20..]
        ),
    }
}

/// A range or a multirange.
pub fn range(rng: &mut Rng, name: &str) -> String {
    let bound = |rng: &mut Rng| match name {
        "daterange" => moments::date(rng),
        "tstzrange" => moments::timestamp(rng),
        _ => pick(
            rng,
            &[
                "1",
                "5",
                "-3",
                "2147483647",
                "9223372036854775807",
                "1.5",
                "NaN",
                "x",
                "infinity",
            ],
        )
        .to_owned(),
    };
    let one = |rng: &mut Rng| {
        let (mut lower, mut upper) = (bound(rng), bound(rng));
        if rng.u8(0..4) == 0 {
            lower.clear()
        }
        if rng.u8(0..4) == 0 {
            upper.clear()
        }
        format!(
            "{}\"{lower}\",\"{upper}\"{}",
            pick(rng, &["[", "("]),
            pick(rng, &["]", ")"])
        )
        .replace("\"\"", "")
    };
    match name.contains("multi") {
        true => {
            let ranges: Vec<_> = (0..rng.usize(0..4)).map(|_| one(rng)).collect();
            format!("{{{}}}", ranges.join(","))
        }
        false => match rng.u8(0..8) {
            0 => "empty".to_owned(),
            _ => one(rng),
        },
    }
}

/// A row of the type `parcel`.
pub fn composite(rng: &mut Rng) -> String {
    let fields = [
        pick(
            rng,
            &[
                "s",
                "",
                "\"a,b\"",
                "abcde",
                "abcdef",
                "\"abcde \"",
                "\"\"",
                "\"a\"\"b\"",
            ],
        ),
        pick(rng, &["7", "7.25", "", "1.005", "1000", "-0", "NaN", "1e2"]),
        pick(
            rng,
            &[
                "\"2026-05-27 10:00:00\"",
                "",
                "2026-05-27",
                "2026-05-27T23:00:00+05:00",
                "2026-05-27T23:00:00Z",
                "soon",
            ],
        ),
        pick(
            rng,
            &["10:00", "", "10:00:00.5", "23:00+05:00", "23:00Z", "25:00"],
        ),
        pick(rng, &["k", "", "ab", "\"\"", "k"]),
    ];
    match rng.u8(0..12) {
        0 => format!("({})", fields[..4].join(",")),
        1 => fields.join(","),
        _ => format!("({})", fields.join(",")),
    }
}
