//! A row read cell by cell, in order.

use mysql::prelude::FromValue;
use mysql::{Row, Value};

use super::error::DatabaseError;

/// The cells of a row that are not read yet.
pub struct Cells(std::vec::IntoIter<Value>);

impl Cells {
    /// All of a row.
    pub fn of(row: Row) -> Self {
        Cells(row.unwrap().into_iter())
    }

    /// The next cell.
    ///
    /// # Errors
    /// `DATABASE_UNEXPECTED` where there is none, or one of another type.
    pub fn next<T: FromValue>(&mut self) -> Result<T, DatabaseError> {
        let value = self.0.next().ok_or(DatabaseError::Unexpected)?;
        mysql::from_value_opt(value).map_err(|_| DatabaseError::Unexpected)
    }
}
