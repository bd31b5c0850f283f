//! Proposals, written as a sentence: `update("tickets").key("id", 1).set("status", text("closed"))`.
//!
//! A value is anything that displays as JSON: a number, `true`, `"null"`, or JSON text such as `"[1, 2]"`;
//! [`text`] makes a JSON string.

use std::fmt::{Display, Write as _};

use serde_json::Value;

/// A JSON string.
pub fn text(content: &str) -> Value {
    Value::from(content)
}

/// A proposal to be.
#[derive(Clone)]
pub struct Change {
    operation: &'static str,
    pub schema: Option<String>,
    pub table: String,
    id: String,
    idempotency_key: Option<String>,
    changes: Vec<(String, String)>,
    key: Vec<(String, String)>,
    tenant: Option<(String, String)>,
    conflict: Option<(String, String)>,
}

pub fn insert(table: &str) -> Change {
    Change::new("insert", table)
}

pub fn update(table: &str) -> Change {
    Change::new("update", table)
}

/// Closes one of the tickets of [`super::shop::Shop::with_tickets`].
pub fn close(id: i32) -> Change {
    update("tickets")
        .key("id", id)
        .set("status", text("closed"))
}

pub fn delete(table: &str) -> Change {
    Change::new("delete", table)
}

impl Change {
    fn new(operation: &'static str, table: &str) -> Self {
        Change {
            operation,
            schema: None,
            table: table.to_owned(),
            id: "p".to_owned(),
            idempotency_key: None,
            changes: Vec::new(),
            key: Vec::new(),
            tenant: None,
            conflict: None,
        }
    }

    /// Another schema than the shop's own.
    pub fn in_schema(mut self, schema: &str) -> Self {
        self.schema = Some(schema.to_owned());
        self
    }

    /// The proposal's id; the shop's name is put before it, so that tests can run side by side.
    pub fn id(mut self, id: &str) -> Self {
        self.id = id.to_owned();
        self
    }

    /// The idempotency key; as with the id.
    pub fn idempotency_key(mut self, key: &str) -> Self {
        self.idempotency_key = Some(key.to_owned());
        self
    }

    pub fn set(mut self, column: &str, value: impl Display) -> Self {
        self.changes.push((column.to_owned(), value.to_string()));
        self
    }

    pub fn key(mut self, column: &str, value: impl Display) -> Self {
        self.key.push((column.to_owned(), value.to_string()));
        self
    }

    pub fn tenant(mut self, column: &str, value: impl Display) -> Self {
        self.tenant = Some((column.to_owned(), value.to_string()));
        self
    }

    pub fn conflict(mut self, column: &str, value: impl Display) -> Self {
        self.conflict = Some((column.to_owned(), value.to_string()));
        self
    }

    /// As the control plane would list it, every column allowed.
    pub fn json(&self, shop: &str) -> String {
        let schema = self.schema.as_deref().unwrap_or(shop);
        let mut json = format!(
            r#"{{"proposal_id": "{shop}/{}", "operation": "{}", "external_schema": "{schema}", "external_table": "{}""#,
            self.id, self.operation, self.table,
        );
        let mut member = |name: &str, value: &str| {
            write!(json, r#", "{name}": {value}"#).expect("a String takes it");
        };
        member("changes", &object(&self.changes));
        member("primary_key", &object(&self.key));
        if let Some(key) = &self.idempotency_key {
            member("idempotency_key", &format!("\"{shop}/{key}\""));
        }
        if let Some((column, value)) = &self.tenant {
            member("tenant_column", &format!("\"{column}\""));
            member("tenant_id", value);
        }
        if let Some((column, value)) = &self.conflict {
            member("conflict_column", &format!("\"{column}\""));
            member("conflict", &format!("{{\"{column}\": {value}}}"));
        }
        let columns = self.changes.iter().chain(&self.key);
        let columns = columns.chain(&self.tenant).chain(&self.conflict);
        let allowed: Vec<_> = columns.map(|(name, _)| format!("\"{name}\"")).collect();
        member("allowed_columns", &format!("[{}]", allowed.join(", ")));
        json.push('}');
        json
    }
}

fn object(members: &[(String, String)]) -> String {
    let members: Vec<_> = members
        .iter()
        .map(|(name, value)| format!("\"{name}\": {value}"))
        .collect();
    format!("{{{}}}", members.join(", "))
}
