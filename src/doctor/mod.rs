//! `synapsor_doctor()`: examines everything that write-back needs, and says of each trouble what repairs it. It changes nothing, shows
//! no secret, and one examination that fails keeps none of the others from being made.
//!
//! ```text
//! finding, chart          what an examination finds; all of them, in their order
//! desk, repair            what examinations ask the catalog; the commands that put things right
//! configuration           settings, key, certificate authority
//! connection              the control plane: reached, trusted, allowed, the right source, the time
//! role, hardening         who applies, and that he can do nothing else
//! uses, targets           the tables that proposals are written to; what is examined of each
//! grants, barriers        rights, indexes, triggers, row security
//! work                    the database, the worker, the ledger
//! ```

mod barriers;
mod chart;
mod configuration;
mod connection;
mod desk;
mod finding;
mod grants;
mod hardening;
mod repair;
mod role;
mod targets;
mod uses;
mod work;

use crate::control_plane::ControlPlane;
use crate::error::ExtensionError;
use crate::ledger::Ledger;
use crate::pg::guc_scope::GucScope;
use crate::pg::{databases, xact};
use crate::settings::Settings;

use chart::Chart;
pub use chart::Row;
use connection::Connection;
use desk::Desk;
use targets::Targets;

/// The longest that an examination waits for a lock, in milliseconds.
const LOCK_TIMEOUT: &str = "1000";

/// All findings, in the order of [`chart::NAMES`].
///
/// # Errors
/// `EXTENSION_MISSING`. Everything else is a finding.
pub fn examine() -> Result<Vec<Row>, ExtensionError> {
    let patience = GucScope::open();
    patience.set("lock_timeout", LOCK_TIMEOUT);
    let ledger = Ledger::open()?;
    let mut chart = Chart::default();
    match Settings::now() {
        Ok(settings) => {
            let desk = Desk {
                ledger,
                settings: &settings,
                database: databases::name(databases::own()).unwrap_or_default(),
            };
            examine_all(&desk, &mut chart);
        }
        Err(error) => chart.examine("settings", || Err(error)),
    }
    Ok(chart.finish())
}

fn examine_all(desk: &Desk<'_>, chart: &mut Chart) {
    chart.examine("database", || Ok(work::database()));
    chart.examine("extension", || work::extension(desk));
    let control_plane = ControlPlane::open(&desk.settings.control_plane);
    let can_look = configuration::examine(desk, &control_plane, chart);
    let connection = match &control_plane {
        Ok(control_plane) => Connection::examine(desk, control_plane, chart),
        Err(_) => Connection::default(),
    };
    let role = role::examine(desk, chart);
    hardening::examine(desk, chart);
    if let Some(role) = role.filter(|_| can_look && !xact::is_standby()) {
        match Targets::in_use(desk, role, &connection.proposals) {
            Ok(targets) => targets.examine(chart),
            Err(error) => chart.examine("targets", || Err(error)),
        }
    }
    work::examine(desk, connection.proposals.len(), chart);
}
