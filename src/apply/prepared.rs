//! What holds for all statements of one shape: the plan, the types of the columns, and what was found out about the target.
//! Found out once, and kept for as long as nothing in the catalogs changes.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use pgrx::pg_sys;
use synapsor_core::builder::{Operation, Param, Role, Statement};

use super::capture;
use super::cascade::Spread;
use super::failure::{self, Failure};
use super::target::Target;
use super::value::Column;
use crate::pg::catalog::Epoch;
use crate::pg::relation::Relation;
use crate::pg::spi::{Argument, Connection, Executed, KeptPlan, Locked, Plan};
use crate::pg::{identity, search_path};
use crate::settings::ApplySettings;

/// Shapes kept by a process: proposals come from a handful of capabilities.
const MOST: usize = 64;

thread_local! {
    static KEPT: RefCell<HashMap<String, Rc<Prepared>>> = RefCell::new(HashMap::new());
}

/// A statement's shape, ready to be executed.
pub struct Prepared {
    epoch: Epoch,
    locked: Vec<Locked>,
    columns: Vec<Column>,
    plan: KeptPlan,
    /// What the proposal names.
    pub target: Target,
    /// The table that is written to, with its partitions.
    pub parts: Vec<pg_sys::Oid>,
    /// Where the statement could spread to; `None` where that is nobody's concern.
    pub spread: Option<Spread>,
    /// What is captured of the row; `None` where nothing is.
    pub capture: Option<capture::Plan>,
}

impl Prepared {
    /// Finds what is kept of a statement's shape, or finds everything out. Its target is locked against changes of its
    /// shape until the transaction ends.
    ///
    /// # Errors
    /// Those of [`Target`], `WRITEBACK_OPERATOR_SHADOWED`.
    pub fn of(
        spi: &Connection,
        statement: &Statement<'_>,
        settings: &ApplySettings,
    ) -> Result<Rc<Self>, Failure> {
        let shape = shape(statement, settings);
        if let Some(prepared) = KEPT.with_borrow(|kept| kept.get(&shape).cloned()) {
            prepared.locked.iter().copied().for_each(Locked::lock);
            if prepared.epoch == Epoch::now() {
                return Ok(prepared);
            }
        }
        let prepared = Rc::new(Self::find_out(spi, statement, settings)?);
        KEPT.with_borrow_mut(|kept| {
            let epoch = prepared.epoch;
            kept.retain(|_, prepared| prepared.epoch == epoch);
            if kept.len() >= MOST
                && let Some(any) = kept.keys().next().cloned()
            {
                kept.remove(&any);
            }
            kept.insert(shape, Rc::clone(&prepared));
        });
        Ok(prepared)
    }

    /// The statement's values, as the columns' types read them. That can run code of others, which can change the catalogs.
    ///
    /// `column_at_work` holds the number of the parameter that is being read, for the case that this raises an error.
    ///
    /// # Errors
    /// Those of [`Column::argument`].
    pub fn bind(
        &self,
        params: &[Param<'_>],
        column_at_work: &Cell<Option<usize>>,
    ) -> Result<Vec<Argument>, Failure> {
        bind(&self.columns, params, column_at_work)
    }

    /// The same after code of others has run: with everything found out anew, where that was needed.
    ///
    /// # Errors
    /// Those of [`Prepared::of`], and `SQLSTATE 55000` where the values have other types by now.
    pub fn still(
        self: Rc<Self>,
        spi: &Connection,
        statement: &Statement<'_>,
        settings: &ApplySettings,
    ) -> Result<Rc<Self>, Failure> {
        if self.epoch.is_current() {
            return Ok(self);
        }
        let anew = Self::find_out(spi, statement, settings)?;
        if types(&anew.columns) == types(&self.columns) {
            Ok(Rc::new(anew))
        } else {
            let name = format!("{}.{}", statement.schema, statement.table);
            Err(failure::of_sqlstate("55000", &[("table", Some(&name))]))
        }
    }

    /// Executes the statement.
    pub fn execute(&self, spi: &Connection, arguments: &[Argument]) -> Executed {
        self.plan.execute(spi, arguments)
    }

    fn find_out(
        spi: &Connection,
        statement: &Statement<'_>,
        settings: &ApplySettings,
    ) -> Result<Self, Failure> {
        let target = Target::open(statement)?;
        let epoch = Epoch::now();
        let columns = target.columns(&statement.params)?;
        let capture = settings
            .capture
            .then(|| capture::Plan::of(spi, statement, target.relation()));
        let returned = capture.as_ref().and_then(|plan| plan.returned.as_deref());
        let (plan, written) = prepare(spi, statement, &target, &types(&columns), returned)?;
        let parts = written.with_partitions();
        let spread = match settings.allow_cascade {
            true => None,
            false => Spread::of(statement, &target, &parts, settings.advance_guard)?,
        };
        Ok(Prepared {
            epoch,
            locked: plan.relations(),
            columns,
            plan: plan.keep(),
            target,
            parts: parts.into_iter().map(|part| part.oid).collect(),
            spread,
            capture,
        })
    }
}

/// Turns parameters into values of these columns' types.
///
/// # Errors
/// Those of [`Column::argument`].
pub fn bind(
    columns: &[Column],
    params: &[Param<'_>],
    column_at_work: &Cell<Option<usize>>,
) -> Result<Vec<Argument>, Failure> {
    let mut arguments = Vec::with_capacity(params.len());
    for (n, (column, param)) in columns.iter().zip(params).enumerate() {
        column_at_work.set(Some(n));
        arguments.push(column.argument(param)?);
    }
    column_at_work.set(None);
    Ok(arguments)
}

/// The types of columns.
pub fn types(columns: &[Column]) -> Vec<pg_sys::Oid> {
    columns.iter().map(Column::oid).collect()
}

/// Everything that the findings depend on, apart from the catalogs.
fn shape(statement: &Statement<'_>, settings: &ApplySettings) -> String {
    let mut shape = format!(
        "{} {} {} {} {:?} {:?} {:?}\0{}\0",
        identity::current_role().to_u32(),
        u8::from(settings.allow_cascade),
        u8::from(settings.advance_guard),
        u8::from(settings.capture),
        statement.tenant_column,
        statement.named_conflict_column,
        statement.null_conflict_column,
        search_path::current(),
    );
    for param in &statement.params {
        shape.push(match param.role {
            Role::Written => 'w',
            Role::Key => 'k',
            Role::Tenant => 't',
            Role::Conflict => 'c',
        });
        shape.push(if param.value.is_null() { '0' } else { '1' });
        shape.push_str(param.column);
        shape.push('\0');
    }
    shape.push_str(&statement.sql);
    shape
}

/// Prepares the statement, and finds the table that it writes to. The statement also returns what this expression says.
fn prepare<'c>(
    spi: &'c Connection,
    statement: &Statement<'_>,
    target: &Target,
    types: &[pg_sys::Oid],
    captured: Option<&str>,
) -> Result<(Plan<'c>, Relation), Failure> {
    let mut plan = spi.prepare(&statement.sql, types);
    let written = target.require_writable(&plan)?;
    let compared = compared_after(statement, target, written);
    let mut returned = flags(statement, &compared);
    returned.extend(captured.map(str::to_owned));
    if !returned.is_empty() {
        let sql = format!("{} RETURNING {}", statement.sql, returned.join(", "));
        plan = spi.prepare(&sql, types);
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

/// What the statement returns of parameters that it has anyway: whether key and tenant are still the guarded ones, and whether
/// the conflict column still has the guarded value.
fn flags(statement: &Statement<'_>, compared: &[(usize, &Param<'_>)]) -> Vec<String> {
    if compared.is_empty() {
        return Vec::new();
    }
    let equals = |(n, param): &(usize, &Param<'_>)| equals(param.column, *n);
    let identity: Vec<_> = compared.iter().map(equals).collect();
    let mut flags = vec![format!("({})", identity.join(" AND "))];
    let conflict = (1..)
        .zip(&statement.params)
        .find(|(_, param)| param.role == Role::Conflict);
    let null_conflict = || {
        statement
            .null_conflict_column
            .map(|column| format!("\"{column}\" IS NULL"))
    };
    let unchanged = conflict.as_ref().map(equals).or_else(null_conflict);
    flags.extend(unchanged.map(|comparison| format!("({comparison})")));
    flags
}

/// A comparison of a column, whose name the builder has found safe, with the `n`th parameter.
pub fn equals(column: &str, n: usize) -> String {
    format!("\"{column}\" = ${n}")
}
