//! What must hold for every statement that was built.

use synapsor_core::builder::{Operation, Param, Role, Statement};
use synapsor_core::json::{Columns, Json};
use synapsor_core::proposal::Proposal;

/// The words of our own in a statement.
const WORDS: &[&str] = &[
    "UPDATE", "SET", "WHERE", "AND", "INSERT", "INTO", "VALUES", "DELETE", "FROM", "IS", "NULL",
    "SELECT", "1",
];

/// Checks a statement against the proposal that it was built from.
pub fn check(proposal: &Proposal, statement: &Statement<'_>) {
    let names = check_text(statement, &statement.sql, statement.params.len());
    assert_eq!(names[..2], [statement.schema, statement.table]);
    for column in &names[2..] {
        assert!(
            proposal
                .allowed_columns
                .iter()
                .any(|allowed| allowed == column),
            "{column}"
        );
    }
    check_params(proposal, statement, &names[2..]);
    match statement.operation {
        Operation::Insert => check_insert(proposal, statement),
        Operation::Update | Operation::Delete => check_guards(proposal, statement),
    }
    if let Some((sql, params)) = statement.row_lookup() {
        check_text(statement, &sql, params.len());
        assert!(
            params
                .iter()
                .all(|param| matches!(param.role, Role::Key | Role::Tenant))
        );
    }
    assert_eq!(
        statement.row_lookup().is_none(),
        statement.operation == Operation::Insert
    );
}

/// The text in neither dialect: quotes and placeholders are all that may differ.
pub fn neutral(statement: &Statement<'_>) -> String {
    let (frame, names) = taken_apart(statement, &statement.sql);
    let frame: Vec<_> = frame.iter().map(|part| part.replace('?', "$")).collect();
    let frame = frame.join("\"").replace(|c: char| c.is_ascii_digit(), "");
    format!("{frame} {}", names.join("."))
}

/// The text between the quoted names, and those names.
fn taken_apart<'s>(statement: &Statement<'_>, sql: &'s str) -> (Vec<&'s str>, Vec<&'s str>) {
    let parts: Vec<_> = sql.split(statement.dialect.quote()).collect();
    assert!(parts.len() % 2 == 1, "quotes pair up: {sql}");
    let every_other = |first: usize| parts.iter().skip(first).step_by(2).copied().collect();
    (every_other(0), every_other(1))
}

/// The text is made of our own words, safe names and as many placeholders as there are parameters.
fn check_text<'s>(statement: &Statement<'_>, sql: &'s str, params: usize) -> Vec<&'s str> {
    let (frame, names) = taken_apart(statement, sql);
    for name in &names {
        check_name(
            name,
            if statement.dialect.quote() == '"' {
                63
            } else {
                64
            },
        );
    }
    let mut placeholders = 0;
    let words = frame
        .iter()
        .flat_map(|part| part.split([' ', '.', ',', '(', ')', '=']));
    for word in words.filter(|word| !word.is_empty() && !WORDS.contains(word)) {
        placeholders += 1;
        match statement.dialect.quote() {
            '"' => assert_eq!(word, format!("${placeholders}")),
            _ => assert_eq!(word, "?"),
        }
    }
    assert_eq!(placeholders, params, "{sql}");
    names
}

fn check_name(name: &str, longest: usize) {
    let is_head = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    assert!(name.bytes().next().is_some_and(is_head), "{name:?}");
    assert!(
        name.bytes().all(|b| is_head(b) || b.is_ascii_digit()),
        "{name:?}"
    );
    assert!(name.len() <= longest, "{name}");
}

/// Each column of the text has its parameter, in the same order, but for one that is compared with null; and every
/// value is the proposal's own, unchanged.
fn check_params(proposal: &Proposal, statement: &Statement<'_>, columns: &[&str]) {
    let mut params = statement.params.iter();
    for (n, column) in columns.iter().enumerate() {
        let is_last = n + 1 == columns.len();
        if is_last && statement.null_conflict_column == Some(column) {
            assert!(
                proposal
                    .conflict_guard()
                    .is_some_and(|(_, value)| value.is_null())
            );
            break;
        }
        let param = params.next().expect("each column has its parameter");
        assert_eq!(param.column, *column);
        let own = own_value(proposal, param).expect("the proposal has the value");
        assert_eq!(param.value.text(), own.text());
    }
    assert!(params.next().is_none(), "{}", statement.sql);
}

fn own_value<'p>(proposal: &'p Proposal, param: &Param<'_>) -> Option<&'p Json> {
    match param.role {
        Role::Written => {
            let is_tenant = proposal.tenant_column.as_deref() == Some(param.column);
            let tenant = proposal.tenant_id.as_ref().filter(|_| is_tenant);
            proposal.changes.get(param.column).or(tenant)
        }
        Role::Key => proposal.primary_key.get(param.column),
        Role::Tenant => proposal.tenant_id.as_ref(),
        Role::Conflict => proposal.conflict.get(param.column),
    }
}

/// Every change is written, and with a tenant column, the row is the tenant's.
fn check_insert(proposal: &Proposal, statement: &Statement<'_>) {
    assert!(
        statement
            .params
            .iter()
            .all(|param| param.role == Role::Written)
    );
    let tenant = proposal.tenant_column.as_deref();
    let appended = tenant.filter(|column| proposal.changes.get(column).is_none());
    let expected: Vec<_> = proposal.changes.names().chain(appended).collect();
    let written: Vec<_> = statement.params.iter().map(|param| param.column).collect();
    assert_eq!(written, expected);
    if let Some(column) = tenant {
        let param = statement.params.iter().find(|param| param.column == column);
        assert_eq!(param.map(|param| param.value), proposal.tenant_id.as_ref());
    }
    assert_eq!(statement.guards.tenant, tenant.is_some());
    assert!(!statement.guards.primary_key && !statement.guards.conflict);
}

/// The row is named by its whole key, its tenant and its conflict value, and none of those is written.
fn check_guards(proposal: &Proposal, statement: &Statement<'_>) {
    let columns = |role: Role| -> Vec<&str> {
        let params = statement.params.iter().filter(|param| param.role == role);
        params.map(|param| param.column).collect()
    };
    let written = match statement.operation {
        Operation::Update => proposal.changes.names().collect(),
        _ => Vec::new(),
    };
    assert_eq!(columns(Role::Written), written);
    assert_eq!(
        statement.operation == Operation::Update,
        !written.is_empty()
    );
    for column in written {
        assert!(
            Columns::get(&proposal.primary_key, column).is_none(),
            "{column} is a key"
        );
        assert_ne!(proposal.tenant_column.as_deref(), Some(column));
        assert_ne!(proposal.conflict_column.as_deref(), Some(column));
    }
    let key: Vec<_> = proposal.primary_key.names().collect();
    assert!(!key.is_empty() && statement.guards.primary_key);
    assert_eq!(columns(Role::Key), key);
    let tenant: Vec<_> = proposal.tenant_column.as_deref().into_iter().collect();
    assert_eq!(columns(Role::Tenant), tenant);
    assert_eq!(statement.guards.tenant, !tenant.is_empty());
    let conflict = proposal.conflict_guard().map(|(column, _)| column);
    assert_eq!(statement.conflict_column(), conflict);
    assert_eq!(statement.guards.conflict, conflict.is_some());
    let is_compared = |param: &Param<'_>| param.role != Role::Written;
    assert!(
        statement
            .params
            .iter()
            .filter(|p| is_compared(p))
            .all(|p| !p.value.is_null())
    );
}
