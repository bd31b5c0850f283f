//! The row that a proposal is about: locked, read, and compared byte for byte. The server's own `=` finds `ACME` for `acme`.

use mysql::{Row, Value};
use synapsor_core::builder::{Param, Role};
use synapsor_core::failure::Failure;

use super::{Prepared, step};
use crate::database::{DatabaseError, Step, typed};
use crate::target::{Target, Unfit};
use crate::value::{self, ColumnType, Exact, Typed};

/// The errors for a value with a character that the column's set does not have: MariaDB's, and MySQL's for a literal and a parameter.
const INCOMPARABLE: [u16; 3] = [1267, 3854, 3988];

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

/// A look at the row that a statement's key and tenant guards name: locked, where it is found.
pub struct Look<'a> {
    prepared: &'a Prepared<'a>,
    step: Step,
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
    pub fn of(prepared: &'a Prepared<'a>) -> Result<Self, Unfit> {
        let statement = &prepared.statement;
        let mut expected = Vec::new();
        let (mut conditions, mut values) = (Vec::new(), Vec::new());
        for (param, typed) in guards(prepared) {
            expected.push(Expected {
                column: param.column,
                exact: typed.exact.clone(),
                is_conflict: param.role == Role::Conflict,
            });
            if param.role != Role::Conflict {
                conditions.push(format!("`{}` = ?", param.column));
                values.push(typed);
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
        let read = expected.iter().map(|expected| expected.column);
        Ok(Look {
            step: reading(&prepared.target, read, sql, &values)?,
            prepared,
            expected,
        })
    }

    /// The query.
    pub fn step(&self) -> Step {
        self.step.clone()
    }

    /// What came of the query.
    ///
    /// # Errors
    /// `WRITEBACK_TARGET_UNSUPPORTED` for a cell that is not understood, and the database's own.
    pub fn found(&self, rows: Result<Vec<Row>, DatabaseError>) -> Result<Found, Unfit> {
        let rows = match rows {
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

    fn compare(&self, row: Row) -> Result<Found, Unfit> {
        let mut conflicts = false;
        for (expected, cell) in self.expected.iter().zip(typed(row)) {
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

/// A look at what the one row with this key, which this transaction has made, has in a column.
pub fn of_key(target: &Target, key: &[(&str, Typed)], column: &str) -> Result<Step, Unfit> {
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
    let values: Vec<&Typed> = key.iter().map(|(_, typed)| typed).collect();
    reading(target, [column], sql, &values)
}

/// True when that look has found one row, with exactly this in the column.
pub fn holds(
    target: &Target,
    rows: Vec<Row>,
    column: &str,
    expected: &Exact,
) -> Result<bool, Unfit> {
    match <[Row; 1]>::try_from(rows) {
        Ok([row]) => {
            let cell = typed(row).into_iter().next();
            let cell = cell.ok_or(DatabaseError::Unexpected)?;
            Ok(read(target, column, &cell)? == *expected)
        }
        Err(_) => Ok(false),
    }
}

/// A query of columns, as text where nothing is lost by that.
fn reading<'a>(
    target: &Target,
    columns: impl IntoIterator<Item = &'a str>,
    sql: String,
    values: &[&Typed],
) -> Result<Step, Unfit> {
    for name in columns {
        if !value::is_whole_in_text(target.column(name)?) {
            return Ok(step::prepared(sql, values));
        }
    }
    Ok(step::of(sql, values))
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
