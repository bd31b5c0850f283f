//! Which columns of a row are captured, and how they are read: as text that their types' input functions take back, and JSON as
//! what it is.

use pgrx::pg_sys;
use serde::Deserialize;
use synapsor_core::builder::{Operation, Statement};
use synapsor_core::json::{Columns, Json, Kind};

use crate::pg::relation::Relation;
use crate::pg::returned;
use crate::pg::spi::Connection;
use crate::pg::types::{self, Shape};

/// Why a column's value is not captured.
const NO_RIGHT: &str = "the apply role has no right to read it";
const ALWAYS_MADE_ANEW: &str =
    "it is GENERATED ALWAYS AS IDENTITY, and can't be written by a proposal";
const JSON_NULL: &str = "it is a JSON null, which a proposal can't tell from NULL";
const NOT_READ: &str = "it could not be read";

/// Columns' values, as JSON texts.
pub type Values = Vec<(String, String)>;

/// Columns whose value is not there, and why.
pub type LeftOut = Vec<(String, &'static str)>;

/// A column that is captured.
pub struct Shown {
    /// Its name.
    pub name: String,
    is_json: bool,
}

/// A column, as the catalogs have it.
#[derive(Deserialize)]
struct Declared {
    name: String,
    is_generated: bool,
    is_always_made_anew: bool,
    is_key: bool,
}

/// What of a statement's row is captured.
#[derive(Default)]
pub struct Selection {
    /// What is read.
    pub columns: Vec<Shown>,
    /// What is not, and why.
    pub left_out: LeftOut,
    /// The primary key's columns; empty where there is none.
    pub key: Vec<String>,
}

impl Selection {
    /// The columns that a statement names; for an insert the primary key's as well, and for a delete the whole row.
    pub fn of(spi: &Connection, statement: &Statement<'_>, relation: Relation) -> Self {
        let declared = match statement.operation {
            Operation::Update => Vec::new(),
            _ => declared(spi, relation),
        };
        let keys = declared.iter().filter(|column| column.is_key);
        let key: Vec<String> = keys.map(|column| column.name.clone()).collect();
        let mut selection = Selection::default();
        match statement.operation {
            Operation::Delete => {
                for column in declared.iter().filter(|column| !column.is_generated) {
                    selection.add(&column.name, relation, column.is_always_made_anew);
                }
            }
            operation => {
                let named = statement.params.iter().map(|param| param.column);
                // An insert has no guard, but the delete that undoes it may.
                let guard = match operation {
                    Operation::Insert => statement.named_conflict_column,
                    _ => statement.conflict_column(),
                };
                for name in named.chain(guard).chain(key.iter().map(String::as_str)) {
                    selection.add(name, relation, false);
                }
            }
        }
        Selection { key, ..selection }
    }

    fn add(&mut self, name: &str, relation: Relation, is_always_made_anew: bool) {
        if self.columns.iter().any(|column| column.name == name) {
            return;
        }
        let Some(declared) = relation.column(name) else {
            return;
        };
        let name = name.to_owned();
        if is_always_made_anew {
            self.left_out.push((name, ALWAYS_MADE_ANEW));
        } else if relation.may_select(&name) {
            let is_json = types::shape(declared.oid) == Shape::Json;
            self.columns.push(Shown { name, is_json });
        } else {
            self.left_out.push((name, NO_RIGHT));
        }
    }

    /// SQL for the values, as one text, where the row's columns can be named. `None` when there is nothing to read.
    pub fn expression(&self, is_wanted: impl Fn(&str) -> bool) -> Option<String> {
        let wanted = self.columns.iter().filter(|column| is_wanted(&column.name));
        let expressions: Vec<_> = wanted.map(Shown::expression).collect();
        (!expressions.is_empty()).then(|| {
            format!(
                "(SELECT pg_catalog.row_to_json(captured.*)::pg_catalog.text FROM (SELECT {}) AS captured)",
                expressions.join(", ")
            )
        })
    }

    /// Reads what the expression gave. What is not there is left out, and it is said why.
    pub fn read(&self, text: Option<&str>, left_out: &mut LeftOut) -> Values {
        let found = text.and_then(Columns::parse).unwrap_or_default();
        let mut values = Values::new();
        for column in &self.columns {
            let value = found.get(&column.name).map(|value| column.value(value));
            match value.unwrap_or(Err(NOT_READ)) {
                Ok(value) => values.push((column.name.clone(), value)),
                Err(why) => left_out.push((column.name.clone(), why)),
            }
        }
        values
    }
}

impl Shown {
    /// The type's own output, not its cast to text, which need not be the same. JSON comes in an array, so that a JSON null is
    /// told from NULL.
    fn expression(&self) -> String {
        let name = format!("\"{}\"", self.name.replace('"', "\"\""));
        let shown = match self.is_json {
            true => format!("pg_catalog.json_build_array({name})"),
            false => format!("pg_catalog.format('%s', {name})"),
        };
        // Of a row with NULLs in it, IS NOT NULL would be false.
        format!("CASE WHEN {name} IS DISTINCT FROM NULL THEN {shown} END AS {name}")
    }

    fn value(&self, shown: &Json) -> Result<String, &'static str> {
        if shown.is_null() || !self.is_json {
            return Ok(shown.text().to_owned());
        }
        let elements = shown.elements().unwrap_or_default();
        match elements.first().ok_or(NOT_READ)? {
            value if value.kind() == Kind::Null => Err(JSON_NULL),
            value => Ok(value.text().to_owned()),
        }
    }
}

fn declared(spi: &Connection, relation: Relation) -> Vec<Declared> {
    const COLUMNS: &str = "
        SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', a.attname,
            'is_generated', a.attgenerated OPERATOR(pg_catalog.<>) ''::pg_catalog.\"char\",
            'is_always_made_anew', a.attidentity OPERATOR(pg_catalog.=) 'a'::pg_catalog.\"char\",
            'is_key', coalesce(a.attnum OPERATOR(pg_catalog.=) ANY (i.indkey), false)) ORDER BY a.attnum)::pg_catalog.text
        FROM pg_catalog.pg_attribute a
        LEFT JOIN pg_catalog.pg_index i ON i.indrelid OPERATOR(pg_catalog.=) a.attrelid AND i.indisprimary
        WHERE a.attrelid OPERATOR(pg_catalog.=) $1 AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped";
    let plan = spi.prepare(COLUMNS, &[pg_sys::OIDOID]);
    plan.execute(&[Some(pg_sys::Datum::from(relation.oid))]);
    let columns = returned::last_text().and_then(|text| serde_json::from_str(&text).ok());
    columns.unwrap_or_default()
}
