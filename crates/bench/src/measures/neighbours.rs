//! pgbench on a server, with and without the worker writing to the same table.

use std::fs;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use synapsor_testbed::process::run;
use synapsor_testbed::{Proposal, WRITER};

use crate::plan::Plan;
use crate::progress;
use crate::report::{Figure, Report, Section, Table, Target, Unit};
use crate::samples::Samples;
use crate::stages::{NEVER, PATIENCE, PostgresStage, Stage};

/// Proposals a second.
const RATE: usize = 200;

/// How often some are approved, and the worker is woken.
const EVERY: Duration = Duration::from_millis(50);

/// Clients of pgbench.
const CLIENTS: &str = "4";

/// What pgbench did, run by run.
#[derive(Default)]
struct Bench {
    throughput: Samples,
    median: Samples,
    p99: Samples,
    /// Proposals a second, from the first approval to the last report.
    proposals: Samples,
}

/// In turn with and without, first to warm up.
pub fn measure(plan: &Plan, report: &mut Report) {
    let stage = PostgresStage::new(0);
    initialize(&stage, plan);
    let mut feed = Feed::new(plan);
    let [mut without, mut with] = [Bench::default(), Bench::default()];
    for turn in 0..=plan.runs {
        progress(format_args!("neighbours: {turn} of {}", plan.runs));
        let [without, with] = match turn {
            0 => [&mut Bench::default(), &mut Bench::default()],
            _ => [&mut without, &mut with],
        };
        without.add(&stage, plan, |_| {});
        stage.start_worker(NEVER);
        let mut proposals = f64::NAN;
        with.add(&stage, plan, |bench| {
            proposals = feed.until_the_end_of(bench, &stage);
        });
        with.proposals.push(proposals);
        stage.stop_worker();
    }
    let ratio = with.p99.median() / without.p99.median();
    report.add(&section(plan, &without, &with));
    report.found(Target::Neighbours, ratio);
}

fn section(plan: &Plan, without: &Bench, with: &Bench) -> Section {
    let mut table = Table::new(&["worker"]);
    table.row(&["none"], without.figures(without));
    table.row(&[&format!("{RATE} proposals/s")], with.figures(without));
    Section {
        measure: "neighbours",
        title: format!(
            "pgbench, {CLIENTS} clients, scale {}, {:?} a run, while proposals change pgbench_accounts",
            plan.scale, plan.stretch
        ),
        tables: vec![table],
        notes: vec!["The control plane works on the same machine.".to_owned()],
    }
}

fn initialize(stage: &PostgresStage, plan: &Plan) {
    let mut pgbench = stage.cluster.program("pgbench");
    pgbench.args([
        "--initialize",
        "--quiet",
        "--scale",
        &plan.scale.to_string(),
    ]);
    run(pgbench.arg(stage.database.name()));
    stage.database.execute(&format!(
        "GRANT SELECT, UPDATE (filler) ON pgbench_accounts TO {WRITER}"
    ));
    stage.database.execute("CHECKPOINT");
}

impl Bench {
    /// Runs pgbench, and something meanwhile.
    fn add(&mut self, stage: &PostgresStage, plan: &Plan, meanwhile: impl FnOnce(&mut Child)) {
        let home = stage.cluster.socket_directory();
        let mut pgbench = stage.cluster.program("pgbench");
        pgbench.args(["--client", CLIENTS, "--no-vacuum", "--log"]);
        pgbench.arg("--log-prefix").arg(home.join("pgbench_log"));
        pgbench.args(["--time", &plan.stretch.as_secs().to_string()]);
        pgbench.arg(stage.database.name());
        let mut child = pgbench
            .stdout(Stdio::null())
            .spawn()
            .expect("pgbench can be started");
        meanwhile(&mut child);
        let status = child.wait().expect("pgbench ends");
        assert!(status.success(), "pgbench failed: {status}");
        let log = home.join(format!("pgbench_log.{}", child.id()));
        let text = fs::read_to_string(&log).expect("pgbench's log");
        let latencies: Samples = text.lines().filter_map(latency).collect();
        assert!(latencies.count() > 0, "pgbench did nothing");
        self.throughput
            .push(latencies.count() as f64 / plan.stretch.as_secs_f64());
        self.median.push(latencies.percentile(50.0));
        self.p99.push(latencies.percentile(99.0));
        fs::remove_file(&log).expect("the log can be removed");
    }

    fn figures(&self, baseline: &Bench) -> Vec<Figure> {
        let against = |mine: &Samples, other: &Samples| mine.median() / other.median();
        let throughput = against(&self.throughput, &baseline.throughput);
        let p99 = against(&self.p99, &baseline.p99);
        vec![
            Figure::new("transactions/s", Unit::Plain, &self.throughput),
            Figure::single("against none", Unit::Times, throughput),
            Figure::new("p50", Unit::Milliseconds, &self.median),
            Figure::new("p99", Unit::Milliseconds, &self.p99),
            Figure::single("p99 against none", Unit::Times, p99),
            Figure::new("proposals/s", Unit::Plain, &self.proposals),
        ]
    }
}

/// The third field of a line is the transaction's latency in microseconds; here in milliseconds.
fn latency(line: &str) -> Option<f64> {
    let microseconds: f64 = line.split_whitespace().nth(2)?.parse().ok()?;
    Some(microseconds / 1e3)
}

/// Approves proposals at an even rate.
struct Feed {
    made: usize,
    accounts: usize,
}

impl Feed {
    fn new(plan: &Plan) -> Self {
        const ACCOUNTS: usize = 100_000;
        Feed {
            made: 0,
            accounts: plan.scale * ACCOUNTS,
        }
    }

    /// Says how many proposals a second were applied and reported.
    fn until_the_end_of(&mut self, bench: &mut Child, stage: &PostgresStage) -> f64 {
        let (start, before) = (Instant::now(), self.made);
        while matches!(bench.try_wait(), Ok(None)) {
            let due = (start.elapsed().as_secs_f64() * RATE as f64) as usize;
            let missing = (before + due).saturating_sub(self.made);
            let proposals: Vec<_> = (0..missing).map(|_| self.next()).collect();
            if stage.control_plane().approve(proposals) > 0 {
                stage.wake();
            }
            thread::sleep(EVERY);
        }
        stage.control_plane().wait(PATIENCE);
        (self.made - before) as f64 / start.elapsed().as_secs_f64()
    }

    fn next(&mut self) -> String {
        /// A prime that no number of accounts is a multiple of.
        const STRIDE: usize = 7_368_787;
        self.made += 1;
        let account = (self.made * STRIDE) % self.accounts + 1;
        Proposal::update("pgbench_accounts")
            .id(&format!("wrp_{}", self.made))
            .key("aid", account)
            .change("filler", format!("{:84}", self.made))
            .to_string()
    }
}
