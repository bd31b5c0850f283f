//! From approval to accepted report, for proposals that come one at a time.

use std::thread;
use std::time::{Duration, Instant};

use crate::plan::Plan;
use crate::progress;
use crate::report::{Figure, Report, Section, Table, Target, Unit};
use crate::samples::Samples;
use crate::stages::{NEVER, PATIENCE, PostgresStage, Stage};

/// How often the polling worker polls.
const INTERVAL: Duration = Duration::from_millis(100);

/// Who makes the worker look.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Woken,
    Polled,
}

/// Woken, and polled.
pub fn measure(plan: &Plan, report: &mut Report) {
    let stage = PostgresStage::new(plan.tickets);
    let mut table = Table::new(&["way"]);
    for (name, way, interval) in [
        ("woken", Way::Woken, NEVER),
        ("polled every 100 ms", Way::Polled, INTERVAL),
    ] {
        stage.start_worker(interval);
        wait_for_singles(&stage, way, plan.singles.min(20));
        let rounds: Vec<_> = (1..=plan.runs)
            .map(|run| {
                progress(format_args!("latency: {name}, {run} of {}", plan.runs));
                wait_for_singles(&stage, way, plan.singles)
            })
            .collect();
        stage.stop_worker();
        let figures = percentiles(&rounds);
        if way == Way::Woken {
            let last: Samples = rounds.iter().map(|round| round.percentile(99.0)).collect();
            report.found(Target::Latency, last.median());
        }
        table.row(&[name], figures);
    }
    report.add(&Section {
        measure: "latency",
        title: format!(
            "from approval to accepted report, {} single proposals a run, 0 ms",
            plan.singles
        ),
        tables: vec![table],
        notes: vec![
            "Woken: by SELECT synapsor_wake() right after the approval, its own time included."
                .to_owned(),
        ],
    });
}

/// The percentiles of each round: their median, and the lowest and the highest.
fn percentiles(rounds: &[Samples]) -> Vec<Figure> {
    let percentiles = [
        ("p50", 50.0),
        ("p95", 95.0),
        ("p99", 99.0),
        ("longest", 100.0),
    ];
    let figure = |(name, percent): (&'static str, f64)| {
        let of_rounds = rounds
            .iter()
            .map(|round| round.percentile(percent))
            .collect();
        Figure::new(name, Unit::Milliseconds, &of_rounds)
    };
    percentiles.into_iter().map(figure).collect()
}

/// Milliseconds for each of so many proposals.
fn wait_for_singles(stage: &PostgresStage, way: Way, count: usize) -> Samples {
    let mut samples = Samples::default();
    for n in 0..count {
        if way == Way::Polled {
            thread::sleep(moment(n));
        }
        let start = Instant::now();
        stage.control_plane().approve(stage.tickets().updates(1));
        if way == Way::Woken {
            stage.wake();
        }
        stage.control_plane().wait(PATIENCE);
        samples.push(start.elapsed().as_secs_f64() * 1e3);
    }
    samples
}

/// Approvals come at any moment between two polls. Those of ours would always come right after one, as the last proposal
/// was reported then. Multiples of the golden ratio spread evenly.
fn moment(n: usize) -> Duration {
    const GOLDEN: f64 = 0.618_033_988_75;
    INTERVAL.mul_f64((n as f64 * GOLDEN).fract())
}
