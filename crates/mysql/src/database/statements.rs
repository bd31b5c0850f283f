//! How statements are run in a session: as text, several in a message, or prepared, for values of business tables.

use mysql::prelude::{FromRow, Queryable};
use mysql::{Conn, Params, Row, Statement, Value};

use super::error::DatabaseError;
use super::session::Session;

/// What a statement of a message gave.
#[derive(Debug, Default)]
pub struct Answer {
    /// Its rows; each cell is a text, or null.
    pub rows: Vec<Row>,
    /// Rows that matched, of a statement that writes.
    pub affected_rows: u64,
    /// The id that it gave to a row; 0 where it gave none.
    pub last_insert_id: u64,
}

/// A message of which not all statements were run.
#[derive(Debug)]
pub struct Broken {
    /// What those before the one that failed gave.
    pub answers: Vec<Answer>,
    /// Why it failed.
    pub error: DatabaseError,
}

impl From<Broken> for DatabaseError {
    fn from(broken: Broken) -> Self {
        broken.error
    }
}

impl Session {
    /// Runs statements in one message, without parameters: what is no constant in them has to be safe, or a
    /// [`Literal`](super::Literal). The first that fails ends it.
    ///
    /// # Errors
    /// That of the first statement that fails, with what those before it gave.
    pub fn send(&mut self, statements: &[&str]) -> Result<Vec<Answer>, Broken> {
        let mut answers = Vec::with_capacity(statements.len());
        let sent = self.limited(|conn| read_answers(conn, &statements.join("; "), &mut answers));
        let error = match sent {
            Ok(()) if answers.len() == statements.len() => return Ok(answers),
            Ok(()) => DatabaseError::Unexpected,
            Err(error) => error,
        };
        Err(Broken { answers, error })
    }

    /// Runs statements without parameters, separated by `;`. The first that fails ends it.
    pub fn query(&mut self, sql: &str) -> Result<(), DatabaseError> {
        self.limited(|conn| read_answers(conn, sql, &mut Vec::new()))
    }

    /// Runs a prepared statement; returns how many rows matched.
    pub fn run(&mut self, sql: &str, params: impl Into<Params>) -> Result<u64, DatabaseError> {
        let params = params.into();
        self.limited(|conn| {
            conn.exec_drop(sql, params)?;
            Ok(conn.affected_rows())
        })
    }

    /// The rows of a prepared query.
    pub fn rows(
        &mut self,
        sql: &str,
        params: impl Into<Params>,
    ) -> Result<Vec<Row>, DatabaseError> {
        let params = params.into();
        self.limited(|conn| conn.exec(sql, params))
    }

    /// The rows of a prepared query, each as a tuple.
    pub fn all<T: FromRow>(
        &mut self,
        sql: &str,
        params: impl Into<Params>,
    ) -> Result<Vec<T>, DatabaseError> {
        let rows = self.rows(sql, params)?;
        rows.into_iter().map(read).collect()
    }

    /// The first row of a prepared query.
    pub fn one<T: FromRow>(
        &mut self,
        sql: &str,
        params: impl Into<Params>,
    ) -> Result<Option<T>, DatabaseError> {
        Ok(self.all(sql, params)?.into_iter().next())
    }

    /// As [`Session::run`], for a table that somebody may have altered: a statement that was prepared before would hold its
    /// parameters for values of the old columns' types.
    pub fn run_afresh(&mut self, sql: &str, params: Vec<Value>) -> Result<Answer, DatabaseError> {
        self.limited(|conn| {
            let statement = conn.prep(sql)?;
            let done = conn.exec_drop(&statement, positional(params));
            let answer = done.map(|()| Answer {
                rows: Vec::new(),
                affected_rows: conn.affected_rows(),
                last_insert_id: conn.last_insert_id(),
            });
            conn.close(statement)?;
            answer
        })
    }

    /// As [`Session::rows`], for a table that somebody may have altered.
    pub fn rows_afresh(
        &mut self,
        sql: &str,
        params: Vec<Value>,
    ) -> Result<Vec<Row>, DatabaseError> {
        self.limited(|conn| {
            let statement = conn.prep(sql)?;
            let rows = conn.exec(&statement, positional(params));
            conn.close(statement)?;
            rows
        })
    }

    /// Has the server look at a statement, its names and the rights that it takes, without running it.
    pub fn examine(&mut self, sql: &str) -> Result<(), DatabaseError> {
        let statement = self.prepare(sql)?;
        self.close(statement)
    }

    /// Prepares a statement that is run more than once while its table can't be altered, and to be closed before it can.
    pub fn prepare(&mut self, sql: &str) -> Result<Statement, DatabaseError> {
        self.limited(|conn| conn.prep(sql))
    }

    /// The rows of a query that [`Session::prepare`] has prepared.
    pub fn rows_of(
        &mut self,
        statement: &Statement,
        params: Vec<Value>,
    ) -> Result<Vec<Row>, DatabaseError> {
        self.limited(|conn| conn.exec(statement, positional(params)))
    }

    /// Ends a statement that [`Session::prepare`] has prepared.
    pub fn close(&mut self, statement: Statement) -> Result<(), DatabaseError> {
        self.limited(|conn| conn.close(statement))
    }

    /// Binds a value to a user variable.
    pub fn set_variable(&mut self, name: &str, value: Option<String>) -> Result<(), DatabaseError> {
        let value = value.map_or(Value::NULL, Value::from);
        self.run(&format!("SET @`{name}` = ?"), (value,)).map(drop)
    }
}

/// Sends a message, and reads what each of its statements gives.
fn read_answers(conn: &mut Conn, sql: &str, answers: &mut Vec<Answer>) -> Result<(), mysql::Error> {
    // Dropping the result would pass over errors of all statements but the first.
    let mut result = conn.query_iter(sql)?;
    while let Some(set) = result.iter() {
        let mut answer = Answer {
            rows: Vec::new(),
            affected_rows: set.affected_rows(),
            last_insert_id: set.last_insert_id().unwrap_or_default(),
        };
        for row in set {
            answer.rows.push(row?);
        }
        answers.push(answer);
    }
    Ok(())
}

/// A row as a tuple.
pub fn read<T: FromRow>(row: Row) -> Result<T, DatabaseError> {
    mysql::from_row_opt(row).map_err(|_| DatabaseError::Unexpected)
}

fn positional(params: Vec<Value>) -> Params {
    if params.is_empty() {
        Params::Empty
    } else {
        Params::Positional(params)
    }
}
