//! The resident worker: connected as the apply role, it looks what there is to do, does it, and sleeps until there is
//! something again.

use std::time::{Duration, Instant};

use pgrx::pg_sys;
use synapsor_core::announcer::Announcer;
use synapsor_core::schedule::{Schedule, Trouble};

use crate::apply::{ApplyRole, failure};
use crate::control_plane::ControlPlane;
use crate::error::ExtensionError;
use crate::ledger::Ledger;
use crate::ledger::agenda::Agenda;
use crate::log;
use crate::pg::background::{self, Child, Start};
use crate::pg::error::PgError;
use crate::pg::relation::role_name;
use crate::pg::transactions::{WorkersTransactions, within};
use crate::pg::{clock, databases, latch, process, recovery, reload};
use crate::poll::Polling;
use crate::settings::{Settings, defaults};

use super::outbox::Outbox;
use super::post::Post;
use super::slot::{Leave, State};
use super::{log_state, scout, with_hint};

/// How often it looks, at least, whether its settings, its role and the extension are still the same.
const LOOK: Duration = Duration::from_secs(5);

/// How often it looks whether what is missing is there now.
const LOOK_WHILE_IDLE: Duration = Duration::from_secs(1);

/// How long it waits for its role to be the right one, which another process may know better.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks the postmaster for a worker.
pub fn request(
    database: pg_sys::Oid,
    role: pg_sys::Oid,
    roster: u32,
    slot: usize,
) -> Option<Child> {
    let extra = format!(
        "{} {} {roster} {slot} {}",
        database.to_u32(),
        role.to_u32(),
        process::own_pid()
    );
    let worker = Start {
        name: "synapsor_writeback worker",
        function: "synapsor_worker_main",
        extra: &extra,
        // The launcher sees to that.
        restart_after: None,
    };
    worker.request_and_watch()
}

/// The worker's main function.
#[pgrx::pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn synapsor_worker_main(_argument: pg_sys::Datum) {
    let Some([database, role, roster, slot, launcher]) = background::orders() else {
        return;
    };
    let role = role.into();
    background::connect(database.into(), role);
    let Some(post) = Post::take(roster, slot as usize, launcher.cast_signed()) else {
        return;
    };
    let why = if scout::is_needed(role) {
        scout::run(&post)
    } else {
        // Triggers on target tables can't poll in the middle of it.
        let _polling = Polling::begin();
        Resident::new(&post, role).run()
    };
    post.slot().leave(why);
}

/// What to do after a turn.
pub enum Turn {
    /// Wait for this long, or until somebody wakes us.
    Wait(Duration),
    /// End.
    Leave(Leave),
}

/// The worker.
pub struct Resident<'a> {
    pub(super) post: &'a Post,
    role: pg_sys::Oid,
    started: Instant,
    pub(super) schedule: Schedule,
    /// When the last poll began.
    pub(super) polled_at: Instant,
    announcer: Announcer,
    /// The extension's version at the first look.
    version: Option<String>,
    /// `synapsor.apply_role` was our role once.
    was_right: bool,
    /// Wake-ups that were answered.
    wakes: u64,
    pub(super) prune_at: Instant,
    pub(super) outbox: Outbox,
}

/// What a turn works with.
pub struct Ready {
    pub(super) settings: Settings,
    pub(super) agenda: Agenda,
    pub(super) control_plane: ControlPlane,
    /// Somebody asked for it: whatever is pending is tried now.
    pub(super) is_woken: bool,
}

/// Why a turn does nothing.
enum Obstacle {
    /// What is missing may come.
    Missing(ExtensionError),
    /// Another process has to take over.
    Leave(Leave),
}

impl Obstacle {
    /// Makes room for another process. (Of a stop that was asked for, the launcher tells: it knows of it however the worker ends.)
    fn replaced(because_of: &str) -> Self {
        log::note(format_args!(
            "worker stopped, to be replaced at once: {because_of}"
        ));
        Obstacle::Leave(Leave::ToBeReplaced)
    }
}

impl From<ExtensionError> for Obstacle {
    fn from(error: ExtensionError) -> Self {
        Obstacle::Missing(error)
    }
}

impl<'a> Resident<'a> {
    fn new(post: &'a Post, role: pg_sys::Oid) -> Self {
        Resident {
            post,
            role,
            started: Instant::now(),
            schedule: Schedule::default(),
            polled_at: Instant::now(),
            announcer: Announcer::default(),
            version: None,
            was_right: false,
            wakes: post.slot().wakes(),
            prune_at: Instant::now(),
            outbox: Outbox::default(),
        }
    }

    fn run(mut self) -> Leave {
        self.introduce();
        let mut rest = Duration::ZERO;
        loop {
            let sleep_and_turn = || {
                self.sleep(rest);
                self.turn()
            };
            match recovery::run(sleep_and_turn) {
                Ok(Turn::Wait(time)) => rest = time,
                Ok(Turn::Leave(why)) => return why,
                Err(error) => rest = self.survive(&error),
            }
        }
    }

    fn introduce(&mut self) {
        let names = || {
            let database = databases::name(databases::own()).unwrap_or_default();
            Ok::<_, ()>((database, role_name(self.role)))
        };
        if let Ok((database, role)) = within(&WorkersTransactions, names) {
            log::speak_for(&database);
            log::note(format_args!("worker started, as role \"{role}\""));
        }
        self.post.slot().show(State::Running, "starting");
    }

    fn turn(&mut self) -> Turn {
        self.post.slot().wake_up();
        let wakes = self.post.slot().wakes();
        let has_reloaded = reload::if_asked();
        // What is wrong with the role may have been put right for another one.
        self.was_right |= has_reloaded;
        let is_woken = has_reloaded | (wakes != self.wakes);
        self.wakes = wakes;
        if is_woken {
            self.schedule.wake();
        }
        match self.prepare(is_woken) {
            Ok(ready) => self.work(&ready),
            Err(Obstacle::Leave(why)) => Turn::Leave(why),
            Err(Obstacle::Missing(error)) => {
                let state = match error {
                    ExtensionError::Paused(_) | ExtensionError::Copy => State::Paused,
                    _ => State::Idle,
                };
                self.show_at_once(state, &error.to_string(), &with_hint(&error));
                // When it is there, everything is to be done at once.
                self.schedule.wake();
                Turn::Wait(LOOK_WHILE_IDLE)
            }
        }
    }

    /// Gathers what a turn needs.
    fn prepare(&mut self, is_woken: bool) -> Result<Ready, Obstacle> {
        if self.post.is_orphaned() {
            return Err(Obstacle::replaced("its launcher has ended"));
        }
        let (settings, agenda) = within(&WorkersTransactions, || self.look())?;
        if !settings.control_plane.names_a_source() {
            return Err(ExtensionError::SourceNotConfigured.into());
        }
        let control_plane = ControlPlane::open(&settings.control_plane)?;
        let slot = self.post.slot();
        let fingerprint = settings.control_plane.fingerprint();
        slot.report_to((!settings.dry_run).then_some(fingerprint));
        Ok(Ready {
            settings,
            agenda,
            control_plane,
            is_woken,
        })
    }

    /// In a transaction, which costs no transaction id.
    fn look(&mut self) -> Result<(Settings, Agenda), Obstacle> {
        // What was noted before this process connected, so that nothing has changed unseen.
        if defaults::now(self.role) != self.post.slot().defaults() {
            return Err(Obstacle::replaced("ALTER DATABASE or ALTER ROLE … SET"));
        }
        let settings = Settings::now()?;
        match ApplyRole::for_worker(settings.applying.apply_role.as_deref()) {
            Ok(role) if role == self.role => self.was_right = true,
            _ if self.was_right => return Err(Obstacle::replaced("another synapsor.apply_role")),
            Err(error) => return Err(error.into()),
            Ok(_) if self.started.elapsed() > PATIENCE => {
                return Err(Obstacle::replaced("to look for its role again"));
            }
            Ok(_) => {
                let role = role_name(self.role);
                return Err(ExtensionError::ApplyRoleAmbiguous { role }.into());
            }
        }
        let ledger = Ledger::open()?;
        ApplyRole::resolve(&settings.applying, &ledger)?;
        let agenda = ledger.agenda(self.polled_at.elapsed())?;
        let version = self.version.get_or_insert_with(|| agenda.version.clone());
        if *version != agenda.version {
            return Err(Obstacle::replaced("another version of the extension"));
        }
        if agenda.standing.stopped.is_some() {
            return Err(Obstacle::Leave(Leave::Stopped));
        }
        agenda.standing.require_for_reports()?;
        Ok((settings, agenda))
    }

    /// An error of Postgres's ended the transaction. Its message may quote rows, so it is not repeated.
    fn survive(&mut self, error: &PgError) -> Duration {
        let error = failure::of_sqlstate(&error.sqlstate, &[]).error;
        let now = Instant::now();
        let trouble = Trouble::default();
        self.schedule
            .failed(now, LOOK_WHILE_IDLE, trouble, fastrand::f64());
        self.post.slot().show_error(&error, clock::now());
        self.show(State::BackingOff, &error, &error);
        self.schedule.wait(now).max(LOOK_WHILE_IDLE)
    }

    /// Shows a state. `code` is what makes it another one; the log has a line a minute at most.
    pub(super) fn show(&mut self, state: State, code: &str, reason: &str) {
        if matches!(self.post.slot().state(), State::Idle | State::Paused) {
            // Somebody has put an end to it.
            return self.show_at_once(state, code, reason);
        }
        let is_news = self.announcer.is_news(Instant::now(), &key(state, code));
        self.publish(state, reason, is_news);
    }

    /// As [`Resident::show`], for what a person did: logged at once.
    pub(super) fn show_at_once(&mut self, state: State, code: &str, reason: &str) {
        let is_news = self
            .announcer
            .is_news_at_once(Instant::now(), &key(state, code));
        self.publish(state, reason, is_news);
    }

    fn publish(&self, state: State, reason: &str, is_news: bool) {
        self.post.slot().show(state, reason);
        if is_news {
            log_state(state, reason);
        }
    }

    /// Sleeps, unless somebody woke us since we began the turn.
    fn sleep(&mut self, time: Duration) {
        if time.is_zero() {
            return;
        }
        let slot = self.post.slot();
        slot.will_poll_at(clock::after(self.schedule.wait(Instant::now())));
        background::send_statistics();
        let text = match slot.state() {
            State::Running => "waiting for the next poll".to_owned(),
            state => format!("{}: {}", state.as_str(), slot.reason.read()),
        };
        background::show_idle(&text);
        slot.fall_asleep();
        if slot.wakes() == self.wakes && !reload::is_asked() {
            latch::wait(time.min(LOOK));
        }
    }
}

fn key(state: State, code: &str) -> String {
    format!("{} {code}", state.as_str())
}
