//! Which tables are in use, and what is done to them: by approved proposals that are listed, and by the ledger's newest rows.

use pgrx::pg_sys;
use synapsor_core::builder::{self, Operation, Role};
use synapsor_core::dialect::Dialect;
use synapsor_core::identifier;
use synapsor_core::proposal::Proposal;

use super::desk::Desk;
use crate::error::ExtensionError;

/// The most uses that are looked at.
const MOST: usize = 50;

/// The most proposals of one use whose rows are looked for.
const MOST_ROWS: usize = 5;

/// What proposals do with one table: all that do the same to rows which they name in the same way.
pub struct Use {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// What is done.
    pub operation: Operation,
    /// What is written; empty where only the ledger tells of it, which does not keep columns.
    pub written: Vec<String>,
    /// How rows are named.
    pub keys: Vec<String>,
    /// The tenant guard's column.
    pub tenant: Option<String>,
    /// The conflict guard's column.
    pub conflict: Option<String>,
    /// Some of the proposals.
    pub proposals: Vec<Proposal>,
    /// What became of earlier ones.
    pub past: Past,
    /// The table itself, where it is there.
    pub relation: Option<Found>,
}

/// What became of earlier proposals, by the ledger's newest rows.
#[derive(Clone, Copy, Default)]
pub struct Past {
    /// One was applied.
    pub has_worked: bool,
    /// The last one that named a row that was there changed nothing, `ROW_NOT_CHANGED`.
    pub was_eaten: bool,
    /// Since one was applied, one was refused for lack of a right.
    pub was_denied: bool,
}

/// A relation, as the catalog has it.
pub struct Found {
    /// Its oid.
    pub oid: pg_sys::Oid,
    /// Its owner's oid.
    pub owner: pg_sys::Oid,
    /// `relkind` of pg_class.
    pub kind: String,
    /// Both names, quoted where they need it.
    pub name: String,
    /// Row security is enabled.
    pub has_row_security: bool,
}

/// All of them, those that are listed first.
///
/// # Errors
/// Those of the ledger.
pub fn gather(desk: &Desk<'_>, proposals: &[Proposal]) -> Result<Vec<Use>, ExtensionError> {
    let mut uses = Vec::new();
    proposals
        .iter()
        .for_each(|proposal| add_listed(&mut uses, proposal));
    add_remembered(desk, &mut uses)?;
    uses.truncate(MOST);
    for one in &mut uses {
        one.relation = find(desk, one)?;
    }
    Ok(uses)
}

impl Use {
    /// Both names, as people write them.
    pub fn name(&self) -> String {
        match &self.relation {
            Some(relation) => relation.name.clone(),
            None => format!("{}.{}", self.schema, self.table),
        }
    }

    /// True when it is listed, so that its columns are known.
    pub fn is_known_in_full(&self) -> bool {
        !self.proposals.is_empty()
    }

    /// The columns that the guards compare: key, tenant, conflict.
    pub fn guards(&self) -> Vec<String> {
        let keys = self.keys.iter();
        keys.chain(&self.tenant)
            .chain(&self.conflict)
            .cloned()
            .collect()
    }
}

fn add_listed(uses: &mut Vec<Use>, proposal: &Proposal) {
    let Ok(statement) = builder::build(proposal) else {
        return;
    };
    let of_role = |role: Role| {
        let params = statement
            .params
            .iter()
            .filter(move |param| param.role == role);
        params
            .map(|param| param.column.to_owned())
            .collect::<Vec<_>>()
    };
    let (keys, written) = (of_role(Role::Key), of_role(Role::Written));
    let tenant = statement.tenant_column.map(str::to_owned);
    let conflict = statement.conflict_column().map(str::to_owned);
    let is_same = |one: &&mut Use| {
        (one.schema.as_str(), one.table.as_str()) == (statement.schema, statement.table)
            && one.operation == statement.operation
            && (&one.keys, &one.tenant, &one.conflict) == (&keys, &tenant, &conflict)
    };
    if let Some(one) = uses.iter_mut().find(is_same) {
        let news = written.into_iter().filter(|c| !one.written.contains(c));
        let news: Vec<_> = news.collect();
        one.written.extend(news);
        if one.proposals.len() < MOST_ROWS {
            one.proposals.push(proposal.clone());
        }
        return;
    }
    uses.push(Use {
        schema: statement.schema.to_owned(),
        table: statement.table.to_owned(),
        operation: statement.operation,
        written,
        keys,
        tenant,
        conflict,
        proposals: vec![proposal.clone()],
        past: Past::default(),
        relation: None,
    });
}

/// What the ledger's newest rows are about.
fn add_remembered(desk: &Desk<'_>, uses: &mut Vec<Use>) -> Result<(), ExtensionError> {
    const RECENT: &str = "
        SELECT target_schema, target_table, operation, bool_or(status = 'applied')::text,
               coalesce(max(decided_at) FILTER (WHERE reason = 'ROW_NOT_CHANGED')
                        > coalesce(max(decided_at) FILTER (WHERE status = 'applied'), '-infinity'), false)::text,
               coalesce(max(decided_at) FILTER (WHERE sqlstate = '42501')
                        > coalesce(max(decided_at) FILTER (WHERE status = 'applied'), '-infinity'), false)::text
        FROM (SELECT * FROM synapsor.ledger ORDER BY decided_at DESC LIMIT 1000) AS newest
        WHERE target_schema IS NOT NULL AND target_table IS NOT NULL AND operation IS NOT NULL
        GROUP BY target_schema, target_table, operation
        ORDER BY max(first_seen_at) DESC LIMIT 50";
    for [schema, table, operation, has_worked, was_eaten, was_denied] in
        desk.rows::<6>(RECENT, &[])?
    {
        let past = Past {
            was_denied: was_denied == "true",
            has_worked: has_worked == "true",
            was_eaten: was_eaten == "true",
        };
        let is_safe = |name: &String| identifier::is_safe(name, Dialect::Postgres);
        let Some(operation) = operation_of(&operation) else {
            continue;
        };
        let is_it = |one: &&mut Use| {
            (&one.schema, &one.table, one.operation) == (&schema, &table, operation)
        };
        let mut is_listed = false;
        for one in uses.iter_mut().filter(is_it) {
            one.past = past;
            is_listed = true;
        }
        if !is_listed && is_safe(&schema) && is_safe(&table) {
            uses.push(Use {
                schema,
                table,
                operation,
                written: Vec::new(),
                keys: Vec::new(),
                tenant: None,
                conflict: None,
                proposals: Vec::new(),
                past,
                relation: None,
            });
        }
    }
    Ok(())
}

fn operation_of(name: &str) -> Option<Operation> {
    [Operation::Update, Operation::Insert, Operation::Delete]
        .into_iter()
        .find(|operation| operation.as_str() == name)
}

fn find(desk: &Desk<'_>, one: &Use) -> Result<Option<Found>, ExtensionError> {
    const RELATION: &str = "
        SELECT c.oid::text, c.relowner::oid::text, c.relkind::text, format('%I.%I', n.nspname, c.relname),
               c.relrowsecurity::text
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relname = $2";
    let arguments = [one.schema.as_str().into(), one.table.as_str().into()];
    let rows = desk.rows::<5>(RELATION, &arguments)?;
    let oid = |text: &str| text.parse::<u32>().unwrap_or(0).into();
    Ok(rows
        .into_iter()
        .next()
        .map(|[id, owner, kind, name, has_row_security]| Found {
            oid: oid(&id),
            owner: oid(&owner),
            kind,
            name,
            has_row_security: has_row_security == "true",
        }))
}
