//! The row before and after a change, for `synapsor_revert_proposal()`: read as the apply role and with its rights, in the
//! change's own subtransaction. What keeps it from being read keeps nothing from being applied, and is written down instead.

use synapsor_core::builder::{Operation, Param, Role, Statement};
use synapsor_core::dialect::Dialect;
use synapsor_core::identifier;
use synapsor_core::json::Columns;

use super::failure::{self, Failure};
use super::shown::{LeftOut, Selection, Values};
use super::statement::is_there;
use super::target::Target;
use crate::pg::relation::Relation;
use crate::pg::returned;
use crate::pg::spi::Connection;
use crate::pg::subtransaction::{self, Ending};

/// What is kept of a change: JSON objects of columns and values.
#[derive(Clone, Debug, Default)]
pub struct Captured {
    /// The row before; `None` where there was none.
    pub before: Option<String>,
    /// The row after; `None` where there is none.
    pub after: Option<String>,
    /// How the row is found again; `None` where that is not known.
    pub primary_key: Option<String>,
    /// The proposal's tenant column.
    pub tenant_column: Option<String>,
    /// The tenant.
    pub tenant_id: Option<String>,
    /// The column whose value after the change tells whether it was changed again since.
    pub conflict_column: Option<String>,
    /// Columns whose value is not there, and why.
    pub left_out: String,
}

/// What is captured of statements of one shape.
pub struct Plan {
    selection: Selection,
    /// What the statement itself has to return for it, as one text.
    pub returned: Option<String>,
}

impl Plan {
    /// Finds it out. Code of others does not run.
    pub fn of(spi: &Connection, statement: &Statement<'_>, relation: Relation) -> Self {
        let selection = Selection::of(spi, statement, relation);
        let returned = match statement.operation {
            Operation::Update => None,
            Operation::Delete => selection.expression(|_| true),
            Operation::Insert => inserted_key(&selection, relation),
        };
        Plan {
            selection,
            returned,
        }
    }

    /// Right before an update: locks the row, as the statement will, and reads it.
    ///
    /// # Errors
    /// What may pass (a wait for a lock, above all): the statement would have met it as well, in the same time.
    pub fn before(
        &self,
        statement: &Statement<'_>,
        target: &Target,
    ) -> Result<Option<String>, Failure> {
        if statement.operation != Operation::Update {
            return Ok(None);
        }
        let Some((sql, params)) = statement.row_lookup() else {
            return Ok(None);
        };
        // What an update of other columns than a key's takes: it gets on with those who only refer to the row.
        let sql = format!("{sql} FOR NO KEY UPDATE");
        let lock = || Ending::Keep(is_there(&Connection::open(), target, &sql, &params));
        if let Err(error) = subtransaction::run(lock, |_| false) {
            let failure = failure::of_error(error, None);
            if failure.is_transient {
                return Err(failure);
            }
        }
        Ok(self.look(statement, target))
    }

    /// After the statement and everything that hangs on it. `before` and `returned` are what was found before it, and what it
    /// returned.
    pub fn after(
        &self,
        statement: &Statement<'_>,
        target: &Target,
        before: Option<&str>,
        returned: Option<&str>,
    ) -> Captured {
        let mut left_out = self.selection.left_out.clone();
        let mut captured = Captured {
            primary_key: Some(object(&params_with(statement, Role::Key))),
            ..tenant(statement)
        };
        match statement.operation {
            Operation::Update => {
                let before = self.selection.read(before, &mut left_out);
                let after = self.look(statement, target);
                let after = self.selection.read(after.as_deref(), &mut Vec::new());
                captured.before = Some(object(&before));
                captured.after = Some(object(&after));
                captured.conflict_column = statement.conflict_column().map(str::to_owned);
            }
            Operation::Delete => {
                let before = self.selection.read(returned, &mut left_out);
                captured.before = Some(object(&before));
            }
            Operation::Insert => {
                let key = self.key_of_inserted(statement, returned);
                captured.primary_key = key.as_ref().map(|key| key.text.clone());
                let found = key.and_then(|key| self.look(&key.lookup(statement), target));
                let after = self.selection.read(found.as_deref(), &mut left_out);
                let is_known = |column: &&str| after.iter().any(|(name, _)| name == column);
                captured.conflict_column = statement
                    .named_conflict_column
                    .filter(is_known)
                    .map(str::to_owned);
                captured.after = Some(object(&after));
            }
        }
        captured.left_out = object(&quoted(&left_out));
        captured
    }

    /// The row that a statement is about, as it is now; `None` where it is not found, or can't be read.
    fn look(&self, statement: &Statement<'_>, target: &Target) -> Option<String> {
        let (sql, params) = statement.row_lookup()?;
        let shown = self.selection.expression(|_| true)?;
        let sql = sql.replacen("SELECT 1", &format!("SELECT {shown}"), 1);
        let look = || {
            let spi = Connection::open();
            let is_found = is_there(&spi, target, &sql, &params).unwrap_or(false);
            Ending::Undo(is_found.then(returned::last_text).flatten())
        };
        subtransaction::run(look, |_| false).ok().flatten()
    }

    /// The primary key of what an insert wrote: as it returned it, or as the proposal says it.
    fn key_of_inserted(&self, statement: &Statement<'_>, returned: Option<&str>) -> Option<Key> {
        let names = &self.selection.key;
        let is_safe = |name: &String| identifier::is_safe(name, Dialect::Postgres);
        if names.is_empty() || !names.iter().all(is_safe) {
            return None;
        }
        let written = params_with(statement, Role::Written);
        let returned = match returned {
            Some(text) => self.selection.read(Some(text), &mut Vec::new()),
            None => written,
        };
        let value = |name: &String| returned.iter().find(|(column, _)| column == name).cloned();
        let key: Option<Values> = names.iter().map(value).collect();
        let text = object(&key?);
        let columns = Columns::parse(&text)?;
        let is_complete = columns.iter().all(|(_, value)| !value.is_null());
        is_complete.then_some(Key { text, columns })
    }
}

/// A row's primary key.
struct Key {
    text: String,
    columns: Columns,
}

impl Key {
    /// A statement about the row with this key.
    fn lookup<'p>(&'p self, statement: &Statement<'p>) -> Statement<'p> {
        let param = |(column, value)| Param {
            column,
            value,
            role: Role::Key,
        };
        Statement {
            operation: Operation::Delete,
            params: self.columns.iter().map(param).collect(),
            ..statement.clone()
        }
    }
}

/// What an insert returns: its primary key, where returning it can't make it fail. It needs the right to read it; and where row
/// security is in force, a row that the role itself may not see would be refused.
fn inserted_key(selection: &Selection, relation: Relation) -> Option<String> {
    let is_read = |name: &String| selection.columns.iter().any(|column| column.name == *name);
    let is_free = relation.kind() != b'v' && !relation.is_row_security_in_force();
    (is_free && selection.key.iter().all(is_read))
        .then(|| selection.expression(|name| selection.key.iter().any(|key| key == name)))
        .flatten()
}

/// The tenant that a statement is held to.
fn tenant(statement: &Statement<'_>) -> Captured {
    let is_tenant = |param: &&Param<'_>| Some(param.column) == statement.tenant_column;
    let param = statement
        .params
        .iter()
        .find(is_tenant)
        .filter(|param| !param.value.is_null());
    Captured {
        tenant_column: param.map(|param| param.column.to_owned()),
        tenant_id: param.map(|param| param.value.text().to_owned()),
        ..Captured::default()
    }
}

fn params_with(statement: &Statement<'_>, role: Role) -> Values {
    let params = statement.params.iter().filter(|param| param.role == role);
    params
        .map(|param| (param.column.to_owned(), param.value.text().to_owned()))
        .collect()
}

fn quoted(left_out: &LeftOut) -> Values {
    let text = |why: &str| serde_json::Value::from(why).to_string();
    left_out
        .iter()
        .map(|(name, why)| (name.clone(), text(why)))
        .collect()
}

/// A JSON object, whose values stay the texts that they are.
fn object(values: &Values) -> String {
    let member = |(name, value): &(String, String)| {
        format!("{}: {value}", serde_json::Value::from(name.as_str()))
    };
    format!(
        "{{{}}}",
        values.iter().map(member).collect::<Vec<_>>().join(", ")
    )
}
