//! A fault: how an answer goes wrong.
//!
//! A fault has up to four parts, which compose with [`Fault::and`]: a latency, quirks of the work
//! itself, an answer in place of the true one, and a way of delivering it. The work (storing a
//! report) is done whenever the true answer, or a part of it, is on its way; a fault that replaces
//! the answer or never sends one leaves the work undone, unless [`Fault::after_the_work`] says
//! otherwise.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue, LOCATION, RETRY_AFTER};

use crate::answer::{Answer, ErrorShape, Refusal, RetryHints, code_of, typed_answer};

const RETRYABLE: HeaderName = HeaderName::from_static("x-synapsor-retryable");

/// How an answer goes wrong. See [`Rule`](crate::Rule) for when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    latency: Duration,
    quirks: Vec<Quirk>,
    headers: Vec<(HeaderName, HeaderValue)>,
    hints: RetryHints,
    replacement: Option<Replacement>,
    delivery: Option<Delivery>,
    after_the_work: bool,
}

/// Work done otherwise than the contract says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quirk {
    /// Lists everything, whatever source, project and status are asked for.
    IgnoreFilters,
    /// Lists everything at once, whatever `limit` and `cursor` say.
    IgnorePaging,
    /// Lists the first page for ever, with the same `next_cursor`.
    LoopingCursor,
    /// Accepts a report, but goes on listing the proposal.
    KeepListed,
}

/// A way of delivering an answer badly, on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// No byte, until the client leaves or the simulator stops.
    Hang,
    /// No byte, and a TCP reset.
    Reset,
    /// No byte, and an orderly close.
    Close,
    /// A `Content-Length` that promises the whole, half of it, and an orderly close.
    HalfBody,
    /// The answer in chunks, then white space for ever.
    EndlessBody,
    /// The head at once, the body one byte per interval.
    SlowBody(Duration),
    /// Head and body, one byte per interval.
    SlowHeaders(Duration),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Replacement {
    status: StatusCode,
    body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Body {
    /// An error in the shape that the simulator was started with.
    Error { code: String },
    Bytes {
        content_type: HeaderValue,
        bytes: Bytes,
    },
}

impl Fault {
    /// Waits before the answer. The work is done before the wait: a client that gives up meanwhile
    /// has been heard.
    #[must_use]
    pub fn latency(latency: Duration) -> Self {
        Self {
            latency,
            ..Self::default()
        }
    }

    /// Answers with an error of this status; one outside 200–999 becomes 500.
    #[must_use]
    pub fn status(status: u16) -> Self {
        let status = status_code(status);
        Self::replacing(
            status,
            Body::Error {
                code: code_of(status),
            },
        )
    }

    /// Answers with `ok: false` and this code, under status 200.
    #[must_use]
    pub fn not_ok(code: &str) -> Self {
        let code = code.to_owned();
        Self::replacing(StatusCode::OK, Body::Error { code })
    }

    /// Answers with this status and these bytes, declared as JSON.
    #[must_use]
    pub fn body(status: u16, bytes: impl Into<Bytes>) -> Self {
        Self::typed_body(status, HeaderValue::from_static("application/json"), bytes)
    }

    /// Answers with this status and a page of HTML, as a proxy in between would.
    #[must_use]
    pub fn html(status: u16) -> Self {
        let page = "<!doctype html><html><body><h1>Simulated gateway</h1></body></html>";
        Self::typed_body(status, HeaderValue::from_static("text/html"), page)
    }

    /// Answers with this status and these bytes, declared as this type.
    #[must_use]
    pub fn typed_body(status: u16, content_type: HeaderValue, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::replacing(
            status_code(status),
            Body::Bytes {
                content_type,
                bytes,
            },
        )
    }

    /// Answers with status 200 and no body.
    #[must_use]
    pub fn empty_body() -> Self {
        Self::body(200, Bytes::new())
    }

    /// Answers with an empty list, in a valid JSON body of this many bytes or a few more.
    #[must_use]
    pub fn huge_body(length: usize) -> Self {
        let mut body = br#"{"ok":true,"proposals":[],"sources":[],"padding":""#.to_vec();
        body.resize(length.saturating_sub(2).max(body.len()), b'x');
        body.extend_from_slice(b"\"}");
        Self::body(200, body)
    }

    /// Sends the client to another address.
    #[must_use]
    pub fn redirect(status: u16, location: HeaderValue) -> Self {
        Self::body(status, Bytes::new()).header(LOCATION, location)
    }

    /// Never answers.
    #[must_use]
    pub fn hang() -> Self {
        Self::delivered(Delivery::Hang)
    }

    /// Resets the connection.
    #[must_use]
    pub fn reset() -> Self {
        Self::delivered(Delivery::Reset)
    }

    /// Closes the connection.
    #[must_use]
    pub fn close() -> Self {
        Self::delivered(Delivery::Close)
    }

    /// Stores the report (or does whatever was asked), then resets the connection.
    #[must_use]
    pub fn answer_lost() -> Self {
        Self::reset().after_the_work()
    }

    /// Delivers the answer badly.
    #[must_use]
    pub fn delivered(delivery: Delivery) -> Self {
        Self {
            delivery: Some(delivery),
            ..Self::default()
        }
    }

    /// Works otherwise than the contract says.
    #[must_use]
    pub fn quirk(quirk: Quirk) -> Self {
        Self {
            quirks: vec![quirk],
            ..Self::default()
        }
    }

    fn replacing(status: StatusCode, body: Body) -> Self {
        Self {
            replacement: Some(Replacement { status, body }),
            ..Self::default()
        }
    }

    /// Does the work although its answer is replaced or lost.
    #[must_use]
    pub fn after_the_work(mut self) -> Self {
        self.after_the_work = true;
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds `Retry-After` in seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Adds `Retry-After` as an HTTP date.
    #[must_use]
    pub fn retry_after_date(self, when: SystemTime) -> Self {
        match HeaderValue::try_from(httpdate::fmt_http_date(when)) {
            Ok(date) => self.header(RETRY_AFTER, date),
            Err(_) => self,
        }
    }

    /// Adds `X-Synapsor-Retryable: true` or `false`.
    #[must_use]
    pub fn retryable_header(self, retryable: bool) -> Self {
        let value = if retryable { "true" } else { "false" };
        self.header(RETRYABLE, HeaderValue::from_static(value))
    }

    /// Adds `retry_after_ms` to an error body.
    #[must_use]
    pub fn retry_after_ms(mut self, milliseconds: u64) -> Self {
        self.hints.retry_after_ms = Some(milliseconds);
        self
    }

    /// Adds `retryable` to an error body.
    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.hints.retryable = Some(retryable);
        self
    }

    /// Both faults: latencies add up, quirks and headers join, and where both replace the answer
    /// or its delivery, the other's counts.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.latency += other.latency;
        self.quirks.extend(other.quirks);
        self.headers.extend(other.headers);
        self.hints.retryable = other.hints.retryable.or(self.hints.retryable);
        self.hints.retry_after_ms = other.hints.retry_after_ms.or(self.hints.retry_after_ms);
        self.replacement = other.replacement.or(self.replacement);
        self.delivery = other.delivery.or(self.delivery);
        self.after_the_work |= other.after_the_work;
        self
    }
}

/// What the simulator asks of a fault.
impl Fault {
    pub(crate) fn wait(&self) -> Duration {
        self.latency
    }

    pub(crate) fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }

    pub(crate) fn delivery(&self) -> Option<Delivery> {
        self.delivery
    }

    pub(crate) fn lets_work(&self) -> bool {
        let truth_is_sent = self.replacement.is_none() && self.sends_an_answer();
        self.after_the_work || truth_is_sent
    }

    pub(crate) fn sends_an_answer(&self) -> bool {
        !matches!(
            self.delivery,
            Some(Delivery::Hang | Delivery::Reset | Delivery::Close)
        )
    }

    /// The answer in place of the true one.
    pub(crate) fn replacement(&self, shape: ErrorShape, request_id: &str) -> Option<Answer> {
        let Replacement { status, body } = self.replacement.as_ref()?;
        Some(match body {
            Body::Error { code } => {
                let mut refusal = Refusal::new(*status, code, "a simulated fault");
                refusal.hints = self.hints;
                // Only one of the shapes with `ok` can say that a call with status 200 failed.
                let shape = if status.is_success() {
                    ErrorShape::ErrorCode
                } else {
                    shape
                };
                refusal.into_answer(shape, request_id)
            }
            Body::Bytes {
                content_type,
                bytes,
            } => typed_answer(*status, content_type.clone(), bytes.clone()),
        })
    }

    pub(crate) fn add_headers(&self, answer: &mut Answer) {
        for (name, value) in &self.headers {
            answer.headers_mut().insert(name, value.clone());
        }
    }
}

/// In short, such as `latency 100ms, status 503`.
impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.latency.is_zero() {
            parts.push(format!("latency {:?}", self.latency));
        }
        parts.extend(self.quirks.iter().map(|quirk| format!("{quirk:?}")));
        if let Some(replacement) = &self.replacement {
            parts.push(format!("status {}", replacement.status.as_u16()));
        }
        parts.extend(self.delivery.map(|delivery| format!("{delivery:?}")));
        if self.after_the_work {
            parts.push("after the work".to_owned());
        }
        formatter.write_str(&parts.join(", "))
    }
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status)
        .ok()
        .filter(|code| code.as_u16() >= 200)
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
