//! Looking at targets and rows as they are applied to, without writing anything: for the doctor and for previews.

use pgrx::pg_sys;
use serde_json::Value;
use synapsor_core::builder::{self, Operation, Param, Role, Statement};
use synapsor_core::dialect::Dialect;
use synapsor_core::identifier;
use synapsor_core::outcome::Guards;
use synapsor_core::proposal::Proposal;

use super::failure::{self, Failure};
use super::statement::is_there;
use super::target::Target;
use super::{Applier, environment};
use crate::pg::error::PgError;
use crate::pg::identity::ActingAs;
use crate::pg::relation::Relation;
use crate::pg::returned::last_text;
use crate::pg::spi::Connection;
use crate::pg::subtransaction::{self, Ending};
use crate::pg::time_limit::TimeLimit;

impl Applier<'_> {
    /// Sees whether anything could be written to a relation, whoever may write it. Its names are safe ones.
    ///
    /// # Errors
    /// As those of applying: `WRITEBACK_TARGET_UNSUPPORTED`, `WRITEBACK_ROW_SECURITY_BYPASSED`, …
    pub fn examine_target(&self, schema: &str, table: &str) -> Result<(), Failure> {
        let statement = Statement {
            dialect: Dialect::Postgres,
            operation: Operation::Delete,
            schema,
            table,
            sql: format!("DELETE FROM \"{schema}\".\"{table}\""),
            params: Vec::new(),
            tenant_column: None,
            named_conflict_column: None,
            null_conflict_column: None,
            guards: Guards::default(),
        };
        let look = || {
            let _role = self.role.assume();
            let spi = Connection::open();
            let target = Target::open(&statement)?;
            let plan = spi.prepare(&statement.sql, &[]);
            target.require_writable(&plan).map(drop)
        };
        self.undone(&Proposal::default(), look)
    }

    /// True when the apply role finds the row that a proposal names; with `owner`, when that role finds it. `None` where the
    /// proposal names none.
    ///
    /// Only a table's owner is fit for a second opinion: code on the table may run, and runs as him.
    ///
    /// # Errors
    /// What keeps the role from looking.
    pub fn finds_row(
        &self,
        proposal: &Proposal,
        owner: Option<pg_sys::Oid>,
    ) -> Result<Option<bool>, Failure> {
        let statement = builder::build(proposal)?;
        let Some((sql, params)) = statement.row_lookup() else {
            return Ok(None);
        };
        let look = || {
            let _role = match owner {
                Some(owner) => ActingAs::untrusted(owner),
                None => self.role.assume(),
            };
            let spi = Connection::open();
            let target = Target::open(&statement)?;
            is_there(&spi, &target, &sql, &params).map(Some)
        };
        self.undone(proposal, look)
    }

    /// Looks, in a subtransaction that is undone, in the surroundings that a statement would find.
    fn undone<T>(
        &self,
        proposal: &Proposal,
        look: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let work = || {
            let _of_all = environment::of_all(self.settings);
            let _of_one = environment::of_one(self.settings, proposal);
            let limit = TimeLimit::start(self.settings.statement_timeout);
            let found = look();
            limit.finish();
            Ending::Undo(found)
        };
        let is_our_limit = |error: &PgError| error.sqlstate == "57014" && TimeLimit::expired();
        let ran = subtransaction::run(work, is_our_limit);
        ran.unwrap_or_else(|error| Err(failure::of_error(error, None)))
    }
}

/// The row that a statement is about, in the columns concerned that the current role may read; null where there is none.
/// What an insert wrote is found where it says what the primary key is.
///
/// # Errors
/// What keeps it from being looked up.
pub(crate) fn row(statement: &Statement<'_>) -> Result<Value, Failure> {
    let spi = Connection::open();
    let target = Target::open(statement)?;
    let columns = readable_columns(statement);
    let lookup = match statement.operation {
        Operation::Insert => inserted_lookup(&spi, statement),
        _ => statement.row_lookup(),
    };
    let Some((sql, params)) = lookup.filter(|_| !columns.is_empty()) else {
        return Ok(Value::Null);
    };
    let selected = sql.replacen("SELECT 1", &format!("SELECT {}", columns.join(", ")), 1);
    let sql = format!("SELECT pg_catalog.row_to_json(r)::pg_catalog.text FROM ({selected}) AS r");
    if !is_there(&spi, &target, &sql, &params)? {
        return Ok(Value::Null);
    }
    let text = last_text().unwrap_or_default();
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

/// Quoted.
fn readable_columns(statement: &Statement<'_>) -> Vec<String> {
    let Some(relation) = Relation::open(statement.schema, statement.table) else {
        return Vec::new();
    };
    let named = statement.params.iter().map(|param| param.column);
    let mut columns: Vec<&str> = Vec::new();
    for column in named.chain(statement.conflict_column()) {
        if !columns.contains(&column) && relation.may_select(column) {
            columns.push(column);
        }
    }
    columns.iter().map(|name| format!("\"{name}\"")).collect()
}

/// How to find the row that an insert wrote: by its primary key, where the proposal says all of it.
fn inserted_lookup<'p>(
    spi: &Connection,
    statement: &Statement<'p>,
) -> Option<(String, Vec<Param<'p>>)> {
    const KEY: &str = "
        SELECT pg_catalog.json_agg(a.attname)::pg_catalog.text
        FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid
             AND a.attnum OPERATOR(pg_catalog.=) ANY (i.indkey)
        WHERE i.indrelid OPERATOR(pg_catalog.=) $1 AND i.indisprimary";
    let relation = Relation::open(statement.schema, statement.table)?;
    let plan = spi.prepare(KEY, &[pg_sys::OIDOID]);
    plan.execute(&[Some(pg_sys::Datum::from(relation.oid))]);
    let key: Vec<String> = serde_json::from_str(&last_text()?).ok()?;
    let mut params = Vec::new();
    for column in &key {
        let written = statement.params.iter().find(|p| p.column == column)?;
        params.push(Param {
            role: Role::Key,
            ..*written
        });
    }
    let is_safe = |p: &Param<'_>| identifier::is_safe(p.column, Dialect::Postgres);
    let lookup = Statement {
        operation: Operation::Delete,
        params,
        ..statement.clone()
    };
    lookup
        .row_lookup()
        .filter(|(_, params)| params.iter().all(is_safe))
}
