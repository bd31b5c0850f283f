//! The grammar of values: aimed at a column's type (valid, at its limits, just beyond), of another JSON type, or hostile.

use fastrand::Rng;

use super::hostile;
use super::said::Value;
use super::scalars::one;
use super::types::{Column, Scalar, Shape};

/// A value for a column.
pub fn value(rng: &mut Rng, column: &Column) -> Value {
    match rng.u8(0..100) {
        0..=4 => Value::null(),
        5..=24 => hostile::any(rng),
        _ => match column.shape {
            Shape::One(scalar) => one(rng, scalar),
            Shape::Many(scalar) => many(rng, scalar),
        },
    }
}

/// A text that the type surely reads, for rows that are there already.
pub fn sample(column: &Column) -> String {
    match (column.domain, column.shape) {
        (Some("pair"), _) => "{1,2}".to_owned(),
        (_, Shape::One(scalar)) => one_sample(scalar).to_owned(),
        (_, Shape::Many(scalar)) => {
            let quoted = one_sample(scalar)
                .replace('\\', "\\\\")
                .replace('"', "\\\"");
            format!("{{\"{quoted}\"}}")
        }
    }
}

fn one_sample(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Integer { .. } | Scalar::Float(_) | Scalar::Money => "7",
        Scalar::Decimal(Some((3, 5))) | Scalar::Decimal(Some((4, -2))) => "0",
        Scalar::Decimal(_) => "7",
        Scalar::Text(_) | Scalar::Padded(_) | Scalar::Name | Scalar::Letter => "s",
        Scalar::Truth => "true",
        Scalar::Bytes => "\\x01ff",
        Scalar::Uuid => "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        Scalar::Bits(1) => "1",
        Scalar::Bits(_) | Scalar::UpToBits(_) => "1010",
        Scalar::Label => "calm",
        Scalar::Json | Scalar::Jsonb => "{\"s\": 7}",
        Scalar::Xml => "<s/>",
        Scalar::Date => "2026-05-27",
        Scalar::Timestamp(_) | Scalar::Timestamptz(_) => "2026-05-27 10:00:00",
        Scalar::Time(_) | Scalar::Timetz(_) => "10:00:00",
        Scalar::Interval("interval year to month") => "1 year",
        Scalar::Interval(_) => "1 hour",
        Scalar::Address("macaddr") => "08:00:2b:01:02:03",
        Scalar::Address(_) => "10.0.0.0/8",
        Scalar::Range("int4multirange" | "nummultirange") => "{}",
        Scalar::Range(_) => "empty",
        Scalar::Words => "'s':1",
        Scalar::Composite => "(s,7,\"2026-05-27 10:00:00\",10:00:00,k)",
        Scalar::Checked("email", _) => "s@example.org",
        Scalar::Checked(_, below) => one_sample(*below),
    }
}

/// An array: flat, of two dimensions, ragged, or written in Postgres's notation.
fn many(rng: &mut Rng, scalar: Scalar) -> Value {
    let length = match rng.u8(0..10) {
        0 => 0,
        1 => 20,
        _ => rng.usize(1..4),
    };
    match rng.u8(0..10) {
        0..=5 => {
            let elements = elements(rng, scalar, length);
            Value::array(elements, rng)
        }
        // In that notation a document is text, which a JSON string is not.
        6 | 7 if !scalar.is_json() => {
            let elements = elements(rng, scalar, length);
            Value::notation(elements, rng)
        }
        8 => {
            let rows = (0..length).map(|_| row(rng, scalar, 2)).collect();
            Value::array(rows, rng)
        }
        _ => {
            let rows = (0..length).map(|_| match rng.u8(0..4) {
                0 => one(rng, scalar),
                1 => Value::null(),
                _ => {
                    let length = rng.usize(0..3);
                    row(rng, scalar, length)
                }
            });
            let rows = rows.collect();
            Value::array(rows, rng)
        }
    }
}

fn row(rng: &mut Rng, scalar: Scalar, length: usize) -> Value {
    let elements = elements(rng, scalar, length);
    Value::array(elements, rng)
}

/// Mostly good ones, since one bad element spoils the array.
fn elements(rng: &mut Rng, scalar: Scalar, length: usize) -> Vec<Value> {
    let element = |_| match rng.u8(0..20) {
        0 | 1 => Value::null(),
        2 => one(rng, scalar),
        3..=12 => Value::text(one_sample(scalar), rng).when_json(scalar),
        _ => one(rng, scalar),
    };
    (0..length).map(element).collect()
}

impl Value {
    /// In an array of documents the sample is a document, not a string.
    fn when_json(self, scalar: Scalar) -> Self {
        match scalar.is_json() {
            true => Value::object(one_sample(scalar)),
            false => self,
        }
    }
}
