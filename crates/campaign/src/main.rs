//! The crash campaign: `campaign postgres --minutes 10`, `campaign mysql --episodes 3 --seed 7`.
//!
//! From a seed it makes an episode: proposals of all kinds, application traffic on the same rows, whoever polls, and a fault after the
//! other: crashes at named points, killed processes, stopped servers, cut connections, a control plane that misbehaves. Then everything
//! is left to drain, and the checker holds the tables' own history, the ledger and the control plane's journal against each other.
#![allow(
    clippy::expect_used,
    reason = "a campaign that can't go on has to stop, and say why"
)]

mod case;
mod checker;
mod episode;
mod evidence;
mod fault;
mod story;
mod system;
mod systems;
mod tally;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use checker::Invariant;
use clap::{Parser, ValueEnum};
use episode::Field;
use simulated_control_plane::{Options, Simulator};
use synapsor_crash_points::Defect;
use system::System;
use tally::Tally;

/// Attacks write-back with crashes and faults, and checks that nothing is lost, nothing happens twice, and nothing is untrue.
#[derive(Parser)]
struct Cli {
    /// What to attack.
    target: Target,
    /// Goes on for so long.
    #[arg(long, conflicts_with = "episodes")]
    minutes: Option<f64>,
    /// Runs so many episodes.
    #[arg(long, default_value_t = 3)]
    episodes: u64,
    /// The first episode's seed; the next ones count up. Without it, a fresh one.
    #[arg(long)]
    seed: Option<u64>,
    /// Breaks a promise on purpose: the campaign then has to find a violation.
    #[arg(long)]
    defect: Option<Defect>,
    /// Adds the counts to those in this file.
    #[arg(long)]
    tally: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Target {
    /// The extension, in the server that `SYNAPSOR_PG_CONFIG` names.
    Postgres,
    /// The companion program that `SYNAPSOR_MYSQL_PROGRAM` names, with MariaDB.
    Mysql,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let options = Options::default();
    let api_key = options.api_key.clone();
    let since = SystemTime::now();
    let simulator = Simulator::start(options).expect("the simulated control plane starts");
    let mut system: Box<dyn System> = match cli.target {
        Target::Postgres => Box::new(systems::postgres::Postgres::start(
            &simulator, &api_key, cli.defect,
        )),
        Target::Mysql => Box::new(systems::mysql::MySql::start(
            &simulator, &api_key, cli.defect,
        )),
    };
    let mut tally = cli.tally.as_deref().map(Tally::load).unwrap_or_default();
    system.require_crash_points();
    let mut field = Field {
        system: &mut *system,
        simulator: &simulator,
        since,
        tally: &mut tally,
    };
    let violations = campaign(&cli, &mut field);
    println!("{tally}");
    match cli.defect {
        None => ExitCode::from(u8::from(!violations.is_empty())),
        Some(defect) => {
            let is_found = violations.iter().any(|found| shows(defect, *found));
            let verdict = if is_found { "was" } else { "was not" };
            println!("the defect {defect} {verdict} found out");
            ExitCode::from(u8::from(!is_found))
        }
    }
}

/// True for a violation that only this defect explains; that something did not drain in time, say, is none.
fn shows(defect: Defect, found: Invariant) -> bool {
    match defect {
        Defect::ReportBeforeCommit | Defect::FailedOnLostAnswer => found == Invariant::Truth,
        Defect::NoLedgerClaim => found == Invariant::Once,
        Defect::CatchWithoutSubtransaction => {
            matches!(found, Invariant::Once | Invariant::EffectAndReceipt)
        }
        Defect::NoConflictGuard => found == Invariant::Guard,
    }
}

/// Runs episodes; returns which invariants did not hold. One that was broken on purpose is enough.
fn campaign(cli: &Cli, field: &mut Field<'_>) -> Vec<Invariant> {
    let first = cli.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let (start, mut violations) = (Instant::now(), Vec::new());
    for (number, seed) in (1..).zip(first..) {
        let goes_on = match cli.minutes {
            Some(minutes) => start.elapsed() < Duration::from_secs_f64(minutes * 60.0),
            None => seed < first + cli.episodes,
        };
        let is_shown = |defect| violations.iter().any(|found| shows(defect, *found));
        if !goes_on || cli.defect.is_some_and(is_shown) {
            break;
        }
        let story = episode::run(field, seed, number);
        println!(
            "{} seed {seed}: {} faults, {} proposals, {:?}; {:.0} s",
            field.system.label(),
            story.faults.len(),
            story.cases.len(),
            episode::outcomes(&story),
            start.elapsed().as_secs_f64(),
        );
        if !story.violations.is_empty() {
            println!("{}", story::tell(&story));
        }
        if let Some(path) = &cli.tally {
            field.tally.save(path);
        }
        violations.extend(story.violations.iter().map(|found| found.invariant));
    }
    violations
}
