//! The server's errors as failures of a proposal: which names may be told, and which errors are nobody's.

use synapsor_core::decision::Decision;
use synapsor_core::failure::Failure;

use crate::database::{DatabaseError, Session, Told};
use crate::target::Target;

/// The decision on a proposal whose statement met an error.
///
/// # Errors
/// The same error, where the connection is gone.
pub fn decision(
    session: &mut Session,
    error: DatabaseError,
    target: Option<&Target>,
) -> Result<Decision, DatabaseError> {
    match error {
        DatabaseError::Server(told) if !told.is_lost() => {
            let names = Names::of(session, &told, target);
            Ok(Decision::failed(of_server(&told, &names)))
        }
        error => Err(error),
    }
}

/// The failure of a proposal during whose statement the connection was lost, or closed because it took too long.
pub fn of_lost_connection(error: &DatabaseError) -> Failure {
    Failure {
        error: error.to_string(),
        sqlstate: None,
        detail: None,
        is_transient: true,
    }
}

fn of_server(told: &Told, names: &Names) -> Failure {
    let constraint = ("constraint", names.constraint.as_deref());
    let column = ("column", names.column.as_deref());
    Failure {
        detail: Some(told.message.clone()),
        is_transient: told.is_transient(),
        ..Failure::of_sqlstate(&told.sqlstate, told.name(), &[constraint, column])
    }
}

/// What an error is about. A trigger can put any text into an error, and a value can look like a part of one: so a name is told
/// only where the target has a constraint or column of that name.
#[derive(Default)]
struct Names {
    constraint: Option<String>,
    column: Option<String>,
}

impl Names {
    fn of(session: &mut Session, told: &Told, target: Option<&Target>) -> Self {
        let Some(target) = target else {
            return Names::default();
        };
        let column = told
            .between("column '", "'")
            .filter(|name| target.has_column(name));
        let constraint = told.constraint().filter(|_| !told.is_transient());
        // The transaction is to be rolled back, and may be gone already: this look is for people.
        let place = told.child().unwrap_or_else(|| target.base.clone());
        let constraint = constraint.filter(|name| defines(session, &place, name));
        Names { constraint, column }
    }
}

impl Told {
    /// The name at the place where the server puts a constraint's.
    fn constraint(&self) -> Option<String> {
        match self.errno {
            // Duplicate entry '…' for key 'tickets.uq' (MySQL), 'uq' (MariaDB)
            1062 => {
                let key = self
                    .message
                    .rsplit_once("for key '")?
                    .1
                    .strip_suffix('\'')?;
                Some(key.rsplit('.').next().unwrap_or(key).to_owned())
            }
            1451 | 1452 => self.between("CONSTRAINT `", "`"),
            3819 => self.between("Check constraint '", "'"),
            4025 => self.between("CONSTRAINT `", "`"),
            _ => None,
        }
    }

    /// The other table, where a row can't go because that one refers to it: ``fails (`shop`.`lines`, CONSTRAINT …``
    fn child(&self) -> Option<(String, String)> {
        if self.errno != 1451 {
            return None;
        }
        let place = self.between("fails (`", "`, CONSTRAINT")?;
        let (schema, table) = place.split_once("`.`")?;
        Some((schema.to_owned(), table.to_owned()))
    }

    fn between(&self, before: &str, after: &str) -> Option<String> {
        let start = self.message.to_lowercase().find(&before.to_lowercase())? + before.len();
        let rest = self.message.get(start..)?;
        Some(rest[..rest.find(after)?].to_owned())
    }
}

/// True where a table's definition has a key or constraint of that name.
fn defines(session: &mut Session, (schema, table): &(String, String), name: &str) -> bool {
    let quote = |name: &str| format!("`{}`", name.replace('`', "``"));
    let query = format!("SHOW CREATE TABLE {}.{}", quote(schema), quote(table));
    let Ok(Some((_, definition))) = session.one::<(String, String)>(&query, ()) else {
        return false;
    };
    let is_primary = name == "PRIMARY" && definition.contains("PRIMARY KEY");
    let has = |kind: &str| definition.contains(&format!("{kind} {}", quote(name)));
    is_primary || has("KEY") || has("CONSTRAINT")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constraint(errno: u16, message: &str) -> Option<String> {
        let told = Told {
            errno,
            sqlstate: "23000".into(),
            message: message.into(),
        };
        told.constraint()
    }

    #[test]
    fn a_constraint_s_name_is_taken_from_where_the_server_puts_it() {
        let cases = [
            (
                1062,
                "Duplicate entry 'x' for key 'tickets.uq_mail'",
                "uq_mail",
            ),
            (
                1062,
                "Duplicate entry 'for key 'secret'' for key 'PRIMARY'",
                "PRIMARY",
            ),
            (
                1452,
                "Cannot add or update a child row: a foreign key constraint fails (`a`.`b`, CONSTRAINT `fk` FOREIGN KEY (`x`) REFERENCES `c` (`id`))",
                "fk",
            ),
            (3819, "Check constraint 'positive' is violated.", "positive"),
            (
                4025,
                "CONSTRAINT `positive` failed for `shop`.`t`",
                "positive",
            ),
        ];
        for (errno, message, name) in cases {
            assert_eq!(constraint(errno, message).as_deref(), Some(name));
        }
        assert_eq!(constraint(1644, "for key 'secret'"), None);
    }
}
