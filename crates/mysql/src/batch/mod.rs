//! Listed proposals, one after the other: each held against the ledger, and decided in one transaction with its receipt.

mod receipt;

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use synapsor_core::judgement::{self, Retry, Sorted, Subject, Verdict};
use synapsor_core::ledger::Entry;
use synapsor_core::listed::Listed;
use synapsor_core::results;

use crate::database::{Database, Session};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::output::{Level, Output};
use crate::settings::Settings;
use crate::target::Targets;
use receipt::{Late, Receipt};

/// Works through listed proposals. One session, which is replaced when it is lost.
pub struct Batch<'a> {
    database: &'a Database,
    settings: &'a Settings,
    ledger: &'a Ledger,
    output: Output,
    session: Option<Session>,
    /// The account of the last session.
    user: String,
    targets: Targets,
    /// Outcomes that are still to be recorded.
    late: Vec<Late>,
    /// Receipts in a row that another session had.
    waits: usize,
    /// What was said of elements that stay listed, so that each is said once.
    said: HashSet<String>,
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
            user: String::new(),
            targets: Targets::default(),
            late: Vec::new(),
            waits: 0,
            said: HashSet::new(),
        }
    }

    /// The session: the one that is open, else a new one.
    pub fn session(&mut self) -> Result<&mut Session, Error> {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.database.connect()?,
        };
        session.user().clone_into(&mut self.user);
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
        self.catch_up()?;
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
            Receipt::Unrecorded(error) => {
                self.say_once(subject.key, "an outcome can't be recorded", &error);
                Ok(results::skipped(
                    element,
                    &format!("can't be recorded: {error}"),
                ))
            }
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

    fn say_once(&mut self, what: &str, event: &str, about: &str) {
        const MOST: usize = 1_000;
        if self.said.len() < MOST && self.said.insert(what.to_owned()) {
            self.output
                .event(Level::Warning, event, json!({ "about": about }));
        }
    }
}
