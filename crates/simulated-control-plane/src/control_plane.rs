//! The control plane itself, without a socket: a request in, a decision out.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::HeaderValue;
use hyper::{Request, StatusCode};
use serde_json::json;

use crate::answer::{Answer, ErrorShape, Refusal, json_answer};
use crate::contract::{Breach, REQUEST_ID, first_breach};
use crate::endpoint::{Call, Endpoint};
use crate::fault::{Delivery, Fault, Quirk};
use crate::journal::{Credential, Entry, Findings, Journal};
use crate::options::Options;
use crate::page::{Query, Window, list_answer};
use crate::proposals::{Filter, Proposals, Status};
use crate::report::{Report, ReportBody, Verdict, Word};
use crate::rule::Rules;
use crate::sources::Sources;

/// What the control plane knows: proposals, sources, rules and journal. A test reads it through
/// [`Simulator::wait_for`](crate::Simulator::wait_for) and
/// [`Simulator::read`](crate::Simulator::read).
#[derive(Debug)]
pub struct ControlPlane {
    api_key: String,
    error_shape: ErrorShape,
    pub(crate) max_page: usize,
    pub(crate) proposals: Proposals,
    pub(crate) sources: Sources,
    pub(crate) rules: Rules,
    pub(crate) journal: Journal,
}

/// What goes back to the client, when, and how.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) answer: Answer,
    pub(crate) latency: Duration,
    pub(crate) delivery: Option<Delivery>,
}

impl ControlPlane {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            api_key: options.api_key.clone(),
            error_shape: options.error_shape,
            max_page: options.max_page,
            proposals: Proposals::default(),
            sources: Sources::default(),
            rules: Rules::default(),
            journal: Journal::new(options.journal),
        }
    }

    /// Where a proposal is in its life; `None` if there is no such proposal.
    #[must_use]
    pub fn status(&self, id: &str) -> Option<Status> {
        Some(self.proposals.record(id)?.status)
    }

    /// How many proposals have this status.
    #[must_use]
    pub fn count(&self, status: Status) -> usize {
        self.proposals.count(status)
    }

    /// How many elements the list of approved proposals has.
    #[must_use]
    pub fn listed_count(&self) -> usize {
        self.proposals.listed_count()
    }

    /// The reports about a proposal, in the order in which they came; none when only counts are kept.
    #[must_use]
    pub fn reports_for(&self, id: &str) -> &[Report] {
        let record = self.proposals.record(id);
        record.map_or(&[], |record| &record.reports)
    }

    /// How many reports came about a proposal, repeated and refused ones included.
    #[must_use]
    pub fn report_count(&self, id: &str) -> u64 {
        let record = self.proposals.record(id);
        record.map_or(0, |record| record.report_count)
    }

    /// What was first accepted as the outcome of a proposal, and stands.
    #[must_use]
    pub fn final_word(&self, id: &str) -> Option<&Word> {
        self.proposals.record(id)?.first_word.as_ref()
    }

    /// The requests so far; empty when only counts are kept.
    #[must_use]
    pub fn journal(&self) -> &[Entry] {
        &self.journal.entries
    }

    /// How many requests there were of one kind.
    #[must_use]
    pub fn calls(&self, endpoint: Endpoint) -> u64 {
        self.journal.calls(endpoint)
    }

    /// How many requests of one kind were answered with this status.
    #[must_use]
    pub fn answers(&self, endpoint: Endpoint, status: u16) -> u64 {
        self.journal.answers(endpoint, status)
    }

    /// Decides on a request: does the work, notes it, and says what goes back. Nothing here waits.
    pub(crate) fn decide(&mut self, request: &Request<Bytes>, connection: u64) -> Decision {
        let call = Call::of(request.method(), request.uri().path());
        let credential = Credential::of(request.headers(), &self.api_key);
        let breach = first_breach(request.headers(), !request.body().is_empty());
        let request_id = request_id(request);
        let met = self.rules.fault_for(&call);
        let fault = met.clone().unwrap_or_default();

        let mut answer = json_answer(StatusCode::OK, Bytes::new());
        if fault.lets_work() {
            answer = admit(&call, credential, breach)
                .and_then(|()| self.work(&call, request, &fault))
                .unwrap_or_else(|refusal| refusal.into_answer(self.error_shape, &request_id));
        }
        if let Some(replacement) = fault.replacement(self.error_shape, &request_id) {
            answer = replacement;
        }
        add_request_id(&mut answer, &request_id);
        fault.add_headers(&mut answer);

        let findings = Findings {
            connection,
            call: &call,
            credential,
            breach,
            status: fault.sends_an_answer().then(|| answer.status().as_u16()),
            fault: met,
        };
        self.journal.note(request, findings);
        Decision {
            answer,
            latency: fault.wait(),
            delivery: fault.delivery(),
        }
    }

    fn work(
        &mut self,
        call: &Call,
        request: &Request<Bytes>,
        fault: &Fault,
    ) -> Result<Answer, Refusal> {
        let query = Query::parse(request.uri().query().unwrap_or_default());
        match call.endpoint {
            Endpoint::List => self.list(&query, fault),
            Endpoint::Report => self.report(&call.id, request.body(), fault),
            Endpoint::ListSources => {
                let window = self.window(&query, fault)?;
                let project_id = query
                    .get("project_id")
                    .filter(|_| !fault.has(Quirk::IgnoreFilters));
                Ok(self.sources.list(project_id, &window))
            }
            endpoint => self.sources.call(endpoint, &call.id, request.body()),
        }
    }

    fn list(&self, query: &Query, fault: &Fault) -> Result<Answer, Refusal> {
        let wanted = |name| query.get(name).map(str::to_owned);
        let filter = match fault.has(Quirk::IgnoreFilters) {
            true => Filter::default(),
            false => Filter {
                source_id: wanted("source_id"),
                project_id: wanted("project_id"),
                status: wanted("status"),
            },
        };
        let window = self.window(query, fault)?;
        let elements = self.proposals.matching(&filter, window.from);
        let items = elements.map(|(index, element)| (index, element.text.as_ref()));
        Ok(list_answer("proposals", items, &window))
    }

    fn window(&self, query: &Query, fault: &Fault) -> Result<Window, Refusal> {
        if fault.has(Quirk::IgnorePaging) {
            return Ok(Window::EVERYTHING);
        }
        if fault.has(Quirk::LoopingCursor) {
            return Window::looping(query, self.max_page);
        }
        Window::asked_by(query, self.max_page)
    }

    fn report(&mut self, id: &str, body: &Bytes, fault: &Fault) -> Result<Answer, Refusal> {
        let ReportBody { word, metadata } = ReportBody::parse(body)?;
        let shrink = !fault.has(Quirk::KeepListed);
        let verdict = self.proposals.hear(id, &word, shrink)?;
        let status = word.status;
        if self.journal.is_full() {
            let report = Report {
                word,
                metadata,
                body: body.clone(),
                verdict,
                elapsed: self.journal.elapsed(),
            };
            self.proposals.remember(id, report);
        }
        match verdict {
            Verdict::Stored | Verdict::Repeated => {
                let body = json!({"ok": true, "proposal_id": id, "status": status});
                Ok(json_answer(StatusCode::OK, body.to_string()))
            }
            Verdict::Contradicted => Err(Refusal::conflict(
                "WRITEBACK_RESULT_CONFLICT",
                "another outcome is stored",
            )),
            Verdict::NotApproved => Err(Refusal::conflict(
                "PROPOSAL_NOT_APPROVED",
                "this proposal waits for no outcome",
            )),
        }
    }
}

/// What every call has to bring, in the order in which it is checked.
fn admit(call: &Call, credential: Credential, breach: Option<Breach>) -> Result<(), Refusal> {
    if call.endpoint == Endpoint::Unknown {
        let message = "the contract has no such call";
        return Err(Refusal::not_found("NOT_FOUND", message));
    }
    if !call.method_fits {
        let (status, message) = (
            StatusCode::METHOD_NOT_ALLOWED,
            "this call has another method",
        );
        return Err(Refusal::new(status, "METHOD_NOT_ALLOWED", message));
    }
    if credential != Credential::Matched {
        let (status, message) = (StatusCode::UNAUTHORIZED, "the API key is missing or wrong");
        return Err(Refusal::new(status, "UNAUTHORIZED", message));
    }
    breach.map_or(Ok(()), |breach| Err(breach.refusal()))
}

/// The client's own request id, or one for a client that sent none.
fn request_id(request: &Request<Bytes>) -> String {
    let given = request.headers().get(REQUEST_ID);
    let text = given.and_then(|value| value.to_str().ok());
    text.unwrap_or("req_simulated").to_owned()
}

fn add_request_id(answer: &mut Answer, request_id: &str) {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        answer.headers_mut().insert(REQUEST_ID, value);
    }
}
