//! Applying one proposal: check, build, and run its statement in a subtransaction, as the apply role. What becomes of
//! it is a value; only a cancel, a shutdown or a bug ends the caller's transaction.

mod aftermath;
mod capture;
mod cascade;
mod environment;
pub mod failure;
pub mod look;
mod prepared;
pub mod role;
mod shown;
mod statement;
mod target;
mod value;
pub mod watch;

use std::cell::{Cell, RefCell};

use synapsor_core::builder;
pub use synapsor_core::decision::Decision;
use synapsor_core::proposal::Proposal;

use crate::pg::error::PgError;
use crate::pg::guc_scope::GucScope;
use crate::pg::subtransaction::{self, Ending};
use crate::pg::time_limit::TimeLimit;
use crate::pg::triggers;
use crate::settings::ApplySettings;

pub use capture::Captured;
pub use failure::Failure;
pub use role::ApplyRole;
use watch::Watch;

/// Applies proposals under the same settings and as the same role.
pub struct Applier<'a> {
    /// How.
    pub settings: &'a ApplySettings,
    /// As whom.
    pub role: &'a ApplyRole,
    /// Try it and undo it.
    pub dry_run: bool,
    /// Who is told of it.
    pub watch: &'a dyn Watch,
}

impl Applier<'_> {
    /// Raises an error when a setting itself is no good, which must not be laid at the door of a proposal.
    pub fn check_settings(&self) {
        let _role = self.role.assume();
        environment::check(self.settings);
    }

    /// Begins to apply proposals, in the environment that all have in common.
    pub fn begin(&self) -> Applying<'_> {
        Applying {
            applier: self,
            _environment: environment::of_all(self.settings),
            captured: RefCell::default(),
        }
    }
}

/// Proposals being applied. Meanwhile the session has the settings that they need.
pub struct Applying<'a> {
    applier: &'a Applier<'a>,
    _environment: GucScope,
    captured: RefCell<Option<Captured>>,
}

impl Applying<'_> {
    /// Applies one proposal. Its effects, if any, belong to the current transaction.
    pub fn apply(&self, proposal: &Proposal) -> Decision {
        let (key, watch) = (proposal.key(), self.applier.watch);
        if let Some(failure) = key.and_then(|key| watch.objection(key)) {
            return Decision::failed(failure);
        }
        self.captured.take();
        watch.trying(key);
        let decision = self.try_it(proposal);
        watch.trying(None);
        decision
    }

    /// What was captured of the last proposal, where it was applied and `synapsor.capture` is on.
    pub fn take_captured(&self) -> Option<Captured> {
        self.captured.take()
    }

    fn try_it(&self, proposal: &Proposal) -> Decision {
        let statement = match builder::build(proposal) {
            Ok(statement) => statement,
            Err(refusal) => return Decision::failed(refusal.into()),
        };
        let guards = statement.guards;
        if let Err(refusal) = self.applier.settings.policy.check(&statement) {
            return Decision::failed(refusal.into()).with_guards(guards);
        }
        let decision = match self.run_captured(&statement, proposal) {
            Ok(done) => {
                self.captured.replace(done.captured);
                Decision::applied(done.guard_advanced)
            }
            Err(statement::NotApplied::Conflict(reason)) => Decision::conflict(reason),
            Err(statement::NotApplied::Failed(failure)) => Decision::failed(failure),
        };
        decision.with_guards(guards)
    }

    /// Runs it, and captures its row where that is asked for. Should what is returned for that be too much for Postgres, or a
    /// type's code fail, it is run without.
    fn run_captured(
        &self,
        statement: &builder::Statement<'_>,
        proposal: &Proposal,
    ) -> Result<statement::Done, statement::NotApplied> {
        let settings = self.applier.settings;
        match self.run(statement, proposal, settings) {
            Err(statement::NotApplied::Failed(failure))
                if settings.capture
                    && statement.operation != builder::Operation::Update
                    && failure.sqlstate.is_some()
                    && !failure.is_transient =>
            {
                let uncaptured = ApplySettings {
                    capture: false,
                    ..settings.clone()
                };
                self.run(statement, proposal, &uncaptured)
            }
            ran => ran,
        }
    }

    fn run(
        &self,
        statement: &builder::Statement<'_>,
        proposal: &Proposal,
        settings: &ApplySettings,
    ) -> Result<statement::Done, statement::NotApplied> {
        let Applier {
            settings: _,
            role,
            dry_run,
            watch,
        } = *self.applier;
        // Which column's value is being read, for the errors of input functions, which do not name it.
        let column_at_work = Cell::new(None);
        let work = || {
            let _environment = environment::of_one(settings, proposal);
            // Constraints are immediate for every proposal, the first of a transaction as the later ones.
            triggers::fire_deferred();
            let _role = role.assume();
            let limit = TimeLimit::start(settings.statement_timeout);
            watch.before(statement);
            let result = statement::execute(statement, settings, &column_at_work);
            if result.is_ok() {
                watch.after(statement);
            }
            limit.finish();
            match result {
                Ok(done) if !dry_run => Ending::Keep(Ok(done)),
                other => Ending::Undo(other),
            }
        };
        let is_our_limit = |error: &PgError| error.sqlstate == "57014" && TimeLimit::expired();
        let ran = subtransaction::run(work, is_our_limit);
        ran.unwrap_or_else(|error| {
            let column = column_at_work.get().and_then(|n| statement.params.get(n));
            let column = column.map(|param| param.column.to_owned());
            let is_our_limit = is_our_limit(&error);
            let mut failure = failure::of_error(error, column);
            if is_our_limit {
                // Postgres says "due to user request", which would send people looking for that user.
                let limit = settings.statement_timeout;
                failure.detail = Some(format!("synapsor.statement_timeout ({limit} ms) ran out"));
            }
            Err(statement::NotApplied::Failed(failure))
        })
    }
}
