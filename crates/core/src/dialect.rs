//! The two kinds of SQL that the builder speaks.

/// Whose SQL a statement is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL: `"x"`, `$1`.
    Postgres,
    /// MySQL and MariaDB: `` `x` ``, `?`.
    MySql,
}

impl Dialect {
    /// The dialect of a `source_kind`; `None` for a kind that we do not serve.
    pub fn of_kind(kind: &str) -> Option<Self> {
        match kind {
            "postgres" => Some(Dialect::Postgres),
            "mysql" => Some(Dialect::MySql),
            _ => None,
        }
    }

    /// The character that quotes an identifier.
    pub fn quote(self) -> char {
        match self {
            Dialect::Postgres => '"',
            Dialect::MySql => '`',
        }
    }

    /// The longest identifier that the server keeps whole: 63 bytes (Postgres, `NAMEDATALEN` - 1), 64 characters
    /// (MySQL). Safe identifiers are ASCII, so that bytes are characters.
    pub fn longest_identifier(self) -> usize {
        match self {
            Dialect::Postgres => 63,
            Dialect::MySql => 64,
        }
    }

    /// Appends the placeholder of the `n`th parameter, counted from 1.
    pub fn push_placeholder(self, sql: &mut String, n: usize) {
        match self {
            Dialect::Postgres => {
                sql.push('$');
                sql.push_str(&n.to_string());
            }
            Dialect::MySql => sql.push('?'),
        }
    }
}
