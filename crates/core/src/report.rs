//! What the control plane is told of a proposal (contract section 3): status, operation, codes, and never a row.

use serde_json::{Map, Value, json};

use crate::outcome::Status;

/// One report, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which proposal.
    pub proposal_id: String,
    /// The proposal's own idempotency key, echoed; left out where it had none.
    pub idempotency_key: Option<String>,
    /// How it ended.
    pub verdict: Verdict,
}

/// How a proposal ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Rows were changed, and the change is durable.
    Applied {
        /// How many; always one.
        affected_rows: u64,
        /// `update`, `insert`, `delete`.
        operation: String,
    },
    /// No row was changed.
    Conflict {
        /// `update`, `insert`, `delete`.
        operation: String,
        /// `ROW_NOT_FOUND`, `CONFLICT_VALUE_CHANGED`, …
        reason: Option<String>,
    },
    /// It can't be applied.
    Failed {
        /// `CODE: text`; quotes no row and no value.
        error: String,
    },
}

impl Report {
    /// The status that the control plane will hold for the proposal.
    pub fn status(&self) -> Status {
        match self.verdict {
            Verdict::Applied { .. } => Status::Applied,
            Verdict::Conflict { .. } => Status::Conflict,
            Verdict::Failed { .. } => Status::Failed,
        }
    }

    /// The request's body:
    /// `{status, idempotency_key?, external_commit_metadata: {affected_rows, operation, reason?}}`, or
    /// `{status: "failed", idempotency_key?, error}`. `affected_rows` is a string.
    pub fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("status".into(), self.status().as_str().into());
        if let Some(key) = &self.idempotency_key {
            body.insert("idempotency_key".into(), key.as_str().into());
        }
        let (name, value) = match &self.verdict {
            Verdict::Applied {
                affected_rows,
                operation,
            } => (
                "external_commit_metadata",
                metadata(*affected_rows, operation, None),
            ),
            Verdict::Conflict { operation, reason } => (
                "external_commit_metadata",
                metadata(0, operation, reason.as_deref()),
            ),
            Verdict::Failed { error } => ("error", error.as_str().into()),
        };
        body.insert(name.into(), value);
        Value::Object(body)
    }
}

fn metadata(affected_rows: u64, operation: &str, reason: Option<&str>) -> Value {
    let mut metadata =
        json!({ "affected_rows": affected_rows.to_string(), "operation": operation });
    if let Some(reason) = reason {
        metadata["reason"] = reason.into();
    }
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(key: Option<&str>, verdict: Verdict) -> Value {
        Report {
            proposal_id: "p".into(),
            idempotency_key: key.map(str::to_owned),
            verdict,
        }
        .body()
    }

    #[test]
    fn the_bodies_are_the_contract_s() {
        let applied = Verdict::Applied {
            affected_rows: 1,
            operation: "update".into(),
        };
        assert_eq!(
            body(Some("k"), applied).to_string(),
            r#"{"status":"applied","idempotency_key":"k","external_commit_metadata":{"affected_rows":"1","operation":"update"}}"#
        );
        let conflict = Verdict::Conflict {
            operation: "delete".into(),
            reason: Some("ROW_NOT_FOUND".into()),
        };
        assert_eq!(
            body(None, conflict).to_string(),
            r#"{"status":"conflict","external_commit_metadata":{"affected_rows":"0","operation":"delete","reason":"ROW_NOT_FOUND"}}"#
        );
        let failed = Verdict::Failed {
            error: "WRITEBACK_TENANT_REQUIRED".into(),
        };
        assert_eq!(
            body(Some("k"), failed).to_string(),
            r#"{"status":"failed","idempotency_key":"k","error":"WRITEBACK_TENANT_REQUIRED"}"#
        );
    }
}
