//! Applying one proposal, in the transaction under way: check, build, look at the row, run the statement, look again. What becomes
//! of it is a value; only the loss of the connection is an error.

mod advance;
mod columns;
mod failure;
mod row;
mod size;

use std::rc::Rc;

use mysql::Value;
use synapsor_core::builder::{self, Operation, Param, Role, Statement};
use synapsor_core::decision::Decision;
use synapsor_core::failure::Failure;
use synapsor_core::outcome::ConflictReason;
use synapsor_core::proposal::Proposal;
use synapsor_core::refusal::{Code, Refusal};
use synapsor_crash_points::Point;

use crate::database::{DatabaseError, Session};
use crate::settings::ApplySettings;
use crate::target::{Cascades, Place, Target, Targets, Unfit};
use crate::value::Typed;
pub use columns::Columns;
pub use failure::of_lost_connection;
use row::{Found, Look};

/// Applies proposals under the same settings.
pub struct Applier<'a> {
    /// How.
    pub settings: &'a ApplySettings,
    /// The database that holds the ledger, which nobody writes to but us.
    pub ledger_schema: &'a str,
    /// What is known of targets.
    pub targets: &'a mut Targets,
}

/// A statement with its parameters as values of their columns.
pub struct Prepared<'p> {
    statement: Statement<'p>,
    target: Rc<Target>,
    typed: Vec<Typed>,
}

impl Applier<'_> {
    /// Tries a proposal. Its effects, if any, belong to the transaction under way, which is to be rolled back unless it was applied or
    /// met a conflict.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn apply(
        &mut self,
        session: &mut Session,
        proposal: &Proposal,
    ) -> Result<Decision, DatabaseError> {
        let statement = match builder::build(proposal) {
            Ok(statement) => statement,
            Err(refusal) => return Ok(Decision::failed(refusal.into())),
        };
        let guards = statement.guards;
        if let Err(refusal) = self.settings.policy.check(&statement) {
            return Ok(Decision::failed(refusal.into()).with_guards(guards));
        }
        self.bind_tenant(session, Some(proposal))?;
        let decision = match self.prepare(session, statement) {
            Ok(prepared) => self.run(session, &prepared),
            Err(unfit) => unfit
                .decision()
                .or_else(|error| failure::decision(session, error, None)),
        };
        // After an error the transaction may be gone; the session goes on.
        if decision.is_ok() {
            self.bind_tenant(session, None)?;
        }
        Ok(decision?.with_guards(guards))
    }

    /// Looks at the target, and types the values.
    pub fn prepare<'p>(
        &mut self,
        session: &mut Session,
        statement: Statement<'p>,
    ) -> Result<Prepared<'p>, Unfit> {
        let targets = &mut self.targets;
        let target = targets.load(session, &statement, self.ledger_schema)?;
        let typed = target.typed(&statement).map_err(Unfit::Failed)?;
        size::require_room(session, &typed)?;
        Ok(Prepared {
            statement,
            target,
            typed,
        })
    }

    /// Looks whether a proposal could be applied at all: its target, its values and our rights. Changes nothing, and locks no row.
    ///
    /// # Errors
    /// As [`Applier::prepare`], and the server's own for a right that is missing.
    pub fn examine(
        &mut self,
        session: &mut Session,
        statement: Statement<'_>,
    ) -> Result<(), Unfit> {
        let prepared = self.prepare(session, statement)?;
        if !self.settings.allow_cascade {
            Cascades::require_sight(session, &prepared.place())?;
        }
        Ok(session.examine(&prepared.statement.sql)?)
    }

    fn run(
        &self,
        session: &mut Session,
        prepared: &Prepared<'_>,
    ) -> Result<Decision, DatabaseError> {
        let tried = prepared.execute(session, self.settings);
        tried.or_else(|unfit| match unfit {
            Unfit::Failed(failure) => Ok(Decision::failed(failure)),
            Unfit::Database(error) => failure::decision(session, error, Some(&prepared.target)),
        })
    }

    /// The tenant for views and triggers that ask for it; gone after the statement.
    fn bind_tenant(
        &self,
        session: &mut Session,
        proposal: Option<&Proposal>,
    ) -> Result<(), DatabaseError> {
        let Some(name) = &self.settings.tenant_setting else {
            return Ok(());
        };
        let id = proposal.and_then(|proposal| proposal.tenant_id.as_ref());
        let tenant = id.filter(|id| !id.is_null()).map(|id| {
            id.as_str()
                .map_or_else(|| id.compact(), |text| text.into_owned())
        });
        session.set_variable(name, tenant)
    }
}

impl Prepared<'_> {
    fn execute(&self, session: &mut Session, settings: &ApplySettings) -> Result<Decision, Unfit> {
        session.reach(Point::BeforeStatement)?;
        let decision = match self.statement.operation {
            Operation::Insert => self.insert(session),
            Operation::Update | Operation::Delete => self.change(session, settings),
        };
        session.reach(Point::AfterStatement)?;
        decision
    }

    fn place(&self) -> Place<'_> {
        Place {
            statement: &self.statement,
            typed: &self.typed,
            target: &self.target,
        }
    }

    fn values(&self) -> Vec<Value> {
        self.typed
            .iter()
            .map(|typed| typed.parameter.clone())
            .collect()
    }

    fn insert(&self, session: &mut Session) -> Result<Decision, Unfit> {
        if self.statement.guards.tenant {
            self.require_known_key()?;
        }
        let answer = session.run_afresh(&self.statement.sql, self.values())?;
        if answer.affected_rows != builder::EXPECTED_ROW_COUNT {
            return Err(multi_row().into());
        }
        session.settle()?;
        self.require_inserted_tenant(session, answer.last_insert_id)?;
        Ok(Decision::applied(None))
    }

    /// The new row is looked at by its primary key, which has to be given, or numbered by the server.
    fn require_known_key(&self) -> Result<(), Unfit> {
        let target = &self.target;
        let mut unknown = target.primary_key.is_empty().then_some("its primary key");
        for name in &target.primary_key {
            let is_known = target.column(name)?.is_auto_increment || self.written(name).is_some();
            unknown = unknown.or((!is_known).then_some(name));
        }
        let Some(unknown) = unknown else {
            return Ok(());
        };
        let why = format!("without {unknown}, nobody can tell whose the inserted row is");
        Err(Refusal::of(Code::TargetUnsupported, why).into())
    }

    /// A trigger could have given the new row to another tenant.
    fn require_inserted_tenant(&self, session: &mut Session, given_id: u64) -> Result<(), Unfit> {
        let Some(tenant) = self
            .statement
            .tenant_column
            .filter(|_| self.statement.guards.tenant)
        else {
            return Ok(());
        };
        let mut key = Vec::new();
        for name in &self.target.primary_key {
            let written = self.written(name);
            let value = match written {
                Some(typed) => typed.parameter.clone(),
                None => match given_id {
                    0 => return Err(changed(name).into()),
                    id => Value::from(id),
                },
            };
            key.push((name.as_str(), value));
        }
        let expected = self.written(tenant).ok_or_else(|| changed(tenant))?;
        if row::holds(session, &self.target, &key, tenant, &expected.exact)? {
            Ok(())
        } else {
            Err(changed(tenant).into())
        }
    }

    fn written(&self, column: &str) -> Option<&Typed> {
        let mut pairs = self.statement.params.iter().zip(&self.typed);
        let is_it = |(param, _): &(&Param<'_>, &Typed)| {
            param.role == Role::Written && param.column.eq_ignore_ascii_case(column)
        };
        pairs.find(is_it).map(|(_, typed)| typed)
    }

    fn change(&self, session: &mut Session, settings: &ApplySettings) -> Result<Decision, Unfit> {
        let mut look = Look::of(self);
        let decision = self.change_between(session, &mut look, settings);
        let closed = look.close(session);
        let decision = decision?;
        closed?;
        Ok(decision)
    }

    /// Runs the statement between two looks at the row.
    fn change_between(
        &self,
        session: &mut Session,
        look: &mut Look<'_>,
        settings: &ApplySettings,
    ) -> Result<Decision, Unfit> {
        match look.find(session)? {
            Found::One { conflicts: false } => {}
            Found::One { conflicts: true } => {
                return Ok(Decision::conflict(ConflictReason::ConflictValueChanged));
            }
            Found::None => return Ok(Decision::conflict(ConflictReason::RowNotFound)),
            Found::Many => return Err(multi_row().into()),
        }
        let place = self.place();
        let cascades = match settings.allow_cascade {
            true => Cascades::default(),
            false => Cascades::before(session, &place)?,
        };
        let answer = session.run_afresh(&self.statement.sql, self.values())?;
        match answer.affected_rows {
            0 => return Ok(Decision::conflict(ConflictReason::RowNotChanged)),
            builder::EXPECTED_ROW_COUNT => {}
            _ => return Err(multi_row().into()),
        }
        session.settle()?;
        if self.statement.operation == Operation::Delete {
            return Ok(Decision::applied(None));
        }
        let guard_advanced = self.look_again(session, look, settings)?;
        cascades.require_unchanged(session, &place)?;
        Ok(Decision::applied(guard_advanced))
    }

    /// A trigger could have given the row another key, or to another tenant. Whether the conflict column has another value since, where
    /// it guards; it is advanced where the settings say so.
    fn look_again(
        &self,
        session: &mut Session,
        look: &mut Look<'_>,
        settings: &ApplySettings,
    ) -> Result<Option<bool>, Unfit> {
        let has_guard = self.statement.guards.conflict;
        let mut advanced = require_row(session, look)?;
        if has_guard && !advanced && settings.advance_guard {
            advance::advance(session, self)?;
            session.settle()?;
            advanced = require_row(session, look)?;
        }
        Ok(has_guard.then_some(advanced))
    }
}

/// The row is still there; whether its conflict column has another value.
fn require_row(session: &mut Session, look: &mut Look<'_>) -> Result<bool, Unfit> {
    match look.find(session)? {
        Found::One { conflicts } => Ok(conflicts),
        _ => Err(Refusal::from(Code::GuardedColumnChanged).into()),
    }
}

fn multi_row() -> Failure {
    Code::MultiRowBlocked.into()
}

fn changed(column: &str) -> Refusal {
    Refusal::of(Code::GuardedColumnChanged, column)
}

impl From<Failure> for Unfit {
    fn from(failure: Failure) -> Self {
        Unfit::Failed(failure)
    }
}
