//! Applying one proposal, in the transaction under way: check, build, look at the row, run the statement, look again. What becomes
//! of it is a value; only the loss of the connection is an error.

mod advance;
mod columns;
mod failure;
mod row;
mod run;
mod size;
mod step;

use std::rc::Rc;

use synapsor_core::builder::{self, Statement};
use synapsor_core::decision::Decision;
use synapsor_core::failure::Failure;
use synapsor_core::proposal::Proposal;
use synapsor_core::refusal::{Code, Refusal};

use crate::database::{DatabaseError, Session};
use crate::settings::ApplySettings;
use crate::target::{Cascades, Pinned, Target, Targets, Unfit};
use crate::value::Typed;
pub use columns::Columns;
pub use failure::of_lost_connection;

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
    /// met a conflict. Its target may be pinned already.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn apply(
        &mut self,
        session: &mut Session,
        proposal: &Proposal,
        pinned: Option<Pinned>,
    ) -> Result<Decision, DatabaseError> {
        if let Some(error) = pinned.as_ref().and_then(Pinned::loss) {
            return Err(error);
        }
        let statement = match builder::build(proposal) {
            Ok(statement) => statement,
            Err(refusal) => return Ok(Decision::failed(refusal.into())),
        };
        let guards = statement.guards;
        if let Err(refusal) = self.settings.policy.check(&statement) {
            return Ok(Decision::failed(refusal.into()).with_guards(guards));
        }
        self.bind_tenant(session, Some(proposal))?;
        let decision = match self.prepare(session, statement, pinned) {
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
        pinned: Option<Pinned>,
    ) -> Result<Prepared<'p>, Unfit> {
        let targets = &mut self.targets;
        let target = targets.load(session, &statement, self.ledger_schema, pinned)?;
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
        let prepared = self.prepare(session, statement, None)?;
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
