//! What examinations work with: the settings, and questions to the catalog.

use pgrx::datum::DatumWithOid;

use crate::error::ExtensionError;
use crate::ledger::{Ledger, Planned};
use crate::settings::Settings;

/// What examinations work with.
pub struct Desk<'a> {
    /// Where questions are asked as the extension's owner.
    pub ledger: Ledger,
    /// The settings of this session.
    pub settings: &'a Settings,
    /// The name of this database.
    pub database: String,
}

impl Desk<'_> {
    /// The rows of a fixed query whose columns are texts; NULL is the empty text. Nothing is written by it.
    pub fn rows<const N: usize>(
        &self,
        query: &str,
        arguments: &[DatumWithOid<'_>],
    ) -> Result<Vec<[String; N]>, ExtensionError> {
        self.ledger.as_owner_planned(Planned::EachTime, |spi| {
            let mut rows = Vec::new();
            for row in spi.ask(query, arguments)? {
                let mut texts = [const { String::new() }; N];
                for (n, text) in texts.iter_mut().enumerate() {
                    *text = row.get(n + 1)?.unwrap_or_default();
                }
                rows.push(texts);
            }
            Ok(rows)
        })
    }

    /// The apply role's name; empty where none is set.
    pub fn apply_role(&self) -> &str {
        self.settings
            .applying
            .apply_role
            .as_deref()
            .unwrap_or_default()
    }
}
