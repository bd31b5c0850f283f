//! Whether write-back may work in this database at all: holds that a person put on it, and whether this is the database
//! that it was set up in.

use std::sync::LazyLock;

use super::Ledger;
use crate::error::ExtensionError;
use crate::pg::{databases, identity, relation};

/// What a person asked for, until he takes it back. Survives restarts, dumps and copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Nothing is applied.
    Paused,
    /// No worker runs.
    Stopped,
}

impl Hold {
    fn as_str(self) -> &'static str {
        match self {
            Hold::Paused => "paused",
            Hold::Stopped => "stopped",
        }
    }
}

/// What holds in this database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Since when and by whom it is paused, in words.
    pub paused: Option<String>,
    /// Since when and by whom the worker is stopped, in words.
    pub stopped: Option<String>,
    /// It was set up in another cluster or as another database.
    pub is_copy: bool,
}

/// Selects a [`Standing`]; `$1` is the system identifier and `$2` the database's oid.
pub(super) const COLUMNS: &str = "
    (SELECT 'since ' || to_char(since, 'YYYY-MM-DD HH24:MI:SSOF') || ', by ' || held_by
     FROM synapsor.hold WHERE kind = 'paused'),
    (SELECT 'since ' || to_char(since, 'YYYY-MM-DD HH24:MI:SSOF') || ', by ' || held_by
     FROM synapsor.hold WHERE kind = 'stopped'),
    NOT EXISTS (SELECT FROM synapsor.home)
        OR EXISTS (SELECT FROM synapsor.home WHERE (system_identifier, database_oid) <> ($1, $2))";

static QUERY: LazyLock<String> = LazyLock::new(|| format!("SELECT {COLUMNS}"));

impl Standing {
    /// Raises what keeps proposals from being applied. To try them (and undo it) is allowed.
    pub fn require(&self, dry_run: bool) -> Result<(), ExtensionError> {
        match self {
            _ if dry_run => Ok(()),
            Standing { is_copy: true, .. } => Err(ExtensionError::Copy),
            Standing {
                paused: Some(paused),
                ..
            } => Err(ExtensionError::Paused(paused.clone())),
            _ => Ok(()),
        }
    }

    /// Raises what keeps reports from being sent. While it is only paused, what was decided before is still reported.
    pub fn require_for_reports(&self) -> Result<(), ExtensionError> {
        if self.is_copy {
            Err(ExtensionError::Copy)
        } else {
            Ok(())
        }
    }
}

impl Ledger {
    /// What holds now.
    pub fn standing(&self) -> Result<Standing, ExtensionError> {
        let arguments = [
            databases::system_identifier().into(),
            databases::own().into(),
        ];
        self.as_owner(|spi| {
            let row = spi.select(&QUERY, Some(1), &arguments)?.first();
            Ok(Standing {
                paused: row.get(1)?,
                stopped: row.get(2)?,
                is_copy: row.get(3)?.unwrap_or(true),
            })
        })
    }

    /// Puts a hold; `false` when it was there already.
    pub fn hold(&self, hold: Hold) -> Result<bool, ExtensionError> {
        const STATEMENT: &str = "
            INSERT INTO synapsor.hold (kind, since, held_by) VALUES ($1, clock_timestamp(), $2)
            ON CONFLICT DO NOTHING";
        let by = relation::role_name(identity::session_role());
        let arguments = [hold.as_str().into(), by.into()];
        self.as_owner(|spi| Ok(!spi.update(STATEMENT, None, &arguments)?.is_empty()))
    }

    /// Takes a hold back; `false`, and nothing written, when there was none.
    pub fn release(&self, hold: Hold) -> Result<bool, ExtensionError> {
        const LOOK: &str = "SELECT FROM synapsor.hold WHERE kind = $1";
        const STATEMENT: &str = "DELETE FROM synapsor.hold WHERE kind = $1";
        let arguments = [hold.as_str().into()];
        self.as_owner(|spi| {
            if spi.select(LOOK, Some(1), &arguments)?.is_empty() {
                return Ok(false);
            }
            Ok(!spi.update(STATEMENT, None, &arguments)?.is_empty())
        })
    }

    /// Makes this database the one that write-back is set up in; `false`, and nothing written, when it is.
    pub fn settle_here(&self) -> Result<bool, ExtensionError> {
        if !self.standing()?.is_copy {
            return Ok(false);
        }
        const LEAVE: &str = "
            DELETE FROM synapsor.home WHERE (system_identifier, database_oid) <> ($1, $2)";
        const ARRIVE: &str = "
            INSERT INTO synapsor.home (system_identifier, database_oid)
            SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM synapsor.home)";
        let arguments = [
            databases::system_identifier().into(),
            databases::own().into(),
        ];
        self.as_owner(|spi| {
            let left = spi.update(LEAVE, None, &arguments)?.len();
            let arrived = spi.update(ARRIVE, None, &arguments)?.len();
            Ok(left + arrived > 0)
        })
    }
}
