//! A worker's post: its place in the launcher's roster, and the lock that makes it the only worker of its database.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use synapsor_core::refusal::Code;

use crate::apply::Failure;
use crate::apply::watch::Watch;
use crate::pg::lock::{self, SessionLock, Subject};
use crate::pg::process::{self, Process};
use crate::pg::shared::Mapping;

use super::roster::{self, Roster};
use super::slot::{Leave, Slot};

/// Held by the worker for as long as it works.
pub struct Post {
    roster: Rc<Mapping<Roster>>,
    slot: usize,
    launcher: i32,
    only_worker: SessionLock,
}

impl Post {
    /// Takes the post up; `None` when the launcher has gone, or another worker is there.
    pub fn take(roster: u32, slot: usize, launcher: i32) -> Option<Self> {
        let Some(roster) = roster::open(roster) else {
            // Where it is still there, it has a library that was replaced since; so let it start anew with ours.
            let launcher = Process::find(launcher).filter(|process| !process.is_connected());
            launcher.iter().for_each(Process::terminate);
            return None;
        };
        let only_worker = wait_for_lock();
        let place = roster.slot(slot);
        let Some(only_worker) = only_worker else {
            place.leave(Leave::AnotherWorks);
            return None;
        };
        place.sign_on(process::own_pid());
        Some(Post {
            roster,
            slot,
            launcher,
            only_worker,
        })
    }

    /// The worker's place in the roster.
    pub fn slot(&self) -> &Slot {
        self.roster.slot(self.slot)
    }

    /// True when the launcher has gone: nobody would start this worker again, and a new launcher would not know of it.
    /// And when the lock has gone, to another worker.
    pub fn is_orphaned(&self) -> bool {
        // A process of the same id that is connected to a database is somebody else.
        Process::find(self.launcher).is_none_or(|process| process.is_connected())
            || !self.only_worker.keep()
    }
}

/// A proposal whose code ends the worker, or cancels it (a trigger that terminates its own backend), is known by what it leaves behind: the key in the
/// roster. The second time its try is written down as a failed one, and the others get their turn.
impl Watch for Post {
    fn trying(&self, key: Option<&str>) {
        if key.is_none() {
            // What was just tried may have given it back. Where another has it, the next look finds that out.
            self.only_worker.keep();
        }
        self.slot().note_trying(key.map_or(0, fingerprint));
    }

    fn interrupted(&self) {
        self.slot().learn_from_the_end(true);
    }

    fn objection(&self, key: &str) -> Option<Failure> {
        self.slot().is_suspect(fingerprint(key)).then(|| Failure {
            is_transient: true,
            ..Code::WorkerEnded.into()
        })
    }
}

fn fingerprint(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// Launchers take the lock for a moment to see whether it is free.
fn wait_for_lock() -> Option<SessionLock> {
    const LOOKS: u32 = 20;
    const STEP: Duration = Duration::from_millis(10);
    for _ in 0..LOOKS {
        if let Some(lock) = lock::try_for_session(Subject::Working) {
            return Some(lock);
        }
        thread::sleep(STEP);
    }
    None
}
