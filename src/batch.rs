//! A batch of listed proposals: hold each against the ledger, apply what is new or due, and write all decisions down.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use synapsor_core::builder;
use synapsor_core::digest;
use synapsor_core::listed::{Bad, Listed};
use synapsor_core::outcome::Status;
use synapsor_core::proposal::Proposal;
use synapsor_core::refusal::Code;
use synapsor_core::retry::Backoff;

use crate::apply::{Applier, Decision};
use crate::error::ExtensionError;
use crate::ledger::record::{Again, Row};
use crate::ledger::{Entry, Ledger};
use crate::log;

/// What a result says of an element that was not come to.
fn not_tried(element: &Listed) -> Value {
    let proposal_id = match element {
        Listed::Proposal(proposal) => proposal.proposal_id.as_deref(),
        Listed::Bad(bad) => bad.proposal_id.as_deref(),
        Listed::NotOurs { proposal_id, .. } => proposal_id.as_deref(),
    };
    let reason = "not tried: others waited too long for locks, and this transaction holds some";
    result(proposal_id, "skipped", [("reason", Some(reason.into()))])
}

/// What this backend has logged of elements that can't be reported, so that each is logged once.
static LOGGED: Mutex<Option<HashSet<String>>> = Mutex::new(None);
const MAX_LOGGED: usize = 1_000;

/// Which retrying proposals are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Those whose time has come.
    Due,
    /// All: somebody asks. A try ahead of its schedule does not count as an attempt.
    Now,
}

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
    again: Vec<Again>,
    results: Vec<Value>,
}

/// What a batch did.
pub struct Done {
    /// One result for each element, in order.
    pub results: Vec<Value>,
    /// Which elements were not come to, in order: they were left for another transaction.
    pub left: Vec<usize>,
    /// True when there are reports to send once the transaction has committed.
    pub owes_reports: bool,
    /// True when the ledger has changed.
    pub has_recorded: bool,
    /// What ended `failed`: the proposal's id and the error, as it is reported.
    pub failed: Vec<(String, String)>,
}

/// What an element says of itself, readable or not.
struct Subject<'p> {
    key: &'p str,
    proposal_id: &'p str,
    idempotency_key: Option<&'p str>,
    digest: String,
    content: Result<&'p Proposal, &'p Bad>,
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
        let known = ledger.look_up(&keys)?;
        let mut batch = Batch {
            ledger,
            applier,
            source_id,
            retry,
            known,
            tried: HashSet::new(),
            retrying: 0,
            rows: Vec::new(),
            again: Vec::new(),
            results: listed.iter().map(|element| not_tried(element)).collect(),
        };
        let left = batch.work_through(listed, patience);
        batch.finish(left)
    }

    /// Returns which elements it has not come to.
    fn work_through(&mut self, listed: &[&Listed], patience: Duration) -> Vec<usize> {
        let mut order: Vec<usize> = (0..listed.len()).collect();
        order.sort_by_key(|n| self.has_failed_before(listed[*n]));
        let mut wasted = Duration::ZERO;
        let mut done = 0;
        for n in &order {
            pgrx::check_for_interrupts!();
            let (start, retrying) = (Instant::now(), self.retrying);
            self.results[*n] = self.decide(listed[*n]);
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
        let owes_reports =
            self.rows.iter().any(|row| row.status.is_final()) || !self.again.is_empty();
        if !self.applier.dry_run {
            self.ledger.record(&self.rows)?;
            self.ledger.report_again(&self.again)?;
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
            owes_reports: owes_reports && !self.applier.dry_run,
        })
    }

    fn decide(&mut self, element: &Listed) -> Value {
        let subject = match element {
            Listed::Proposal(proposal) => Subject::of_proposal(proposal),
            Listed::Bad(bad) => Subject::of_bad(bad),
            Listed::NotOurs { proposal_id, field } => {
                return result(
                    proposal_id.as_deref(),
                    "skipped",
                    [("reason", Some(format!("not ours: {field}").into()))],
                );
            }
        };
        let Some(subject) = subject else {
            return unusable_id(element);
        };
        match self.known.get(subject.key) {
            Some(entry) if entry.digest != subject.digest => mismatch(&subject),
            Some(entry) if entry.status.is_final() => {
                let entry = entry.clone();
                self.report_again(&subject, &entry)
            }
            Some(entry) if !self.may_try(subject.key, entry) => recorded(&subject, entry),
            entry => {
                let entry = entry.cloned();
                self.try_now(&subject, entry.as_ref())
            }
        }
    }

    /// A retrying proposal is tried when it is due or somebody asks, and once in a batch.
    fn may_try(&self, key: &str, entry: &Entry) -> bool {
        (self.retry == Retry::Now || entry.is_due) && !self.tried.contains(key)
    }

    /// The outcome is known: it is not applied again, and its report is sent again.
    fn report_again(&mut self, subject: &Subject<'_>, entry: &Entry) -> Value {
        if self.retry == Retry::Now && entry.report_state == "delivered" || entry.is_report_due {
            self.again.push(Again {
                key: subject.key.to_owned(),
                proposal_id: subject.proposal_id.to_owned(),
                idempotency_key: subject.idempotency_key.map(str::to_owned),
            });
        }
        recorded(subject, entry)
    }

    fn try_now(&mut self, subject: &Subject<'_>, before: Option<&Entry>) -> Value {
        let mut decision = match subject.content {
            Ok(proposal) => self.applier.apply(proposal),
            Err(bad) => Decision::failed(bad.refusal.clone().into()),
        };
        let ahead_of_schedule = before.is_some_and(|entry| !entry.is_due);
        let tries_before = before.map_or(0, |entry| entry.attempts);
        let attempts = if ahead_of_schedule {
            tries_before
        } else {
            tries_before + 1
        };
        if decision.status == Status::Retrying && attempts >= self.applier.settings.max_attempts {
            decision.status = Status::Failed;
        }
        let row = self.row(subject, &decision, attempts);
        let result = decided(subject, &row);
        self.known.insert(subject.key.to_owned(), entry_of(&row));
        self.tried.insert(subject.key.to_owned());
        self.retrying += usize::from(decision.failure.is_some_and(|failure| failure.is_transient));
        self.rows.push(row);
        result
    }

    fn row(&self, subject: &Subject<'_>, decision: &Decision, attempts: i32) -> Row {
        let proposal = subject.content.ok();
        let operation = proposal.and_then(|p| builder::operation(p).ok());
        let failure = decision.failure.as_ref();
        let attempt = u32::try_from(attempts).unwrap_or(1);
        let wait = || {
            Backoff::default()
                .delay(attempt, fastrand::f64())
                .as_secs_f64()
        };
        Row {
            key: subject.key.to_owned(),
            proposal_id: subject.proposal_id.to_owned(),
            idempotency_key: subject.idempotency_key.map(str::to_owned),
            digest: subject.digest.clone(),
            source_id: Some(self.source_id.to_owned()),
            target_schema: proposal.and_then(|p| p.schema.clone()),
            target_table: proposal.and_then(|p| p.table.clone()),
            operation: operation.map(|operation| operation.as_str().to_owned()),
            status: decision.status,
            affected_rows: decision.affected_rows() as i64,
            guards: decision.guards,
            guard_advanced: decision.guard_advanced,
            reason: decision.reason.map(|reason| reason.as_str().to_owned()),
            sqlstate: failure.and_then(|failure| failure.sqlstate.clone()),
            error: failure.map(|failure| failure.error.clone()),
            error_detail: failure.and_then(|failure| failure.detail.clone()),
            attempts,
            applied_as: self.applier.role.name.clone(),
            next_attempt_in: (!decision.status.is_final()).then(wait),
        }
    }
}

impl<'p> Subject<'p> {
    fn of_proposal(proposal: &'p Proposal) -> Option<Self> {
        Some(Subject {
            key: proposal.key()?,
            proposal_id: proposal.proposal_id.as_deref()?,
            idempotency_key: proposal.idempotency_key.as_deref(),
            digest: digest::of_proposal(proposal),
            content: Ok(proposal),
        })
    }

    fn of_bad(bad: &'p Bad) -> Option<Self> {
        Some(Subject {
            key: bad.key()?,
            proposal_id: bad.proposal_id.as_deref()?,
            idempotency_key: bad.idempotency_key.as_deref(),
            digest: bad.digest.clone(),
            content: Err(bad),
        })
    }
}

fn key(element: &Listed) -> Option<&str> {
    match element {
        Listed::Proposal(proposal) => proposal.key(),
        Listed::Bad(bad) => bad.key(),
        Listed::NotOurs { .. } => None,
    }
}

/// What the next element of the same batch with the same key has to know.
fn entry_of(row: &Row) -> Entry {
    Entry {
        digest: row.digest.clone(),
        status: row.status,
        attempts: row.attempts,
        is_due: false,
        is_report_due: false,
        report_state: "pending".to_owned(),
        affected_rows: row.affected_rows,
        operation: row.operation.clone(),
        reason: row.reason.clone(),
        error: row.error.clone(),
    }
}

fn result<const N: usize>(
    proposal_id: Option<&str>,
    status: &str,
    more: [(&str, Option<Value>); N],
) -> Value {
    let mut object = Map::new();
    object.insert("proposal_id".into(), proposal_id.into());
    object.insert("status".into(), status.into());
    for (name, value) in more {
        if let Some(value) = value {
            object.insert(name.into(), value);
        }
    }
    Value::Object(object)
}

fn decided(subject: &Subject<'_>, row: &Row) -> Value {
    let text = |text: &Option<String>| text.clone().map(Value::from);
    result(
        Some(subject.proposal_id),
        row.status.as_str(),
        [
            ("affected_rows", Some(row.affected_rows.into())),
            ("operation", text(&row.operation)),
            ("reason", text(&row.reason)),
            ("error", text(&row.error)),
            ("guards", serde_json::to_value(row.guards).ok()),
            ("guard_advanced", row.guard_advanced.map(Value::from)),
        ],
    )
}

/// The outcome of another day, or of an element before this one.
fn recorded(subject: &Subject<'_>, entry: &Entry) -> Value {
    let text = |text: &Option<String>| text.clone().map(Value::from);
    result(
        Some(subject.proposal_id),
        entry.status.as_str(),
        [
            ("affected_rows", Some(entry.affected_rows.into())),
            ("operation", text(&entry.operation)),
            ("reason", text(&entry.reason)),
            ("error", text(&entry.error)),
            ("already_decided", Some(entry.status.is_final().into())),
        ],
    )
}

/// Nothing is written and nothing is reported; the operator sees it here and in the log.
fn mismatch(subject: &Subject<'_>) -> Value {
    if is_first_time(&format!("{} {}", subject.proposal_id, subject.digest)) {
        log::warn(format_args!(
            "{}: proposal {} has the key of one with another content, and is left alone",
            Code::IdempotencyMismatch,
            subject.proposal_id.escape_debug(),
        ));
    }
    result(
        Some(subject.proposal_id),
        "refused",
        [("error", Some(Code::IdempotencyMismatch.as_str().into()))],
    )
}

fn unusable_id(element: &Listed) -> Value {
    let error = match element {
        Listed::Bad(bad) => {
            log_once(bad);
            bad.refusal.to_string()
        }
        _ => Code::ProposalInvalid.to_string(),
    };
    result(None, "failed", [("error", Some(error.into()))])
}

fn log_once(bad: &Bad) {
    if is_first_time(&bad.digest) {
        log::warn(format_args!(
            "a listed proposal has no usable id and can't be reported: {}",
            bad.refusal,
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
