//! A worker with nothing to do that polls every ten milliseconds: what that costs.

use std::thread;
use std::time::Duration;

use crate::plan::Plan;
use crate::processes::Process;
use crate::progress;
use crate::report::{Figure, Report, Section, Table, Unit};
use crate::samples::Samples;
use crate::stages::{PostgresStage, Stage};

/// The shortest that can be set.
const INTERVAL: Duration = Duration::from_millis(10);

/// The extension's worker.
pub fn measure(plan: &Plan, report: &mut Report) {
    let stage = PostgresStage::new(plan.tickets);
    report.add(&on(&stage, "idle", plan));
}

/// What is found in a stretch of time, run by run.
#[derive(Default)]
struct Stretches {
    polls: Samples,
    cpu_share: Samples,
    cpu_each: Samples,
    log_bytes: Samples,
    transactions: Samples,
    memory_each: Samples,
    memory: Samples,
}

/// A worker of either kind, and the same server without it.
pub fn on(stage: &dyn Stage, measure: &'static str, plan: &Plan) -> Section {
    let worker = stage.start_worker(INTERVAL);
    // What is made once is not growth.
    thread::sleep(plan.stretch / 2);
    let mut polling = Stretches::default();
    for run in 1..=plan.runs {
        progress(format_args!("{measure}: {run} of {}", plan.runs));
        polling.add(stage, Some(&worker), plan.stretch);
    }
    stage.stop_worker();
    progress(format_args!("{measure}: the server alone"));
    let mut alone = Stretches::default();
    alone.add(stage, None, plan.stretch);
    let mut table = Table::new(&["server"]);
    table.row(&["with the worker"], polling.figures());
    table.row(&["alone"], alone.figures());
    Section {
        measure,
        title: format!(
            "nothing to do, a poll every {INTERVAL:?}, {:?} a run, {}",
            plan.stretch,
            stage.name()
        ),
        tables: vec![table],
        notes: vec!["Log and transaction ids are the whole server's.".to_owned()],
    }
}

impl Stretches {
    fn add(&mut self, stage: &dyn Stage, worker: Option<&Process>, stretch: Duration) {
        let (polls, counters) = (stage.control_plane().polls(), stage.counters());
        let before = worker.map(|worker| (worker.cpu(), worker.private_memory()));
        thread::sleep(stretch);
        let polls = (stage.control_plane().polls() - polls) as f64;
        let now = stage.counters();
        self.log_bytes
            .push((now.log_bytes - counters.log_bytes) as f64);
        self.transactions
            .push((now.transactions - counters.transactions) as f64);
        self.polls.push(polls);
        let (Some(worker), Some((cpu, memory))) = (worker, before) else {
            return;
        };
        assert!(polls > 0.0, "the worker does not poll");
        let cpu = (worker.cpu() - cpu).as_secs_f64();
        self.cpu_share.push(100.0 * cpu / stretch.as_secs_f64());
        self.cpu_each.push(cpu * 1e6 / polls);
        let memory_now = worker.private_memory() as f64;
        self.memory.push(memory_now);
        self.memory_each.push((memory_now - memory as f64) / polls);
    }

    fn figures(&self) -> [Figure; 7] {
        [
            Figure::new("polls", Unit::Plain, &self.polls),
            Figure::new("CPU %", Unit::Plain, &self.cpu_share),
            Figure::new("CPU µs/poll", Unit::Plain, &self.cpu_each),
            Figure::new("log bytes", Unit::Plain, &self.log_bytes),
            Figure::new("transaction ids", Unit::Plain, &self.transactions),
            Figure::new("growth, bytes/poll", Unit::Plain, &self.memory_each),
            Figure::new("private memory", Unit::Bytes, &self.memory),
        ]
    }
}
