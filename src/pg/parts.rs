//! The values in an array or in a row, as the texts that their own types read.

use std::ffi::{CStr, CString};

use pgrx::{FromDatum, PgTupleDesc, pg_sys};

use super::relation::ColumnType;
use super::types::{self, Shape};

/// The types of a type's parts, of an array the one that all have; `None` for a type without parts. `whole` is no domain.
pub fn types(whole: ColumnType) -> Option<Vec<ColumnType>> {
    match types::shape(whole.oid) {
        Shape::Array {
            element,
            delimiter: ',',
        } => Some(vec![ColumnType {
            oid: element,
            ..whole
        }]),
        Shape::Scalar if is_row(whole.oid) => Some(columns(whole.oid)),
        _ => None,
    }
}

/// The values that are not null in a text that this type has read; `None` for a type without parts. `whole` is no domain.
pub fn of(whole: ColumnType, text: &CStr) -> Option<impl Iterator<Item = (ColumnType, CString)>> {
    let types = types(whole)?;
    let texts = if is_row(whole.oid) {
        fields(text.to_str().ok()?)
    } else {
        elements(text)
    };
    let parts = types.into_iter().cycle().zip(texts);
    Some(parts.filter_map(|(column, text)| Some((column, CString::new(text?).ok()?))))
}

/// The elements of an array of any type are written down as those of an array of texts.
fn elements(text: &CStr) -> Vec<Option<String>> {
    let texts = types::input(pg_sys::TEXTARRAYOID, -1, text);
    // SAFETY: an array of texts.
    unsafe { FromDatum::from_datum(texts, false) }.unwrap_or_default()
}

fn is_row(type_oid: pg_sys::Oid) -> bool {
    // SAFETY: a catalog look-up.
    type_oid != pg_sys::RECORDOID && unsafe { pg_sys::type_is_rowtype(type_oid) }
}

fn columns(row: pg_sys::Oid) -> Vec<ColumnType> {
    let Some(description) = PgTupleDesc::for_composite_type_by_oid(row) else {
        return Vec::new();
    };
    let columns = description.iter().filter(|column| !column.attisdropped);
    let columns = columns.map(|column| ColumnType {
        oid: column.atttypid,
        modifier: column.atttypmod,
        collation: column.attcollation,
    });
    columns.collect()
}

/// The fields of a row in Postgres's notation, `(1,,"a ""b""")`; nothing between two commas is null. The text is known
/// to be well-formed.
fn fields(text: &str) -> Vec<Option<String>> {
    let mut fields = vec![None::<String>];
    let mut is_quoted = false;
    let mut rest = text.trim_start().chars().skip(1).peekable();
    while let Some(c) = rest.next() {
        let mut push = |c: char| {
            fields
                .last_mut()
                .map(|field| field.get_or_insert_default().push(c))
        };
        match c {
            '\\' => drop(rest.next().map(push)),
            '"' if is_quoted && rest.peek() == Some(&'"') => drop(rest.next().map(push)),
            '"' => {
                is_quoted = !is_quoted;
                if let Some(field) = fields.last_mut() {
                    field.get_or_insert_default();
                }
            }
            ',' if !is_quoted => fields.push(None),
            ')' if !is_quoted => break,
            c => drop(push(c)),
        }
    }
    fields
}
