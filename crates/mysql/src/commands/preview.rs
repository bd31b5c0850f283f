//! `preview`: what applying a proposal would do; always rolled back.

use serde_json::{Map, Value, json};
use synapsor_core::builder::{self, Operation};
use synapsor_core::proposal::Proposal;

use super::{Context, input};
use crate::apply::{Applier, Columns};
use crate::control_plane::KIND;
use crate::database::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::table;
use crate::target::Targets;

/// Prints `{status, operation, guards, before, after, reason?, error?}`.
pub fn run(context: &Context<'_>) -> Result<Exit, Error> {
    let proposal = input::proposal()?;
    if proposal.source_kind.as_deref() != Some(KIND) {
        let skipped = json!({ "status": "skipped", "reason": "not ours: source_kind" });
        context
            .output
            .say("would be skipped: its source_kind is not \"mysql\"");
        context.output.emit(&skipped);
        return Ok(Exit::Attention);
    }
    let mut session = context.database()?.connect()?;
    session.begin()?;
    let preview = preview(context, &mut session, &proposal);
    let undone = session.rollback();
    let (preview, is_applied) = preview?;
    undone?;
    tell(context, &preview);
    context.output.emit(&preview);
    Ok(Exit::unless(!is_applied))
}

fn preview(
    context: &Context<'_>,
    session: &mut Session,
    proposal: &Proposal,
) -> Result<(Value, bool), Error> {
    let mut applier = Applier {
        settings: &context.settings.applying,
        ledger_schema: &context.settings.ledger_schema,
        targets: &mut Targets::default(),
    };
    let before = look(&mut applier, session, proposal)?;
    let decision = applier.apply(session, proposal, None)?;
    let is_applied = decision.affected_rows() == builder::EXPECTED_ROW_COUNT;
    let operation = builder::operation(proposal).ok();
    let after = match operation {
        Some(Operation::Insert) if is_applied => inserted(proposal),
        Some(Operation::Update) if is_applied => look(&mut applier, session, proposal)?,
        Some(Operation::Delete) if is_applied => Value::Null,
        _ => before.clone(),
    };
    let mut preview = json!({
        "status": decision.status.as_str(),
        "operation": operation.map(Operation::as_str),
        "guards": decision.guards,
        "before": before,
        "after": after,
    });
    if let Some(reason) = decision.reason {
        preview["reason"] = reason.as_str().into();
    }
    if let Some(failure) = decision.failure {
        preview["error"] = failure.error.into();
        preview["detail"] = failure.detail.into();
    }
    Ok((preview, is_applied))
}

/// The row that a proposal is about; null where there is none, and for an insert.
fn look(
    applier: &mut Applier<'_>,
    session: &mut Session,
    proposal: &Proposal,
) -> Result<Value, Error> {
    let statement = builder::build(proposal).ok();
    let Some(statement) = statement.filter(|s| s.operation != Operation::Insert) else {
        return Ok(Value::Null);
    };
    // What can't be looked at, the trial itself explains.
    match applier.prepare(session, statement, None) {
        Ok(prepared) => Ok(Columns::of(&prepared).look(session)?),
        Err(_) => Ok(Value::Null),
    }
}

/// What an insert writes: its own values.
fn inserted(proposal: &Proposal) -> Value {
    let mut row = Map::new();
    for (name, value) in proposal.changes.iter() {
        row.insert(
            name.to_owned(),
            serde_json::from_str(value.text()).unwrap_or_default(),
        );
    }
    if let (Some(column), Some(tenant)) = (&proposal.tenant_column, &proposal.tenant_id) {
        let tenant = serde_json::from_str(tenant.text()).unwrap_or_default();
        row.entry(column.clone()).or_insert(tenant);
    }
    Value::Object(row)
}

fn tell(context: &Context<'_>, preview: &Value) {
    let why = preview.get("reason").or_else(|| preview.get("error"));
    let status = table::cell(preview.get("status"));
    context
        .output
        .say(&format!("would be {status} {}", table::cell(why)));
    if let Some(detail) = preview.get("detail").filter(|detail| !detail.is_null()) {
        context
            .output
            .say(&table::printable(&table::cell(Some(detail))));
    }
    let empty = Map::new();
    let row = |side: &str| preview[side].as_object().unwrap_or(&empty).clone();
    let (before, after) = (row("before"), row("after"));
    let mut names: Vec<_> = before.keys().chain(after.keys()).cloned().collect();
    names.dedup();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return;
    }
    let rows = names.iter().map(|name| {
        let cell =
            |row: &Map<String, Value>| row.get(name).map_or("-".to_owned(), Value::to_string);
        vec![name.clone(), cell(&before), cell(&after)]
    });
    context
        .output
        .say(&table::of(&["column", "before", "after"], rows));
}
