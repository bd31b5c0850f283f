//! A JSON value as a value of a column's type, exactly: through the type's own input function, never by way of a
//! float, and never rounded or cut to fit.

use std::ffi::CString;

use pgrx::pg_sys;
use synapsor_core::builder::{Param, Role};
use synapsor_core::json::{Json, Kind};
use synapsor_core::refusal::{Code, Refusal};

use super::failure::{self, Failure};
use crate::pg::relation::ColumnType;
use crate::pg::spi::Argument;
use crate::pg::types::{self, Shape};

/// The value of a parameter; JSON's null is SQL's NULL, also for a json column.
///
/// # Errors
/// `WRITEBACK_VALUE_TYPE_MISMATCH: <column>`, `WRITEBACK_VALUE_NOT_EXACT: <column>`,
/// `SQLSTATE 22021: character_not_in_repertoire` for a zero character.
pub fn argument(param: &Param<'_>, column: ColumnType) -> Result<Argument, Failure> {
    if param.value.is_null() {
        types::input_null(column.oid, column.modifier);
        return Ok(None);
    }
    let text = text(param.value, types::shape(column.oid))
        .ok_or_else(|| Failure::from(Refusal::of(Code::ValueTypeMismatch, param.column)))?;
    let text = CString::new(text)
        .map_err(|_| failure::of_sqlstate("22021", &[("column", Some(param.column))]))?;
    let not_exact = || Refusal::of(Code::ValueNotExact, param.column).into();
    if is_misread(param.value, &text, column.oid) {
        return Err(not_exact());
    }
    // A guard compares with the approved value itself, not with what the column would make of it.
    let modifier = if param.role == Role::Written {
        column.modifier
    } else {
        -1
    };
    let kept = types::input(column.oid, modifier, &text);
    let (base, modifier) = types::base_type(column.oid, modifier);
    if modifier >= 0 {
        let approved = types::input(base, -1, &text);
        if types::equal(base, column.collation, kept, approved) == Some(false) {
            return Err(not_exact());
        }
    }
    Ok(Some(kept))
}

/// True when the type, or that of an array's elements, would forget a part of the text without a word.
fn is_misread(value: &Json, text: &CString, type_oid: pg_sys::Oid) -> bool {
    let (base, _) = types::base_type(type_oid, -1);
    match (types::shape(base), value.elements()) {
        (Shape::Json, _) => false,
        (Shape::Array { element, .. }, Some(elements)) => elements.iter().any(|value| {
            // An array in an array has the same type.
            let type_oid = if value.kind() == Kind::Array {
                base
            } else {
                element
            };
            let text =
                self::text(value, types::shape(type_oid)).and_then(|text| CString::new(text).ok());
            text.is_some_and(|text| !value.is_null() && is_misread(value, &text, type_oid))
        }),
        _ => types::is_cut(base, text) || types::loses_its_zone(base, text),
    }
}

/// The text that a type's input function reads; `None` for a value that has no form in the type.
fn text(value: &Json, shape: Shape) -> Option<String> {
    match (shape, value.kind()) {
        (Shape::Json, _) => Some(value.text().to_owned()),
        (Shape::Array { element, delimiter }, Kind::Array) => {
            let mut literal = String::new();
            push_array(&mut literal, value, types::shape(element), delimiter)?;
            Some(literal)
        }
        (_, Kind::String) => value.as_str().map(|text| text.into_owned()),
        (Shape::Scalar, Kind::Number | Kind::Bool) => Some(value.text().trim().to_owned()),
        _ => None,
    }
}

/// Appends a JSON array as Postgres writes one: `{1,NULL,"a \"b\""}`.
fn push_array(literal: &mut String, array: &Json, element: Shape, delimiter: char) -> Option<()> {
    literal.push('{');
    for (n, value) in array.elements()?.iter().enumerate() {
        if n > 0 {
            literal.push(delimiter);
        }
        match value.kind() {
            Kind::Null => literal.push_str("NULL"),
            Kind::Array if element != Shape::Json => {
                push_array(literal, value, element, delimiter)?
            }
            _ => push_quoted(literal, &text(value, element)?),
        }
    }
    literal.push('}');
    Some(())
}

fn push_quoted(literal: &mut String, text: &str) {
    literal.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            literal.push('\\');
        }
        literal.push(c);
    }
    literal.push('"');
}
