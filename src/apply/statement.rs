//! Running the builder's statement, and telling what it did: one row, none, or too many.

use std::cell::Cell;

use synapsor_core::builder::{EXPECTED_ROW_COUNT, Param, Role, Statement};
use synapsor_core::outcome::ConflictReason;
use synapsor_core::refusal::{Code, Refusal};
use synapsor_crash_points::Point;

use super::aftermath::Aftermath;
use super::capture::Captured;
use super::cascade::Spread;
use super::failure::Failure;
use super::prepared::{Prepared, bind, equals, types};
use super::target::Target;
use crate::pg::returned::last_text;
use crate::pg::spi::{Connection, Executed};
use crate::pg::types::base_type;
use crate::pg::{crash_point, triggers};
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

/// What a statement has done.
pub struct Done {
    /// Whether the conflict column has another value since; `None` without a conflict guard.
    pub guard_advanced: Option<bool>,
    /// The row before and after, where `synapsor.capture` is on.
    pub captured: Option<Captured>,
}

/// Runs a statement and what hangs on it: deferred triggers, foreign keys, the guard's advance.
///
/// `column_at_work` holds the number of the parameter whose value is being read, for the case that this raises an error.
pub fn execute(
    statement: &Statement<'_>,
    settings: &ApplySettings,
    column_at_work: &Cell<Option<usize>>,
) -> Result<Done, NotApplied> {
    crash_point::reach(Point::BeforeStatement);
    let spi = Connection::open();
    let prepared = Prepared::of(&spi, statement, settings)?;
    let before = match &prepared.capture {
        Some(capture) => capture.before(statement, &prepared.target)?,
        None => None,
    };
    let arguments = prepared.bind(&statement.params, column_at_work)?;
    // From here on no more code of others runs that could change what the guards' `=` means, before they have been held.
    let prepared = prepared.still(&spi, statement, settings)?;
    let target = &prepared.target;
    let watch = prepared.spread.as_ref().map(Spread::watch).transpose()?;
    let aftermath = Aftermath::start(statement, &prepared.parts);
    let executed = prepared.execute(&spi, &arguments);
    let capture = prepared.capture.as_ref();
    let returned = capture.and_then(|plan| plan.returned.as_ref().and_then(|_| last_text()));
    match executed.rows {
        0 => {
            return Err(NotApplied::Conflict(conflict_reason(
                &spi, statement, target,
            )?));
        }
        EXPECTED_ROW_COUNT => {}
        _ => return Err(Refusal::from(Code::MultiRowBlocked).into()),
    }
    let mut advanced = guard_advanced(statement, &executed)?;
    let mut own_changes = 1;
    if settings.advance_guard && advanced == Some(false) {
        // Counted only where it wrote: one change too many would hide one row of somebody else's.
        if let Some(moved) = advance_guard(&spi, statement, target)? {
            advanced = Some(moved);
            own_changes += 1;
        }
    }
    triggers::fire_deferred();
    if let Some(watch) = watch {
        watch.require_no_spread(statement, own_changes)?;
    }
    if let Some(aftermath) = aftermath {
        require_row_in_place(&spi, statement, target, &aftermath, own_changes)?;
    }
    let captured =
        capture.map(|plan| plan.after(statement, target, before.as_deref(), returned.as_deref()));
    crash_point::reach(Point::AfterStatement);
    Ok(Done {
        guard_advanced: advanced,
        captured,
    })
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
    aftermath: &Aftermath<'_>,
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
    let columns = target.columns(params)?;
    let arguments = bind(&columns, params, &Cell::new(None))?;
    let plan = spi.prepare(sql, &types(&columns));
    // What has run meanwhile may have changed what `=` means.
    target.require_own_equality(params)?;
    Ok(plan.execute(&arguments).rows > 0)
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
    let next = match base_type(declared.oid, declared.modifier).0 {
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
    let columns = target.columns(&params)?;
    let arguments = bind(&columns, &params, &Cell::new(None))?;
    let plan = spi.prepare(&sql, &types(&columns));
    target.require_own_equality(&params)?;
    let executed = plan.execute(&arguments);
    match executed.rows {
        EXPECTED_ROW_COUNT => Ok(Some(executed.flags == [true])),
        0 => Ok(None),
        _ => Err(Refusal::from(Code::MultiRowBlocked).into()),
    }
}
