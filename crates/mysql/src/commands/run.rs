//! `run`: polls for ever.

use std::cell::RefCell;
use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use synapsor_core::announcer::Announcer;
use synapsor_core::judgement::Retry;
use synapsor_core::outbox::{Tally, Which};
use synapsor_core::schedule::{Schedule, Trouble};

use super::Context;
use crate::batch::Batch;
use crate::control_plane::ControlPlane;
use crate::database::Database;
use crate::error::Error;
use crate::exit::Exit;
use crate::ledger::Ledger;
use crate::output::Level;
use crate::poll::Poll;
use crate::settings::Settings;

/// The longest sleep, also where the next poll is far: somebody may have put a report back.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Runs until it is asked to stop. Only what is wrong from the start ends it otherwise.
pub fn run(mut context: Context<'_>) -> Result<Exit, Error> {
    let mut schedule = Schedule::default();
    let mut announcer = Announcer::default();
    context.output.event(
        Level::Info,
        "starting",
        json!({ "version": env!("CARGO_PKG_VERSION"), "source": source(&context.settings) }),
    );
    loop {
        let mut life = Life::begin(&context)?;
        let settings = loop {
            life.live(&mut schedule, &mut announcer);
            if context.stop.is_asked() {
                context.output.event(Level::Info, "stopped", json!({}));
                return Ok(Exit::Success);
            }
            schedule.wake();
            if let Some(settings) = reload(&context) {
                break settings;
            }
        };
        context.settings = settings;
        // Whoever has changed something wants to see how it goes now.
        announcer = Announcer::default();
    }
}

fn source(settings: &Settings) -> Option<&String> {
    let control_plane = &settings.control_plane;
    control_plane
        .source_id
        .as_ref()
        .or(control_plane.source_name.as_ref())
}

/// Reads the settings again; those that can't be worked with leave the old ones in place.
fn reload(old: &Context<'_>) -> Option<Settings> {
    let load = || Settings::load(&old.cli.settings, old.cli.config.as_deref());
    let read = load().and_then(|settings| {
        let context = Context {
            settings,
            output: old.output,
            stop: old.stop.clone(),
            cli: old.cli,
        };
        Life::begin(&context)?;
        Ok(context.settings)
    });
    match read {
        Ok(settings) => {
            let event = "settings read again";
            let details = json!({ "source": source(&settings) });
            old.output.event(Level::Info, event, details);
            Some(settings)
        }
        Err(error) => {
            let event = "the settings can't be read again; the old ones stay";
            complain(old, event, &error);
            None
        }
    }
}

fn complain(context: &Context<'_>, event: &str, error: &Error) {
    let mut details = json!({ "error": error.to_string() });
    if let Some(hint) = error.hint() {
        details["hint"] = hint.into();
    }
    context.output.event(Level::Warning, event, details);
}

/// A life under the same settings.
struct Life<'a> {
    context: &'a Context<'a>,
    database: Database,
    ledger: Ledger,
    control_plane: ControlPlane,
    /// What a dry run has told.
    told: HashSet<String>,
}

impl<'a> Life<'a> {
    fn begin(context: &'a Context<'a>) -> Result<Self, Error> {
        if source(&context.settings).is_none() {
            return Err(Error::SourceNotConfigured);
        }
        Ok(Life {
            context,
            database: context.database()?,
            ledger: context.ledger(),
            control_plane: ControlPlane::open(&context.settings.control_plane)?,
            told: HashSet::new(),
        })
    }

    /// Polls and sleeps, until a signal wakes it.
    fn live(&mut self, schedule: &mut Schedule, announcer: &mut Announcer) {
        let context = self.context;
        let ledger = self.ledger.clone();
        let database = self.database.clone();
        let poll = Poll {
            settings: &context.settings,
            database: &database,
            ledger: &ledger,
            output: context.output,
            stop: &context.stop,
            retry: Retry::Due,
            pace: RefCell::default(),
        };
        let mut batch = poll.batch();
        let mut last_poll = Instant::now();
        loop {
            let now = Instant::now();
            let outcome = if schedule.is_due(now) {
                last_poll = now;
                let polled = self.poll(&poll, &mut batch, announcer);
                self.reckon(schedule, now, &polled);
                polled
            } else {
                self.deliver(&poll, &mut batch)
            };
            if context.stop.is_asked() {
                return;
            }
            self.announce(announcer, &outcome);
            let outcome = batch.after(outcome);
            let wait = match outcome {
                Ok(()) => self.wait(&poll, &mut batch, schedule, last_poll),
                Err(_) => schedule.wait(Instant::now()),
            };
            if context.stop.sleep(wait.min(LONGEST_SLEEP)) {
                return;
            }
        }
    }

    fn poll(
        &mut self,
        poll: &Poll<'_>,
        batch: &mut Batch<'_>,
        announcer: &mut Announcer,
    ) -> Result<(), Error> {
        self.control_plane.refresh_key()?;
        self.ledger.require(batch.session()?)?;
        let context = self.context;
        let mut tally = Tally::default();
        let told = &mut self.told;
        poll.run(batch, &mut self.control_plane, &mut tally, |result| {
            tell(context, &result, told);
        })?;
        if let Some(error) = tally.last_error.filter(|_| tally.postponed > 0)
            && announcer.is_news(Instant::now(), "reports owed")
        {
            let details = json!({ "owed": tally.postponed, "error": error });
            context
                .output
                .event(Level::Warning, "reports are still owed", details);
        }
        if let Some(retention) = context.settings.ledger_retention {
            self.ledger.prune(batch.session()?, retention)?;
        }
        Ok(())
    }

    /// Between two polls: reports that are due, unless the last ones fared badly.
    fn deliver(&self, poll: &Poll<'_>, batch: &mut Batch<'_>) -> Result<(), Error> {
        if !poll.pace.borrow().may_deliver(Instant::now()) {
            return Ok(());
        }
        poll.deliver(batch, &self.control_plane, Which::Due, Duration::ZERO)
            .map(drop)
    }

    fn reckon(&self, schedule: &mut Schedule, start: Instant, polled: &Result<(), Error>) {
        let interval = self.context.settings.poll_interval;
        match polled {
            Ok(()) => schedule.succeeded(start, interval),
            Err(error) => {
                let trouble = match error {
                    Error::ControlPlane(error) => Trouble::from(error),
                    Error::Database(error) => Trouble {
                        needs_somebody: !error.is_transient(),
                        ..Trouble::default()
                    },
                    _ => Trouble {
                        needs_somebody: true,
                        ..Trouble::default()
                    },
                };
                schedule.failed(Instant::now(), interval, trouble, fastrand::f64());
            }
        }
    }

    /// A line when it fails, when it fails otherwise, and when it works again.
    fn announce(&self, announcer: &mut Announcer, outcome: &Result<(), Error>) {
        let now = Instant::now();
        match outcome {
            Ok(()) => {
                if announcer.is_news(now, "running") {
                    self.context.output.event(Level::Info, "running", json!({}));
                }
            }
            Err(error) => {
                if announcer.is_news(now, &error.code()) {
                    complain(self.context, "a poll failed; it is tried again", error);
                }
            }
        }
    }

    /// Until the next poll, or until something is due in the ledger.
    fn wait(
        &self,
        poll: &Poll<'_>,
        batch: &mut Batch<'_>,
        schedule: &mut Schedule,
        last_poll: Instant,
    ) -> Duration {
        let due = batch
            .session()
            .and_then(|session| Ok(self.ledger.next_due(session, last_poll.elapsed())?));
        let due = batch.after(due).unwrap_or_default();
        if let Some(attempt_in) = due.attempt_in {
            schedule.not_later_than(Instant::now() + attempt_in);
        }
        let wait = schedule.wait(Instant::now());
        let paced = poll.pace.borrow().wait(Instant::now());
        let report_in = due.report_in.map(|wait| wait.max(paced));
        report_in.map_or(wait, |report| wait.min(report))
    }
}

/// A line for each proposal that was decided just now. What is decided again and again is told once.
fn tell(context: &Context<'_>, result: &Value, told: &mut HashSet<String>) {
    const MOST: usize = 1_000;
    let is_new = result.get("guards").is_some();
    if !is_new
        || context.settings.dry_run && (told.len() >= MOST || !told.insert(result.to_string()))
    {
        return;
    }
    let level = match result["status"].as_str() {
        Some("applied" | "conflict") => Level::Info,
        _ => Level::Warning,
    };
    context.output.event(level, "decided", result.clone());
}
