//! `build`: the builder alone; touches nothing.

use serde_json::{Value, json};
use synapsor_core::builder;

use super::{Context, input};
use crate::error::Error;
use crate::exit::Exit;

/// Prints `{sql, params, operation, expected_row_count}`.
pub fn run(context: &Context<'_>, kind: Option<&str>) -> Result<Exit, Error> {
    let proposal = input::proposal()?;
    let statement = match kind {
        Some(kind) => builder::build_as(&proposal, kind)?,
        None => builder::build(&proposal)?,
    };
    let mut params: Vec<Value> = Vec::new();
    for param in &statement.params {
        let value = serde_json::from_str(param.value.text());
        params.push(value.map_err(|_| Error::Input("a value is not Unicode text".into()))?);
    }
    context.output.object(&json!({
        "sql": statement.sql,
        "params": params,
        "operation": statement.operation.as_str(),
        "expected_row_count": builder::EXPECTED_ROW_COUNT,
    }));
    Ok(Exit::Success)
}
