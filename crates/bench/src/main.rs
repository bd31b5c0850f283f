//! `make bench`: how fast write-back is, how it grows, and what it costs its neighbours, against baselines of the same run.
//! What each measure is, the README says.
#![allow(
    clippy::expect_used,
    reason = "a benchmark that can't go on has to stop, and say why"
)]

mod control_plane;
mod machine;
mod measures;
mod own_process;
mod plan;
mod processes;
mod reference;
mod report;
mod runs;
mod samples;
mod stages;
mod tickets;

use std::path::PathBuf;
use std::time::Instant;

use clap::{Parser, Subcommand};
use machine::Machine;
use measures::Measure;
use plan::Plan;
use report::Report;

/// Measures, and prints tables. What is found, good or bad, is no error; what goes wrong is.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    process: Option<OwnProcess>,
    /// What to measure; everything unless some are named.
    measures: Vec<Measure>,
    /// Small sizes and few runs: only whether everything works.
    #[arg(long)]
    quick: bool,
    /// Where the figures are written as JSON.
    #[arg(long, default_value = "target/bench.json")]
    json: PathBuf,
}

/// Processes of the benchmark's own, which it starts itself.
#[derive(Subcommand)]
enum OwnProcess {
    /// The simulated control plane.
    #[command(name = control_plane::SUBCOMMAND, hide = true)]
    ControlPlane,
    /// The sequential reference.
    #[command(name = reference::SUBCOMMAND, hide = true)]
    Reference {
        kind: reference::Kind,
        base_url: String,
        address: String,
    },
}

fn main() {
    let cli = Cli::parse();
    match &cli.process {
        None => bench(&cli),
        Some(OwnProcess::ControlPlane) => control_plane::process::run(),
        Some(OwnProcess::Reference {
            kind,
            base_url,
            address,
        }) => reference::process::run(*kind, base_url, address),
    }
}

fn bench(cli: &Cli) {
    let plan = if cli.quick {
        Plan::quick()
    } else {
        Plan::full()
    };
    let machine = Machine::look();
    println!("{machine}");
    println!(
        "Medians of {} runs (lowest–highest), after a warm-up.",
        plan.runs
    );
    let mut report = Report::new(plan.is_quick, machine);
    let all = Measure::ALL.into_iter();
    for measure in all.filter(|one| cli.measures.is_empty() || cli.measures.contains(one)) {
        let start = Instant::now();
        measure.run(&plan, &mut report);
        progress(format_args!(
            "{measure} took {:.0} s",
            start.elapsed().as_secs_f64()
        ));
    }
    report.print_targets();
    report.write(&cli.json);
    println!("\nEverything is in {} as well.", cli.json.display());
}

/// Tells whoever waits how far it is. The figures go elsewhere.
fn progress(what: impl std::fmt::Display) {
    eprintln!("  … {what}");
}
