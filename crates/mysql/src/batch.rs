//! Listed proposals, one after the other: each held against the ledger, and decided in one transaction with its receipt.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use synapsor_core::decision::Decision;
use synapsor_core::judgement::{self, Retry, Sorted, Subject, Verdict};
use synapsor_core::ledger::{Circumstances, Entry, Row};
use synapsor_core::listed::Listed;
use synapsor_core::outcome::Status;
use synapsor_core::results;

use crate::apply::{Applier, of_lost_connection};
use crate::database::{Database, DatabaseError, Session};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::output::{Level, Output};
use crate::settings::Settings;
use crate::target::Targets;

/// Errors of the ledger while another instance is at the same receipt: a lock wait time-out, a deadlock.
const ELSEWHERE: [u16; 2] = [1205, 1213];

/// Works through listed proposals. One session, which is replaced when it is lost.
pub struct Batch<'a> {
    database: &'a Database,
    settings: &'a Settings,
    ledger: &'a Ledger,
    output: Output,
    session: Option<Session>,
    targets: Targets,
    /// What was said of elements that stay listed, so that each is said once.
    said: HashSet<String>,
}

/// What became of a receipt.
enum Receipt {
    /// The row was committed (or would have been, in a dry run).
    Written(Box<Row>),
    /// Somebody else had decided it.
    Known(Entry),
    /// Another instance is at it.
    Elsewhere,
}

impl<'a> Batch<'a> {
    /// Nothing is opened yet.
    pub fn new(
        database: &'a Database,
        settings: &'a Settings,
        ledger: &'a Ledger,
        output: Output,
    ) -> Self {
        Batch {
            database,
            settings,
            ledger,
            output,
            session: None,
            targets: Targets::default(),
            said: HashSet::new(),
        }
    }

    /// The session: the one that is open, else a new one.
    pub fn session(&mut self) -> Result<&mut Session, Error> {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.database.connect()?,
        };
        Ok(self.session.insert(session))
    }

    /// Forgets the session after an error that has ended it.
    pub fn after<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(Error::Database(error)) = &result
            && error.is_lost()
        {
            self.session = None;
        }
        result
    }

    /// Decides each element, and hands its result to `witness`, which says whether to go on.
    ///
    /// # Errors
    /// The database can't go on. What was decided is committed; the rest stays approved.
    pub fn run(
        &mut self,
        source_id: &str,
        retry: Retry,
        listed: &[Listed],
        mut witness: impl FnMut(Value) -> bool,
    ) -> Result<(), Error> {
        let keys: Vec<_> = listed.iter().filter_map(judgement::key).collect();
        let ledger = self.ledger;
        let known = self
            .session()
            .and_then(|session| ledger.look_up(session, &keys));
        let known = self.after(known)?;
        let mut tried = HashSet::new();
        for element in listed {
            let result = self.decide(source_id, retry, element, &known, &mut tried);
            let result = self.after(result)?;
            if !witness(result) {
                break;
            }
        }
        Ok(())
    }

    fn decide<'p>(
        &mut self,
        source_id: &str,
        retry: Retry,
        element: &'p Listed,
        known: &HashMap<String, Entry>,
        tried: &mut HashSet<&'p str>,
    ) -> Result<Value, Error> {
        let subject = match judgement::sort(element) {
            Sorted::Subject(subject) => subject,
            Sorted::NotOurs(field) => {
                return Ok(results::skipped(element, &format!("not ours: {field}")));
            }
            Sorted::Unusable { error, digest } => {
                self.say_once(
                    &digest,
                    "a listed proposal has no usable id and can't be reported",
                    &error,
                );
                return Ok(results::unusable(&error));
            }
        };
        // What was decided a moment ago is looked up again, under its lock.
        let before = known
            .get(subject.key)
            .filter(|_| !tried.contains(subject.key));
        if let Some(result) = self.without_trying(&subject, before, retry)? {
            return Ok(result);
        }
        let is_again = !tried.insert(subject.key);
        match self.try_it(source_id, retry, &subject, is_again)? {
            Receipt::Written(row) => Ok(results::decided(&row)),
            Receipt::Elsewhere => Ok(results::skipped(element, "another session is at it")),
            Receipt::Known(entry) => {
                let result = self.without_trying(&subject, Some(&entry), Retry::Due)?;
                Ok(result.unwrap_or_else(|| results::recorded(&subject, &entry)))
            }
        }
    }

    /// The result of a subject that is not to be tried, by what is known of it; `None` where it is.
    fn without_trying(
        &mut self,
        subject: &Subject<'_>,
        known: Option<&Entry>,
        retry: Retry,
    ) -> Result<Option<Value>, Error> {
        let verdict = subject.judge(known, retry, false);
        let (Some(entry), false) = (known, verdict == Verdict::Try) else {
            return Ok(None);
        };
        match verdict {
            Verdict::Mismatch => {
                let what = format!("{} {}", subject.proposal_id, subject.digest);
                self.say_once(
                    &what,
                    "a proposal has the key of one with another content, and is left alone",
                    subject.proposal_id,
                );
                return Ok(Some(results::mismatch(subject)));
            }
            Verdict::Decided { report_again: true } if !self.settings.dry_run => {
                let (ledger, again) = (self.ledger, subject.again());
                ledger.report_again(self.session()?, &[again])?;
            }
            _ => {}
        }
        Ok(Some(results::recorded(subject, entry)))
    }

    /// Tries a subject: receipt first, then the change, then the outcome, in one transaction.
    fn try_it(
        &mut self,
        source_id: &str,
        retry: Retry,
        subject: &Subject<'_>,
        is_again: bool,
    ) -> Result<Receipt, Error> {
        let tried = self.attempt(source_id, retry, subject, is_again);
        match tried {
            Err(Error::Database(error)) if is_elsewhere(&error) => {
                self.roll_back();
                Ok(Receipt::Elsewhere)
            }
            other => {
                if other.is_err() {
                    self.session = None;
                }
                other
            }
        }
    }

    fn attempt(
        &mut self,
        source_id: &str,
        retry: Retry,
        subject: &Subject<'_>,
        is_again: bool,
    ) -> Result<Receipt, Error> {
        let (ledger, settings) = (self.ledger, self.settings);
        self.session()?;
        let session = self.session.as_mut().ok_or(DatabaseError::Unexpected)?;
        let mut applier = Applier {
            settings: &settings.applying,
            ledger_schema: ledger.schema(),
            targets: &mut self.targets,
        };
        session.begin()?;
        let before = ledger.claim(session, subject)?;
        if subject.judge(before.as_ref(), retry, is_again) != Verdict::Try {
            session.rollback()?;
            return before
                .map(Receipt::Known)
                .ok_or(Error::Database(DatabaseError::Unexpected));
        }
        let decided = match subject.content {
            Ok(proposal) => applier.apply(session, proposal),
            Err(bad) => Ok(Decision::failed(bad.refusal.clone().into())),
        };
        let decision = match decided {
            Ok(decision) => decision,
            // Asked to stop: the proposal stays as it was.
            Err(DatabaseError::Stopped) => return Err(DatabaseError::Stopped.into()),
            Err(error) => {
                // The connection went, with the transaction. Nobody knows whether the proposal is to blame: it counts as an attempt.
                self.session = None;
                Decision::failed(of_lost_connection(&error))
            }
        };
        let row = self.row(source_id, subject, before.as_ref(), decision);
        if settings.dry_run {
            self.roll_back();
            return Ok(Receipt::Written(Box::new(row)));
        }
        let keeps_effects = matches!(row.status, Status::Applied | Status::Conflict);
        if keeps_effects {
            self.commit(subject, row)
        } else {
            self.roll_back();
            self.record(subject, before.as_ref(), row)
        }
    }

    fn row(
        &mut self,
        source_id: &str,
        subject: &Subject<'_>,
        before: Option<&Entry>,
        decision: Decision,
    ) -> Row {
        let user = self
            .session
            .as_ref()
            .map_or_else(String::new, |session| session.user().to_owned());
        let circumstances = Circumstances {
            source_id,
            applied_as: &user,
            max_attempts: self.settings.applying.max_attempts,
            random: fastrand::f64(),
        };
        Row::of(subject, before, decision, circumstances)
    }

    /// Writes the outcome and commits it together with the change.
    fn commit(&mut self, subject: &Subject<'_>, row: Row) -> Result<Receipt, Error> {
        let ledger = self.ledger;
        let session = self.session()?;
        ledger.write(session, &row)?;
        match session.commit() {
            Ok(()) => Ok(Receipt::Written(Box::new(row))),
            Err(error) => self.settle(subject, row, error),
        }
    }

    /// The answer to a commit was lost, or is an error. Whether it happened, the receipt says; it is never guessed.
    fn settle(
        &mut self,
        subject: &Subject<'_>,
        row: Row,
        error: DatabaseError,
    ) -> Result<Receipt, Error> {
        self.session = None;
        let ledger = self.ledger;
        let found = ledger.settle(self.session()?, subject.key)?;
        match found {
            Some(entry) if entry.status == row.status && entry.digest == row.digest => {
                self.output.event(
                    Level::Info,
                    "the answer to a commit was lost; its receipt says that it happened",
                    json!({ "proposal_id": row.proposal_id }),
                );
                Ok(Receipt::Written(Box::new(row)))
            }
            Some(entry) if entry.status.is_final() => Ok(Receipt::Known(entry)),
            before => {
                let decision = Decision::failed(of_lost_connection(&error)).with_guards(row.guards);
                let source_id = row.source_id.unwrap_or_default();
                let row = self.row(&source_id, subject, before.as_ref(), decision);
                self.record(subject, before.as_ref(), row)
            }
        }
    }

    /// Records an outcome without a change, in a transaction of its own. What somebody else has decided meanwhile stays.
    fn record(
        &mut self,
        subject: &Subject<'_>,
        before: Option<&Entry>,
        row: Row,
    ) -> Result<Receipt, Error> {
        let ledger = self.ledger;
        let session = self.session()?;
        session.begin()?;
        let now = ledger.claim(session, subject)?;
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
        ledger.write(session, &row)?;
        session.commit()?;
        Ok(Receipt::Written(Box::new(row)))
    }

    /// Ends the transaction under way; a session that can't is given up, and the server rolls back for it.
    fn roll_back(&mut self) {
        if let Some(session) = &mut self.session
            && session.rollback().is_err()
        {
            self.session = None;
        }
    }

    fn say_once(&mut self, what: &str, event: &str, about: &str) {
        const MOST: usize = 1_000;
        if self.said.len() < MOST && self.said.insert(what.to_owned()) {
            self.output
                .event(Level::Warning, event, json!({ "about": about }));
        }
    }
}

fn is_elsewhere(error: &DatabaseError) -> bool {
    error
        .errno()
        .is_some_and(|errno| ELSEWHERE.contains(&errno))
}
