//! Targets that were looked at before. A look at the catalog takes longer than all the rest of a proposal.

use std::collections::HashMap;
use std::rc::Rc;

use synapsor_core::builder::Statement;

use super::{Target, Unfit, require_foreign};
use crate::database::{Broken, DatabaseError, Session};

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
    ) -> Result<Rc<Target>, Unfit> {
        require_foreign(statement.schema, statement.table, ledger_schema)?;
        let definition = pin(session, statement)?;
        if definition
            .as_ref()
            .is_some_and(|text| text.starts_with(TEMPORARY))
        {
            // Some trigger left it behind. Another session finds the table itself.
            let why = "a temporary table of the session hides the target";
            return Err(DatabaseError::Lost(why.into()).into());
        }
        let place = (statement.schema.to_owned(), statement.table.to_owned());
        if let (Some(definition), Some((known, target))) = (&definition, self.0.get(&place))
            && definition == known
        {
            return Ok(target.clone());
        }
        let target = Rc::new(Target::load(session, statement, ledger_schema)?);
        if let Some(definition) = definition {
            if self.0.len() >= MOST {
                self.0.clear();
            }
            self.0.insert(place, (definition, target.clone()));
        }
        Ok(target)
    }
}

/// Keeps a statement's target as it is defined until the transaction under way ends. Returns the definition of a table, without the
/// number that the next row gets; `None` for a view, whose table may change while it does not, and where it may not be seen.
fn pin(session: &mut Session, statement: &Statement<'_>) -> Result<Option<String>, DatabaseError> {
    let name = format!("`{}`.`{}`", statement.schema, statement.table);
    // From a cache of queries the server would answer without a look at the table.
    let look = format!("SELECT SQL_NO_CACHE 1 FROM {name} LIMIT 0");
    let answers = match session.send(&[&look, &format!("SHOW CREATE TABLE {name}")]) {
        Err(Broken {
            answers,
            error: DatabaseError::Server(told),
        }) if answers.len() == 1 && !told.is_lost() => {
            return Ok(None);
        }
        answers => answers?,
    };
    let row = answers.into_iter().flat_map(|answer| answer.rows).next();
    // A view has more columns.
    let cells = row.map(mysql::Row::unwrap).filter(|cells| cells.len() == 2);
    let text = cells.and_then(|mut cells| mysql::from_value_opt::<String>(cells.remove(1)).ok());
    Ok(text.map(without_counter))
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
