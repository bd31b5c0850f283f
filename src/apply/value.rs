//! A JSON value as a value of a column's type, exactly: through the type's own input function, never by way of a
//! float, and never rounded or cut to fit.

use std::ffi::{CStr, CString};

use pgrx::pg_sys;
use synapsor_core::builder::{Param, Role};
use synapsor_core::json::{Json, Kind};
use synapsor_core::refusal::{Code, Refusal};

use super::failure::{self, Failure};
use crate::pg::parts;
use crate::pg::relation::ColumnType;
use crate::pg::spi::Argument;
use crate::pg::types::{self, Input, Shape};

/// A column that a parameter is written to or compared with: how its type reads values.
pub struct Column {
    of: ColumnType,
    shape: Shape,
    input: Input,
    may_lose: bool,
}

impl Column {
    /// Looks a column's type up, for parameters with this role.
    pub fn of(column: ColumnType, role: Role) -> Self {
        // A guard compares with the approved value itself, not with what the column would make of it.
        let modifier = if role == Role::Written {
            column.modifier
        } else {
            -1
        };
        let of = ColumnType { modifier, ..column };
        Column {
            of,
            shape: types::shape(of.oid),
            input: Input::of(of.oid),
            may_lose: may_lose(base(of)),
        }
    }

    /// Its type.
    pub fn oid(&self) -> pg_sys::Oid {
        self.of.oid
    }

    /// The value of a parameter; JSON's null is SQL's NULL, also for a json column.
    ///
    /// # Errors
    /// `WRITEBACK_VALUE_TYPE_MISMATCH: <column>`, `WRITEBACK_VALUE_NOT_EXACT: <column>`,
    /// `SQLSTATE 22021: character_not_in_repertoire` for a zero character. What the type's own input function says is raised.
    pub fn argument(&self, param: &Param<'_>) -> Result<Argument, Failure> {
        if param.value.is_null() {
            self.input.read_null(self.of.modifier);
            return Ok(None);
        }
        let text = text(param.value, self.shape)
            .ok_or_else(|| Failure::from(Refusal::of(Code::ValueTypeMismatch, param.column)))?;
        let text = CString::new(text)
            .map_err(|_| failure::of_sqlstate("22021", &[("column", Some(param.column))]))?;
        let kept = self.input.read(self.of.modifier, &text);
        if self.may_lose && !is_kept(self.of, &text) {
            return Err(Refusal::of(Code::ValueNotExact, param.column).into());
        }
        Ok(Some(kept))
    }
}

/// True when a type that reads this text keeps all of it, in an array each element and in a row each field, whose
/// types may have modifiers of their own.
fn is_kept(column: ColumnType, text: &CStr) -> bool {
    pgrx::check_for_interrupts!();
    let base = base(column);
    if !may_lose(base) {
        return true;
    }
    if let Some(mut parts) = parts::of(base, text) {
        return parts.all(|(column, text)| is_kept(column, &text));
    }
    let ColumnType { oid, modifier, .. } = base;
    if types::misreads(oid, text) {
        return false;
    }
    let read = |modifier| types::input(oid, modifier, text);
    modifier < 0 || types::equal(oid, base.collation, read(modifier), read(-1)) != Some(false)
}

/// False when a type keeps all of any text that it reads, so that large arrays need not be taken apart.
fn may_lose(column: ColumnType) -> bool {
    let base = base(column);
    match parts::types(base) {
        Some(parts) => parts.into_iter().any(may_lose),
        None => base.modifier >= 0 || types::may_misread(base.oid),
    }
}

/// The type below any domains.
fn base(column: ColumnType) -> ColumnType {
    let (oid, modifier) = types::base_type(column.oid, column.modifier);
    ColumnType {
        oid,
        modifier,
        ..column
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
        pgrx::check_for_interrupts!();
        if n > 0 {
            literal.push(delimiter);
        }
        match value.kind() {
            Kind::Null => literal.push_str("NULL"),
            // An empty one in another has no form of its own: some majors would make one empty array of both.
            Kind::Array if element != Shape::Json && value.elements()?.is_empty() => return None,
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
