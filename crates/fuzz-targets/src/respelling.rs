//! A proposal written anew: in other words that say the same, or with other values.

use synapsor_core::json::{Columns, Json};
use synapsor_core::proposal::Proposal;

use crate::grammar::quoted;

/// How it is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// Fields and columns in their order, nothing between them.
    Plain,
    /// Fields and columns in the reverse order, with white space between them.
    Reversed,
}

/// The text of a proposal with the same effect, where `value` says what to write for each value, counted from 0. What
/// has no effect is left out: ids, status, unknown fields, and conflict values that nothing is compared with.
pub fn respelled(
    proposal: &Proposal,
    spelling: Spelling,
    mut value: impl FnMut(&Json, usize) -> String,
) -> String {
    let mut count = 0;
    let mut value = |json: &Json| {
        count += 1;
        value(json, count - 1)
    };
    let mut columns = |columns: &Columns| {
        let members = columns
            .iter()
            .map(|(name, json)| (name, value(json)))
            .collect();
        object(members, spelling)
    };
    let (changes, key) = (columns(&proposal.changes), columns(&proposal.primary_key));
    let tenant_id = proposal.tenant_id.as_ref().map(&mut value);
    let conflict = proposal
        .conflict_guard()
        .map(|(column, json)| object(vec![(column, value(json))], spelling));
    let allowed: Vec<_> = proposal
        .allowed_columns
        .iter()
        .map(|name| quoted(name))
        .collect();

    let name = |name: &Option<String>| name.as_deref().map(quoted);
    let fields = [
        ("source_kind", name(&proposal.source_kind)),
        ("external_schema", name(&proposal.schema)),
        ("external_table", name(&proposal.table)),
        ("operation", name(&proposal.operation)),
        ("changes", Some(changes)),
        ("primary_key", Some(key)),
        ("tenant_column", name(&proposal.tenant_column)),
        ("tenant_id", tenant_id),
        ("conflict_column", name(&proposal.conflict_column)),
        ("conflict", conflict),
        ("allowed_columns", Some(format!("[{}]", allowed.join(",")))),
    ];
    object(
        fields
            .into_iter()
            .filter_map(|(name, json)| Some((name, json?)))
            .collect(),
        spelling,
    )
}

/// How many values [`respelled`] asks for.
pub fn count_of_values(proposal: &Proposal) -> usize {
    proposal.changes.iter().count()
        + proposal.primary_key.iter().count()
        + usize::from(proposal.tenant_id.is_some())
        + usize::from(proposal.conflict_guard().is_some())
}

fn object(members: Vec<(&str, String)>, spelling: Spelling) -> String {
    let mut members: Vec<_> = members
        .into_iter()
        .map(|(name, json)| (quoted(name), json))
        .collect();
    let space = match spelling {
        Spelling::Plain => "",
        Spelling::Reversed => "\r\n\t ",
    };
    if spelling == Spelling::Reversed {
        members.reverse();
    }
    let members: Vec<_> = members
        .into_iter()
        .map(|(name, json)| format!("{name}{space}:{space}{json}"))
        .collect();
    format!(
        "{{{space}{}{space}}}",
        members.join(&format!("{space},{space}"))
    )
}
