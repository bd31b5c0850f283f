//! JSON values as values of a column's type, exactly: nothing is cut, rounded or cast on its way into the database,
//! and what a row holds is compared by what it is, not by its collation.
//!
//! Each family of types has a file of its own, which knows how a value of it is sent and how a cell of it comes back
//! from a prepared statement. The session is expected in strict mode, in utf8mb4 and at `+00:00`. Most values can be
//! sent as a part of a statement's text, too: see [`Typed::literal`]. For the others, a statement must be prepared
//! after the column was looked at: a server keeps a parameter in the type that its column had when the
//! statement was prepared, and stores nonsense where the column has another type by then.

mod address;
mod bit;
mod bytes;
mod calendar;
mod choice;
mod column;
mod date_time;
mod decimal;
mod document;
mod exact;
mod float;
mod integer;
mod json;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod sample;
mod text;
mod time;
mod uuid;
mod year;

use std::fmt;

use mysql::Value;
use synapsor_core::json::Json;
use synapsor_core::refusal::{Code, Refusal};

use crate::database::Literal;

pub use column::{Column, ColumnType};
pub use exact::Exact;

/// A value ready to be sent, and what the column holds once it is stored.
#[derive(Clone, PartialEq)]
pub struct Typed {
    /// The parameter, for a prepared statement.
    pub parameter: Value,
    /// What the column then holds.
    pub exact: Exact,
}

impl Typed {
    const NULL: Typed = Typed {
        parameter: Value::NULL,
        exact: Exact::Null,
    };

    /// The parameter as a part of a statement's text, where the server takes it for the same there: `None` for floats and times.
    pub fn literal(&self) -> Option<Literal<'_>> {
        match (&self.parameter, &self.exact) {
            (Value::NULL, _) => Some(Literal::Null),
            (Value::Int(number), _) => Some(Literal::Number((*number).into())),
            (Value::UInt(number), _) => Some(Literal::Number((*number).into())),
            // Compared as a text, it would be compared as a float.
            (Value::Bytes(bytes), Exact::Decimal(_)) => {
                let is_plain = |b: &u8| matches!(b, b'-' | b'.' | b'0'..=b'9');
                let digits = bytes.iter().all(is_plain).then_some(bytes);
                digits.and_then(|digits| std::str::from_utf8(digits).ok().map(Literal::Decimal))
            }
            (Value::Bytes(bytes), _) => Some(Literal::of_bytes(bytes)),
            (Value::Date(year, month, day, hour, minute, second, microsecond), _) => {
                let rest = [*month, *day, *hour, *minute, *second];
                Some(Literal::DateTime(*year, rest, *microsecond))
            }
            (Value::Float(_) | Value::Double(_) | Value::Time(..), _) => None,
        }
    }

    /// The bytes of the parameter, where they can be many.
    pub fn size(&self) -> usize {
        match &self.parameter {
            Value::Bytes(bytes) => bytes.len(),
            _ => 0,
        }
    }

    /// An integer that is sent and kept as it is.
    pub fn of_number(number: u64) -> Self {
        Typed {
            parameter: Value::UInt(number),
            exact: Exact::Integer(number.into()),
        }
    }

    /// A text that is sent and kept as it is.
    fn of_text(text: String) -> Self {
        Typed {
            parameter: Value::Bytes(text.clone().into_bytes()),
            exact: Exact::Text(text),
        }
    }
}

/// Without the value, which must never reach a log.
impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Typed").field(&self.exact).finish()
    }
}

/// A value that is written. JSON's null is SQL's NULL for every type.
///
/// # Errors
/// `WRITEBACK_VALUE_TYPE_MISMATCH: <column>` for a value that has no form in the type,
/// `WRITEBACK_VALUE_NOT_EXACT: <column>` for one that the column would keep differently, or not at all.
pub fn written(value: &Json, column: &Column, ty: &ColumnType) -> Result<Typed, Refusal> {
    if value.is_null() {
        return Ok(Typed::NULL);
    }
    ty.family()
        .written(value)
        .map_err(|fault| fault.refusal(column))
}

/// A value that a guard compares the column with.
///
/// # Errors
/// As [`written`], also for a value that the column could never hold; and
/// `WRITEBACK_VALUE_TYPE_MISMATCH: <column>: a json column can't be a guard`.
pub fn guard(value: &Json, column: &Column, ty: &ColumnType) -> Result<Typed, Refusal> {
    if value.is_null() {
        return Ok(Typed::NULL);
    }
    ty.family()
        .guard(value)
        .map_err(|fault| fault.refusal(column))
}

/// True for a column whose cells tell as much in a text as in the form that a prepared statement returns.
pub fn is_whole_in_text(column: &Column) -> bool {
    !matches!(column.data_type.as_str(), "float" | "double" | "time")
}

/// What a row's cell holds, as a prepared statement returns it. `None` for a cell that is not understood: then
/// nothing can be said about the row.
pub fn read(cell: &Value, ty: &ColumnType) -> Option<Exact> {
    match cell {
        Value::NULL => Some(Exact::Null),
        cell => ty.family().read(cell),
    }
}

/// A cell for people: numbers of any size as they are, bytes as `"0x…"`.
pub fn to_json(exact: &Exact) -> serde_json::Value {
    exact.to_json()
}

/// What a family of types does with values. Null never gets here.
trait Family: fmt::Debug + Send + Sync {
    /// The value as one that is written.
    fn written(&self, value: &Json) -> Result<Typed, Fault>;

    /// The value as one that is compared with: the same, where a family does not say otherwise.
    fn guard(&self, value: &Json) -> Result<Typed, Fault> {
        self.written(value)
    }

    /// What a cell holds.
    fn read(&self, cell: &Value) -> Option<Exact>;
}

/// What is wrong with a value. The column's name makes a [`Refusal`] of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It has no form in the type.
    Mismatch,
    /// The column would keep it differently, or can't hold it.
    NotExact,
    /// The type can't be compared with.
    NoGuard,
}

impl Fault {
    fn refusal(self, column: &Column) -> Refusal {
        let name = column.name.as_str();
        match self {
            Fault::Mismatch => Refusal::of(Code::ValueTypeMismatch, name),
            Fault::NotExact => Refusal::of(Code::ValueNotExact, name),
            Fault::NoGuard => Refusal::of(
                Code::ValueTypeMismatch,
                format!("{name}: a json column can't be a guard"),
            ),
        }
    }
}
