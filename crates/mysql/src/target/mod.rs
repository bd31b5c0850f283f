//! What a statement writes to: a table or an updatable view, its columns, and what makes it unfit.

mod cache;
mod foreign_keys;
mod json_texts;
mod tokens;
mod view;

use mysql::Row;
use synapsor_core::builder::{Param, Role, Statement};
use synapsor_core::decision::Decision;
use synapsor_core::failure::Failure;
use synapsor_core::refusal::{Code, Refusal};

use crate::database::{Answer, Cells, DatabaseError, Session, Step, Vendor};
use crate::value::{self, Column, ColumnType, Typed};
pub use cache::{Pinned, Targets};
pub use foreign_keys::{Cascades, Listed, Place};

/// Databases of the server itself.
const SYSTEM_SCHEMAS: [&str; 5] = [
    "mysql",
    "sys",
    "information_schema",
    "performance_schema",
    "ndbinfo",
];

/// A table or view that can be written to.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its database.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The table that a view stands for; else the table itself.
    pub base: (String, String),
    columns: Vec<Column>,
    /// Names of the primary key's columns; none for a view.
    pub primary_key: Vec<String>,
    /// The server shows us how it is defined.
    pub is_shown: bool,
}

/// Why a target, a column or a value is no good; or the database's own trouble.
#[derive(Debug)]
pub enum Unfit {
    /// The proposal fails with this.
    Failed(Failure),
    /// The database failed us.
    Database(DatabaseError),
}

impl From<DatabaseError> for Unfit {
    fn from(error: DatabaseError) -> Self {
        Unfit::Database(error)
    }
}

impl From<Refusal> for Unfit {
    fn from(refusal: Refusal) -> Self {
        Unfit::Failed(refusal.into())
    }
}

impl Unfit {
    /// The decision on the proposal, where it is one.
    pub fn decision(self) -> Result<Decision, DatabaseError> {
        match self {
            Unfit::Failed(failure) => Ok(Decision::failed(failure)),
            Unfit::Database(error) => Err(error),
        }
    }
}

/// A kind of table, its engine, and whether it is a view.
struct Kind {
    name: String,
    table_type: String,
    engine: String,
}

impl Target {
    /// Looks at a statement's target, which is pinned.
    ///
    /// # Errors
    /// `WRITEBACK_TARGET_UNSUPPORTED: <why>`; the server's errors for what is missing or forbidden.
    pub fn load(
        session: &mut Session,
        statement: &Statement<'_>,
        ledger_schema: &str,
    ) -> Result<Self, Unfit> {
        let (schema, table) = (statement.schema, statement.table);
        let kind =
            kind(session, schema, table)?.ok_or_else(|| unsupported("it can't be looked at"))?;
        let (base, is_view) = match kind.table_type.as_str() {
            "VIEW" => (view::base(session, schema, &kind.name)?, true),
            _ => ((schema.to_owned(), kind.name.clone()), false),
        };
        if is_view {
            require_foreign(&base.0, &base.1, ledger_schema)?;
            let base_kind = self::kind(session, &base.0, &base.1)?
                .ok_or_else(|| unsupported("it is a view of a table that we have no right on"))?;
            require_transactional(&base_kind)?;
        } else {
            require_transactional(&kind)?;
        }
        let mut columns = Vec::new();
        let mut primary_key = Vec::new();
        for row in session.rows(COLUMNS, (schema, &kind.name))? {
            let (column, is_key) = read_column(row)?;
            if is_key {
                primary_key.push(column.name.clone());
            }
            columns.push(column);
        }
        if is_ledger(&kind.name, &columns) {
            return Err(unsupported("it is a ledger").into());
        }
        if session.vendor() == Vendor::MariaDb {
            json_texts::mark(session, &base, is_view, &mut columns)?;
        }
        Ok(Target {
            schema: schema.to_owned(),
            name: kind.name,
            base,
            columns,
            primary_key,
            is_shown: false,
        })
    }

    /// Shows what its name stands for now, for [`Target::require_uncovered`].
    pub fn showing(&self) -> Step {
        Step::Text(cache::showing(&self.schema, &self.name))
    }

    /// Requires that its name stands for it still: a trigger can have made a temporary table of that name, which would be looked at in
    /// its place.
    ///
    /// # Errors
    /// `WRITEBACK_TARGET_UNSUPPORTED: <why>`
    pub fn require_uncovered(&self, shown: &Answer) -> Result<(), Refusal> {
        match cache::is_temporary(shown) {
            true => Err(unsupported("a trigger hides it behind a temporary table")),
            false => Ok(()),
        }
    }

    /// A column by its name, which MySQL compares without regard to case.
    ///
    /// # Errors
    /// `SQLSTATE 42S22: ER_BAD_FIELD_ERROR, column <name>`
    pub fn column(&self, name: &str) -> Result<&Column, Failure> {
        let exact = self.columns.iter().find(|column| column.name == name);
        let column = exact.or_else(|| {
            let is_it = |column: &&Column| column.name.eq_ignore_ascii_case(name);
            self.columns.iter().find(is_it)
        });
        column.ok_or_else(|| {
            Failure::of_sqlstate("42S22", "ER_BAD_FIELD_ERROR", &[("column", Some(name))])
        })
    }

    /// True where an error may name it: one of its columns.
    pub fn has_column(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }

    /// Each of a statement's parameters as a value of its column.
    ///
    /// # Errors
    /// `WRITEBACK_VALUE_TYPE_MISMATCH`, `WRITEBACK_VALUE_NOT_EXACT`, `WRITEBACK_TARGET_UNSUPPORTED` for a generated column or a type
    /// that is not supported, `SQLSTATE 23000: ER_BAD_NULL_ERROR` for a null in a column without nulls; and what the builder refuses, for
    /// names that differ in case alone, which mean the same column here.
    pub fn typed(&self, statement: &Statement<'_>) -> Result<Vec<Typed>, Failure> {
        let is_guard = |param: &&Param<'_>| param.role != Role::Written;
        let guards = statement
            .params
            .iter()
            .filter(is_guard)
            .map(|param| param.column);
        let mut taken: Vec<&str> = Vec::new();
        for name in guards.chain(statement.null_conflict_column) {
            taken.push(&self.column(name)?.name);
        }
        let guards = taken.len();
        for param in statement.params.iter().filter(|param| !is_guard(param)) {
            let name = self.column(param.column)?.name.as_str();
            match taken.iter().position(|taken| *taken == name) {
                Some(n) if n < guards => {
                    return Err(Refusal::of(Code::ProtectedColumnChange, param.column).into());
                }
                Some(_) => return Err(Refusal::of(Code::ProposalInvalid, "changes").into()),
                None => taken.push(name),
            }
        }
        statement
            .params
            .iter()
            .map(|param| self.typed_one(param))
            .collect()
    }

    fn typed_one(&self, param: &Param<'_>) -> Result<Typed, Failure> {
        let column = self.column(param.column)?;
        if param.role != Role::Written {
            let column_type = self.column_type(column)?;
            return Ok(value::guard(param.value, column, &column_type)?);
        }
        if column.is_generated {
            return Err(unsupported(&format!("{} is a generated column", column.name)).into());
        }
        // The server would number the row, or take the time of day.
        if param.value.is_null() && !column.is_nullable {
            let names = [("column", Some(column.name.as_str()))];
            return Err(Failure::of_sqlstate("23000", "ER_BAD_NULL_ERROR", &names));
        }
        let column_type = self.column_type(column)?;
        Ok(value::written(param.value, column, &column_type)?)
    }

    /// The type of a column.
    ///
    /// # Errors
    /// `WRITEBACK_TARGET_UNSUPPORTED`
    pub fn column_type(&self, column: &Column) -> Result<ColumnType, Failure> {
        ColumnType::of(column).ok_or_else(|| {
            unsupported(&format!("{} is of type {}", column.name, column.data_type)).into()
        })
    }
}

/// Neither the server's own tables nor the ledger.
fn require_foreign(schema: &str, table: &str, ledger_schema: &str) -> Result<(), Unfit> {
    if SYSTEM_SCHEMAS
        .iter()
        .any(|s| s.eq_ignore_ascii_case(schema))
    {
        return Err(unsupported("it belongs to the server").into());
    }
    if schema.eq_ignore_ascii_case(ledger_schema) && table.eq_ignore_ascii_case("ledger") {
        return Err(unsupported("it is the ledger").into());
    }
    Ok(())
}

/// `None` for one that we have no right at all on.
fn kind(session: &mut Session, schema: &str, table: &str) -> Result<Option<Kind>, DatabaseError> {
    const QUERY: &str = "SELECT TABLE_NAME, TABLE_TYPE, coalesce(ENGINE, '')
        FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?";
    let found: Vec<(String, String, String)> = session.all(QUERY, (schema, table))?;
    // Where names are kept in lower case, another spelling means the same table.
    let exact = found.iter().position(|(name, _, _)| name == table);
    let found = found.into_iter().nth(exact.unwrap_or(0));
    Ok(found.map(|(name, table_type, engine)| Kind {
        name,
        table_type,
        engine,
    }))
}

/// What does not roll back is never written to.
fn require_transactional(kind: &Kind) -> Result<(), Unfit> {
    let is_table = matches!(kind.table_type.as_str(), "BASE TABLE" | "SYSTEM VERSIONED");
    if !is_table {
        let kind = kind.table_type.to_lowercase();
        return Err(unsupported(&format!("it is a {kind}, not a table")).into());
    }
    if !kind.engine.eq_ignore_ascii_case("InnoDB") {
        let engine = if kind.engine.is_empty() {
            "unknown"
        } else {
            &kind.engine
        };
        let why = format!("its engine is {engine}, whose changes do not roll back with InnoDB's");
        return Err(unsupported(&why).into());
    }
    Ok(())
}

/// Another instance's ledger is nobody's target, either.
fn is_ledger(name: &str, columns: &[Column]) -> bool {
    let has = |name: &str| columns.iter().any(|column| column.name == name);
    name.eq_ignore_ascii_case("ledger") && has("key_hash") && has("proposal_digest")
}

fn unsupported(why: &str) -> Refusal {
    Refusal::of(Code::TargetUnsupported, why)
}

const COLUMNS: &str = "SELECT COLUMN_NAME, lower(DATA_TYPE), COLUMN_TYPE, IS_NULLABLE, CHARACTER_MAXIMUM_LENGTH,
        CHARACTER_OCTET_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION, CHARACTER_SET_NAME,
        COLLATION_NAME, coalesce(GENERATION_EXPRESSION, ''), upper(EXTRA), COLUMN_KEY
    FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION";

/// A column, and whether it is one of the primary key.
fn read_column(row: Row) -> Result<(Column, bool), DatabaseError> {
    let mut cells = Cells::of(row);
    let mut column = Column {
        name: cells.next()?,
        data_type: cells.next()?,
        column_type: cells.next()?,
        is_nullable: cells.next::<String>()? == "YES",
        character_maximum_length: cells.next()?,
        character_octet_length: cells.next()?,
        numeric_precision: cells.next()?,
        numeric_scale: cells.next()?,
        datetime_precision: cells.next()?,
        character_set: cells.next()?,
        collation: cells.next()?,
        ..Column::default()
    };
    let expression: String = cells.next()?;
    let extra: String = cells.next()?;
    // MySQL says DEFAULT_GENERATED of a default that is an expression.
    column.is_generated = !expression.is_empty()
        || extra.contains("VIRTUAL GENERATED")
        || extra.contains("STORED GENERATED");
    column.is_auto_increment = extra.contains("AUTO_INCREMENT");
    let key: String = cells.next()?;
    Ok((column, key == "PRI"))
}
