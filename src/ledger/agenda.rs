//! What there is to do, in one look that costs no transaction id: what a worker asks before everything else.

use std::sync::LazyLock;
use std::time::Duration;

use super::Ledger;
use super::standing::{COLUMNS, Standing};
use crate::error::ExtensionError;
use crate::pg::databases;

/// What there is to do.
#[derive(Clone, Debug)]
pub struct Agenda {
    /// Whether work is allowed.
    pub standing: Standing,
    /// The extension's version in the catalog.
    pub version: String,
    /// Time until the next report is due; zero when one is.
    pub next_report_in: Option<Duration>,
    /// Time until the next retrying proposal is due, of those that were not due at the last poll: what was has had its turn.
    pub next_attempt_in: Option<Duration>,
}

impl Ledger {
    /// Looks. The last poll began so long ago.
    pub fn agenda(&self, since_last_poll: Duration) -> Result<Agenda, ExtensionError> {
        let arguments = [
            databases::system_identifier().into(),
            databases::own().into(),
            since_last_poll.as_secs_f64().into(),
        ];
        self.as_owner(|spi| {
            let row = spi.select(&QUERY, Some(1), &arguments)?.first();
            let wait = |seconds: Option<f64>| {
                seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok())
            };
            let Some(version) = row.get(4)? else {
                return Err(ExtensionError::ExtensionMissing);
            };
            Ok(Agenda {
                standing: Standing {
                    paused: row.get(1)?,
                    stopped: row.get(2)?,
                    is_copy: row.get(3)?.unwrap_or(true),
                },
                version,
                next_report_in: wait(row.get(5)?),
                next_attempt_in: wait(row.get(6)?),
            })
        })
    }
}

static QUERY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {COLUMNS},
            (SELECT extversion FROM pg_extension WHERE extname = 'synapsor_writeback'),
            (SELECT EXTRACT(epoch FROM min(next_report_at) - clock_timestamp())::float8
             FROM synapsor.ledger WHERE report_state = 'pending'),
            (SELECT EXTRACT(epoch FROM min(next_attempt_at) - clock_timestamp())::float8
             FROM synapsor.ledger WHERE status = 'retrying' AND next_attempt_at > clock_timestamp() - make_interval(secs => $3))"
    )
});
