//! The first life of a worker: finding out which role to connect as. Only a process that is connected to the database
//! can tell, and a process connects once. So this one is the bootstrap superuser, reads catalogs, touches nothing, and makes room for
//! the worker proper as soon as there is a role for it.

use std::time::{Duration, Instant};

use pgrx::pg_sys;
use synapsor_core::announcer::Announcer;

use crate::apply::ApplyRole;
use crate::error::ExtensionError;
use crate::log;
use crate::pg::transactions::{WorkersTransactions, within};
use crate::pg::{background, databases, identity, latch, recovery, reload};
use crate::settings::{self, defaults};

use super::post::Post;
use super::roster::{Leave, State};

/// How often it looks whether there is a role now.
const LOOK: Duration = Duration::from_secs(1);

/// Waits until there is a role to apply as, and says why while there is none.
pub fn run(post: &Post) -> Leave {
    let mut announcer = Announcer::default();
    let mut settings_before = None;
    loop {
        reload::if_asked();
        let look = || -> Result<_, ExtensionError> {
            let name = databases::name(databases::own()).unwrap_or_default();
            let settings_now = defaults::now(identity::session_role())?;
            let role = ApplyRole::for_worker(settings::apply_role().as_deref());
            Ok((name, settings_now, role))
        };
        let error = match within(&WorkersTransactions, look) {
            _ if post.is_orphaned() => return Leave::ToBeReplaced,
            Ok((_, now, _)) if *settings_before.get_or_insert(now.clone()) != now => {
                return Leave::ToBeReplaced;
            }
            Ok((_, _, Ok(role))) => return Leave::RoleFound(role),
            Ok((database, _, Err(error))) => {
                log::speak_for(&database);
                if announcer.is_news_at_once(Instant::now(), &error.to_string()) {
                    super::log_state(State::Idle, &super::with_hint(&error));
                }
                error
            }
            Err(error) => error,
        };
        let reason = super::with_hint(&error);
        post.slot().show(State::Idle, &reason);
        background::show_idle(&format!("idle: {error}"));
        // A cancel asks for nothing here.
        let _ = recovery::run(|| latch::wait(LOOK));
    }
}

/// True for a worker that was started without a role.
pub fn is_needed(role: pg_sys::Oid) -> bool {
    role == pg_sys::InvalidOid
}
