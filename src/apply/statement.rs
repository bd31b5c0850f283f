//! Running the builder's statement, and telling what it did: one row, none, or too many.

use std::cell::RefCell;

use synapsor_core::builder::{EXPECTED_ROW_COUNT, Operation, Param, Role, Statement};
use synapsor_core::outcome::ConflictReason;
use synapsor_core::refusal::{Code, Refusal};
use synapsor_crash_points::Point;

use super::aftermath::Aftermath;
use super::cascade::Watch;
use super::failure::Failure;
use super::target::Target;
use crate::pg::relation::Relation;
use crate::pg::spi::{Argument, Connection, Executed, Plan};
use crate::pg::{crash_point, triggers, types};
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
    crash_point::reach(Point::BeforeStatement);
    let spi = Connection::open();
    let target = Target::open(statement)?;
    let values = Values::bind(&target, &statement.params, column_at_work)?;
    let (plan, written) = prepare(&spi, statement, &target, &values)?;
    let watch = match settings.allow_cascade {
        true => None,
        false => Watch::start(statement, &target, written, settings.advance_guard)?,
    };
    let aftermath = Aftermath::start(statement, written);
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
    let mut own_changes = 1;
    if settings.advance_guard && advanced == Some(false) {
        // Counted only where it wrote: one change too many would hide one row of somebody else's.
        if let Some(moved) = advance_guard(&spi, statement, &target)? {
            advanced = Some(moved);
            own_changes += 1;
        }
    }
    triggers::fire_deferred();
    if let Some(watch) = watch {
        watch.require_no_spread(statement, own_changes)?;
    }
    if let Some(aftermath) = aftermath {
        require_row_in_place(&spi, statement, &target, &aftermath, own_changes)?;
    }
    crash_point::reach(Point::AfterStatement);
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

/// Prepares the statement, and finds the table that it writes to.
///
/// What its guards' `=` means is looked at after that, when no more code of others runs that could change it.
fn prepare<'c>(
    spi: &'c Connection,
    statement: &Statement<'_>,
    target: &Target,
    values: &Values,
) -> Result<(Plan<'c>, Relation), Failure> {
    let mut plan = spi.prepare(&statement.sql, &values.types);
    let written = target.require_writable(&plan)?;
    let compared = compared_after(statement, target, written);
    if !compared.is_empty() {
        plan = spi.prepare(&with_returning(statement, &compared), &values.types);
    }
    let guards = statement
        .params
        .iter()
        .filter(|param| param.role != Role::Written);
    target.require_own_equality(guards.chain(compared.iter().map(|(_, param)| *param)))?;
    Ok((plan, written))
}

/// The parameters, numbered from 1, that tell whether the row that was written is still the one that was meant: key and
/// tenant of an update; the tenant of an insert, where a trigger can have changed it and the role may look.
fn compared_after<'s, 'p>(
    statement: &'s Statement<'p>,
    target: &Target,
    written: Relation,
) -> Vec<(usize, &'s Param<'p>)> {
    let is_compared = |param: &Param<'_>| match statement.operation {
        Operation::Delete => false,
        Operation::Update => matches!(param.role, Role::Key | Role::Tenant),
        Operation::Insert => {
            Some(param.column) == statement.tenant_column
                && !param.value.is_null()
                && written
                    .with_partitions()
                    .iter()
                    .any(|part| part.has_trigger_before_insert())
                && target.can_be_compared(param.column)
        }
    };
    (1..)
        .zip(&statement.params)
        .filter(|(_, param)| is_compared(param))
        .collect()
}

/// The statement also returns two flags: whether key and tenant are still the guarded ones, and whether the conflict
/// column still has the guarded value. They compare with parameters that the statement has anyway.
fn with_returning(statement: &Statement<'_>, compared: &[(usize, &Param<'_>)]) -> String {
    let equals = |(n, param): &(usize, &Param<'_>)| equals(param.column, *n);
    let identity: Vec<_> = compared.iter().map(equals).collect();
    let mut sql = format!("{} RETURNING ({})", statement.sql, identity.join(" AND "));
    let conflict = (1..)
        .zip(&statement.params)
        .find(|(_, param)| param.role == Role::Conflict);
    let null_conflict = || {
        statement
            .null_conflict_column
            .map(|column| format!("\"{column}\" IS NULL"))
    };
    if let Some(conflict) = conflict.as_ref().map(equals).or_else(null_conflict) {
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
        [false, ..] => Err(guarded_column_changed(statement)),
        [_, conflict_unchanged] => Ok(Some(!conflict_unchanged)),
        _ => Ok(None),
    }
}

fn guarded_column_changed(statement: &Statement<'_>) -> Failure {
    let culprit = format!("{}.{}", statement.schema, statement.table);
    Refusal::of(Code::GuardedColumnChanged, culprit).into()
}

/// Sees to it that the row still has its key and tenant where others have written to the table since, and that the look
/// itself, which can run code of theirs, changed nothing any more.
///
/// # Errors
/// `WRITEBACK_GUARDED_COLUMN_CHANGED`.
fn require_row_in_place(
    spi: &Connection,
    statement: &Statement<'_>,
    target: &Target,
    aftermath: &Aftermath,
    own_changes: i64,
) -> Result<(), Failure> {
    let others = aftermath.others(own_changes);
    let Some((sql, params)) = statement.row_lookup().filter(|_| others > 0) else {
        return Ok(());
    };
    if is_there(spi, target, &sql, &params)? && aftermath.others(own_changes) == others {
        Ok(())
    } else {
        Err(guarded_column_changed(statement))
    }
}

/// True when a query whose parameters are compared with columns of the target finds a row.
pub(super) fn is_there(
    spi: &Connection,
    target: &Target,
    sql: &str,
    params: &[Param<'_>],
) -> Result<bool, Failure> {
    let values = Values::bind(target, params, &RefCell::new(None))?;
    let plan = spi.prepare(sql, &values.types);
    // What has run meanwhile may have changed what `=` means.
    target.require_own_equality(params)?;
    Ok(plan.execute(&values.arguments).rows > 0)
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
    let look = |sql: &str, params: &[Param<'_>]| is_there(spi, target, sql, params);
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
                &format!("{sql} AND {}", equals(param.column, params.len())),
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
/// whether it has another value since; `None` where nothing was written, as for a column of another type.
fn advance_guard(
    spi: &Connection,
    statement: &Statement<'_>,
    target: &Target,
) -> Result<Option<bool>, Failure> {
    use pgrx::pg_sys;

    let (Some(column), Some((_, params))) = (statement.conflict_column(), statement.row_lookup())
    else {
        return Ok(None);
    };
    let declared = target.column(column)?;
    let next = match types::base_type(declared.oid, declared.modifier).0 {
        pg_sys::INT2OID | pg_sys::INT4OID | pg_sys::INT8OID | pg_sys::NUMERICOID => {
            format!("\"{column}\" OPERATOR(pg_catalog.+) 1")
        }
        pg_sys::TIMESTAMPTZOID | pg_sys::TIMESTAMPOID => "pg_catalog.clock_timestamp()".to_owned(),
        _ => return Ok(None),
    };
    let guards: Vec<_> = (1..)
        .zip(&params)
        .map(|(n, param)| equals(param.column, n))
        .collect();
    let compared = statement
        .params
        .iter()
        .find(|param| param.role == Role::Conflict);
    let params: Vec<_> = params.into_iter().chain(compared.copied()).collect();
    let differs = match compared {
        Some(_) => format!("({}) IS NOT TRUE", equals(column, params.len())),
        None => format!("\"{column}\" IS NOT NULL"),
    };
    let sql = format!(
        "UPDATE \"{}\".\"{}\" SET \"{column}\" = {next} WHERE {} RETURNING {differs}",
        statement.schema,
        statement.table,
        guards.join(" AND "),
    );
    let values = Values::bind(target, &params, &RefCell::new(None))?;
    let plan = spi.prepare(&sql, &values.types);
    target.require_own_equality(&params)?;
    let executed = plan.execute(&values.arguments);
    match executed.rows {
        EXPECTED_ROW_COUNT => Ok(Some(executed.flags == [true])),
        0 => Ok(None),
        _ => Err(Refusal::from(Code::MultiRowBlocked).into()),
    }
}

/// A comparison of a column, whose name the builder has found safe, with the `n`th parameter.
fn equals(column: &str, n: usize) -> String {
    format!("\"{column}\" = ${n}")
}
