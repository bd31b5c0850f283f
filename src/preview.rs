//! `synapsor_preview()`: what applying a proposal would do. It is applied, by the same code and under the same guards, and always undone;
//! nothing is recorded, and nobody is told.

use std::cell::RefCell;

use serde_json::{Map, Value, json};
use synapsor_core::builder::{self, Operation, Statement};
use synapsor_core::judgement::{Retry, Subject, Verdict};
use synapsor_core::proposal::Proposal;
use synapsor_core::results;
use synapsor_core::texts::rewrite;

use crate::apply::watch::Watch;
use crate::apply::{Applier, ApplyRole, Decision, Failure, look};
use crate::error::ExtensionError;
use crate::ledger::Ledger;
use crate::meaning;
use crate::pg::subtransaction::{self, Ending};
use crate::pg::{lock, triggers};
use crate::poll::{Polling, require_writable};
use crate::settings::Settings;

/// The `source_kind` that is served here.
const KIND: &str = "postgres";

/// Looks at the row right before and right after the statement.
#[derive(Default)]
struct Camera {
    before: RefCell<Value>,
    after: RefCell<Value>,
}

impl Watch for Camera {
    fn trying(&self, _: Option<&str>) {}
    fn interrupted(&self) {}
    fn objection(&self, _: &str) -> Option<Failure> {
        None
    }

    fn before(&self, statement: &Statement<'_>) {
        if statement.operation != Operation::Insert {
            self.before.replace(row(statement));
        }
    }

    fn after(&self, statement: &Statement<'_>) {
        let row = match statement.operation {
            Operation::Delete => Value::Null,
            Operation::Update => row(statement),
            Operation::Insert => match row(statement) {
                Value::Null => written(statement),
                row => row,
            },
        };
        self.after.replace(row);
    }
}

/// The row, as far as it can be looked at. What keeps it from being looked at, the statement itself meets as well, and tells of it.
fn row(statement: &Statement<'_>) -> Value {
    let looked = subtransaction::run(|| Ending::Undo(look::row(statement)), |_| false);
    looked.ok().and_then(Result::ok).unwrap_or_default()
}

/// What an insert writes, where the row can't be found again: its key is not the proposal's to say.
fn written(statement: &Statement<'_>) -> Value {
    let value = |text: &str| serde_json::from_str(text).unwrap_or_default();
    let columns = statement.params.iter();
    let row: Map<String, Value> = columns
        .map(|param| (param.column.to_owned(), value(param.value.text())))
        .collect();
    row.into()
}

/// `{status, operation, guards, before, after, reason?, error?, why?}`.
pub fn preview(text: &str) -> Result<Value, ExtensionError> {
    let _polling = Polling::begin()?;
    let settings = Settings::now()?;
    require_writable()?;
    let ledger = Ledger::open()?;
    let role = ApplyRole::resolve(&settings.applying, &ledger)?;
    let proposal = match Proposal::parse(text) {
        Ok(proposal) => proposal,
        Err(refusal) => {
            let error = refusal.to_string();
            return Ok(
                json!({ "status": "failed", "error": error, "why": meaning::of_error(&error).why }),
            );
        }
    };
    if let Some(known) = foregone(&ledger, &proposal)? {
        return Ok(known);
    }
    let camera = Camera::default();
    let applier = Applier {
        settings: &settings.applying,
        role: &role,
        dry_run: true,
        watch: &camera,
    };
    applier.check_settings();
    // What the caller deferred is his, as in a poll.
    triggers::fire_deferred();
    let held = lock::held_by_sql();
    let decision = applier.begin().apply(&proposal);
    lock::release_all_but(&held);
    Ok(shown(&proposal, &decision, camera))
}

/// What is not tried at all: another database's, and what was decided before.
fn foregone(ledger: &Ledger, proposal: &Proposal) -> Result<Option<Value>, ExtensionError> {
    if proposal
        .source_kind
        .as_deref()
        .is_some_and(|kind| kind != KIND)
    {
        let why = "It is for another kind of database, and is left alone here.";
        let skipped = json!({ "status": "skipped", "reason": "not ours: source_kind", "why": why });
        return Ok(Some(skipped));
    }
    let Some(subject) = Subject::of_proposal(proposal) else {
        return Ok(None);
    };
    let known = ledger.look_up(&[subject.key.to_owned()])?;
    let entry = known.get(subject.key);
    let (mut result, why) = match (subject.judge(entry, Retry::Now, false), entry) {
        (Verdict::Mismatch, _) => (
            results::mismatch(&subject),
            "Its key was decided before, for a proposal with another content: it is left alone.",
        ),
        (Verdict::Decided { .. }, Some(entry)) => (
            results::recorded(&subject, entry),
            "It was decided before, and is not applied again: see synapsor_explain().",
        ),
        _ => return Ok(None),
    };
    result["why"] = why.into();
    Ok(Some(result))
}

fn shown(proposal: &Proposal, decision: &Decision, camera: Camera) -> Value {
    let is_applied = decision.affected_rows() > 0;
    let before = camera.before.into_inner();
    let after = match is_applied {
        true => camera.after.into_inner(),
        false => before.clone(),
    };
    let operation = builder::operation(proposal).ok();
    let mut preview = json!({
        "status": decision.status.as_str(),
        "operation": operation.map(Operation::as_str),
        "guards": decision.guards,
        "before": before,
        "after": after,
    });
    if let Some(reason) = decision.reason {
        preview["reason"] = reason.as_str().into();
        preview["why"] = meaning::of_reason(reason.as_str()).why.into();
    }
    if let Some(failure) = &decision.failure {
        preview["error"] = failure.error.as_str().into();
        preview["why"] = meaning::of_error(&failure.error).why.into();
    }
    // What json holds, and jsonb can't.
    rewrite(&mut preview, &|text| text.replace('\0', "\u{fffd}"));
    preview
}
