//! Values that are aimed at no type in particular: what breaks readers, quoting, floats and patience.

use fastrand::Rng;

use super::said::Value;

/// Planted in texts: it must never be seen in a report, nor in a log.
pub const MARKER: &str = "qzSecretzq";

const TEXTS: &[&str] = &[
    "",
    " ",
    "   ",
    "\t\n",
    "NULL",
    "null",
    "true",
    "'",
    "''",
    "'; DROP TABLE tickets; --",
    "$1",
    "$$",
    "\\",
    "\\\\",
    "\\'",
    "\"",
    "\"\"",
    "{",
    "}",
    "{}",
    "{{}}",
    "{1,2}",
    "{\"a\",NULL}",
    "(",
    "(,)",
    "(,,,,)",
    "[]",
    "[1,2)",
    "empty",
    "%s%n",
    "\0",
    "a\0b",
    "\u{1f680}",
    "e\u{301}",
    "\u{e9}",
    "\u{feff}1",
    "\u{10ffff}",
    "\u{202e}abc",
    "\u{a0}5",
    "\u{661}\u{662}",
    "1e400",
    "NaN",
    "nan",
    "Infinity",
    "-infinity",
    "inf",
    "-0",
    "0x1F",
    "-0x10",
    "0b11",
    "0o17",
    "1_000",
    " 7 ",
    "007",
    "010",
    "+5",
    "--5",
    "1,5",
    "1.",
    ".5",
    "9007199254740993",
    "9223372036854775808",
    "340282366920938463463374607431768211456",
    "t",
    "off",
    "\\x00",
    "\\xzz",
    "\\000",
    "\\101",
    "\\400",
    "\\9ab",
    "2026-05-27",
    "24:00:00",
    "epoch",
    "\u{1}",
    "\u{7f}",
    "\u{80}",
    "a'b\"c\\d$1;{}[]()%,: \n\r\t",
    "1 1",
    "x'1F'",
];

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "0.0",
    "-0.0",
    "0e0",
    "1",
    "-1",
    "10",
    "010e0",
    "1.0",
    "1e0",
    "1E+5",
    "1e-7",
    "1.50",
    "0.1",
    "1e2",
    "12.345",
    "1e400",
    "-1e400",
    "1e-400",
    "1e309",
    "1e131071",
    "1e131072",
    "1e-16383",
    "1e-16384",
    "1e999999999999",
    "32767",
    "32768",
    "-32769",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "4294967295",
    "4294967296",
    "9007199254740991",
    "9007199254740992",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "0.30000000000000004",
    "123456789012345678901234567890.123456789012345678901234567890",
    "20260527",
    "1010",
];

const BROKEN: &[&str] = &[
    r#""\ud800""#,
    r#""a\udc00b""#,
    r#""\ud83d\u0041""#,
    r#""\ude00\ud83d""#,
    r#""{\ud800}""#,
];

const OBJECTS: &[&str] = &[
    "{}",
    r#"{"a":1,"a":2}"#,
    r#"{"b": 1.10,  "a": [1e5, null, -0]}"#,
    r#"{"$serde_json::private::Number":"1"}"#,
    r#"{"$serde_json::private::RawValue":"1"}"#,
    r#"{"a":"\u0000"}"#,
    r#"{"a":"\ud800"}"#,
    r#"{"\ud800":1}"#,
    r#"{"":{"":[]},"x":"qzSecretzq"}"#,
    r#"{"n":1e400}"#,
    r#"{"n":123456789012345678901234567890.10}"#,
    r#"{"street":"Main St","no":7}"#,
];

/// Any value at all.
pub fn any(rng: &mut Rng) -> Value {
    match rng.u8(0..100) {
        0..=34 => text(rng),
        35..=59 => Value::number(number(rng)),
        60..=66 => Value::truth(rng.bool()),
        67..=70 => Value::broken(pick(rng, BROKEN)),
        71..=82 => object(rng),
        _ => array(rng),
    }
}

/// Any string.
pub fn text(rng: &mut Rng) -> Value {
    let content = match rng.u8(0..10) {
        0..=6 => pick(rng, TEXTS).to_owned(),
        7 => format!("{}{MARKER}", pick(rng, TEXTS)),
        8 => ["x", "\u{e9}", "\\", "'", "1"][rng.usize(0..5)].repeat(rng.usize(50..3000)),
        _ => (0..rng.usize(1..12)).map(|_| rng.char(..)).collect(),
    };
    Value::text(content, rng)
}

/// The text of any number.
pub fn number(rng: &mut Rng) -> String {
    match rng.u8(0..10) {
        0..=6 => match pick(rng, NUMBERS) {
            "010e0" => "10e0".to_owned(),
            number => number.to_owned(),
        },
        7 => format!("{}1{}", sign(rng), digits(rng, 400)),
        8 => format!("{}0.{}1", sign(rng), digits(rng, 400)),
        _ => {
            let length = rng.usize(1..25);
            format!(
                "{}{}.{}e{}",
                sign(rng),
                rng.u8(1..10),
                digits(rng, length),
                rng.i8(-30..30)
            )
        }
    }
}

/// Any JSON object or array that is a document, not an array of values.
pub fn object(rng: &mut Rng) -> Value {
    const DEPTHS: [usize; 6] = [2, 50, 127, 128, 129, 3000];
    match rng.u8(0..10) {
        0 => {
            let depth = DEPTHS[rng.usize(0..DEPTHS.len())];
            Value::object(format!(
                "{}1{}",
                r#"{"a":"#.repeat(depth),
                "}".repeat(depth)
            ))
        }
        1 => Value::object(format!(r#"{{"{MARKER}" :  {} }}"#, number(rng))),
        _ => Value::object(pick(rng, OBJECTS)),
    }
}

/// Arrays of any shape, ragged ones too.
fn array(rng: &mut Rng) -> Value {
    let length = rng.usize(0..4);
    let elements = (0..length)
        .map(|_| match rng.u8(0..10) {
            0..=3 => any(rng),
            4..=6 => Value::number(rng.u8(..).to_string()),
            7 => Value::null(),
            _ => Value::array(Vec::new(), rng),
        })
        .collect();
    Value::array(elements, rng)
}

/// So many digits.
pub fn digits(rng: &mut Rng, count: usize) -> String {
    (0..count).map(|_| rng.digit(10)).collect()
}

/// A minus, or nothing.
pub fn sign(rng: &mut Rng) -> &'static str {
    if rng.bool() { "-" } else { "" }
}

/// One of them.
pub fn pick<'a>(rng: &mut Rng, these: &[&'a str]) -> &'a str {
    these[rng.usize(0..these.len())]
}
