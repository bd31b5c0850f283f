//! Applying alone, without a control plane, against a plpgsql loop with the same statements and the same ledger row.

use postgres::Client;
use synapsor_testbed::{Proposal, WRITER};

use crate::plan::Plan;
use crate::processes::{Process, Watch};
use crate::progress;
use crate::report::{Figure, Report, Section, Table, Target, Unit};
use crate::runs::Runs;
use crate::stages::PostgresStage;
use crate::tickets::TENANT;

/// The batch size that the issue names.
const TARGETED: usize = 100;

const OPERATIONS: [&str; 3] = ["update", "insert", "delete"];

/// One side of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Ours,
    Baseline,
}

/// The database, and a session for each side.
struct Contest<'a> {
    stage: PostgresStage,
    ours: Client,
    baseline: Client,
    plan: &'a Plan,
}

/// Every operation in every batch size.
pub fn measure(plan: &Plan, report: &mut Report) {
    let mut contest = Contest::new(plan);
    let mut speeds = Table::new(&["operation", "batch", "by"]);
    let mut processes = Table::of_processes();
    let mut lowest = f64::INFINITY;
    for operation in OPERATIONS {
        for &batch_size in &plan.batch_sizes {
            let [ours, baseline] = contest.hold(operation, batch_size);
            let ratio = ours.rate().median() / baseline.rate().median();
            if batch_size == TARGETED {
                lowest = lowest.min(ratio);
            }
            let batch = batch_size.to_string();
            add(&mut speeds, [operation, &batch, "extension"], &ours, ratio);
            add(&mut speeds, [operation, &batch, "plpgsql"], &baseline, 1.0);
            let case = format!("{operation}, batch {batch}");
            ours.add_processes(&mut processes, &case);
            baseline.add_processes(&mut processes, &case);
        }
    }
    report.add(&Section {
        measure: "applying",
        title: format!(
            "{} proposals each, prepared, applied without a control plane",
            plan.applied
        ),
        tables: vec![speeds, processes],
        notes: vec![
            format!(
                "The target is held against the lowest of the three ratios at batch {TARGETED}."
            ),
            "The extension's processor time includes reading the list; its seconds do not."
                .to_owned(),
        ],
    });
    report.found(Target::Applying, lowest);
}

fn add(table: &mut Table, labels: [&str; 3], runs: &Runs, ratio: f64) {
    let against = Figure::single("against plpgsql", Unit::Times, ratio);
    table.row(&labels, runs.speed().into_iter().chain([against]));
}

impl<'a> Contest<'a> {
    fn new(plan: &'a Plan) -> Self {
        let stage = PostgresStage::new(0);
        stage.database.execute(include_str!("applying.sql"));
        Contest {
            // The superuser, who may call what is there for the benchmark alone; changes are made as the writer all the same.
            ours: stage.database.connect(),
            baseline: stage.database.connect_as(WRITER),
            stage,
            plan,
        }
    }

    /// Both sides in turn, first to warm up.
    fn hold(&mut self, operation: &str, batch_size: usize) -> [Runs; 2] {
        progress(format_args!("applying: {operation}, batch {batch_size}"));
        let list = list(operation, self.plan.applied);
        self.prepare(operation);
        let [mut ours, mut baseline] = [Runs::of(self.plan.applied), Runs::of(self.plan.applied)];
        for run in 0..=self.plan.runs {
            for side in [Side::Ours, Side::Baseline] {
                self.refresh(side, operation);
                let runs = match side {
                    _ if run == 0 => &mut Runs::of(self.plan.applied),
                    Side::Ours => &mut ours,
                    Side::Baseline => &mut baseline,
                };
                self.run(side, &list, batch_size, runs);
                self.check(side, operation);
            }
        }
        [ours, baseline]
    }

    /// The baseline's list.
    fn prepare(&self, operation: &str) {
        let count = self.plan.applied;
        self.stage.database.execute(&format!(
            "TRUNCATE prepared;
             INSERT INTO prepared SELECT n, '{operation}', n, md5(n::text) || md5(n::text) FROM generate_series(1, {count}) n"
        ));
        self.stage.tidy("prepared");
    }

    /// Fresh tables: for inserts empty ones.
    fn refresh(&self, side: Side, operation: &str) {
        let rows = if operation == "insert" {
            0
        } else {
            self.plan.applied
        };
        let (tickets, ledger) = side.tables();
        self.stage
            .database
            .execute(&format!("TRUNCATE {ledger} CASCADE"));
        self.stage.tidy(ledger);
        self.stage.fill_tickets(tickets, rows);
    }

    fn run(&mut self, side: Side, list: &str, batch_size: usize, runs: &mut Runs) {
        let batch_size = i32::try_from(batch_size).expect("a batch size");
        let (session, role) = match side {
            Side::Ours => (&mut self.ours, "extension"),
            Side::Baseline => (&mut self.baseline, "plpgsql"),
        };
        let row = session.query_one("SELECT pg_backend_pid()", &[]);
        let process = Process::new(role, row.expect("the server answers").get(0));
        let watch = Watch::over(&[process]);
        let called = match side {
            Side::Ours => session
                .execute("CALL synapsor_bench_apply($1, $2)", &[&list, &batch_size])
                .and_then(|_| session.query_one("SELECT synapsor_bench_seconds()", &[])),
            Side::Baseline => session.query_one("CALL baseline_apply($1)", &[&batch_size]),
        };
        let row = called.unwrap_or_else(|error| panic!("{side:?}: {error:?}"));
        runs.add(row.get(0), &watch.end());
    }

    /// Every proposal has to be there, in table and ledger.
    fn check(&self, side: Side, operation: &str) {
        let (tickets, ledger) = side.tables();
        let found = match operation {
            "update" => format!("SELECT count(*) FROM {tickets} WHERE status = 'closed'"),
            "insert" => format!("SELECT count(*) FROM {tickets}"),
            _ => format!("SELECT {} - count(*) FROM {tickets}", self.plan.applied),
        };
        let recorded = format!("SELECT count(*) FROM {ledger} WHERE status = 'applied'");
        for query in [found, recorded] {
            let count: i64 = self.stage.database.value(&query);
            assert!(
                usize::try_from(count) == Ok(self.plan.applied),
                "{side:?}, {operation}: {query} gives {count}",
            );
        }
    }
}

impl Side {
    /// The target and the ledger.
    fn tables(self) -> (&'static str, &'static str) {
        match self {
            Side::Ours => ("tickets", "synapsor.ledger"),
            Side::Baseline => ("baseline_tickets", "baseline_ledger"),
        }
    }
}

/// Our list: the same changes as the baseline's.
fn list(operation: &str, count: usize) -> String {
    let proposals = (1..=count).map(|n| proposal(operation, n).to_string());
    format!("[{}]", proposals.collect::<Vec<_>>().join(","))
}

fn proposal(operation: &str, n: usize) -> Proposal {
    let proposal = match operation {
        "insert" => {
            let new = Proposal::insert("tickets").change("id", n);
            return new
                .id(&format!("wrp_{n}"))
                .change("status", "open")
                .change("version", 1)
                .tenant("tenant_id", TENANT);
        }
        "update" => Proposal::update("tickets")
            .change("status", "closed")
            .change("note", format!("Closed by proposal {n}")),
        _ => Proposal::delete("tickets"),
    };
    proposal
        .id(&format!("wrp_{n}"))
        .key("id", n)
        .tenant("tenant_id", TENANT)
        .conflict("version", 1)
}
