//! A batch of listed proposals: hold each against the ledger, apply what is new or due, and write all decisions down.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;
use synapsor_core::judgement::{self, Retry, Sorted, Subject, Verdict, key};
use synapsor_core::ledger::{Again, Circumstances, Entry, Row};
use synapsor_core::listed::Listed;
use synapsor_core::outbox::Owed;
use synapsor_core::outcome::Status;
use synapsor_core::refusal::Code;
use synapsor_core::results;
use synapsor_crash_points::{Defect, Point};

use crate::apply::{Applier, Applying, Captured, Decision, Failure};
use crate::error::ExtensionError;
use crate::ledger::{Ledger, record};
use crate::log;
use crate::pg::crash_point;

/// What a result says of an element that was not come to.
const NOT_TRIED: &str =
    "not tried: others waited too long for locks, and this transaction holds some";

/// What this backend has logged of elements that can't be reported, so that each is logged once.
static LOGGED: Mutex<Option<HashSet<String>>> = Mutex::new(None);
const MAX_LOGGED: usize = 1_000;

/// Works through listed proposals.
pub struct Batch<'a> {
    ledger: &'a Ledger,
    applier: &'a Applier<'a>,
    source_id: &'a str,
    retry: Retry,
    known: HashMap<String, Entry>,
    tried: HashSet<String>,
    /// How many failed for a passing reason.
    retrying: usize,
    rows: Vec<Row>,
    /// What was captured of applied changes, by key.
    captures: Vec<(String, Captured)>,
    again: Vec<Again>,
    results: Vec<Value>,
}

/// What a batch did.
pub struct Done {
    /// One result for each element, in order.
    pub results: Vec<Value>,
    /// Which elements were not come to, in order: they were left for another transaction.
    pub left: Vec<usize>,
    /// The reports of what was decided, to be sent once the transaction has committed.
    pub owed: Vec<Owed>,
    /// True when there are reports to send then: these, or others once more.
    pub owes_reports: bool,
    /// True when the ledger has changed.
    pub has_recorded: bool,
    /// What ended `failed`: the proposal's id and the error, as it is reported.
    pub failed: Vec<(String, String)>,
}

impl<'a> Batch<'a> {
    /// Applies what is to be applied and records it, in the current transaction. The caller holds the lock on applying.
    ///
    /// Once transient failures (waits for locks, above all) have taken longer than `patience`, the rest is left for another
    /// transaction: this one holds the locks on the rows that it has changed meanwhile. What has failed that way before comes
    /// last, so that it can't keep the others from their turn for ever.
    pub fn run(
        ledger: &'a Ledger,
        applier: &'a Applier<'a>,
        source_id: &'a str,
        retry: Retry,
        patience: Duration,
        listed: &[&Listed],
    ) -> Result<Done, ExtensionError> {
        let keys: Vec<String> = listed
            .iter()
            .filter_map(|e| key(e))
            .map(str::to_owned)
            .collect();
        crash_point::reach(Point::BeforeClaim);
        let known = match synapsor_crash_points::is_on(Defect::NoLedgerClaim) {
            false => ledger.look_up(&keys)?,
            true => HashMap::new(),
        };
        crash_point::reach(Point::AfterClaim);
        let mut batch = Batch {
            ledger,
            applier,
            source_id,
            retry,
            known,
            tried: HashSet::new(),
            retrying: 0,
            rows: Vec::new(),
            captures: Vec::new(),
            again: Vec::new(),
            results: not_tried(listed),
        };
        let left = batch.work_through(listed, patience);
        batch.finish(left)
    }

    /// Returns which elements it has not come to.
    fn work_through(&mut self, listed: &[&Listed], patience: Duration) -> Vec<usize> {
        let mut order: Vec<usize> = (0..listed.len()).collect();
        order.sort_by_key(|n| self.has_failed_before(listed[*n]));
        let applying = self.applier.begin();
        let mut wasted = Duration::ZERO;
        let mut done = 0;
        for n in &order {
            pgrx::check_for_interrupts!();
            let (start, retrying) = (Instant::now(), self.retrying);
            self.results[*n] = self.decide(listed[*n], &applying);
            done += 1;
            if self.retrying > retrying {
                wasted += start.elapsed();
                if wasted >= patience {
                    break;
                }
            }
        }
        let mut left = order.split_off(done);
        left.sort_unstable();
        left
    }

    fn has_failed_before(&self, element: &Listed) -> bool {
        let entry = key(element).and_then(|key| self.known.get(key));
        entry.is_some_and(|entry| !entry.status.is_final())
    }

    fn finish(self, left: Vec<usize>) -> Result<Done, ExtensionError> {
        let mut owed = Vec::new();
        if !self.applier.dry_run {
            self.record()?;
            owed.extend(self.rows.iter().filter_map(record::owed));
        }
        let failed = self.rows.iter().filter(|row| row.status == Status::Failed);
        let failed = failed
            .map(|row| {
                (
                    row.proposal_id.clone(),
                    row.error.clone().unwrap_or_default(),
                )
            })
            .collect();
        Ok(Done {
            has_recorded: !(self.applier.dry_run || self.rows.is_empty() && self.again.is_empty()),
            failed,
            results: self.results,
            left,
            owes_reports: !(owed.is_empty() && (self.applier.dry_run || self.again.is_empty())),
            owed,
        })
    }

    fn record(&self) -> Result<(), ExtensionError> {
        if !self.rows.is_empty() {
            crash_point::reach(Point::BeforeLedger);
            self.ledger.record(&self.rows)?;
            self.ledger.keep(&self.captures)?;
            crash_point::reach(Point::AfterLedger);
            crash_point::watch_commit();
        }
        self.ledger.report_again(&self.again)
    }

    fn decide(&mut self, element: &Listed, applying: &Applying<'_>) -> Value {
        let subject = match judgement::sort(element) {
            Sorted::Subject(subject) => subject,
            Sorted::NotOurs(field) => {
                return results::skipped(element, &format!("not ours: {field}"));
            }
            Sorted::Unusable { error, digest } => {
                log_unusable(&error, &digest);
                return results::unusable(&error);
            }
        };
        let known = self.known.get(subject.key).cloned();
        let is_tried = self.tried.contains(subject.key);
        match (subject.judge(known.as_ref(), self.retry, is_tried), &known) {
            (Verdict::Mismatch, _) => {
                log_mismatch(&subject);
                results::mismatch(&subject)
            }
            (Verdict::Decided { report_again }, Some(entry)) => {
                self.again.extend(report_again.then(|| subject.again()));
                results::recorded(&subject, entry)
            }
            (Verdict::NotNow, Some(entry)) => results::recorded(&subject, entry),
            _ => self.try_now(&subject, known.as_ref(), applying),
        }
    }

    fn try_now(
        &mut self,
        subject: &Subject<'_>,
        before: Option<&Entry>,
        applying: &Applying<'_>,
    ) -> Value {
        let decision = match subject.content {
            Ok(proposal) => applying.apply(proposal),
            Err(bad) => Decision::failed(bad.refusal.clone().into()),
        };
        let is_transient = |failure: &Failure| failure.is_transient;
        self.retrying += usize::from(decision.failure.as_ref().is_some_and(is_transient));
        let circumstances = Circumstances {
            source_id: self.source_id,
            applied_as: &self.applier.role.name,
            max_attempts: self.applier.settings.max_attempts,
            random: fastrand::f64(),
        };
        let row = Row::of(subject, before, decision, circumstances);
        let result = results::decided(&row);
        self.known.insert(subject.key.to_owned(), row.entry());
        self.tried.insert(subject.key.to_owned());
        let captured = applying.take_captured();
        self.captures
            .extend(captured.map(|captured| (subject.key.to_owned(), captured)));
        self.rows.push(row);
        result
    }
}

fn not_tried(listed: &[&Listed]) -> Vec<Value> {
    let result = |element: &&Listed| results::skipped(element, NOT_TRIED);
    listed.iter().map(result).collect()
}

/// Nothing is written and nothing is reported; the operator sees it in the results and in the log.
fn log_mismatch(subject: &Subject<'_>) {
    if is_first_time(&format!("{} {}", subject.proposal_id, subject.digest)) {
        log::warn(format_args!(
            "{}: proposal {} has the key of one with another content, and is left alone",
            Code::IdempotencyMismatch,
            subject.proposal_id.escape_debug(),
        ));
    }
}

fn log_unusable(error: &str, digest: &str) {
    if is_first_time(digest) {
        log::warn(format_args!(
            "a listed proposal has no usable id and can't be reported: {error}"
        ));
    }
}

/// True when this backend has not logged it yet.
fn is_first_time(what: &str) -> bool {
    let mut logged = LOGGED
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let logged = logged.get_or_insert_default();
    logged.len() < MAX_LOGGED && logged.insert(what.to_owned())
}
