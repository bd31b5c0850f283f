//! A report: the outcome of a proposal as a worker tells it, checked strictly for its shape.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::answer::Refusal;
use crate::proposals::Status;

/// What a report says. Two reports with the same word are the same report; other keys of the
/// metadata may differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// [`Status::Applied`], [`Status::Conflict`] or [`Status::Failed`].
    pub status: Status,
    /// The proposal's key, echoed.
    pub idempotency_key: Option<String>,
    /// `external_commit_metadata.affected_rows`, as sent.
    pub affected_rows: Option<String>,
    /// `external_commit_metadata.operation`.
    pub operation: Option<String>,
    /// The text of a failure.
    pub error: Option<String>,
}

/// What the control plane made of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The first word on its proposal: stored.
    Stored,
    /// The stored word once more: harmless.
    Repeated,
    /// Another word than the stored one: refused with 409, the first word stays.
    Contradicted,
    /// The proposal was never approved, or no longer is: refused with 409.
    NotApproved,
}

/// A report of the right shape, about a known proposal.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What it says.
    pub word: Word,
    /// `external_commit_metadata` as a whole; empty for a failure.
    pub metadata: Map<String, Value>,
    /// The bytes of the body.
    pub body: Bytes,
    /// What became of it.
    pub verdict: Verdict,
    /// When it came, counted from the start of the simulator.
    pub elapsed: Duration,
}

/// The body of a report, checked.
#[derive(Debug)]
pub(crate) struct ReportBody {
    pub(crate) word: Word,
    pub(crate) metadata: Map<String, Value>,
}

impl ReportBody {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let mut fields = crate::source_calls::json_object(body)?;
        let status = take_status(&mut fields)?;
        let idempotency_key = take_optional_text(&mut fields, "idempotency_key")?;
        let mut word = Word {
            status,
            idempotency_key,
            affected_rows: None,
            operation: None,
            error: None,
        };
        let mut metadata = Map::new();
        if status == Status::Failed {
            word.error = Some(take_error(&mut fields)?);
        } else {
            metadata = take_metadata(&mut fields)?;
            word.affected_rows = Some(affected_rows(&metadata)?);
            word.operation = Some(operation(&metadata)?);
        }
        match fields.keys().next() {
            Some(unknown) => Err(invalid(unknown, "does not belong in such a report")),
            None => Ok(Self { word, metadata }),
        }
    }
}

fn take_status(fields: &mut Map<String, Value>) -> Result<Status, Refusal> {
    match fields
        .shift_remove("status")
        .as_ref()
        .and_then(Value::as_str)
    {
        Some("applied") => Ok(Status::Applied),
        Some("conflict") => Ok(Status::Conflict),
        Some("failed") => Ok(Status::Failed),
        _ => Err(invalid("status", "must be applied, conflict or failed")),
    }
}

fn take_optional_text(
    fields: &mut Map<String, Value>,
    name: &str,
) -> Result<Option<String>, Refusal> {
    match fields.shift_remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid(name, "must be a string")),
    }
}

fn take_error(fields: &mut Map<String, Value>) -> Result<String, Refusal> {
    match fields.shift_remove("error") {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        _ => Err(invalid("error", "must be a string that says why")),
    }
}

fn take_metadata(fields: &mut Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    match fields.shift_remove("external_commit_metadata") {
        Some(Value::Object(metadata)) => Ok(metadata),
        _ => Err(invalid("external_commit_metadata", "must be an object")),
    }
}

fn affected_rows(metadata: &Map<String, Value>) -> Result<String, Refusal> {
    match metadata.get("affected_rows") {
        Some(Value::String(digits)) if is_count(digits) => Ok(digits.clone()),
        _ => Err(invalid(
            "external_commit_metadata.affected_rows",
            "must be a string of digits",
        )),
    }
}

fn is_count(digits: &str) -> bool {
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn operation(metadata: &Map<String, Value>) -> Result<String, Refusal> {
    match metadata.get("operation").and_then(Value::as_str) {
        Some(operation @ ("update" | "insert" | "delete")) => Ok(operation.to_owned()),
        _ => Err(invalid(
            "external_commit_metadata.operation",
            "must be update, insert or delete",
        )),
    }
}

fn invalid(field: &str, fault: &str) -> Refusal {
    Refusal::unprocessable("REPORT_INVALID", format!("{field} {fault}"))
}
