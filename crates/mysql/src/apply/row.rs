//! The row that a proposal is about: locked, read, and compared byte for byte. The server's own `=` finds `ACME` for `acme`.

use mysql::{Row, Statement as Query, Value};
use synapsor_core::builder::{Param, Role};
use synapsor_core::failure::Failure;

use super::Prepared;
use crate::database::{DatabaseError, Session};
use crate::target::{Target, Unfit};
use crate::value::{self, ColumnType, Exact, Typed};

/// The errors for a value with a character that the column's set does not have: MariaDB's and MySQL's.
const INCOMPARABLE: [u16; 2] = [1267, 3988];

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// No row has exactly this key and tenant.
    None,
    /// One has.
    One {
        /// Its conflict column has another value than the guard.
        conflicts: bool,
    },
    /// The server finds more than one.
    Many,
}

/// A look at the row that a statement's key and tenant guards name, and another one after the statement.
pub struct Look<'a> {
    prepared: &'a Prepared<'a>,
    sql: String,
    /// Prepared at the first look. The table can't be altered from then until the transaction ends; where a temporary table hides it
    /// since, the server itself prepares it anew.
    query: Option<Query>,
    params: Vec<Value>,
    /// The columns that are read, and what each has to hold.
    expected: Vec<Expected<'a>>,
}

struct Expected<'a> {
    column: &'a str,
    exact: Exact,
    is_conflict: bool,
}

impl<'a> Look<'a> {
    /// Prepares it.
    pub fn of(prepared: &'a Prepared<'a>) -> Self {
        let statement = &prepared.statement;
        let mut expected = Vec::new();
        let (mut conditions, mut params) = (Vec::new(), Vec::new());
        for (param, typed) in guards(prepared) {
            expected.push(Expected {
                column: param.column,
                exact: typed.exact.clone(),
                is_conflict: param.role == Role::Conflict,
            });
            if param.role != Role::Conflict {
                conditions.push(format!("`{}` = ?", param.column));
                params.push(typed.parameter.clone());
            }
        }
        expected.extend(statement.null_conflict_column.map(|column| Expected {
            column,
            exact: Exact::Null,
            is_conflict: true,
        }));
        let columns: Vec<_> = expected.iter().map(|e| format!("`{}`", e.column)).collect();
        let sql = format!(
            "SELECT {} FROM `{}`.`{}` WHERE {} LIMIT 2 FOR UPDATE",
            columns.join(", "),
            statement.schema,
            statement.table,
            conditions.join(" AND ")
        );
        Look {
            prepared,
            sql,
            query: None,
            params,
            expected,
        }
    }

    /// Locks what the server finds, and compares it.
    ///
    /// # Errors
    /// `WRITEBACK_TARGET_UNSUPPORTED` for a cell that is not understood, and the database's own.
    pub fn find(&mut self, session: &mut Session) -> Result<Found, Unfit> {
        let rows = match self.rows(session) {
            // No row can hold such a value.
            Err(DatabaseError::Server(told)) if INCOMPARABLE.contains(&told.errno) => {
                return Ok(Found::None);
            }
            rows => rows?,
        };
        let mut rows = rows.into_iter();
        let (first, second) = (rows.next(), rows.next());
        match (first, second) {
            (None, _) => Ok(Found::None),
            (Some(_), Some(_)) => Ok(Found::Many),
            (Some(row), None) => self.compare(row),
        }
    }

    fn rows(&mut self, session: &mut Session) -> Result<Vec<Row>, DatabaseError> {
        let query = match self.query.take() {
            Some(query) => query,
            None => session.prepare(&self.sql)?,
        };
        let query = self.query.insert(query);
        session.rows_of(query, self.params.clone())
    }

    /// Ends it. The next look has to be prepared for the columns as they are then.
    pub fn close(self, session: &mut Session) -> Result<(), DatabaseError> {
        match self.query {
            Some(query) => session.close(query),
            None => Ok(()),
        }
    }

    fn compare(&self, row: Row) -> Result<Found, Unfit> {
        let mut conflicts = false;
        for (expected, cell) in self.expected.iter().zip(row.unwrap()) {
            if read(&self.prepared.target, expected.column, &cell)? == expected.exact {
                continue;
            }
            if !expected.is_conflict {
                return Ok(Found::None);
            }
            conflicts = true;
        }
        Ok(Found::One { conflicts })
    }
}

fn guards<'a>(prepared: &'a Prepared<'a>) -> impl Iterator<Item = (&'a Param<'a>, &'a Typed)> {
    let pairs = prepared.statement.params.iter().zip(&prepared.typed);
    pairs.filter(|(param, _)| param.role != Role::Written)
}

/// True when the one row with this key, which this transaction has made, has exactly this in a column.
pub fn holds(
    session: &mut Session,
    target: &Target,
    key: &[(&str, Value)],
    column: &str,
    expected: &Exact,
) -> Result<bool, Unfit> {
    let conditions: Vec<_> = key
        .iter()
        .map(|(name, _)| format!("`{name}` = ?"))
        .collect();
    let sql = format!(
        "SELECT `{column}` FROM `{}`.`{}` WHERE {} LIMIT 2",
        target.schema,
        target.name,
        conditions.join(" AND ")
    );
    let params: Vec<Value> = key.iter().map(|(_, value)| value.clone()).collect();
    let rows = session.rows_afresh(&sql, params)?;
    match <[Row; 1]>::try_from(rows) {
        Ok([row]) => {
            let cell = row
                .unwrap()
                .into_iter()
                .next()
                .ok_or(DatabaseError::Unexpected)?;
            Ok(read(target, column, &cell)? == *expected)
        }
        Err(_) => Ok(false),
    }
}

/// What a cell of a column holds.
pub fn read(target: &Target, column: &str, cell: &Value) -> Result<Exact, Failure> {
    let column = target.column(column)?;
    let column_type: ColumnType = target.column_type(column)?;
    value::read(cell, &column_type).ok_or_else(|| {
        let why = format!("{} holds what is not understood", column.name);
        synapsor_core::refusal::Refusal::of(synapsor_core::refusal::Code::TargetUnsupported, why)
            .into()
    })
}
