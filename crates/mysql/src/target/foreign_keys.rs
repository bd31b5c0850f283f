//! Deletes and updates that foreign keys would widen: `CASCADE` and `SET NULL` change rows that nobody approved.
//!
//! `information_schema` hides the foreign keys of tables that a user has no right on. InnoDB's own tables show all of them, to those with
//! the right `PROCESS`.

use std::collections::BTreeMap;

use mysql::Value;
use synapsor_core::builder::{Operation, Role, Statement};
use synapsor_core::refusal::{Code, Refusal};

use super::{Target, Unfit};
use crate::database::{DatabaseError, Session, Vendor};
use crate::value::Typed;

/// Bits of InnoDB's `TYPE`: on delete cascade and set null; on update cascade and set null.
const ON_DELETE: u32 = 1 | 2;
const ON_UPDATE: u32 = 4 | 8;

/// A foreign key that changes its rows along.
struct Widening {
    schema: String,
    table: String,
    /// Its own columns, and those it refers to.
    columns: Vec<(String, String)>,
}

/// Requires that the statement, whose row is locked, takes no other row along. Nobody can refer to a locked row anew.
///
/// # Errors
/// `WRITEBACK_CASCADE_BLOCKED: <why or table>`
pub fn require_no_cascade(
    session: &mut Session,
    statement: &Statement<'_>,
    typed: &[Typed],
    target: &Target,
) -> Result<(), Unfit> {
    let bits = match statement.operation {
        Operation::Insert => return Ok(()),
        Operation::Delete => ON_DELETE,
        Operation::Update => ON_UPDATE,
    };
    let written: Vec<String> = match statement.operation {
        Operation::Update => written_names(statement, target)?,
        _ => Vec::new(),
    };
    let is_update = statement.operation == Operation::Update;
    // Where the target is a view, its columns may have other names below.
    let is_table = target.base == (target.schema.clone(), target.name.clone());
    if is_update && is_table && !are_indexed(session, target, &written)? {
        return Ok(());
    }
    for widening in widenings(session, target, bits)? {
        let concerns = |(_, referred): &(String, String)| {
            !is_update
                || !is_table
                || written
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case(referred))
        };
        if widening.columns.iter().any(concerns)
            && has_rows(session, statement, typed, target, &widening)?
        {
            return Err(blocked(&format!("{}.{}", widening.schema, widening.table)).into());
        }
    }
    Ok(())
}

fn blocked(why: &str) -> Refusal {
    Refusal::of(Code::CascadeBlocked, why)
}

fn written_names(statement: &Statement<'_>, target: &Target) -> Result<Vec<String>, Unfit> {
    let written = statement
        .params
        .iter()
        .filter(|param| param.role == Role::Written);
    let mut names = Vec::new();
    for param in written {
        names.push(
            target
                .column(param.column)
                .map_err(Unfit::Failed)?
                .name
                .clone(),
        );
    }
    Ok(names)
}

/// A foreign key refers to indexed columns; a generated one may follow a written one.
fn are_indexed(session: &mut Session, target: &Target, written: &[String]) -> Result<bool, Unfit> {
    const QUERY: &str = "SELECT DISTINCT s.COLUMN_NAME, coalesce(c.GENERATION_EXPRESSION, '') <> ''
        FROM information_schema.STATISTICS s JOIN information_schema.COLUMNS c
             ON c.TABLE_SCHEMA = s.TABLE_SCHEMA AND c.TABLE_NAME = s.TABLE_NAME AND c.COLUMN_NAME = s.COLUMN_NAME
        WHERE s.TABLE_SCHEMA = ? AND s.TABLE_NAME = ? AND s.NON_UNIQUE = 0";
    let indexed: Vec<(String, bool)> = session.all(QUERY, (&target.schema, &target.name))?;
    Ok(indexed
        .iter()
        .any(|(name, is_generated)| *is_generated || written.iter().any(|w| w == name)))
}

/// The foreign keys to the target's table that change their rows along.
fn widenings(session: &mut Session, target: &Target, bits: u32) -> Result<Vec<Widening>, Unfit> {
    let (foreign, columns) = match session.vendor() {
        Vendor::MySql => ("INNODB_FOREIGN", "INNODB_FOREIGN_COLS"),
        Vendor::MariaDb => ("INNODB_SYS_FOREIGN", "INNODB_SYS_FOREIGN_COLS"),
    };
    let query = format!(
        "SELECT f.ID, f.FOR_NAME, c.FOR_COL_NAME, c.REF_COL_NAME
         FROM information_schema.{foreign} f JOIN information_schema.{columns} c ON c.ID = f.ID
         WHERE lower(f.REF_NAME) = lower(?) AND f.TYPE & ? <> 0"
    );
    let name = format!("{}/{}", target.base.0, target.base.1);
    let rows: Vec<(String, String, String, String)> = match session.all(&query, (name, bits)) {
        Err(error) if error.errno() == Some(1227) => {
            return Err(blocked("foreign keys can't be seen without the right PROCESS").into());
        }
        rows => rows?,
    };
    let mut widenings = BTreeMap::new();
    for (id, child, own, referred) in rows {
        let (schema, table) = child.split_once('/').unwrap_or(("", child.as_str()));
        let widening = widenings.entry(id).or_insert_with(|| Widening {
            schema: schema.to_owned(),
            table: table.to_owned(),
            columns: Vec::new(),
        });
        widening.columns.push((own, referred));
    }
    Ok(widenings.into_values().collect())
}

/// True when a row refers to the one that is locked, and where that can't be found out.
fn has_rows(
    session: &mut Session,
    statement: &Statement<'_>,
    typed: &[Typed],
    target: &Target,
    widening: &Widening,
) -> Result<bool, Unfit> {
    // InnoDB writes other characters than these as @ and their code.
    if [&widening.schema, &widening.table]
        .iter()
        .any(|name| name.contains(['@', '`']))
    {
        return Ok(true);
    }
    if target.base != (target.schema.clone(), target.name.clone()) {
        return Ok(true);
    }
    let quote = |name: &str| format!("`{}`", name.replace('`', "``"));
    let mut conditions: Vec<String> = widening
        .columns
        .iter()
        .map(|(own, referred)| format!("child.{} = parent.{}", quote(own), quote(referred)))
        .collect();
    let mut params: Vec<Value> = Vec::new();
    for (param, typed) in statement.params.iter().zip(typed) {
        if param.role == Role::Key {
            conditions.push(format!("parent.{} = ?", quote(param.column)));
            params.push(typed.parameter.clone());
        }
    }
    let query = format!(
        "SELECT 1 FROM {}.{} AS child, {}.{} AS parent WHERE {} LIMIT 1 LOCK IN SHARE MODE",
        quote(&widening.schema),
        quote(&widening.table),
        quote(&target.schema),
        quote(&target.name),
        conditions.join(" AND ")
    );
    match session.rows(&query, params) {
        Ok(rows) => Ok(!rows.is_empty()),
        Err(DatabaseError::Server(told)) if matches!(told.errno, 1142 | 1143) => Ok(true),
        Err(error) => Err(error.into()),
    }
}
