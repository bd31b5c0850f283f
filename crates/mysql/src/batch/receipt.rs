//! One proposal and its receipt: claimed, decided and committed in one transaction; and what is done when that does not go well.

use serde_json::json;
use synapsor_core::builder;
use synapsor_core::decision::Decision;
use synapsor_core::judgement::{Retry, Subject, Verdict};
use synapsor_core::ledger::{Circumstances, Entry, Row};
use synapsor_core::outcome::Status;
use synapsor_crash_points::Point;

use super::Batch;
use crate::apply::{Applier, of_lost_connection};
use crate::database::DatabaseError;
use crate::error::Error;
use crate::output::Level;
use crate::target::Pinned;

/// Errors of the ledger while another instance is at the same receipt: a lock wait time-out, a deadlock.
const ELSEWHERE: [u16; 2] = [1205, 1213];

/// What became of a receipt.
pub(super) enum Receipt {
    /// The row was committed (or would have been, in a dry run).
    Written(Box<Row>),
    /// Somebody else had decided it.
    Known(Entry),
    /// Another instance is at it.
    Elsewhere,
    /// The ledger refuses it: why. The proposal stays approved.
    Unrecorded(String),
}

/// What came of claiming a receipt.
enum Claim {
    /// It is ours until the transaction ends; what was known of it, and its target, if it names one.
    Ours(Option<Entry>, Option<Pinned>),
    /// There is nothing to try.
    Known(Entry),
    /// Another session has it.
    Elsewhere,
}

/// An outcome that is still to be recorded.
pub(super) struct Late {
    before: Option<Entry>,
    row: Row,
}

/// What became of a transaction whose commit got no good answer.
enum Fate {
    /// It was committed.
    Committed,
    /// It was not, and somebody else has decided the receipt since.
    Overtaken(Entry),
    /// It was not; what the ledger knows of the receipt.
    Undone(Option<Entry>),
}

impl Batch<'_> {
    /// Tries a subject: receipt first, then the change, then the outcome, in one transaction.
    pub(super) fn try_it(
        &mut self,
        source_id: &str,
        retry: Retry,
        subject: &Subject<'_>,
        is_again: bool,
    ) -> Result<Receipt, Error> {
        let tried = match self.claim(subject, retry, is_again) {
            Ok(Claim::Ours(before, pinned)) => self.attempt(source_id, subject, before, pinned),
            Ok(Claim::Known(entry)) => return Ok(Receipt::Known(entry)),
            Ok(Claim::Elsewhere) => return self.elsewhere(),
            Err(error) => Err(error),
        };
        self.waits = 0;
        match tried {
            Ok(receipt) => {
                self.clean_up();
                Ok(receipt)
            }
            // The transaction whose commit got no answer is still alive: it is settled at the next poll.
            Err(Error::Database(error)) if is_elsewhere(&error) => {
                self.session = None;
                Ok(Receipt::Elsewhere)
            }
            Err(error) => {
                self.session = None;
                Err(error)
            }
        }
    }

    /// Code on a target's table can have left something in the session: nothing of it is to reach the next proposal.
    fn clean_up(&mut self) {
        if let Some(session) = &mut self.session
            && session.reset().is_err()
        {
            self.session = None;
        }
    }

    /// Begins a transaction with the receipt of a subject in it, and pins its target.
    fn claim(
        &mut self,
        subject: &Subject<'_>,
        retry: Retry,
        is_again: bool,
    ) -> Result<Claim, Error> {
        let ledger = self.ledger;
        let session = self.session()?;
        session.reach(Point::BeforeClaim)?;
        let key = (subject.key, subject.proposal_id, subject.digest.as_str());
        let statement = subject
            .content
            .as_ref()
            .ok()
            .and_then(|p| builder::build(p).ok());
        let pinning =
            statement.and_then(|statement| Pinned::statements(&statement, ledger.schema()));
        let then = pinning.as_ref().map_or(&[][..], |pinning| pinning);
        let claimed = ledger.claim(session, key, then)?;
        let before = match claimed.before {
            Err(Error::Database(error)) if is_elsewhere(&error) => {
                self.roll_back();
                return Ok(Claim::Elsewhere);
            }
            before => before?,
        };
        session.reach(Point::AfterClaim)?;
        if subject.judge(before.as_ref(), retry, is_again) == Verdict::Try {
            let pinned = pinning.map(|_| Pinned::of(claimed.then));
            return Ok(Claim::Ours(before, pinned));
        }
        session.rollback()?;
        let entry = before.ok_or(DatabaseError::Unexpected)?;
        Ok(Claim::Known(entry))
    }

    /// Somebody is at the receipt. When that goes on, receipt after receipt, the ledger itself may be locked: then nobody is to wait
    /// for each of a thousand.
    fn elsewhere(&mut self) -> Result<Receipt, Error> {
        const MANY: usize = 3;
        self.waits += 1;
        if self.waits >= MANY {
            self.waits = 0;
            let ledger = self.ledger;
            let session = self.session()?;
            let probe = ledger.claim(session, ("synapsor probe", "synapsor probe", ""), &[])?;
            self.roll_back();
            probe.before?;
        }
        Ok(Receipt::Elsewhere)
    }

    fn attempt(
        &mut self,
        source_id: &str,
        subject: &Subject<'_>,
        before: Option<Entry>,
        pinned: Option<Pinned>,
    ) -> Result<Receipt, Error> {
        let decision = self.decide_now(subject, pinned)?;
        let row = self.row(source_id, subject, before.as_ref(), decision);
        if self.settings.dry_run {
            self.roll_back();
            return Ok(Receipt::Written(Box::new(row)));
        }
        let keeps_effects = matches!(row.status, Status::Applied | Status::Conflict);
        let recorded = if keeps_effects {
            self.commit(subject, row)
        } else {
            self.roll_back();
            self.record(before.as_ref(), row)
        };
        recorded.or_else(|error| self.record_trouble(source_id, subject, before.as_ref(), error))
    }

    /// The decision on a subject whose receipt we have.
    fn decide_now(
        &mut self,
        subject: &Subject<'_>,
        pinned: Option<Pinned>,
    ) -> Result<Decision, Error> {
        let mut applier = Applier {
            settings: &self.settings.applying,
            ledger_schema: self.ledger.schema(),
            targets: &mut self.targets,
        };
        let session = self.session.as_mut().ok_or(DatabaseError::Unexpected)?;
        let decided = match subject.content {
            Ok(proposal) => applier.apply(session, proposal, pinned),
            Err(bad) => Ok(Decision::failed(bad.refusal.clone().into())),
        };
        match decided {
            Ok(decision) => Ok(decision),
            // Asked to stop: the proposal stays as it was.
            Err(DatabaseError::Stopped) => Err(DatabaseError::Stopped.into()),
            Err(error) => {
                // The connection went, with the transaction. Nobody knows whether the proposal is to blame: it counts as an attempt.
                self.session = None;
                Ok(Decision::failed(of_lost_connection(&error)))
            }
        }
    }

    /// The ledger refused an outcome: code on the target's table can have spoilt the session for it. Another session records that it
    /// failed; when that is refused too, only this proposal is passed by, unless it is the server's own trouble (it is read-only).
    fn record_trouble(
        &mut self,
        source_id: &str,
        subject: &Subject<'_>,
        before: Option<&Entry>,
        error: Error,
    ) -> Result<Receipt, Error> {
        let Some(trouble) = refused_by_ledger(&error) else {
            return Err(error);
        };
        self.session = None;
        let decision = Decision::failed(of_lost_connection(&trouble));
        let row = self.row(source_id, subject, before, decision);
        match self.record(before, row) {
            Err(error) if refused_by_ledger(&error).is_some_and(|e| !e.is_transient()) => {
                self.session = None;
                Ok(Receipt::Unrecorded(error.to_string()))
            }
            recorded => recorded,
        }
    }

    fn row(
        &self,
        source_id: &str,
        subject: &Subject<'_>,
        before: Option<&Entry>,
        decision: Decision,
    ) -> Row {
        let circumstances = Circumstances {
            source_id,
            applied_as: &self.user,
            max_attempts: self.settings.applying.max_attempts,
            random: fastrand::f64(),
        };
        Row::of(subject, before, decision, circumstances)
    }

    /// Writes the outcome and commits it together with the change.
    fn commit(&mut self, subject: &Subject<'_>, row: Row) -> Result<Receipt, Error> {
        let ledger = self.ledger;
        let session = self.session()?;
        session.reach(Point::BeforeLedger)?;
        ledger.write(session, &row)?;
        session.reach(Point::AfterLedger)?;
        let Err(error) = session.commit() else {
            return Ok(Receipt::Written(Box::new(row)));
        };
        match self.settle(subject.key, &row)? {
            Fate::Committed => Ok(Receipt::Written(Box::new(row))),
            Fate::Overtaken(entry) => Ok(Receipt::Known(entry)),
            Fate::Undone(before) => {
                let decision = Decision::failed(of_lost_connection(&error)).with_guards(row.guards);
                let source_id = row.source_id.unwrap_or_default();
                let row = self.row(&source_id, subject, before.as_ref(), decision);
                self.record(before.as_ref(), row)
            }
        }
    }

    /// The answer to a row's commit was lost, or is an error. Whether it happened, the receipt says; it is never guessed.
    fn settle(&mut self, key: &str, row: &Row) -> Result<Fate, Error> {
        self.session = None;
        let ledger = self.ledger;
        let found = ledger.settle(self.session()?, key)?;
        let is_it = |entry: &Entry| {
            entry.status == row.status
                && entry.digest == row.digest
                && entry.attempts == row.attempts
        };
        match found {
            Some(entry) if is_it(&entry) => {
                self.output.event(
                    Level::Info,
                    "the answer to a commit was lost; its receipt says that it happened",
                    json!({ "proposal_id": row.proposal_id }),
                );
                Ok(Fate::Committed)
            }
            Some(entry) if entry.status.is_final() => Ok(Fate::Overtaken(entry)),
            before => Ok(Fate::Undone(before)),
        }
    }

    /// Records an outcome without a change, in a transaction of its own. What somebody else has decided meanwhile stays. While the
    /// server still holds the receipt for a session of ours that is lost, the outcome is kept for later.
    fn record(&mut self, before: Option<&Entry>, row: Row) -> Result<Receipt, Error> {
        match self.record_now(before, &row) {
            Err(Error::Database(error)) if is_elsewhere(&error) => {
                self.roll_back();
                let late = Late {
                    before: before.cloned(),
                    row: row.clone(),
                };
                self.late.push(late);
                Ok(Receipt::Written(Box::new(row)))
            }
            recorded => recorded,
        }
    }

    /// Records what could not be recorded before.
    pub fn catch_up(&mut self) -> Result<(), Error> {
        for late in std::mem::take(&mut self.late) {
            self.record(late.before.as_ref(), late.row)?;
        }
        Ok(())
    }

    fn record_now(&mut self, before: Option<&Entry>, row: &Row) -> Result<Receipt, Error> {
        let ledger = self.ledger;
        let session = self.session()?;
        let claimed = ledger.claim(session, (&row.key, &row.proposal_id, &row.digest), &[])?;
        let now = claimed.before?;
        let is_same = match (&now, before) {
            (None, None) => true,
            (Some(now), Some(before)) => {
                now.digest == before.digest
                    && now.status == before.status
                    && now.attempts == before.attempts
            }
            _ => false,
        };
        if !is_same {
            session.rollback()?;
            return Ok(now.map_or(Receipt::Elsewhere, Receipt::Known));
        }
        ledger.write(session, row)?;
        let Err(error) = session.commit() else {
            return Ok(Receipt::Written(Box::new(row.clone())));
        };
        match self.settle(&row.key, row)? {
            Fate::Committed => Ok(Receipt::Written(Box::new(row.clone()))),
            Fate::Overtaken(entry) => Ok(Receipt::Known(entry)),
            Fate::Undone(_) => Err(error.into()),
        }
    }

    /// Ends the transaction under way; a session that can't is given up, and the server rolls back for it.
    fn roll_back(&mut self) {
        if let Some(session) = &mut self.session
            && session.rollback().is_err()
        {
            self.session = None;
        }
    }
}

/// The server's refusal of a statement on the ledger; `None` for trouble that is not this proposal's.
fn refused_by_ledger(error: &Error) -> Option<DatabaseError> {
    match error {
        Error::Database(error @ DatabaseError::Server(told)) => {
            (!told.is_lost() && !is_elsewhere(error)).then(|| error.clone())
        }
        _ => None,
    }
}

/// Also a wait that took all the time of a statement.
fn is_elsewhere(error: &DatabaseError) -> bool {
    let is_lock = |errno| ELSEWHERE.contains(&errno);
    matches!(error, DatabaseError::TimedOut) || error.errno().is_some_and(is_lock)
}
