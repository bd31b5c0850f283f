//! MariaDB's JSON: a `longtext` whose table checks that it is JSON. `information_schema` hides that from accounts whose rights are on
//! single tables; the table's definition shows it.

use super::tokens::{Token, tokens};
use crate::database::{DatabaseError, Session};
use crate::value::Column;

/// A type that no value can be read for: nobody can tell a JSON from a text.
const EITHER: &str = "longtext or json";

/// The server's errors for what an account has no right to.
const DENIED: [u16; 3] = [1044, 1142, 1143];

/// The collation of every column that was declared as `json`.
const JSON_COLLATION: &str = "utf8mb4_bin";

/// What a definition says of its `longtext` columns, by name.
#[derive(Debug, Default, PartialEq)]
struct Checked {
    /// They must be JSON.
    json: Vec<String>,
    /// They must be JSON under some condition.
    sometimes: Vec<String>,
}

/// Marks, of the columns of a table or of a view of it, those that hold JSON, and those of which that can't be told.
pub fn mark(
    session: &mut Session,
    base: &(String, String),
    is_view: bool,
    columns: &mut [Column],
) -> Result<(), DatabaseError> {
    if columns.iter().all(|column| column.data_type != "longtext") {
        return Ok(());
    }
    let checked = definition(session, base)?.map(|text| Checked::of(&text));
    let texts = columns.iter_mut().filter(|c| c.data_type == "longtext");
    for column in texts {
        let is_unclear = match &checked {
            None => column.collation.as_deref() == Some(JSON_COLLATION),
            // Behind a view it may have another name.
            Some(checked) if is_view => *checked != Checked::default(),
            Some(checked) => checked.sometimes.contains(&column.name),
        };
        if is_unclear {
            column.data_type = EITHER.to_owned();
        } else {
            let is_it = |checked: &Checked| checked.json.contains(&column.name);
            column.is_json_text = checked.as_ref().is_some_and(is_it);
        }
    }
    Ok(())
}

/// A table's definition; `None` where it may not be seen.
fn definition(
    session: &mut Session,
    (schema, table): &(String, String),
) -> Result<Option<String>, DatabaseError> {
    let quote = |name: &str| format!("`{}`", name.replace('`', "``"));
    let query = format!("SHOW CREATE TABLE {}.{}", quote(schema), quote(table));
    match session.one::<(String, String)>(&query, ()) {
        Ok(row) => Ok(row.map(|(_, text)| text)),
        Err(DatabaseError::Server(told)) if DENIED.contains(&told.errno) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Checked {
    fn of(definition: &str) -> Self {
        let tokens = tokens(definition);
        let mut checked = Checked::default();
        let starts = (0..tokens.len()).filter(|n| tokens[*n].is_word("check"));
        for start in starts {
            checked.take(condition(&tokens[start + 1..]));
        }
        checked
    }

    /// Takes the condition of one check.
    fn take(&mut self, condition: &[Token]) {
        const CALL: usize = 4;
        let column = |call: &[Token]| match call {
            [function, open, name, close]
                if function.is_word("json_valid") && open.is_sign('(') && close.is_sign(')') =>
            {
                name.name()
            }
            _ => None,
        };
        match column(condition) {
            Some(name) => self.json.push(name),
            None => self
                .sometimes
                .extend(condition.windows(CALL).filter_map(column)),
        }
    }
}

/// What stands between the first parenthesis and the one that closes it.
fn condition(tokens: &[Token]) -> &[Token] {
    let mut depth = 0;
    for (n, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('(') => depth += 1,
            Token::Sign(')') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return tokens.get(1..n).unwrap_or_default();
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(lines: &str) -> [Vec<String>; 2] {
        let definition = format!("CREATE TABLE `t` (\n{lines}\n) ENGINE=InnoDB");
        let checked = Checked::of(&definition);
        [checked.json, checked.sometimes]
    }

    #[test]
    fn a_check_that_says_nothing_but_json_makes_a_column_json() {
        let lines = "`a` longtext DEFAULT NULL CHECK (json_valid(`a`)), `b``c` longtext,\n
            CONSTRAINT `b``c` CHECK (json_valid(`b``c`)), CHECK (`n` > 0)";
        assert_eq!(
            checked(lines),
            [vec!["a".to_owned(), "b`c".to_owned()], vec![]]
        );
    }

    #[test]
    fn a_check_that_says_more_makes_it_unclear() {
        let lines = "`a` longtext CHECK (`k` <> 'x' or json_valid(`a`)), `b` longtext CHECK ((json_valid(`b`)))";
        assert_eq!(
            checked(lines),
            [vec![], vec!["a".to_owned(), "b".to_owned()]]
        );
    }

    #[test]
    fn what_is_no_check_says_nothing() {
        for lines in [
            "`a` longtext COMMENT 'CHECK (json_valid(`a`))'",
            "`a` longtext, `ok` int GENERATED ALWAYS AS (json_valid(`a`)) VIRTUAL",
            "`a` longtext, `check` int, `json_valid` int",
            "`a` longtext CHECK (json_valid(`a`)".trim_end_matches(')'),
        ] {
            assert_eq!(checked(lines), [vec![], Vec::<String>::new()], "{lines}");
        }
    }
}
