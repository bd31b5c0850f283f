//! From a proposal to one guarded statement (contract section 4). One function, two dialects; touches nothing.

use crate::dialect::Dialect;
use crate::identifier::push_quoted;
use crate::json::{Columns, Json};
use crate::outcome::Guards;
use crate::proposal::Proposal;
use crate::refusal::{Code, Refusal};

/// What a proposal does to its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Changes columns of one row.
    Update,
    /// Adds one row.
    Insert,
    /// Removes one row.
    Delete,
}

impl Operation {
    /// The name used in statements' results, ledger and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Update => "update",
            Operation::Insert => "insert",
            Operation::Delete => "delete",
        }
    }
}

/// What a parameter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A value that is written.
    Written,
    /// A primary-key guard.
    Key,
    /// The tenant guard.
    Tenant,
    /// The conflict guard.
    Conflict,
}

/// One parameter: the column it is written to or compared with, and its value.
#[derive(Clone, Copy, Debug)]
pub struct Param<'p> {
    /// The column whose type the value takes.
    pub column: &'p str,
    /// The value.
    pub value: &'p Json,
    /// What it is for.
    pub role: Role,
}

/// The rows that a statement must touch, always.
pub const EXPECTED_ROW_COUNT: u64 = 1;

/// A guarded statement: text with placeholders, and the parameters in their order.
#[derive(Clone, Debug)]
pub struct Statement<'p> {
    /// Whose SQL it is.
    pub dialect: Dialect,
    /// What it does.
    pub operation: Operation,
    /// The target's schema (MySQL: database).
    pub schema: &'p str,
    /// The target's table.
    pub table: &'p str,
    /// The SQL text.
    pub sql: String,
    /// One for each placeholder.
    pub params: Vec<Param<'p>>,
    /// The proposal's tenant column.
    pub tenant_column: Option<&'p str>,
    /// The proposal's conflict column, guard or not.
    pub named_conflict_column: Option<&'p str>,
    /// The conflict column, when the guard compares it with null, which takes no parameter.
    pub null_conflict_column: Option<&'p str>,
    /// Which guards the statement carries.
    pub guards: Guards,
}

impl<'p> Statement<'p> {
    /// A second look, for a statement that touched no row: is there a row with this key and tenant at all? The
    /// text selects `1`; its parameters are the statement's key and tenant parameters. `None` for an insert.
    pub fn row_lookup(&self) -> Option<(String, Vec<Param<'p>>)> {
        if self.operation == Operation::Insert {
            return None;
        }
        let params: Vec<_> = self
            .params
            .iter()
            .filter(|p| matches!(p.role, Role::Key | Role::Tenant))
            .copied()
            .collect();
        let mut sql = String::from("SELECT 1 FROM ");
        push_target(&mut sql, self.schema, self.table, self.dialect).ok()?;
        for (n, param) in params.iter().enumerate() {
            sql.push_str(if n == 0 { " WHERE " } else { " AND " });
            push_equals(&mut sql, param.column, n + 1, self.dialect).ok()?;
        }
        Some((sql, params))
    }

    /// The conflict guard's column, when the statement has that guard.
    pub fn conflict_column(&self) -> Option<&'p str> {
        let compared = self
            .params
            .iter()
            .find(|p| p.role == Role::Conflict)
            .map(|p| p.column);
        compared.or(self.null_conflict_column)
    }
}

/// Builds the statement of a proposal in the dialect of its `source_kind`.
///
/// # Errors
/// A [`Refusal`]; the first check that fails is the one named. The order of checks is the contract's.
pub fn build(proposal: &Proposal) -> Result<Statement<'_>, Refusal> {
    build_as(
        proposal,
        proposal.source_kind.as_deref().unwrap_or("postgres"),
    )
}

/// Builds the statement of a proposal in the dialect of `kind`, whatever its `source_kind` says.
///
/// # Errors
/// As [`build`].
pub fn build_as<'p>(proposal: &'p Proposal, kind: &str) -> Result<Statement<'p>, Refusal> {
    let dialect = Dialect::of_kind(kind).ok_or_else(|| Refusal::of(Code::UnsupportedKind, kind))?;
    let operation = operation(proposal)?;
    let mut draft = Draft::new(proposal, dialect)?;
    match operation {
        Operation::Insert => draft.insert()?,
        Operation::Update => draft.update()?,
        Operation::Delete => draft.delete()?,
    }
    Ok(draft.finish(operation))
}

/// The operation that a proposal names.
///
/// # Errors
/// `UNSUPPORTED_WRITEBACK_OPERATION: <operation>`.
pub fn operation(proposal: &Proposal) -> Result<Operation, Refusal> {
    let name = proposal
        .operation
        .as_deref()
        .unwrap_or("update")
        .to_lowercase();
    match name.as_str() {
        "update" => Ok(Operation::Update),
        "insert" => Ok(Operation::Insert),
        "delete" => Ok(Operation::Delete),
        _ => Err(Refusal::of(Code::UnsupportedOperation, name)),
    }
}

/// A statement under construction.
struct Draft<'p> {
    proposal: &'p Proposal,
    dialect: Dialect,
    schema: &'p str,
    table: &'p str,
    target: String,
    sql: String,
    params: Vec<Param<'p>>,
    null_conflict_column: Option<&'p str>,
    guards: Guards,
}

impl<'p> Draft<'p> {
    fn new(proposal: &'p Proposal, dialect: Dialect) -> Result<Self, Refusal> {
        let (Some(schema), Some(table)) = (proposal.schema.as_deref(), proposal.table.as_deref())
        else {
            let missing = "proposal must include external_schema and external_table";
            return Err(Refusal::of(Code::TableRequired, missing));
        };
        let mut target = String::new();
        push_target(&mut target, schema, table, dialect)?;
        Ok(Draft {
            proposal,
            dialect,
            schema,
            table,
            target,
            sql: String::new(),
            params: Vec::new(),
            null_conflict_column: None,
            guards: Guards::default(),
        })
    }

    fn finish(self, operation: Operation) -> Statement<'p> {
        Statement {
            dialect: self.dialect,
            operation,
            schema: self.schema,
            table: self.table,
            sql: self.sql,
            params: self.params,
            tenant_column: self.proposal.tenant_column.as_deref(),
            named_conflict_column: self.proposal.conflict_column.as_deref(),
            null_conflict_column: self.null_conflict_column,
            guards: self.guards,
        }
    }

    fn insert(&mut self) -> Result<(), Refusal> {
        let tenant_column = self.proposal.tenant_column.as_deref();
        let appended = tenant_column.filter(|column| self.proposal.changes.get(column).is_none());
        let columns: Vec<&str> = self.proposal.changes.names().chain(appended).collect();
        if columns.is_empty() {
            return Err(Code::InsertValuesRequired.into());
        }
        self.require_allowed("insert", columns.iter().copied())?;
        let mut list = String::new();
        for (n, column) in columns.iter().enumerate() {
            list.push_str(if n == 0 { "" } else { ", " });
            push_quoted(&mut list, column, self.dialect)?;
        }
        let tenant = tenant_column
            .map(|column| self.insert_tenant(column))
            .transpose()?;
        self.sql = format!("INSERT INTO {} ({list}) VALUES (", self.target);
        self.params
            .extend(self.proposal.changes.iter().map(written));
        if let (Some(column), Some(value)) = (appended, tenant) {
            self.params.push(written((column, value)));
        }
        for n in 1..=self.params.len() {
            self.sql.push_str(if n == 1 { "" } else { ", " });
            self.dialect.push_placeholder(&mut self.sql, n);
        }
        self.sql.push(')');
        self.guards.tenant = tenant.is_some();
        Ok(())
    }

    /// The tenant of an insert: there must be one, and the changes may not name another.
    fn insert_tenant(&self, column: &str) -> Result<&'p Json, Refusal> {
        let tenant = self.tenant_id()?;
        match self.proposal.changes.get(column) {
            Some(named) if named != tenant => Err(Refusal::of(Code::TenantMismatch, column)),
            _ => Ok(tenant),
        }
    }

    fn update(&mut self) -> Result<(), Refusal> {
        self.require_key()?;
        let changes = &self.proposal.changes;
        if changes.is_empty() {
            return Err(Code::UpdateValuesRequired.into());
        }
        self.require_allowed("update", changes.names())?;
        if let Some(column) = changes.names().find(|column| self.is_protected(column)) {
            return Err(Refusal::of(Code::ProtectedColumnChange, column));
        }
        self.sql = format!("UPDATE {} SET ", self.target);
        for (n, (column, value)) in changes.iter().enumerate() {
            self.sql.push_str(if n == 0 { "" } else { ", " });
            push_equals(&mut self.sql, column, n + 1, self.dialect)?;
            self.params.push(written((column, value)));
        }
        self.guard()
    }

    fn delete(&mut self) -> Result<(), Refusal> {
        self.require_key()?;
        self.sql = format!("DELETE FROM {}", self.target);
        self.guard()
    }

    fn require_key(&self) -> Result<(), Refusal> {
        if self.proposal.primary_key.is_empty() {
            return Err(Code::PrimaryKeyRequired.into());
        }
        self.require_allowed("primary_key", self.proposal.primary_key.names())
    }

    /// Appends the guards: each key column, the tenant, the conflict column.
    fn guard(&mut self) -> Result<(), Refusal> {
        let proposal = self.proposal;
        for (column, value) in proposal.primary_key.iter() {
            if value.is_null() {
                return Err(Refusal::of(Code::PrimaryKeyRequired, column));
            }
            self.push_guard(Param {
                column,
                value,
                role: Role::Key,
            })?;
        }
        self.guards.primary_key = true;
        if let Some(column) = proposal.tenant_column.as_deref() {
            self.require_allowed("tenant", [column])?;
            let value = self.tenant_id()?;
            self.push_guard(Param {
                column,
                value,
                role: Role::Tenant,
            })?;
            self.guards.tenant = true;
        }
        if let Some((column, value)) = proposal.conflict_guard() {
            self.require_allowed("conflict", [column])?;
            self.push_guard(Param {
                column,
                value,
                role: Role::Conflict,
            })?;
            self.guards.conflict = true;
        }
        Ok(())
    }

    fn push_guard(&mut self, param: Param<'p>) -> Result<(), Refusal> {
        let first = !self.guards.primary_key && self.params.iter().all(|p| p.role == Role::Written);
        self.sql.push_str(if first { " WHERE " } else { " AND " });
        if param.value.is_null() {
            push_quoted(&mut self.sql, param.column, self.dialect)?;
            self.sql.push_str(" IS NULL");
            self.null_conflict_column = Some(param.column);
            return Ok(());
        }
        self.params.push(param);
        push_equals(&mut self.sql, param.column, self.params.len(), self.dialect)
    }

    fn tenant_id(&self) -> Result<&'p Json, Refusal> {
        self.proposal
            .tenant_id
            .as_ref()
            .filter(|id| !id.is_null())
            .ok_or(Code::TenantRequired.into())
    }

    fn require_allowed<'c>(
        &self,
        purpose: &str,
        columns: impl IntoIterator<Item = &'c str>,
    ) -> Result<(), Refusal> {
        let allowed = &self.proposal.allowed_columns;
        let forbidden: Vec<_> = columns
            .into_iter()
            .filter(|column| !allowed.iter().any(|a| a == column))
            .collect();
        if forbidden.is_empty() {
            return Ok(());
        }
        Err(Refusal::of(
            Code::ColumnNotAllowed,
            format!("{purpose} {}", forbidden.join(",")),
        ))
    }

    /// Key, tenant and conflict columns identify the row; an update never changes them.
    fn is_protected(&self, column: &str) -> bool {
        let proposal = self.proposal;
        Columns::get(&proposal.primary_key, column).is_some()
            || proposal.tenant_column.as_deref() == Some(column)
            || proposal.conflict_column.as_deref() == Some(column)
    }
}

fn written<'p>((column, value): (&'p str, &'p Json)) -> Param<'p> {
    Param {
        column,
        value,
        role: Role::Written,
    }
}

fn push_target(
    sql: &mut String,
    schema: &str,
    table: &str,
    dialect: Dialect,
) -> Result<(), Refusal> {
    push_quoted(sql, schema, dialect)?;
    sql.push('.');
    push_quoted(sql, table, dialect)
}

fn push_equals(sql: &mut String, column: &str, n: usize, dialect: Dialect) -> Result<(), Refusal> {
    push_quoted(sql, column, dialect)?;
    sql.push_str(" = ");
    dialect.push_placeholder(sql, n);
    Ok(())
}
