//! What is kept of applied changes beside the ledger, so that they can be taken back.

use super::Ledger;
use super::statements::Planned;
use crate::apply::Captured;
use crate::error::ExtensionError;

/// What is known of a change that is to be taken back.
pub struct Change {
    /// The ledger's status.
    pub status: String,
    /// `update`, `insert` or `delete`.
    pub operation: String,
    /// The schema written to.
    pub schema: String,
    /// The table written to.
    pub table: String,
    /// What was captured; `None` where nothing was.
    pub captured: Option<Captured>,
}

impl Ledger {
    /// Writes down what was captured of changes whose rows this transaction has recorded. The keys are distinct. Where the extension
    /// is still to be updated there is no place for it.
    pub fn keep(&self, captures: &[(String, Captured)]) -> Result<(), ExtensionError> {
        const IS_THERE: &str = "SELECT true WHERE to_regclass('synapsor.capture') IS NOT NULL";
        const STATEMENT: &str = "
            INSERT INTO synapsor.capture (key, before, after, primary_key, tenant_column, tenant_id, conflict_column, left_out)
            SELECT c.key, c.before::json, c.after::json, c.primary_key::json, c.tenant_column, c.tenant_id::json,
                c.conflict_column, c.left_out::json
            FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
                AS c (key, before, after, primary_key, tenant_column, tenant_id, conflict_column, left_out)";
        if captures.is_empty() {
            return Ok(());
        }
        let all = |field: fn(&Captured) -> Option<String>| {
            let values = captures.iter().map(|(_, captured)| field(captured));
            values.collect::<Vec<_>>().into()
        };
        let keys: Vec<_> = captures.iter().map(|(key, _)| key.clone()).collect();
        let arguments = [
            keys.into(),
            all(|c| c.before.clone()),
            all(|c| c.after.clone()),
            all(|c| c.primary_key.clone()),
            all(|c| c.tenant_column.clone()),
            all(|c| c.tenant_id.clone()),
            all(|c| c.conflict_column.clone()),
            all(|c| Some(c.left_out.clone())),
        ];
        self.as_owner(|spi| {
            if spi.select(IS_THERE, Some(1), &[])?.is_empty() {
                return Ok(());
            }
            Ok(spi.update(STATEMENT, None, &arguments).map(drop)?)
        })
    }

    /// What is known of a change.
    ///
    /// # Errors
    /// `LEDGER_KEY_UNKNOWN`.
    pub fn change(&self, key: &str) -> Result<Change, ExtensionError> {
        const QUERY: &str = "
            SELECT l.status, l.operation, l.target_schema, l.target_table, c.key IS NOT NULL, c.before::text, c.after::text,
                c.primary_key::text, c.tenant_column, c.tenant_id::text, c.conflict_column, c.left_out::text
            FROM synapsor.ledger AS l LEFT JOIN synapsor.capture AS c ON c.key = l.key WHERE l.key = $1";
        self.as_owner_planned(Planned::EachTime, |spi| {
            let rows = spi.select(QUERY, Some(1), &[key.into()])?;
            if rows.is_empty() {
                return Err(ExtensionError::LedgerKeyUnknown);
            }
            let row = rows.first();
            let captured = Captured {
                before: row.get(6)?,
                after: row.get(7)?,
                primary_key: row.get(8)?,
                tenant_column: row.get(9)?,
                tenant_id: row.get(10)?,
                conflict_column: row.get(11)?,
                left_out: row.get(12)?.unwrap_or_default(),
            };
            let text = |n| Ok::<_, ExtensionError>(row.get::<String>(n)?.unwrap_or_default());
            Ok(Change {
                status: text(1)?,
                operation: text(2)?,
                schema: text(3)?,
                table: text(4)?,
                captured: row.get::<bool>(5)?.unwrap_or_default().then_some(captured),
            })
        })
    }
}
