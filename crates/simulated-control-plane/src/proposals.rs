//! The proposals: their exact text, their life, and what was reported of them.
//!
//! A list is made of *elements*, in the order in which they were added; a *record* is what is known
//! of an id. The two are apart because hostile lists repeat an id, or hold elements without one.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::answer::Refusal;
use crate::report::{Report, Verdict, Word};

/// Where a proposal is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waiting for a person.
    PendingReview,
    /// Approved, and listed for the worker.
    Approved,
    /// Refused by a person.
    Rejected,
    /// Reported as applied.
    Applied,
    /// Reported as a conflict.
    Conflict,
    /// Reported as failed.
    Failed,
    /// Taken back before it was applied.
    Canceled,
}

impl Status {
    const COUNT: usize = 7;
}

/// Why a text is not a proposal. Such a text can still be listed with
/// [`Simulator::add_raw`](crate::Simulator::add_raw).
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProposal {
    /// It is not JSON, or not an object.
    #[error("a proposal is a JSON object")]
    NotAnObject,
    /// There is no `proposal_id`, or it is not a string.
    #[error("a proposal has a proposal_id, and it is a string")]
    NoId,
    /// Its `status` is none of the contract's.
    #[error("the status of a proposal is one that the contract names")]
    UnknownStatus,
}

/// One entry of the list.
#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) text: Bytes,
    pub(crate) id: Option<String>,
    source_id: Option<String>,
    project_id: Option<String>,
    /// A raw element passes every filter: nothing is known of it.
    raw: bool,
}

/// What is known of a proposal id.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) status: Status,
    idempotency_key: Option<String>,
    elements: Vec<usize>,
    pub(crate) first_word: Option<Word>,
    pub(crate) reports: Vec<Report>,
    pub(crate) report_count: u64,
}

/// Which proposals a list call asks for; an absent filter passes all.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) source_id: Option<String>,
    pub(crate) project_id: Option<String>,
    pub(crate) status: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Proposals {
    elements: Vec<Element>,
    /// Indexes of the approved elements: a list call never looks at the rest.
    listed: BTreeSet<usize>,
    records: HashMap<String, Record>,
    counts: [usize; Status::COUNT],
}

impl Proposals {
    pub(crate) fn add(&mut self, text: String) -> Result<String, InvalidProposal> {
        let fields: Map<String, Value> =
            serde_json::from_str(&text).map_err(|_| InvalidProposal::NotAnObject)?;
        let field = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let id = field("proposal_id").ok_or(InvalidProposal::NoId)?;
        let status = match fields.get("status") {
            None => Status::Approved,
            Some(status) => {
                Status::deserialize(status).map_err(|_| InvalidProposal::UnknownStatus)?
            }
        };
        let element = Element {
            text: text.into(),
            id: Some(id.clone()),
            source_id: field("source_id"),
            project_id: field("project_id"),
            raw: false,
        };
        self.push(element, status, field("idempotency_key"));
        Ok(id)
    }

    pub(crate) fn add_raw(&mut self, bytes: Bytes, id: Option<&str>) {
        let element = Element {
            text: bytes,
            id: id.map(str::to_owned),
            source_id: None,
            project_id: None,
            raw: true,
        };
        self.push(element, Status::Approved, None);
    }

    /// An id that is there already keeps its record: the new element is listed beside it.
    fn push(&mut self, element: Element, status: Status, idempotency_key: Option<String>) {
        let index = self.elements.len();
        if let Some(id) = &element.id {
            let counts = &mut self.counts;
            let record = self.records.entry(id.clone()).or_insert_with(|| {
                counts[status as usize] += 1;
                Record::new(status, idempotency_key)
            });
            record.elements.push(index);
        }
        if status == Status::Approved {
            self.listed.insert(index);
        }
        self.elements.push(element);
    }

    pub(crate) fn record(&self, id: &str) -> Option<&Record> {
        self.records.get(id)
    }

    pub(crate) fn elements(&self) -> impl Iterator<Item = &Element> {
        self.elements.iter()
    }

    pub(crate) fn count(&self, status: Status) -> usize {
        self.counts[status as usize]
    }

    pub(crate) fn listed_count(&self) -> usize {
        self.listed.len()
    }

    /// The elements that pass the filter, from an index on, each with its index, in stable order.
    pub(crate) fn matching<'a>(
        &'a self,
        filter: &'a Filter,
        from: usize,
    ) -> Box<dyn Iterator<Item = (usize, &'a Element)> + 'a> {
        let indexes: Box<dyn Iterator<Item = usize>> = match filter.status.as_deref() {
            Some("approved") => Box::new(self.listed.range(from..).copied()),
            _ => Box::new(from..self.elements.len()),
        };
        let elements = indexes.filter_map(|index| Some((index, self.elements.get(index)?)));
        Box::new(elements.filter(|(_, element)| self.passes(element, filter)))
    }

    fn passes(&self, element: &Element, filter: &Filter) -> bool {
        let fits = |wanted: &Option<String>, actual: &Option<String>| {
            wanted.is_none() || actual.is_none() || wanted == actual
        };
        let fits_all = fits(&filter.source_id, &element.source_id)
            && fits(&filter.project_id, &element.project_id)
            && self.has_status(element, filter.status.as_deref());
        element.raw || fits_all
    }

    fn has_status(&self, element: &Element, wanted: Option<&str>) -> bool {
        match wanted {
            // The index of approved elements has decided already.
            None | Some("approved") => true,
            Some(wanted) => {
                let record = element.id.as_deref().and_then(|id| self.records.get(id));
                record.is_some_and(|record| record.status.to_string() == wanted)
            }
        }
    }

    /// Moves a proposal in its life, and into or out of the list; false if there is none.
    pub(crate) fn set_status(&mut self, id: &str, status: Status) -> bool {
        let Some(record) = self.records.get_mut(id) else {
            return false;
        };
        for index in &record.elements {
            if status == Status::Approved {
                self.listed.insert(*index);
            } else {
                self.listed.remove(index);
            }
        }
        change_status(&mut self.counts, record, status);
        true
    }

    /// Hears a word on a proposal, and stores it if it is the first. `shrink` says whether the
    /// proposal leaves the list then.
    pub(crate) fn hear(&mut self, id: &str, word: &Word, shrink: bool) -> Result<Verdict, Refusal> {
        let Some(record) = self.records.get_mut(id) else {
            return Err(Refusal::not_found(
                "PROPOSAL_NOT_FOUND",
                "there is no such proposal",
            ));
        };
        record.check_key(word)?;
        record.report_count += 1;
        let verdict = match &record.first_word {
            Some(first) if first == word => Verdict::Repeated,
            Some(_) => Verdict::Contradicted,
            None if record.status == Status::Approved => Verdict::Stored,
            None => Verdict::NotApproved,
        };
        if matches!(verdict, Verdict::Stored | Verdict::Repeated) {
            record.first_word.get_or_insert_with(|| word.clone());
            change_status(&mut self.counts, record, word.status);
            if shrink {
                for index in &record.elements {
                    self.listed.remove(index);
                }
            }
        }
        Ok(verdict)
    }

    pub(crate) fn remember(&mut self, id: &str, report: Report) {
        if let Some(record) = self.records.get_mut(id) {
            record.reports.push(report);
        }
    }
}

fn change_status(counts: &mut [usize; Status::COUNT], record: &mut Record, status: Status) {
    counts[record.status as usize] -= 1;
    counts[status as usize] += 1;
    record.status = status;
}

impl Record {
    fn new(status: Status, idempotency_key: Option<String>) -> Self {
        Self {
            status,
            idempotency_key,
            elements: Vec::new(),
            first_word: None,
            reports: Vec::new(),
            report_count: 0,
        }
    }

    /// A report echoes the proposal's key, where that has one.
    fn check_key(&self, word: &Word) -> Result<(), Refusal> {
        if self.idempotency_key.is_none() || self.idempotency_key == word.idempotency_key {
            return Ok(());
        }
        Err(Refusal::unprocessable(
            "IDEMPOTENCY_KEY_MISMATCH",
            "idempotency_key must be the proposal's",
        ))
    }
}

/// The contract's name, such as `pending_review`.
impl std::fmt::Display for Status {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(formatter)
    }
}
