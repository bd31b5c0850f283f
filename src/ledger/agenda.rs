//! What there is to do, in one look that costs no transaction id: what a worker asks before everything else.

use std::cell::RefCell;
use std::time::Duration;

use pgrx::pg_sys;
use pgrx::spi::OwnedPreparedStatement;

use super::Ledger;
use super::standing::{COLUMNS, Standing};
use crate::error::ExtensionError;
use crate::pg::databases;

thread_local! {
    /// Planned once for each process.
    static PLAN: RefCell<Option<OwnedPreparedStatement>> = const { RefCell::new(None) };
}

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
            PLAN.with_borrow_mut(|plan| {
                let plan = match plan {
                    Some(plan) => plan,
                    None => plan.insert(
                        spi.prepare(query().as_str(), &TYPES.map(pgrx::PgOid::from))?
                            .keep(),
                    ),
                };
                let row = spi.select(&*plan, Some(1), &arguments)?.first();
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
        })
    }
}

const TYPES: [pg_sys::Oid; 3] = [pg_sys::INT8OID, pg_sys::OIDOID, pg_sys::FLOAT8OID];

fn query() -> String {
    format!(
        "SELECT {COLUMNS},
            (SELECT extversion FROM pg_extension WHERE extname = 'synapsor_writeback'),
            (SELECT EXTRACT(epoch FROM min(next_report_at) - clock_timestamp())::float8
             FROM synapsor.ledger WHERE report_state = 'pending'),
            (SELECT EXTRACT(epoch FROM min(next_attempt_at) - clock_timestamp())::float8
             FROM synapsor.ledger WHERE status = 'retrying' AND next_attempt_at > clock_timestamp() - make_interval(secs => $3))"
    )
}
