//! Proposals, built in a line.

use std::fmt;

use serde_json::{Map, Value};

/// The source that proposals are for unless they say otherwise.
const SOURCE_ID: &str = "src_1";

/// A proposal, which shows itself as the JSON text that a control plane lists. Every column that it names is an
/// allowed one, unless [`Proposal::field`] says otherwise.
///
/// ```
/// use synapsor_testbed::Proposal;
///
/// let proposal = Proposal::update("tickets")
///     .id("wrp_1")
///     .key("id", 7)
///     .change("status", "closed")
///     .tenant("tenant_id", "acme")
///     .conflict("version", 3);
/// assert!(proposal.to_string().contains(r#""changes":{"status":"closed"}"#));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal(Map<String, Value>);

impl Proposal {
    /// An update of a row of `public.<table>`.
    #[must_use]
    pub fn update(table: &str) -> Self {
        Self::new("update", table)
    }

    /// An insert into `public.<table>`.
    #[must_use]
    pub fn insert(table: &str) -> Self {
        Self::new("insert", table)
    }

    /// A delete of a row of `public.<table>`.
    #[must_use]
    pub fn delete(table: &str) -> Self {
        Self::new("delete", table)
    }

    fn new(operation: &str, table: &str) -> Self {
        Proposal(Map::new())
            .field("proposal_id", "wrp_1")
            .field("source_id", SOURCE_ID)
            .field("status", "approved")
            .field("external_schema", "public")
            .field("external_table", table)
            .field("operation", operation)
            .field("changes", Map::new())
            .field("allowed_columns", Value::Array(Vec::new()))
    }

    /// Its id; `wrp_1` unless it is set.
    #[must_use]
    pub fn id(self, id: &str) -> Self {
        self.field("proposal_id", id)
    }

    /// Its idempotency key; none unless it is set.
    #[must_use]
    pub fn idempotency_key(self, key: &str) -> Self {
        self.field("idempotency_key", key)
    }

    /// The schema of its table; `public` unless it is set.
    #[must_use]
    pub fn schema(self, schema: &str) -> Self {
        self.field("external_schema", schema)
    }

    /// Another column to write.
    #[must_use]
    pub fn change(self, column: &str, value: impl Into<Value>) -> Self {
        self.member("changes", column, value.into())
    }

    /// Another column of the primary key.
    #[must_use]
    pub fn key(self, column: &str, value: impl Into<Value>) -> Self {
        self.member("primary_key", column, value.into())
    }

    /// The tenant guard.
    #[must_use]
    pub fn tenant(self, column: &str, tenant: impl Into<Value>) -> Self {
        self.allow(column)
            .field("tenant_column", column)
            .field("tenant_id", tenant)
    }

    /// The conflict guard.
    #[must_use]
    pub fn conflict(self, column: &str, value: impl Into<Value>) -> Self {
        self.field("conflict_column", column)
            .member("conflict", column, value.into())
    }

    /// Any field, as it is.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    fn member(mut self, field: &str, column: &str, value: Value) -> Self {
        let object = self.0.entry(field).or_insert_with(|| Map::new().into());
        let members = object.as_object_mut().expect("an object so far");
        members.insert(column.to_owned(), value);
        self.allow(column)
    }

    fn allow(mut self, column: &str) -> Self {
        let allowed = self
            .0
            .get_mut("allowed_columns")
            .and_then(Value::as_array_mut);
        let allowed = allowed.expect("an array so far");
        if !allowed.iter().any(|name| name == column) {
            allowed.push(column.into());
        }
        self
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(&self.0).map_err(|_| fmt::Error)?;
        formatter.write_str(&text)
    }
}

/// A JSON value from its text, number for number: `exact("12345678901234567890.10")`.
///
/// # Panics
/// When it is not JSON.
#[must_use]
pub fn exact(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json} is not JSON: {error}"))
}
