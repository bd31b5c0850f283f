//! The table that a proposal names: is it one that we write to, and what types have its columns?

use synapsor_core::builder::{Param, Statement};
use synapsor_core::refusal::{Code, Refusal};

use super::failure::{self, Failure};
use super::value::Column;
use crate::pg::relation::{ColumnType, Relation};
use crate::pg::spi::Plan;
use crate::pg::types;

/// A table, partitioned table or view that a proposal names, locked against changes of its shape.
pub struct Target {
    relation: Relation,
    name: String,
}

impl Target {
    /// Finds and locks the statement's target.
    ///
    /// # Errors
    /// `SQLSTATE 42P01: undefined_table`, `WRITEBACK_TARGET_UNSUPPORTED`.
    pub fn open(statement: &Statement<'_>) -> Result<Self, Failure> {
        let name = format!("{}.{}", statement.schema, statement.table);
        let relation = Relation::open(statement.schema, statement.table)
            .ok_or_else(|| failure::of_sqlstate("42P01", &[("table", Some(&name))]))?;
        let target = Target { relation, name };
        if let Some(owner) = owner_of_schema(relation) {
            return Err(target.unsupported(&format!("belongs to {owner}")));
        }
        match relation.kind() {
            b'r' | b'p' | b'v' => target.require_durable(relation)?,
            b'f' => {
                return Err(target.unsupported(
                    "is a foreign table: its changes are not part of this transaction",
                ));
            }
            _ => return Err(target.unsupported("is not a table")),
        }
        // Before the statement is prepared: where a rule has replaced it, Postgres refuses its RETURNING.
        target.require_no_rules(relation)?;
        Ok(target)
    }

    /// Sees to it that a prepared statement writes to one ordinary table, and only there.
    ///
    /// # Errors
    /// `WRITEBACK_TARGET_UNSUPPORTED`.
    pub fn require_writable(&self, plan: &Plan<'_>) -> Result<Relation, Failure> {
        for locked in plan.relations() {
            let oid = locked.relation;
            self.require_no_rules(Relation { oid })?;
        }
        let Some(oid) = plan.written_relation() else {
            return Err(self.unsupported("has rules that make the statement another one"));
        };
        let written = Relation { oid };
        if written.kind() == b'v' {
            return Err(self.unsupported("is a view with INSTEAD OF triggers"));
        }
        if written.is_row_security_bypassed() {
            return Err(Code::RowSecurityBypassed.into());
        }
        for part in written.with_partitions() {
            if let Some(owner) = owner_of_schema(part) {
                let why = format!("leads to a table that belongs to {owner}");
                return Err(self.unsupported(&why));
            }
            if part.kind() == b'f' {
                return Err(self.unsupported(
                    "leads to a foreign table: its changes are not part of this transaction",
                ));
            }
            self.require_durable(part)?;
        }
        Ok(written)
    }

    /// The relation itself.
    pub fn relation(&self) -> Relation {
        self.relation
    }

    /// The type of a column.
    ///
    /// # Errors
    /// `SQLSTATE 42703: undefined_column, column <name>`.
    pub fn column(&self, name: &str) -> Result<ColumnType, Failure> {
        self.relation
            .column(name)
            .ok_or_else(|| failure::of_sqlstate("42703", &[("column", Some(name))]))
    }

    /// True when the current role may read a column, and values of its type can be compared.
    pub fn can_be_compared(&self, column: &str) -> bool {
        let declared = self.relation.column(column);
        self.relation.may_select(column) && declared.is_some_and(|c| types::has_equality(c.oid))
    }

    /// True when this is the relation with this oid, and not a view on it.
    pub fn is(&self, relation: Relation) -> bool {
        self.relation.oid == relation.oid
    }

    /// Sees to it that the columns of these parameters are compared with their types' own equality.
    ///
    /// # Errors
    /// `WRITEBACK_OPERATOR_SHADOWED: <column>`.
    pub fn require_own_equality<'p>(
        &self,
        params: impl IntoIterator<Item = &'p Param<'p>>,
    ) -> Result<(), Failure> {
        for param in params {
            if types::is_equality_shadowed(self.column(param.column)?.oid) {
                return Err(Refusal::of(Code::OperatorShadowed, param.column).into());
            }
        }
        Ok(())
    }

    /// The columns that parameters are written to or compared with.
    ///
    /// # Errors
    /// `SQLSTATE 42703: undefined_column, column <name>`.
    pub fn columns(&self, params: &[Param<'_>]) -> Result<Vec<Column>, Failure> {
        let column = |param: &Param<'_>| Ok(Column::of(self.column(param.column)?, param.role));
        params.iter().map(column).collect()
    }

    fn require_durable(&self, relation: Relation) -> Result<(), Failure> {
        match relation.persistence() {
            b'p' => Ok(()),
            b'u' => Err(self.unsupported("is unlogged: a crash would undo what was reported")),
            _ => Err(self.unsupported("is temporary")),
        }
    }

    fn require_no_rules(&self, relation: Relation) -> Result<(), Failure> {
        if relation.has_rules_for_writing() {
            return Err(self.unsupported("has rules that make the statement another one"));
        }
        Ok(())
    }

    fn unsupported(&self, why: &str) -> Failure {
        Refusal::of(Code::TargetUnsupported, format!("{} {why}", self.name)).into()
    }
}

/// Whose a relation is where it is nobody's data. No right makes up for it: a column's grant on a catalog would let a
/// proposal make a superuser.
fn owner_of_schema(relation: Relation) -> Option<&'static str> {
    match relation.schema().as_str() {
        "pg_catalog" | "pg_toast" | "information_schema" => Some("the server"),
        "synapsor" => Some("the extension"),
        _ => None,
    }
}
