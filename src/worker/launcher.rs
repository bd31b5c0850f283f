//! The launcher: keeps one worker for each of its databases, starts again what died, and does nothing else. It is connected
//! to no database, so it is in nobody's way and runs nobody's code.
//!
//! With the library preloaded there is one for `synapsor.databases`; `synapsor_start_worker()` starts one for its database
//! where none keeps that yet.

use std::time::{Duration, Instant};

use pgrx::pg_sys;

use crate::log;
use crate::pg::databases::{self, Database};
use crate::pg::lock::{self, SessionLock, Subject};
use crate::pg::shared::Mapping;
use crate::pg::transactions::{WorkersTransactions, WorkersWaits, within};
use crate::pg::{background, latch, recovery, reload};
use crate::settings;

use super::keeper::Keeper;
use super::roster::{ROOM, Roster};

/// Seconds after which the postmaster starts a launcher again.
const RESTART_AFTER: i32 = 1;

/// How often it looks whether databases have come or gone.
const LOOK_UP: Duration = Duration::from_secs(5);

fn start(extra: &str) -> background::Start<'_> {
    background::Start {
        name: "synapsor_writeback launcher",
        function: "synapsor_launcher_main",
        extra,
        restart_after: Some(RESTART_AFTER),
    }
}

/// With the library preloaded: has the postmaster start the launcher for `synapsor.databases`.
pub fn register() {
    if background::is_time_to_register() {
        start("0 0").register();
    }
}

/// Starts a launcher for one database, once the transaction `xid` has ended (0 for none); `false` without a free slot.
pub fn request(database: pg_sys::Oid, xid: u32) -> bool {
    start(&format!("{} {xid}", database.to_u32())).request()
}

/// The launcher's main function.
#[pgrx::pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn synapsor_launcher_main(_argument: pg_sys::Datum) {
    let Some([database, xid]) = background::orders() else {
        return;
    };
    background::connect_to_none();
    if xid != 0 {
        let wait = || {
            background::wait_for_transaction(xid);
            Ok::<_, ()>(())
        };
        let _ = within(&WorkersWaits, wait);
    }
    let roster = create_roster();
    if database == 0 {
        roster.declare_permanent();
    }
    let mut launcher = Launcher {
        wanted: match database {
            0 => Wanted::Settings,
            one => Wanted::One(one.into()),
        },
        roster,
        kept: Vec::new(),
        leaving: Vec::new(),
        complained: Vec::new(),
    };
    launcher.run();
}

/// Tries until the server has room for it.
fn create_roster() -> Mapping<Roster> {
    const PATIENCE: Duration = Duration::from_secs(60);
    loop {
        if let Ok(Some(roster)) = recovery::run(Roster::create) {
            return roster;
        }
        log::note("no dynamic shared memory is free for the launcher; it tries again in a minute");
        latch::wait(PATIENCE);
    }
}

/// Which databases a launcher keeps.
enum Wanted {
    /// Those of `synapsor.databases`.
    Settings,
    /// This one.
    One(pg_sys::Oid),
}

struct Launcher {
    wanted: Wanted,
    roster: Mapping<Roster>,
    kept: Vec<Kept>,
    /// Of databases that are not wanted any more, until their workers have gone.
    leaving: Vec<Keeper>,
    /// What it has said already of names that lead nowhere.
    complained: Vec<String>,
}

/// A database that this launcher keeps.
struct Kept {
    database: Database,
    keeper: Keeper,
    _exclusively: SessionLock,
    _published: SessionLock,
}

impl Launcher {
    fn run(&mut self) {
        loop {
            reload::if_asked();
            self.follow();
            let now = Instant::now();
            for kept in &mut self.kept {
                kept.keeper.tend(&self.roster, now);
            }
            if self.is_done() {
                return;
            }
            self.show();
            let next = self.kept.iter().filter_map(|kept| kept.keeper.next(now));
            let time = next.min().map_or(LOOK_UP, |next| next.min(LOOK_UP));
            // A cancel asks for nothing here.
            let _ = recovery::run(|| latch::wait(time));
        }
    }

    /// Takes on the databases that are wanted and there, and gives up the others.
    fn follow(&mut self) {
        let look = || within(&WorkersTransactions, || Ok::<_, ()>(databases::all()));
        let Ok(Ok(existing)) = recovery::run(look) else {
            return;
        };
        let wanted: Vec<Database> = match &self.wanted {
            Wanted::One(oid) => existing.into_iter().filter(|d| d.oid == *oid).collect(),
            Wanted::Settings => self.named(existing),
        };
        let unwanted = |kept: &mut Kept| !wanted.contains(&kept.database);
        for kept in self.kept.extract_if(.., unwanted) {
            kept.keeper.give_up();
            self.leaving.push(kept.keeper);
        }
        self.leaving
            .retain(|keeper| !keeper.has_given_up(&self.roster));
        for database in wanted {
            if database.is_open && !self.kept.iter().any(|kept| kept.database == database) {
                self.take_on(database);
            }
        }
    }

    /// Those of the existing databases that the setting names.
    fn named(&mut self, existing: Vec<Database>) -> Vec<Database> {
        let Some(names) = settings::databases() else {
            self.complain("synapsor.databases is not a list of names separated by commas");
            let is_kept = |d: &Database| self.kept.iter().any(|kept| kept.database == *d);
            return existing.into_iter().filter(is_kept).collect();
        };
        let (found, missing): (Vec<_>, Vec<_>) = names
            .into_iter()
            .partition(|name| existing.iter().any(|d| d.name == *name));
        for name in &missing {
            self.complain(&format!(
                "synapsor.databases names \"{name}\", which does not exist"
            ));
        }
        // Once it exists, it may be missed again.
        self.complained.retain(|said| {
            !found
                .iter()
                .any(|name| said.contains(&format!("\"{name}\"")))
        });
        existing
            .into_iter()
            .filter(|d| found.contains(&d.name))
            .collect()
    }

    /// Another launcher may have it already; that one keeps it.
    fn take_on(&mut self, database: Database) {
        let oid = database.oid;
        let Some(exclusively) = lock::try_for_session_in(oid, Subject::Keeping) else {
            return;
        };
        let Some(published) = lock::publish(oid, Subject::Roster, self.roster.handle()) else {
            return;
        };
        let Some(slot) = self.roster.take(oid) else {
            self.complain(&format!(
                "more than {ROOM} databases; the others get no worker"
            ));
            return;
        };
        self.kept.push(Kept {
            keeper: Keeper::new(database.clone(), slot),
            database,
            _exclusively: exclusively,
            _published: published,
        });
    }

    /// One that was started for a database by hand ends with that, with `synapsor_stop_worker()`, and where another
    /// launcher keeps it.
    fn is_done(&mut self) -> bool {
        if matches!(self.wanted, Wanted::Settings) {
            return false;
        }
        if !self
            .kept
            .iter()
            .all(|kept| kept.keeper.is_at_rest(&self.roster))
        {
            return false;
        }
        // Who asks for a start asks us, and then starts another launcher, which leaves while we have the database. So let go of
        // it first, and then look for the last time whether we were asked.
        let kept = std::mem::take(&mut self.kept);
        let keepers: Vec<_> = kept.into_iter().map(|kept| kept.keeper).collect();
        let mut asked = keepers
            .iter()
            .map(|keeper| keeper.is_start_wanted(&self.roster));
        let is_done = !asked.any(|asked| asked);
        self.leaving.extend(keepers);
        is_done
    }

    fn show(&self) {
        let names: Vec<_> = self
            .kept
            .iter()
            .map(|kept| kept.database.name.as_str())
            .collect();
        background::show_idle(&match names.as_slice() {
            [] => "no database to keep a worker for".to_owned(),
            names => format!("keeping a worker for {}", names.join(", ")),
        });
    }

    fn complain(&mut self, what: &str) {
        if !self.complained.iter().any(|said| said == what) {
            log::note(what);
            self.complained.push(what.to_owned());
        }
    }
}
