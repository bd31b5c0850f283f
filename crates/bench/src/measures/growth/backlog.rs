//! Backlogs that grow tenfold.

use crate::plan::Plan;
use crate::progress;
use crate::report::{Figure, Section, Table, Unit};
use crate::runs::Runs;
use crate::stages::{NEVER, Stage};

/// How time and memory grew.
pub struct Growth {
    /// The time for the largest backlog against the one before.
    pub time: f64,
    /// Bytes for the largest backlog beyond those for the smallest.
    pub more_memory: f64,
    /// Bytes for the largest.
    pub memory: f64,
}

/// Each backlog by a process that has done nothing before, as memory is seldom given back.
pub fn on(stage: &dyn Stage, measure: &'static str, plan: &Plan) -> (Section, Growth) {
    let mut speeds = Table::new(&["backlog"]);
    let mut processes = Table::of_processes();
    let mut found: Vec<Found> = Vec::new();
    for &backlog in &plan.backlogs {
        let (runs, role) = work_off(stage, measure, plan, backlog);
        let seconds = runs.seconds.median();
        let before = found.last().map_or(f64::NAN, |before| before.seconds);
        let against = Figure::single("against the one before", Unit::Times, seconds / before);
        let case = backlog.to_string();
        speeds.row(&[&case], runs.speed().into_iter().chain([against]));
        runs.add_processes(&mut processes, &case);
        let memory = runs.peak_private(role);
        found.push(Found { seconds, memory });
    }
    let section = Section {
        measure,
        title: format!("backlogs, 0 ms, {}", stage.name()),
        tables: vec![speeds, processes],
        notes: vec!["Each run is that of a new worker process.".to_owned()],
    };
    (section, growth(&found))
}

struct Found {
    seconds: f64,
    memory: f64,
}

fn work_off(stage: &dyn Stage, measure: &str, plan: &Plan, backlog: usize) -> (Runs, &'static str) {
    let mut runs = Runs::of(backlog);
    let mut role = "";
    for run in 1..=plan.runs {
        progress(format_args!(
            "{measure}: a backlog of {backlog}, {run} of {}",
            plan.runs
        ));
        let worker = stage.start_worker(NEVER);
        role = worker.role;
        stage.work_off(&mut runs, &worker, stage.tickets().updates(backlog));
        stage.stop_worker();
    }
    (runs, role)
}

fn growth(found: &[Found]) -> Growth {
    let [first, .., before, last] = found else {
        panic!("three backlogs are compared");
    };
    Growth {
        time: last.seconds / before.seconds,
        more_memory: last.memory - first.memory,
        memory: last.memory,
    }
}
