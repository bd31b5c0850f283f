//! Targets that were looked at before. A look at the catalog takes longer than all the rest of a proposal.

use std::collections::HashMap;
use std::rc::Rc;

use synapsor_core::builder::Statement;

use super::{Target, Unfit, require_foreign};
use crate::database::{Answer, Broken, DatabaseError, Session};

/// Targets that are kept at most.
const MOST: usize = 256;

/// How the definition of a temporary table begins: a trigger can make one.
const TEMPORARY: &str = "CREATE TEMPORARY TABLE";

/// Targets by database and name, each with the definition that it was read from.
#[derive(Default)]
pub struct Targets(HashMap<(String, String), (String, Rc<Target>)>);

impl Targets {
    /// A statement's target, in the transaction under way: from then on nobody can alter it before that ends. One that was looked at
    /// before is taken again as long as the server shows the same definition.
    ///
    /// # Errors
    /// Those of [`Target::load`].
    pub fn load(
        &mut self,
        session: &mut Session,
        statement: &Statement<'_>,
        ledger_schema: &str,
        pinned: Option<Pinned>,
    ) -> Result<Rc<Target>, Unfit> {
        require_foreign(statement.schema, statement.table, ledger_schema)?;
        let pinned = pinned.unwrap_or_else(|| {
            let pinning = pinning(statement);
            Pinned::of(session.send(&[&pinning[0], &pinning[1]]))
        });
        let shown = pinned.0?;
        if shown.as_ref().is_some_and(is_temporary) {
            // Some trigger left it behind. Another session finds the table itself.
            let why = "a temporary table of the session hides the target";
            return Err(DatabaseError::Lost(why.into()).into());
        }
        let definition = shown.as_ref().and_then(definition);
        let place = (statement.schema.to_owned(), statement.table.to_owned());
        if let (Some(definition), Some((known, target))) = (&definition, self.0.get(&place))
            && definition == known
        {
            return Ok(target.clone());
        }
        let mut target = Target::load(session, statement, ledger_schema)?;
        target.is_shown = shown.is_some();
        let target = Rc::new(target);
        if let Some(definition) = definition {
            if self.0.len() >= MOST {
                self.0.clear();
            }
            self.0.insert(place, (definition, target.clone()));
        }
        Ok(target)
    }
}

/// A target that stays as it is defined until the transaction under way ends: how the server shows it, `None` where it may not be
/// seen; or why it could not be pinned.
pub struct Pinned(Result<Option<Answer>, DatabaseError>);

impl Pinned {
    /// What pins a statement's target; `None` for one that is never looked at.
    pub fn statements(statement: &Statement<'_>, ledger_schema: &str) -> Option<[String; 2]> {
        let is_foreign = require_foreign(statement.schema, statement.table, ledger_schema).is_ok();
        is_foreign.then(|| pinning(statement))
    }

    /// What came of those statements.
    pub fn of(taken: Result<Vec<Answer>, Broken>) -> Self {
        Pinned(match taken {
            Ok(mut answers) => Ok(answers.pop()),
            Err(Broken {
                answers,
                error: DatabaseError::Server(told),
            }) if answers.len() == 1 && !told.is_transient() => Ok(None),
            Err(broken) => Err(broken.error),
        })
    }

    /// Why the connection is gone, where it is.
    pub fn loss(&self) -> Option<DatabaseError> {
        self.0.as_ref().err().filter(|e| e.is_lost()).cloned()
    }
}

fn pinning(statement: &Statement<'_>) -> [String; 2] {
    let (schema, table) = (statement.schema, statement.table);
    // From a cache of queries the server would answer without a look at the table.
    let look = format!("SELECT SQL_NO_CACHE 1 FROM `{schema}`.`{table}` LIMIT 0");
    [look, showing(schema, table)]
}

/// The statement that shows how a table or a view is defined.
pub fn showing(schema: &str, table: &str) -> String {
    format!("SHOW CREATE TABLE `{schema}`.`{table}`")
}

/// True where the server shows a temporary table of the session, which hides the one that is meant.
pub fn is_temporary(shown: &Answer) -> bool {
    text(shown).is_some_and(|text| text.starts_with(TEMPORARY))
}

/// A table's definition, without the number that the next row gets; `None` for a view, whose table may change while it does not.
fn definition(shown: &Answer) -> Option<String> {
    // A view has more columns.
    let is_table = shown.rows.first().is_some_and(|row| row.len() == 2);
    text(shown).filter(|_| is_table).map(without_counter)
}

fn text(shown: &Answer) -> Option<String> {
    shown.rows.first()?.get_opt(1)?.ok()
}

fn without_counter(definition: String) -> String {
    const COUNTER: &str = " AUTO_INCREMENT=";
    // The table's options come last; what a comment says of it does not matter.
    let Some((before, after)) = definition.rsplit_once(COUNTER) else {
        return definition;
    };
    let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{before}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_row_s_number_is_no_change() {
        let definition = |n: u32| {
            format!(
                "CREATE TABLE `t` (\n  `id` int\n) ENGINE=InnoDB AUTO_INCREMENT={n} DEFAULT CHARSET=utf8mb4"
            )
        };
        assert_eq!(
            without_counter(definition(7)),
            without_counter(definition(123))
        );
        assert_ne!(without_counter(definition(7)), definition(7));
        assert_eq!(
            without_counter("CREATE TABLE `t`".into()),
            "CREATE TABLE `t`"
        );
    }
}
