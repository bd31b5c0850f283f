//! Advancing the conflict column, so that a second proposal made from the same reading is a conflict and not a lost update.

use synapsor_core::builder::Role;

use super::{Prepared, step};
use crate::database::Step;
use crate::target::Unfit;

/// An integer goes up by one, a time to now. `None` for other types, which stay as they are.
pub fn step(prepared: &Prepared<'_>) -> Result<Option<Step>, Unfit> {
    let statement = &prepared.statement;
    let Some(name) = statement.conflict_column() else {
        return Ok(None);
    };
    let column = prepared.target.column(name)?;
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
        _ => return Ok(None),
    };
    let (mut conditions, mut values) = (Vec::new(), Vec::new());
    for (param, typed) in statement.params.iter().zip(&prepared.typed) {
        if matches!(param.role, Role::Key | Role::Tenant) {
            conditions.push(format!("`{}` = ?", param.column));
            values.push(typed);
        }
    }
    let sql = format!(
        "UPDATE `{}`.`{}` SET `{name}` = {next} WHERE {}",
        statement.schema,
        statement.table,
        conditions.join(" AND ")
    );
    Ok(Some(step::of(sql, &values)))
}
