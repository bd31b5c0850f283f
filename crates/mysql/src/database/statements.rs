//! How statements are run in a session: as text, several in a message, or prepared.

use mysql::prelude::{FromRow, Protocol, Queryable};
use mysql::{Params, QueryResult, Row, Value};

use super::error::DatabaseError;
use super::literal::Literal;
use super::session::Session;

/// What a statement gave.
#[derive(Debug, Default)]
pub struct Answer {
    /// Its rows. Of a statement that was sent as text, each cell is a text, or null.
    pub rows: Vec<Row>,
    /// Rows that matched, of a statement that writes.
    pub affected_rows: u64,
    /// The id that it gave to a row; 0 where it gave none.
    pub last_insert_id: u64,
}

/// Statements of which not all were run.
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

/// A statement, and how its values go with it.
#[derive(Clone, Debug)]
pub enum Step {
    /// As parts of its text, if there are any.
    Text(String),
    /// As parameters of a statement that is prepared for this once: somebody may have altered the table, and one that was prepared
    /// before would hold its parameters for values of the old columns' types.
    Prepared(String, Vec<Value>),
}

impl Step {
    /// A statement with a value for each `?`, which it has nowhere else. `None` where their numbers differ.
    pub fn with_literals(sql: &str, literals: &[Literal<'_>]) -> Option<Self> {
        let mut parts = sql.split('?');
        let mut text = parts.next().unwrap_or_default().to_owned();
        let mut literals = literals.iter();
        for part in parts {
            text.push_str(&literals.next()?.to_string());
            text.push_str(part);
        }
        literals.next().is_none().then_some(Step::Text(text))
    }

    fn text(&self) -> Option<&str> {
        match self {
            Step::Text(text) => Some(text),
            Step::Prepared(..) => None,
        }
    }
}

impl Session {
    /// Runs statements one after the other: in one message, where all are text. The first that fails ends it.
    ///
    /// # Errors
    /// That of the first statement that fails, with what those before it gave.
    pub fn take(&mut self, steps: &[Step]) -> Result<Vec<Answer>, Broken> {
        if let Some(texts) = steps.iter().map(Step::text).collect::<Option<Vec<_>>>() {
            return self.send(&texts);
        }
        let mut answers = Vec::with_capacity(steps.len());
        for step in steps {
            let taken = match step {
                Step::Text(text) => self.send(&[text]).map_err(|broken| broken.error),
                Step::Prepared(sql, params) => {
                    let answer = self.run_afresh(sql, params.clone());
                    answer.map(|answer| vec![answer])
                }
            };
            match taken {
                Ok(taken) => answers.extend(taken),
                Err(error) => return Err(Broken { answers, error }),
            }
        }
        Ok(answers)
    }

    /// Runs statements in one message, without parameters: what is no constant in them has to be safe, or a [`Literal`].
    ///
    /// # Errors
    /// As [`Session::take`].
    pub fn send(&mut self, statements: &[&str]) -> Result<Vec<Answer>, Broken> {
        let mut answers = Vec::with_capacity(statements.len());
        let message = statements.join("; ");
        let sent = self.limited(|conn| read_answers(conn.query_iter(message)?, &mut answers));
        let error = match sent {
            Ok(()) if answers.len() == statements.len() => return Ok(answers),
            Ok(()) => DatabaseError::Unexpected,
            Err(error) => error,
        };
        Err(Broken { answers, error })
    }

    /// Runs statements without parameters, separated by `;`. The first that fails ends it.
    pub fn query(&mut self, sql: &str) -> Result<(), DatabaseError> {
        self.limited(|conn| read_answers(conn.query_iter(sql)?, &mut Vec::new()))
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

    /// Runs a statement that is prepared for this once: see [`Step::Prepared`].
    pub fn run_afresh(&mut self, sql: &str, params: Vec<Value>) -> Result<Answer, DatabaseError> {
        let params = match params.is_empty() {
            true => Params::Empty,
            false => Params::Positional(params),
        };
        let mut answers = Vec::new();
        self.limited(|conn| {
            let statement = conn.prep(sql)?;
            let done = conn
                .exec_iter(&statement, params)
                .and_then(|result| read_answers(result, &mut answers));
            conn.close(statement)?;
            done
        })?;
        answers.pop().ok_or(DatabaseError::Unexpected)
    }

    /// Has the server look at a statement, its names and the rights that it takes, without running it.
    pub fn examine(&mut self, sql: &str) -> Result<(), DatabaseError> {
        self.limited(|conn| conn.prep(sql).and_then(|statement| conn.close(statement)))
    }

    /// Binds a value to a user variable.
    pub fn set_variable(&mut self, name: &str, value: Option<String>) -> Result<(), DatabaseError> {
        self.query(&format!("SET @`{name}` = {}", Literal::from(&value)))
    }
}

/// Reads what each statement of a message gives.
fn read_answers<P: Protocol>(
    mut result: QueryResult<'_, '_, '_, P>,
    answers: &mut Vec<Answer>,
) -> Result<(), mysql::Error> {
    // Dropping the result would pass over errors of all statements but the first.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_the_places_of_question_marks() {
        let step = |sql, values: &[Literal<'_>]| {
            Step::with_literals(sql, values)?.text().map(str::to_owned)
        };
        let values = [Literal::Text("?'"), Literal::Number(-7)];
        assert_eq!(
            step("UPDATE `t` SET `a` = ? WHERE `b` = ?", &values).as_deref(),
            Some("UPDATE `t` SET `a` = _utf8mb4 X'3F27' WHERE `b` = -7")
        );
        assert_eq!(step("DO 1", &[]).as_deref(), Some("DO 1"));
        assert_eq!(step("DO ?", &values), None, "a value is left");
        assert_eq!(step("DO ?, ?, ?", &values), None, "a value is missing");
    }
}
