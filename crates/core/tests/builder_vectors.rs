//! The builder equals the published worker on the 300 cases that were made with it.

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use serde_json::value::RawValue;
use synapsor_core::builder::{self, EXPECTED_ROW_COUNT};
use synapsor_core::proposal::Proposal;

#[derive(serde::Deserialize)]
struct Case {
    proposal: Box<RawValue>,
    expect: Value,
}

/// What our builder says of a proposal, in the vectors' shape.
fn outcome(text: &str) -> Value {
    let built = Proposal::parse(text).and_then(|proposal| {
        let statement = builder::build(&proposal)?;
        let params: Vec<Value> = statement
            .params
            .iter()
            .map(|param| serde_json::from_str(param.value.text()).unwrap())
            .collect();
        Ok(serde_json::json!({
            "sql": statement.sql,
            "params": params,
            "operation": statement.operation.as_str(),
            "expected_row_count": EXPECTED_ROW_COUNT,
        }))
    });
    built.unwrap_or_else(|refusal| serde_json::json!({ "error": refusal.to_string() }))
}

#[test]
fn all_300_cases_come_out_as_the_published_worker_has_them() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("vectors/builder.json")).unwrap();
    assert_eq!(cases.len(), 300);
    for case in cases {
        let text = case.proposal.get();
        assert_eq!(outcome(text), case.expect, "{text}");
    }
}
