//! What the operator is shown of each listed element: a JSON object `{proposal_id, status, …}`, in the words of ledger and
//! reports, and never a row's value.

use serde_json::{Map, Value};

use crate::judgement::Subject;
use crate::ledger::{Entry, Row};
use crate::listed::Listed;
use crate::refusal::Code;

/// A decision: `{proposal_id, status, affected_rows, operation?, reason?, error?, guards, guard_advanced?}`.
pub fn decided(row: &Row) -> Value {
    result(
        Some(&row.proposal_id),
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

/// The outcome of another day, or of an element before this one:
/// `{proposal_id, status, affected_rows, operation?, reason?, error?, already_decided}`.
pub fn recorded(subject: &Subject<'_>, entry: &Entry) -> Value {
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

/// Its key was decided for another content: `{proposal_id, status: "refused", error}`.
pub fn mismatch(subject: &Subject<'_>) -> Value {
    let error = Code::IdempotencyMismatch.as_str();
    result(
        Some(subject.proposal_id),
        "refused",
        [("error", Some(error.into()))],
    )
}

/// It has no usable id: `{proposal_id: null, status: "failed", error}`.
pub fn unusable(error: &str) -> Value {
    result(None, "failed", [("error", Some(error.into()))])
}

/// It was left alone: `{proposal_id, status: "skipped", reason}`.
pub fn skipped(element: &Listed, reason: &str) -> Value {
    let proposal_id = match element {
        Listed::Proposal(proposal) => proposal.proposal_id.as_deref(),
        Listed::Bad(bad) => bad.proposal_id.as_deref(),
        Listed::NotOurs { proposal_id, .. } => proposal_id.as_deref(),
    };
    result(proposal_id, "skipped", [("reason", Some(reason.into()))])
}

fn text(text: &Option<String>) -> Option<Value> {
    text.clone().map(Value::from)
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
