//! The journal: every request, and what was answered.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Request;
use hyper::header::{AUTHORIZATION, HeaderMap};
use serde_json::Value;

use crate::contract::Breach;
use crate::endpoint::{Call, Endpoint};
use crate::fault::Fault;

/// What the journal keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JournalMode {
    /// Every request, and every report.
    #[default]
    Full,
    /// Counts, and the first word on each proposal: bounded memory, for benchmarks.
    CountsOnly,
}

/// What a request showed as its key. The key itself is never kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    /// The right key.
    Matched,
    /// Something else.
    Mismatched,
    /// No `Authorization` header.
    Absent,
}

impl Credential {
    pub(crate) fn of(headers: &HeaderMap, api_key: &str) -> Self {
        let Some(value) = headers.get(AUTHORIZATION) else {
            return Self::Absent;
        };
        match value.as_bytes().strip_prefix(b"Bearer ") {
            Some(key) if key == api_key.as_bytes() => Self::Matched,
            _ => Self::Mismatched,
        }
    }
}

/// A request, and what was answered.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When it had arrived in full.
    pub at: Instant,
    /// The same, counted from the start of the simulator.
    pub elapsed: Duration,
    /// The connection that it came on, counted from 1: equal numbers show a kept-alive connection.
    pub connection: u64,
    /// Which call it is.
    pub endpoint: Endpoint,
    /// The decoded id in its path; empty where the call has none.
    pub id: String,
    /// The method.
    pub method: String,
    /// The path as sent, still percent-encoded.
    pub path: String,
    /// The query as sent, without `?`.
    pub query: String,
    /// Every header but `Authorization`; names in lower case.
    pub headers: Vec<(String, String)>,
    /// What it showed as its key.
    pub credential: Credential,
    /// The body.
    pub body: Bytes,
    /// The first rule of the contract that it broke, whatever was answered.
    pub breach: Option<Breach>,
    /// The status that was answered, or was to be; `None` where the fault sends no answer at all.
    pub status: Option<u16>,
    /// The fault that it met.
    pub fault: Option<Fault>,
}

impl Entry {
    /// The value of a header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON, if it is.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// What was found out about a request on its way to an answer.
pub(crate) struct Findings<'a> {
    pub(crate) connection: u64,
    pub(crate) call: &'a Call,
    pub(crate) credential: Credential,
    pub(crate) breach: Option<Breach>,
    pub(crate) status: Option<u16>,
    pub(crate) fault: Option<Fault>,
}

#[derive(Debug)]
pub(crate) struct Journal {
    mode: JournalMode,
    started: Instant,
    pub(crate) entries: Vec<Entry>,
    calls: HashMap<Endpoint, u64>,
    answers: HashMap<(Endpoint, Option<u16>), u64>,
}

impl Journal {
    pub(crate) fn new(mode: JournalMode) -> Self {
        Self {
            mode,
            started: Instant::now(),
            entries: Vec::new(),
            calls: HashMap::new(),
            answers: HashMap::new(),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.mode == JournalMode::Full
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn note(&mut self, request: &Request<Bytes>, findings: Findings<'_>) {
        let endpoint = findings.call.endpoint;
        *self.calls.entry(endpoint).or_default() += 1;
        *self.answers.entry((endpoint, findings.status)).or_default() += 1;
        if self.is_full() {
            let entry = entry(request, findings, self.started);
            self.entries.push(entry);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.calls.clear();
        self.answers.clear();
    }

    pub(crate) fn calls(&self, endpoint: Endpoint) -> u64 {
        self.calls.get(&endpoint).copied().unwrap_or_default()
    }

    pub(crate) fn answers(&self, endpoint: Endpoint, status: u16) -> u64 {
        let key = (endpoint, Some(status));
        self.answers.get(&key).copied().unwrap_or_default()
    }
}

fn entry(request: &Request<Bytes>, findings: Findings<'_>, started: Instant) -> Entry {
    let at = Instant::now();
    let headers = request.headers().iter();
    let kept = headers.filter(|(name, _)| *name != AUTHORIZATION);
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    Entry {
        at,
        elapsed: at - started,
        connection: findings.connection,
        endpoint: findings.call.endpoint,
        id: findings.call.id.clone(),
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        headers: kept
            .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
            .collect(),
        credential: findings.credential,
        body: request.body().clone(),
        breach: findings.breach,
        status: findings.status,
        fault: findings.fault,
    }
}
