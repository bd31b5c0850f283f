//! The whole cycle: fetch, apply, report, against a sequential reference, with a control plane near and far.

use crate::plan::Plan;
use crate::progress;
use crate::report::{Figure, Report, Section, Table, Target, Unit};
use crate::runs::Runs;
use crate::stages::{NEVER, PostgresStage, Stage};

/// How much faster the worker was, for each latency.
pub type Ratios = Vec<(u64, f64)>;

/// The extension's worker.
pub fn measure(plan: &Plan, report: &mut Report) {
    let stage = PostgresStage::new(plan.tickets);
    let (section, ratios) = on(&stage, "cycle", plan);
    report.add(&section);
    for (latency, ratio) in ratios {
        match latency {
            0 => report.found(Target::CycleAtOnce, ratio),
            20 => report.found(Target::CycleFarAway, ratio),
            _ => {}
        }
    }
}

/// A worker of either kind.
pub fn on(stage: &dyn Stage, measure: &'static str, plan: &Plan) -> (Section, Ratios) {
    let mut speeds = Table::new(&["latency", "by"]);
    let mut processes = Table::of_processes();
    let mut ratios = Ratios::new();
    for &(latency, references) in &plan.latencies {
        progress(format_args!("{measure}: {latency} ms"));
        stage.control_plane().set_latency(latency);
        let [worker, reference] = hold(stage, plan, references);
        let ratio = worker.rate().median() / reference.rate().median();
        let case = format!("{latency} ms");
        add(&mut speeds, [&case, "worker"], &worker, ratio);
        add(&mut speeds, [&case, "reference"], &reference, 1.0);
        worker.add_processes(&mut processes, &format!("{case}, worker"));
        reference.add_processes(&mut processes, &format!("{case}, reference"));
        ratios.push((latency, ratio));
    }
    let section = Section {
        measure,
        title: format!(
            "the whole cycle of {} proposals, {}",
            plan.cycle,
            stage.name()
        ),
        tables: vec![speeds, processes],
        notes: vec![note(plan)],
    };
    (section, ratios)
}

fn note(plan: &Plan) -> String {
    let counts: Vec<_> = plan
        .latencies
        .iter()
        .map(|(latency, count)| format!("{count} at {latency} ms"))
        .collect();
    format!(
        "The reference takes one after the other, so its rate does not depend on their number: {}.",
        counts.join(", ")
    )
}

fn add(table: &mut Table, labels: [&str; 2], runs: &Runs, ratio: f64) {
    let against = Figure::single("against reference", Unit::Times, ratio);
    table.row(&labels, runs.speed().into_iter().chain([against]));
}

/// Both in turn, first to warm up.
fn hold(stage: &dyn Stage, plan: &Plan, references: usize) -> [Runs; 2] {
    let process = stage.start_worker(NEVER);
    let sequential = stage.reference();
    let [mut worker, mut reference] = [Runs::of(plan.cycle), Runs::of(references)];
    for run in 0..=plan.runs {
        let (worker, reference) = match run {
            0 => (&mut Runs::of(plan.cycle), &mut Runs::of(references)),
            _ => (&mut worker, &mut reference),
        };
        let proposals = stage.tickets().updates(plan.cycle);
        stage.work_off(worker, &process, proposals);
        stage.work_off_one_by_one(reference, &sequential, references);
    }
    stage.stop_worker();
    [worker, reference]
}
