//! The statement of a proposal between two looks at its row.

use mysql::Row;
use synapsor_core::builder::{self, Operation, Param, Role};
use synapsor_core::decision::Decision;
use synapsor_core::outcome::ConflictReason;
use synapsor_core::refusal::{Code, Refusal};
use synapsor_crash_points::Point;

use super::row::{Found, Look};
use super::{Prepared, advance, changed, multi_row, row, step};
use crate::database::{Broken, DatabaseError, Session, Step};
use crate::settings::ApplySettings;
use crate::target::{Cascades, Listed, Place, Unfit};
use crate::value::Typed;

/// What a statement gave that changed one row.
struct Written {
    /// The id that it gave to the row; 0 where it gave none.
    id: u64,
    /// What the look after it found.
    rows: Vec<Row>,
}

impl Prepared<'_> {
    pub(super) fn execute(
        &self,
        session: &mut Session,
        settings: &ApplySettings,
    ) -> Result<Decision, Unfit> {
        session.reach(Point::BeforeStatement)?;
        let decision = match self.statement.operation {
            Operation::Insert => self.insert(session),
            Operation::Update | Operation::Delete => self.change(session, settings),
        };
        session.reach(Point::AfterStatement)?;
        decision
    }

    pub(super) fn place(&self) -> Place<'_> {
        Place {
            statement: &self.statement,
            typed: &self.typed,
            target: &self.target,
        }
    }

    /// The proposal's own statement.
    fn step(&self) -> Step {
        let values: Vec<&Typed> = self.typed.iter().collect();
        step::of(self.statement.sql.clone(), &values)
    }

    /// Runs a statement and looks again, in one message where all of it is text. `None` where no row matched.
    ///
    /// # Errors
    /// `WRITEBACK_MULTI_ROW_BLOCKED`, those of [`Target::require_uncovered`](crate::target::Target::require_uncovered), and the database's own.
    fn write(
        &self,
        session: &mut Session,
        statement: Step,
        look: Option<Step>,
    ) -> Result<Option<Written>, Unfit> {
        let mut steps = vec![statement, session.settling()];
        let joined = look.clone().filter(|_| self.target.is_shown);
        steps.extend(
            joined
                .into_iter()
                .flat_map(|look| [self.target.showing(), look]),
        );
        let answers = session.take(&steps).map_err(DatabaseError::from)?;
        let mut answers = answers.into_iter();
        let written = answers.next().unwrap_or_default();
        match written.affected_rows {
            0 => return Ok(None),
            builder::EXPECTED_ROW_COUNT => {}
            _ => return Err(multi_row().into()),
        }
        let rows = match (answers.nth(1), answers.next(), look) {
            (Some(shown), Some(found), _) => {
                self.target.require_uncovered(&shown)?;
                found.rows
            }
            (_, _, Some(look)) => self.look(session, look)?,
            (_, _, None) => Vec::new(),
        };
        Ok(Some(Written {
            id: written.last_insert_id,
            rows,
        }))
    }

    fn insert(&self, session: &mut Session) -> Result<Decision, Unfit> {
        let tenant = self.statement.tenant_column;
        let tenant = tenant.filter(|_| self.statement.guards.tenant);
        if tenant.is_some() {
            self.require_known_key()?;
        }
        // A key that the server numbers is known afterwards.
        let look = match tenant {
            Some(tenant) => self.look_at_inserted(tenant, None)?,
            None => None,
        };
        let is_looked_at = look.is_some();
        let written = self.write(session, self.step(), look)?;
        let mut written = written.ok_or_else(multi_row)?;
        let Some(tenant) = tenant else {
            return Ok(Decision::applied(None));
        };
        let expected = self.written(tenant).ok_or_else(|| changed(tenant))?;
        if !is_looked_at {
            let look = self.look_at_inserted(tenant, Some(written.id))?;
            written.rows = self.look(session, look.ok_or_else(|| changed(tenant))?)?;
        }
        // A trigger could have given the new row to another tenant.
        if !row::holds(&self.target, written.rows, tenant, &expected.exact)? {
            return Err(changed(tenant).into());
        }
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

    /// The look at the new row's tenant, where its key is known.
    fn look_at_inserted(&self, tenant: &str, given_id: Option<u64>) -> Result<Option<Step>, Unfit> {
        let mut key = Vec::new();
        for name in &self.target.primary_key {
            let value = match (self.written(name), given_id) {
                (Some(typed), _) => typed.clone(),
                (None, None) => return Ok(None),
                (None, Some(0)) => return Err(changed(name).into()),
                (None, Some(id)) => Typed::of_number(id),
            };
            key.push((name.as_str(), value));
        }
        row::of_key(&self.target, &key, tenant).map(Some)
    }

    /// Looks after a statement in a message of its own.
    fn look(&self, session: &mut Session, look: Step) -> Result<Vec<Row>, Unfit> {
        match session.take(&[self.target.showing()]) {
            Ok(shown) => shown
                .iter()
                .try_for_each(|shown| self.target.require_uncovered(shown))?,
            // A temporary table is shown to whoever has made it.
            Err(Broken {
                error: DatabaseError::Server(told),
                ..
            }) if !self.target.is_shown && !told.is_transient() => {}
            Err(broken) => return Err(broken.error.into()),
        }
        let answers = session.take(&[look]).map_err(DatabaseError::from)?;
        Ok(answers.into_iter().flat_map(|answer| answer.rows).collect())
    }

    fn written(&self, column: &str) -> Option<&Typed> {
        let mut pairs = self.statement.params.iter().zip(&self.typed);
        let is_it = |(param, _): &(&Param<'_>, &Typed)| {
            param.role == Role::Written && param.column.eq_ignore_ascii_case(column)
        };
        pairs.find(is_it).map(|(_, typed)| typed)
    }

    fn change(&self, session: &mut Session, settings: &ApplySettings) -> Result<Decision, Unfit> {
        let look = Look::of(self)?;
        let (found, listed) = self.find(session, &look, settings)?;
        match found {
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
            false => Cascades::before(session, &place, listed)?,
        };
        let is_delete = self.statement.operation == Operation::Delete;
        let again = (!is_delete).then(|| look.step());
        let Some(written) = self.write(session, self.step(), again)? else {
            return Ok(Decision::conflict(ConflictReason::RowNotChanged));
        };
        if is_delete {
            return Ok(Decision::applied(None));
        }
        let guard_advanced = self.judge(session, &look, written, settings)?;
        cascades.require_unchanged(session, &place)?;
        Ok(Decision::applied(guard_advanced))
    }

    /// Looks at the row, and in the same message at the foreign keys, whose list counts from the moment that the row is locked.
    fn find(
        &self,
        session: &mut Session,
        look: &Look<'_>,
        settings: &ApplySettings,
    ) -> Result<(Found, Option<Listed>), Unfit> {
        let listing = match settings.allow_cascade {
            true => None,
            false => self.place().listing(session.vendor()),
        };
        let steps: Vec<Step> = [look.step()].into_iter().chain(listing).collect();
        let (mut answers, error) = match session.take(&steps) {
            Ok(answers) => (answers, None),
            Err(broken) => (broken.answers, Some(broken.error)),
        };
        if answers.is_empty() {
            let found = look.found(Err(error.unwrap_or(DatabaseError::Unexpected)))?;
            return Ok((found, None));
        }
        let listed = answers.split_off(1).pop();
        let listed = match (listed, error) {
            (_, Some(error)) => Some(Listed::of(Err(error))?),
            (Some(answer), None) => Some(Listed::of(Ok(answer))?),
            (None, None) => None,
        };
        let rows = answers.pop().unwrap_or_default().rows;
        Ok((look.found(Ok(rows))?, listed))
    }

    /// A trigger could have given the row another key, or to another tenant. Whether the conflict column has another value since, where
    /// it guards; it is advanced where the settings say so.
    fn judge(
        &self,
        session: &mut Session,
        look: &Look<'_>,
        written: Written,
        settings: &ApplySettings,
    ) -> Result<Option<bool>, Unfit> {
        let has_guard = self.statement.guards.conflict;
        let mut advanced = require_row(look, written.rows)?;
        if has_guard
            && !advanced
            && settings.advance_guard
            && let Some(advancing) = advance::step(self)?
        {
            let written = self.write(session, advancing, Some(look.step()))?;
            advanced = require_row(look, written.ok_or_else(multi_row)?.rows)?;
        }
        Ok(has_guard.then_some(advanced))
    }
}

/// The row is still there; whether its conflict column has another value.
fn require_row(look: &Look<'_>, rows: Vec<Row>) -> Result<bool, Unfit> {
    match look.found(Ok(rows))? {
        Found::One { conflicts } => Ok(conflicts),
        _ => Err(Refusal::from(Code::GuardedColumnChanged).into()),
    }
}
