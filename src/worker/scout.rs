//! The first life of a worker: finding out which role to connect as. Only a process that is connected to the database
//! can tell, and a process connects once. So this one is the bootstrap superuser, reads catalogs and our own tables, runs nobody's
//! code, and makes room for the worker proper as soon as there is a role for it.

use std::time::{Duration, Instant};

use pgrx::pg_sys;
use synapsor_core::announcer::Announcer;

use crate::apply::{ApplyRole, failure};
use crate::error::ExtensionError;
use crate::ledger::Ledger;
use crate::log;
use crate::pg::transactions::{WorkersTransactions, within};
use crate::pg::{background, databases, identity, latch, recovery, reload};
use crate::settings::{self, defaults};

use super::post::Post;
use super::slot::{Leave, State};

/// How often it looks whether there is a role now.
const LOOK: Duration = Duration::from_secs(1);

/// How long one waits. The next one reads all settings anew, also one that changed while this one connected.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a look finds.
struct Look {
    /// A fingerprint of the settings of database and role, as this process reads them.
    own_defaults: u64,
    is_stopped: bool,
    role: Result<Role, ExtensionError>,
}

/// A role that a worker can connect as, and the fingerprint of the settings that it will read then.
struct Role {
    oid: pg_sys::Oid,
    defaults: u64,
}

/// True for a worker that was started without a role.
pub fn is_needed(role: pg_sys::Oid) -> bool {
    role == pg_sys::InvalidOid
}

/// Waits until there is a role to apply as, and says why while there is none.
pub fn run(post: &Post) -> Leave {
    let mut announcer = Announcer::default();
    let mut defaults_before = None;
    let start = Instant::now();
    let name = || Ok::<_, ()>(databases::name(databases::own()).unwrap_or_default());
    log::speak_for(&within(&WorkersTransactions, name).unwrap_or_default());
    loop {
        if reload::if_asked() {
            // So that the log has a line for what the change led to.
            announcer = Announcer::default();
        }
        let looked = recovery::run(|| within(&WorkersTransactions, look));
        let looked = looked.unwrap_or_else(|error| {
            let failure = failure::of_sqlstate(&error.sqlstate, &[]);
            Err(ExtensionError::TransactionFailed(failure.error))
        });
        let look = match looked {
            Ok(look) => look,
            Err(error) => Look {
                own_defaults: defaults_before.unwrap_or_default(),
                is_stopped: false,
                role: Err(error),
            },
        };
        let has_changed = *defaults_before.get_or_insert(look.own_defaults) != look.own_defaults;
        match look.role {
            _ if look.is_stopped => return Leave::Stopped,
            _ if has_changed || post.is_orphaned() || start.elapsed() > PATIENCE => {
                return Leave::ToBeReplaced;
            }
            Ok(role) => {
                post.slot().hand_over_defaults(role.defaults);
                return Leave::RoleFound(role.oid);
            }
            Err(error) => idle(post, &error, &mut announcer),
        }
    }
}

/// In a transaction. What is compared with later looks, and handed over, is read before anything that can wait.
fn look() -> Result<Look, ExtensionError> {
    let own_defaults = defaults::now(identity::session_role());
    let role = ApplyRole::for_worker(settings::apply_role().as_deref());
    let role = role.map(|oid| Role {
        oid,
        defaults: defaults::now(oid),
    });
    let is_stopped = match Ledger::open() {
        Ok(ledger) => ledger.standing()?.stopped.is_some(),
        // Without the extension nobody has stopped anything.
        Err(_) => false,
    };
    Ok(Look {
        own_defaults,
        is_stopped,
        role,
    })
}

fn idle(post: &Post, error: &ExtensionError, announcer: &mut Announcer) {
    let reason = super::with_hint(error);
    let slot = post.slot();
    // The scout before this one may have said so already.
    let is_known = slot.state() == State::Idle && slot.reason.read() == reason;
    if announcer.is_news_at_once(Instant::now(), &error.to_string()) && !is_known {
        super::log_state(State::Idle, &reason);
    }
    slot.show(State::Idle, &reason);
    background::show_idle(&format!("idle: {error}"));
    // A cancel asks for nothing here.
    let _ = recovery::run(|| latch::wait(LOOK));
}
