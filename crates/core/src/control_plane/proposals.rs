//! The two calls that write-back lives on (contract section 3): the list of approved proposals, and the report.

use std::time::SystemTime;

use serde_json::value::RawValue;
use synapsor_crash_points::{Defect, Point};

use super::client::{Answer, Call, Client};
use super::error::ControlPlaneError;
use crate::api_key::ApiKey;
use crate::json::{self, Kind, Members};
use crate::listed::{Listed, Ours};
use crate::report::{Report, Verdict};

/// The largest answer to a report, in bytes: many are in flight, and none has much to say.
const MAX_ACCEPTANCE: usize = 1024 * 1024;

/// Elements of one page that are looked at, where a server lists more than it was asked for. The rest waits until those
/// before it have left the list.
const MAX_ELEMENTS: usize = 100_000;

/// The longest cursor that we send back, in bytes.
const MAX_CURSOR_BYTES: usize = 2048;

/// Which approved proposals are asked for. A server may ignore any of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this source.
    pub source_id: Option<String>,
    /// Of this project.
    pub project_id: Option<String>,
    /// How many on a page.
    pub limit: Option<usize>,
    /// Where the last page ended.
    pub cursor: Option<String>,
}

/// One page of the list.
#[derive(Debug)]
pub struct Page {
    /// Its elements, in the server's order, none of them looked into.
    pub items: Vec<Item>,
    /// Where the next page starts, when there is one.
    pub next_cursor: Option<String>,
    /// The server's clock when it answered, where it said that.
    pub date: Option<SystemTime>,
}

/// One element of the list.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its text, well-formed JSON of any kind.
    pub raw: Box<RawValue>,
    /// False when its text was not valid UTF-8 on the wire and has been patched up with U+FFFD.
    pub intact: bool,
}

impl Item {
    /// Ours and readable, ours and bad, or not ours.
    pub fn read(&self, ours: &Ours) -> Listed {
        Listed::read(&self.raw, ours, self.intact)
    }
}

/// A report has been accepted: it never needs to be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// The HTTP status, 2xx.
    pub status: u16,
    /// The server's id of the request, else the one that we sent.
    pub request_id: String,
}

impl Client {
    /// One page of approved proposals:
    /// `GET /v1/control/external-writebacks/proposals?source_id=&project_id=&status=approved&limit=&cursor=`.
    ///
    /// # Errors
    /// Those of [`Client::call`], and `CONTROL_PLANE_UNEXPECTED_ANSWER` when `proposals` is missing or not an array.
    pub fn list_approved(&self, key: &ApiKey, filter: &Filter) -> Result<Page, ControlPlaneError> {
        let limit = filter.limit.map(|limit| limit.to_string());
        let query = [
            ("source_id", filter.source_id.as_deref()),
            ("project_id", filter.project_id.as_deref()),
            ("status", Some("approved")),
            ("limit", limit.as_deref()),
            ("cursor", filter.cursor.as_deref()),
        ];
        let path = ["v1", "control", "external-writebacks", "proposals"];
        let answer = self.call(
            key,
            &Call {
                query: &query,
                ..Call::get(&path)
            },
        )?;
        Page::read(&answer)
    }

    /// Tells the control plane how a proposal ended, and waits for its answer:
    /// `POST /v1/control/external-writebacks/proposals/{id}/apply-result`. Repeating the same report does no harm.
    ///
    /// # Errors
    /// Those of [`Client::call`]; their [`disposition`](ControlPlaneError::disposition) says whether the report is
    /// rejected, or to be sent again.
    pub fn report(&self, key: &ApiKey, report: &Report) -> Result<Acceptance, ControlPlaneError> {
        let answer = self.call(key, &call(&path(report), report))?;
        Ok(Acceptance::of(answer))
    }

    /// As [`Client::report`], on the client's own thread.
    pub(super) async fn send_report(
        &self,
        key: &ApiKey,
        report: &Report,
    ) -> Result<Acceptance, ControlPlaneError> {
        let path = path(report);
        // No error can be raised here: this may be any thread.
        let _ = synapsor_crash_points::reach(Point::BeforeReport);
        let answer = self.send(key, &call(&path, report)).await;
        let _ = synapsor_crash_points::reach(Point::AfterAnswer);
        if answer.is_err() && synapsor_crash_points::is_on(Defect::FailedOnLostAnswer) {
            let error = "UNKNOWN: no answer".to_owned();
            let lie = Report {
                verdict: Verdict::Failed { error },
                ..report.clone()
            };
            let _ = self.send(key, &call(&path, &lie)).await;
        }
        answer.map(Acceptance::of)
    }
}

/// Where a report goes.
fn path(report: &Report) -> [&str; 6] {
    [
        "v1",
        "control",
        "external-writebacks",
        "proposals",
        &report.proposal_id,
        "apply-result",
    ]
}

fn call<'c>(path: &'c [&'c str], report: &Report) -> Call<'c> {
    Call {
        max_response_size: Some(MAX_ACCEPTANCE),
        ..Call::post(path, report.body())
    }
}

impl Acceptance {
    fn of(answer: Answer) -> Self {
        Acceptance {
            status: answer.status,
            request_id: answer.request_id,
        }
    }
}

impl Page {
    /// The page that an answer holds.
    ///
    /// # Errors
    /// `CONTROL_PLANE_UNEXPECTED_ANSWER` when `proposals` is missing or not an array.
    pub fn read(answer: &Answer) -> Result<Self, ControlPlaneError> {
        Self::find(answer)
            .ok_or_else(|| answer.unexpected("the answer has no array of proposals in it"))
    }

    fn find(answer: &Answer) -> Option<Self> {
        let members = Members::parse(&answer.text)?;
        let field = |name| {
            members
                .0
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, raw)| raw.get())
        };
        let elements: Vec<&RawValue> = json::first_elements(field("proposals")?, MAX_ELEMENTS)?;
        let is_intact = |raw: &RawValue| answer.intact || !raw.get().contains('\u{fffd}');
        let items = elements.into_iter().map(|raw| Item {
            raw: raw.to_owned(),
            intact: is_intact(raw),
        });
        Some(Page {
            items: items.collect(),
            next_cursor: field("next_cursor").and_then(cursor),
            date: answer.date,
        })
    }
}

/// A cursor: a string, or a number, which is sent back as it came. Anything else ends the list.
pub(super) fn cursor(text: &str) -> Option<String> {
    let cursor = match json::kind(text) {
        Kind::String => json::string(text)?.into_owned(),
        Kind::Number => text.to_owned(),
        _ => return None,
    };
    (1..=MAX_CURSOR_BYTES)
        .contains(&cursor.len())
        .then_some(cursor)
}
