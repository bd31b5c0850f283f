//! `synapsor_revert_proposal()`: the proposal that would take a change back, from what was captured of it. It writes nothing, and
//! is approved like any other.

use serde_json::{Map, Value, json};
use synapsor_core::builder;
use synapsor_core::proposal::Proposal;

use crate::apply::Captured;
use crate::error::ExtensionError;
use crate::ledger::Ledger;
use crate::ledger::capture::Change;

type Columns = Map<String, Value>;

/// Makes it.
///
/// # Errors
/// `LEDGER_KEY_UNKNOWN`, `REVERT_NOT_APPLIED`, `REVERT_NOT_CAPTURED`, `REVERT_KEY_UNKNOWN`, `REVERT_INCOMPLETE`,
/// `REVERT_NOT_EXACT`, and what the builder says of the proposal.
pub fn proposal(key: &str) -> Result<Value, ExtensionError> {
    let change = Ledger::open()?.change(key)?;
    if change.status != "applied" {
        return Err(ExtensionError::RevertNotApplied(change.status));
    }
    let Some(captured) = &change.captured else {
        return Err(ExtensionError::RevertNotCaptured);
    };
    let revert = match change.operation.as_str() {
        "insert" => Revert::of_insert(captured)?,
        "delete" => Revert::of_delete(captured)?,
        _ => Revert::of_update(captured)?,
    };
    let proposal = revert.proposal(&change, key);
    let text = proposal.to_string();
    if holds_a_zero(&text) {
        return Err(ExtensionError::RevertNotExact);
    }
    // What can't be applied is not handed out.
    builder::build(&Proposal::parse(&text)?)?;
    Ok(proposal)
}

/// What undoes a change.
struct Revert {
    operation: &'static str,
    changes: Columns,
    primary_key: Columns,
    tenant: Option<(String, Value)>,
    /// The conflict guard's column, and the value that the change left in it.
    conflict: Option<(String, Value)>,
}

impl Revert {
    /// The values before go back where the row is still as the change left it.
    fn of_update(captured: &Captured) -> Result<Self, ExtensionError> {
        require_complete(captured)?;
        let mut changes = columns(captured.before.as_deref())?;
        let primary_key = columns(captured.primary_key.as_deref())?;
        let tenant = tenant(captured)?;
        let conflict = conflict(captured)?;
        if let (Some(column), None) = (&captured.conflict_column, &conflict) {
            return Err(ExtensionError::RevertIncomplete(column.clone()));
        }
        let guards = tenant.iter().chain(&conflict).map(|(column, _)| column);
        for guard in primary_key.keys().chain(guards) {
            changes.shift_remove(guard);
        }
        Ok(Revert {
            operation: "update",
            changes,
            primary_key,
            tenant,
            conflict,
        })
    }

    /// The row goes, where it is still as it came.
    fn of_insert(captured: &Captured) -> Result<Self, ExtensionError> {
        if captured.primary_key.is_none() {
            return Err(ExtensionError::RevertKeyUnknown);
        }
        Ok(Revert {
            operation: "delete",
            changes: Columns::new(),
            primary_key: columns(captured.primary_key.as_deref())?,
            tenant: tenant(captured)?,
            conflict: conflict(captured)?,
        })
    }

    /// The whole row comes back.
    fn of_delete(captured: &Captured) -> Result<Self, ExtensionError> {
        require_complete(captured)?;
        let changes = columns(captured.before.as_deref())?;
        // As the row had it: the proposal may spell the same tenant otherwise.
        let tenant = captured.tenant_column.as_ref().and_then(|column| {
            let value = changes.get(column)?;
            Some((column.clone(), value.clone()))
        });
        Ok(Revert {
            operation: "insert",
            changes,
            primary_key: Columns::new(),
            tenant,
            conflict: None,
        })
    }

    fn proposal(self, change: &Change, key: &str) -> Value {
        let guards = self.tenant.iter().chain(&self.conflict);
        let mut allowed: Vec<&String> = self.changes.keys().collect();
        for column in self
            .primary_key
            .keys()
            .chain(guards.map(|(column, _)| column))
        {
            if !allowed.contains(&column) {
                allowed.push(column);
            }
        }
        let mut proposal = json!({
            "source_kind": "postgres",
            "external_schema": change.schema,
            "external_table": change.table,
            "operation": self.operation,
            "allowed_columns": allowed,
            "reverts": key,
        });
        if !self.changes.is_empty() {
            proposal["changes"] = self.changes.into();
        }
        if !self.primary_key.is_empty() {
            proposal["primary_key"] = self.primary_key.into();
        }
        if let Some((column, id)) = self.tenant {
            proposal["tenant_column"] = column.into();
            proposal["tenant_id"] = id;
        }
        if let Some((column, value)) = self.conflict {
            proposal["conflict"] = json!({ &column: value });
            proposal["conflict_column"] = column.into();
        }
        proposal
    }
}

fn require_complete(captured: &Captured) -> Result<(), ExtensionError> {
    let left_out = columns(Some(&captured.left_out))?;
    let why = |(column, why): (&String, &Value)| {
        format!("{column}: {}", why.as_str().unwrap_or_default())
    };
    match left_out.is_empty() {
        true => Ok(()),
        false => Err(ExtensionError::RevertIncomplete(
            left_out.iter().map(why).collect::<Vec<_>>().join("; "),
        )),
    }
}

fn tenant(captured: &Captured) -> Result<Option<(String, Value)>, ExtensionError> {
    let column = captured.tenant_column.clone();
    let id = captured.tenant_id.as_deref().map(value).transpose()?;
    Ok(column.zip(id))
}

fn conflict(captured: &Captured) -> Result<Option<(String, Value)>, ExtensionError> {
    let mut after = columns(captured.after.as_deref())?;
    let column = captured.conflict_column.clone();
    Ok(column.and_then(|column| Some((column.clone(), after.remove(&column)?))))
}

fn columns(text: Option<&str>) -> Result<Columns, ExtensionError> {
    match text.map(value).transpose()? {
        Some(Value::Object(columns)) => Ok(columns),
        _ => Ok(Columns::new()),
    }
}

/// Numbers stay as they are written.
fn value(text: &str) -> Result<Value, ExtensionError> {
    // serde_json takes an object with this key for a number.
    if text.contains("$serde_json::private") {
        return Err(ExtensionError::RevertNotExact);
    }
    serde_json::from_str(text).map_err(|_| ExtensionError::RevertNotExact)
}

/// True when a text in this JSON has a zero character, which jsonb does not take: `\u0000` after an even number of backslashes.
fn holds_a_zero(json: &str) -> bool {
    json.match_indices("\\u0000").any(|(at, _)| {
        let backslashes = json[..at].bytes().rev().take_while(|byte| *byte == b'\\');
        backslashes.count() % 2 == 0
    })
}
