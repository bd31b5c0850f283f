//! Advancing the conflict column, so that a second proposal made from the same reading is a conflict and not a lost update.

use mysql::Value;
use synapsor_core::builder::{EXPECTED_ROW_COUNT, Role};
use synapsor_core::refusal::Code;

use super::Prepared;
use crate::database::Session;
use crate::target::Unfit;

/// An integer goes up by one, a time to now. Other types stay as they are.
pub fn advance(session: &mut Session, prepared: &Prepared<'_>) -> Result<(), Unfit> {
    let statement = &prepared.statement;
    let Some(name) = statement.conflict_column() else {
        return Ok(());
    };
    let column = prepared.target.column(name).map_err(Unfit::Failed)?;
    let digits = column.datetime_precision.unwrap_or(0).min(6);
    let next = match column.data_type.as_str() {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => {
            format!("coalesce(`{name}`, 0) + 1")
        }
        // Also where the clock has not moved on since the row was written, or was set back.
        "datetime" | "timestamp" => format!(
            "greatest(UTC_TIMESTAMP({digits}), coalesce(`{name}` + INTERVAL {} MICROSECOND, UTC_TIMESTAMP({digits})))",
            10u32.pow(6 - digits as u32)
        ),
        _ => return Ok(()),
    };
    let (mut conditions, mut params) = (Vec::new(), Vec::<Value>::new());
    for (param, typed) in statement.params.iter().zip(&prepared.typed) {
        if matches!(param.role, Role::Key | Role::Tenant) {
            conditions.push(format!("`{}` = ?", param.column));
            params.push(typed.parameter.clone());
        }
    }
    let sql = format!(
        "UPDATE `{}`.`{}` SET `{name}` = {next} WHERE {}",
        statement.schema,
        statement.table,
        conditions.join(" AND ")
    );
    match session.run_afresh(&sql, params)?.affected_rows {
        EXPECTED_ROW_COUNT => Ok(()),
        _ => Err(Unfit::Failed(Code::MultiRowBlocked.into())),
    }
}
