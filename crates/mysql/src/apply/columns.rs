//! The row's values in the columns that a proposal concerns, for a person who previews it.

use mysql::Value as Cell;
use serde_json::{Map, Value};
use synapsor_core::builder::Role;

use super::{Prepared, row};
use crate::database::{DatabaseError, Session};
use crate::value;

/// Key, guards and written columns of a proposal's row.
pub struct Columns<'a> {
    prepared: &'a Prepared<'a>,
    names: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    /// Those of a statement, each once.
    pub fn of(prepared: &'a Prepared<'a>) -> Self {
        let mut names: Vec<&str> = Vec::new();
        let params = prepared.statement.params.iter().map(|param| param.column);
        for name in params.chain(prepared.statement.conflict_column()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Columns { prepared, names }
    }

    /// The row as it is now: `{column: value, …}`, or null when there is none. A cell that is not understood shows as null.
    pub fn look(&self, session: &mut Session) -> Result<Value, DatabaseError> {
        let statement = &self.prepared.statement;
        let (mut conditions, mut params) = (Vec::new(), Vec::<Cell>::new());
        for (param, typed) in statement.params.iter().zip(&self.prepared.typed) {
            if matches!(param.role, Role::Key | Role::Tenant) {
                conditions.push(format!("`{}` = ?", param.column));
                params.push(typed.parameter.clone());
            }
        }
        let columns: Vec<_> = self.names.iter().map(|name| format!("`{name}`")).collect();
        let sql = format!(
            "SELECT {} FROM `{}`.`{}` WHERE {} LIMIT 1",
            columns.join(", "),
            statement.schema,
            statement.table,
            conditions.join(" AND ")
        );
        let Some(row) = session.run_afresh(&sql, params)?.rows.into_iter().next() else {
            return Ok(Value::Null);
        };
        let mut values = Map::new();
        for (name, cell) in self.names.iter().zip(row.unwrap()) {
            let exact = row::read(&self.prepared.target, name, &cell);
            let value = exact.map_or(Value::Null, |exact| value::to_json(&exact));
            values.insert((*name).to_owned(), value);
        }
        Ok(Value::Object(values))
    }
}
