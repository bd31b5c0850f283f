//! A row read cell by cell.

use mysql::consts::ColumnType;
use mysql::prelude::FromValue;
use mysql::{Column, Row, Value};

use super::error::DatabaseError;

/// The cells of a row that are not read yet, in order.
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

/// The cells of a row as a prepared statement returns them, also of one that was sent as text. But for floats and times, of which
/// a text does not tell all: they stay a text.
pub fn typed(row: Row) -> Vec<Value> {
    let columns = row.columns();
    let cells = row.unwrap().into_iter().zip(columns.iter());
    cells
        .map(|(cell, column)| typed_cell(cell, column))
        .collect()
}

fn typed_cell(cell: Value, column: &Column) -> Value {
    use ColumnType::{
        MYSQL_TYPE_DATE, MYSQL_TYPE_DATETIME, MYSQL_TYPE_INT24, MYSQL_TYPE_LONG,
        MYSQL_TYPE_LONGLONG, MYSQL_TYPE_NEWDATE, MYSQL_TYPE_SHORT, MYSQL_TYPE_TIMESTAMP,
        MYSQL_TYPE_TINY, MYSQL_TYPE_YEAR,
    };
    let Value::Bytes(bytes) = &cell else {
        return cell;
    };
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let value = match column.column_type() {
        MYSQL_TYPE_TINY | MYSQL_TYPE_SHORT | MYSQL_TYPE_INT24 | MYSQL_TYPE_LONG
        | MYSQL_TYPE_LONGLONG | MYSQL_TYPE_YEAR => integer(text),
        MYSQL_TYPE_DATE | MYSQL_TYPE_NEWDATE | MYSQL_TYPE_DATETIME | MYSQL_TYPE_TIMESTAMP => {
            date_time(text)
        }
        _ => None,
    };
    value.unwrap_or(cell)
}

fn integer(text: &str) -> Option<Value> {
    let signed = text.parse().map(Value::Int);
    signed.or_else(|_| text.parse().map(Value::UInt)).ok()
}

/// `2024-01-02`, `2024-01-02 03:04:05`, `2024-01-02 03:04:05.678`
fn date_time(text: &str) -> Option<Value> {
    const DIGITS: usize = 6;
    let (date, time) = text.split_once(' ').unwrap_or((text, "00:00:00"));
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let fraction = (fraction.len() <= DIGITS).then(|| format!("{fraction:0<DIGITS$}"))?;
    let [month, day, hour, minute, second] = [month, day, hour, minute, second].map(u8::try_from);
    Some(Value::Date(
        year,
        month.ok()?,
        day.ok()?,
        hour.ok()?,
        minute.ok()?,
        second.ok()?,
        numeral(&fraction)?,
    ))
}

fn numbers(text: &str, separator: char) -> Option<[u16; 3]> {
    let numbers: Option<Vec<u16>> = text.split(separator).map(numeral).collect();
    numbers?.try_into().ok()
}

fn numeral<T: std::str::FromStr>(text: &str) -> Option<T> {
    let is_number = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_text(text: &str, column_type: ColumnType) -> Value {
        typed_cell(Value::from(text), &Column::new(column_type))
    }

    #[test]
    fn an_integer_is_read_from_its_text() {
        for (text, value) in [
            ("-7", Value::Int(-7)),
            ("007", Value::Int(7)),
            ("18446744073709551615", Value::UInt(u64::MAX)),
        ] {
            assert_eq!(of_text(text, ColumnType::MYSQL_TYPE_LONGLONG), value);
        }
        let year = of_text("2024", ColumnType::MYSQL_TYPE_YEAR);
        assert_eq!(year, Value::Int(2024));
    }

    #[test]
    fn a_date_and_a_time_of_day_are_read_from_their_text() {
        for (text, value) in [
            ("2024-01-02", Value::Date(2024, 1, 2, 0, 0, 0, 0)),
            ("2024-01-02 03:04:05", Value::Date(2024, 1, 2, 3, 4, 5, 0)),
            (
                "2024-01-02 03:04:05.07",
                Value::Date(2024, 1, 2, 3, 4, 5, 70_000),
            ),
            (
                "9999-12-31 23:59:59.999999",
                Value::Date(9999, 12, 31, 23, 59, 59, 999_999),
            ),
            ("0000-00-00 00:00:00", Value::Date(0, 0, 0, 0, 0, 0, 0)),
        ] {
            assert_eq!(of_text(text, ColumnType::MYSQL_TYPE_DATETIME), value);
        }
    }

    #[test]
    fn what_is_not_understood_stays_a_text() {
        let cases = [
            ("2024-01", ColumnType::MYSQL_TYPE_DATE),
            ("2024-01-+2", ColumnType::MYSQL_TYPE_DATE),
            (
                "2024-01-02 03:04:05.1234567",
                ColumnType::MYSQL_TYPE_DATETIME,
            ),
            ("x", ColumnType::MYSQL_TYPE_LONG),
            ("1.5", ColumnType::MYSQL_TYPE_DOUBLE),
            ("7", ColumnType::MYSQL_TYPE_VAR_STRING),
        ];
        for (text, column_type) in cases {
            assert_eq!(of_text(text, column_type), Value::from(text));
        }
    }

    #[test]
    fn what_a_prepared_statement_returned_stays_as_it_is() {
        let column = Column::new(ColumnType::MYSQL_TYPE_LONG);
        assert_eq!(typed_cell(Value::Int(7), &column), Value::Int(7));
        assert_eq!(typed_cell(Value::NULL, &column), Value::NULL);
    }
}
