//! Statements with values of business tables: as text where the server takes each value for the same there, else prepared.

use crate::database::Step;
use crate::value::Typed;

/// Bytes of values that are written into a text: in hexadecimal they are twice as many, and more than one statement of a message can
/// have them.
const SMALL: usize = 8 << 10;

/// A statement with a value for each `?` in it.
pub fn of(sql: String, values: &[&Typed]) -> Step {
    let literals: Option<Vec<_>> = values.iter().map(|value| value.literal()).collect();
    let size: usize = values.iter().map(|value| value.size()).sum();
    let literals = literals.filter(|_| size <= SMALL);
    let text = literals.and_then(|literals| Step::with_literals(&sql, &literals));
    text.unwrap_or_else(|| prepared(sql, values))
}

/// A statement whose values are parameters.
pub fn prepared(sql: String, values: &[&Typed]) -> Step {
    let params = values.iter().map(|value| value.parameter.clone());
    Step::Prepared(sql, params.collect())
}
