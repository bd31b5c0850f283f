//! Running the builder's statement, and telling what it did: one row, none, or too many.

use std::cell::RefCell;

use synapsor_core::builder::{EXPECTED_ROW_COUNT, Operation, Param, Role, Statement};
use synapsor_core::outcome::ConflictReason;
use synapsor_core::refusal::{Code, Refusal};

use super::cascade::Watch;
use super::failure::Failure;
use super::target::Target;
use crate::pg::spi::{Argument, Connection, Executed};
use crate::pg::{triggers, types};
use crate::settings::ApplySettings;

/// Why a statement changed nothing.
pub enum NotApplied {
    /// It touched no row.
    Conflict(ConflictReason),
    /// It failed, or did what nobody approved.
    Failed(Failure),
}

impl<F: Into<Failure>> From<F> for NotApplied {
    fn from(failure: F) -> Self {
        NotApplied::Failed(failure.into())
    }
}

/// Runs a statement and what hangs on it: deferred triggers, foreign keys, the guard's advance. Returns whether the
/// conflict column has another value since; `None` without a conflict guard.
///
/// `column_at_work` holds the column whose value is being read, for the case that this raises an error.
pub fn execute(
    statement: &Statement<'_>,
    settings: &ApplySettings,
    column_at_work: &RefCell<Option<String>>,
) -> Result<Option<bool>, NotApplied> {
    let spi = Connection::open();
    let target = Target::open(statement)?;
    let values = Values::bind(&target, &statement.params, column_at_work)?;
    let plan = spi.prepare(&with_returning(statement, &target), &values.types);
    let written = target.require_writable(&plan)?;
    let watch = match settings.allow_cascade {
        true => None,
        false => Watch::start(statement, written)?,
    };
    let executed = plan.execute(&values.arguments);
    match executed.rows {
        0 => {
            return Err(NotApplied::Conflict(conflict_reason(
                &spi, statement, &target,
            )?));
        }
        EXPECTED_ROW_COUNT => {}
        _ => return Err(Refusal::from(Code::MultiRowBlocked).into()),
    }
    let mut advanced = guard_advanced(statement, &executed)?;
    if settings.advance_guard && advanced == Some(false) {
        advanced = Some(advance_guard(&spi, statement, &target)?);
    }
    triggers::fire_deferred();
    if let Some(watch) = watch {
        watch.require_no_spread(statement)?;
    }
    Ok(advanced)
}

/// The values of parameters, and the types that they have.
struct Values {
    types: Vec<pgrx::pg_sys::Oid>,
    arguments: Vec<Argument>,
}

impl Values {
    fn bind(
        target: &Target,
        params: &[Param<'_>],
        column_at_work: &RefCell<Option<String>>,
    ) -> Result<Self, Failure> {
        let mut values = Values {
            types: Vec::new(),
            arguments: Vec::new(),
        };
        for param in params {
            column_at_work.replace(Some(param.column.to_owned()));
            let (column, argument) = target.bind(param)?;
            values.types.push(column.oid);
            values.arguments.push(argument);
        }
        column_at_work.replace(None);
        Ok(values)
    }
}

/// An update also returns two flags: whether key and tenant are still the guarded ones, and whether the conflict
/// column still has the guarded value. An insert returns whether the tenant is the proposal's, where the role may read
/// it. All compare with parameters that the statement has anyway.
fn with_returning(statement: &Statement<'_>, target: &Target) -> String {
    let equals = |(n, param): (usize, &Param<'_>)| format!("\"{}\" = ${}", param.column, n + 1);
    let numbered = || statement.params.iter().enumerate();
    let with_role = |role| numbered().filter(move |(_, param)| param.role == role);
    let identity: Vec<_> = match statement.operation {
        Operation::Delete => return statement.sql.clone(),
        Operation::Update => with_role(Role::Key)
            .chain(with_role(Role::Tenant))
            .map(equals)
            .collect(),
        Operation::Insert => numbered()
            .filter(|(_, param)| Some(param.column) == statement.tenant_column)
            .filter(|(_, param)| target.may_select(param.column))
            .map(equals)
            .collect(),
    };
    if identity.is_empty() {
        return statement.sql.clone();
    }
    let conflict = with_role(Role::Conflict).next().map(equals);
    let null_conflict = statement
        .null_conflict_column
        .map(|column| format!("\"{column}\" IS NULL"));
    let mut sql = format!("{} RETURNING ({})", statement.sql, identity.join(" AND "));
    if let Some(conflict) = conflict.or(null_conflict) {
        sql.push_str(&format!(", ({conflict})"));
    }
    sql
}

/// Reads the flags of an update or an insert.
///
/// # Errors
/// `WRITEBACK_GUARDED_COLUMN_CHANGED` when a trigger gave the row another key or tenant.
fn guard_advanced(statement: &Statement<'_>, executed: &Executed) -> Result<Option<bool>, Failure> {
    match executed.flags.as_slice() {
        [false, ..] => {
            let culprit = format!("{}.{}", statement.schema, statement.table);
            Err(Refusal::of(Code::GuardedColumnChanged, culprit).into())
        }
        [_, conflict_unchanged] => Ok(Some(!conflict_unchanged)),
        _ => Ok(None),
    }
}

/// A second look, for a statement that touched no row.
fn conflict_reason(
    spi: &Connection,
    statement: &Statement<'_>,
    target: &Target,
) -> Result<ConflictReason, Failure> {
    let Some((sql, params)) = statement.row_lookup() else {
        return Ok(ConflictReason::RowNotChanged);
    };
    let look = |sql: &str, params: &[Param<'_>]| -> Result<bool, Failure> {
        let values = Values::bind(target, params, &RefCell::new(None))?;
        Ok(spi
            .prepare(sql, &values.types)
            .execute(&values.arguments)
            .rows
            > 0)
    };
    if !look(&sql, &params)? {
        return Ok(ConflictReason::RowNotFound);
    }
    let guarded = match (
        statement.params.iter().find(|p| p.role == Role::Conflict),
        statement.null_conflict_column,
    ) {
        (Some(param), _) => {
            let params: Vec<_> = params.iter().chain([param]).copied().collect();
            look(
                &format!("{sql} AND \"{}\" = ${}", param.column, params.len()),
                &params,
            )?
        }
        (None, Some(column)) => look(&format!("{sql} AND \"{column}\" IS NULL"), &params)?,
        (None, None) => true,
    };
    Ok(if guarded {
        ConflictReason::RowNotChanged
    } else {
        ConflictReason::ConflictValueChanged
    })
}

/// Advances the conflict column of the row that was just updated: an integer by one, a timestamp to now. Returns
/// false for a column of another type, which can't be advanced.
fn advance_guard(
    spi: &Connection,
    statement: &Statement<'_>,
    target: &Target,
) -> Result<bool, Failure> {
    use pgrx::pg_sys;

    let (Some(column), Some((_, params))) = (statement.conflict_column(), statement.row_lookup())
    else {
        return Ok(false);
    };
    let declared = target.column(column)?;
    let next = match types::base_type(declared.oid, declared.modifier).0 {
        pg_sys::INT2OID | pg_sys::INT4OID | pg_sys::INT8OID | pg_sys::NUMERICOID => {
            format!("\"{column}\" OPERATOR(pg_catalog.+) 1")
        }
        pg_sys::TIMESTAMPTZOID | pg_sys::TIMESTAMPOID => "pg_catalog.clock_timestamp()".to_owned(),
        _ => return Ok(false),
    };
    let guards: Vec<_> = params
        .iter()
        .enumerate()
        .map(|(n, p)| format!("\"{}\" = ${}", p.column, n + 1))
        .collect();
    let compared = statement
        .params
        .iter()
        .find(|param| param.role == Role::Conflict);
    let params: Vec<_> = params.into_iter().chain(compared.copied()).collect();
    let differs = match compared {
        Some(_) => format!("(\"{column}\" = ${}) IS NOT TRUE", params.len()),
        None => format!("\"{column}\" IS NOT NULL"),
    };
    let sql = format!(
        "UPDATE \"{}\".\"{}\" SET \"{column}\" = {next} WHERE {} RETURNING {differs}",
        statement.schema,
        statement.table,
        guards.join(" AND "),
    );
    let values = Values::bind(target, &params, &RefCell::new(None))?;
    let executed = spi.prepare(&sql, &values.types).execute(&values.arguments);
    match executed.rows {
        EXPECTED_ROW_COUNT => Ok(executed.flags == [true]),
        0 => Ok(false),
        _ => Err(Refusal::from(Code::MultiRowBlocked).into()),
    }
}
