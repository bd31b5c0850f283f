//! Statements and queries whose failure ends a test.

use mysql::prelude::{FromRow, Queryable};
use mysql::{Conn, Row, Value};

/// Runs statements, separated by `;`.
pub(crate) fn execute(session: &mut Conn, sql: &str) {
    // Only who reads all results learns of the errors of all statements.
    let mut run = || -> mysql::Result<()> {
        let mut results = session.query_iter(sql)?;
        while let Some(mut rows) = results.iter() {
            rows.try_for_each(|row| row.map(drop))?;
        }
        Ok(())
    };
    run().unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// The first row of a query.
pub(crate) fn query_value<T: FromRow>(session: &mut Conn, sql: &str) -> T {
    let first = session.query_first(sql);
    first
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
        .unwrap_or_else(|| panic!("{sql}: no row"))
}

/// The rows of a query, each value as the server writes it, `None` for NULL.
pub(crate) fn query_rows(session: &mut Conn, sql: &str) -> Vec<Vec<Option<String>>> {
    let rows: mysql::Result<Vec<Row>> = session.query(sql);
    rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
        .into_iter()
        .map(|row| row.unwrap().into_iter().map(text).collect())
        .collect()
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(other.as_sql(true)),
    }
}
