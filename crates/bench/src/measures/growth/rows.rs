//! Rows that are wide, and rows that are heavy.

use synapsor_testbed::{Proposal, WRITER};

use crate::plan::Plan;
use crate::progress;
use crate::report::{Report, Section, Table};
use crate::runs::Runs;
use crate::stages::{NEVER, PostgresStage, Stage};

/// Columns of a wide row.
const COLUMNS: usize = 100;

/// Bytes of a heavy row's json.
const WEIGHT: usize = 1 << 20;

/// Proposals of one kind, for one run.
struct Case {
    name: &'static str,
    count: usize,
    /// For the stage, with the number of the run, so many.
    proposals: fn(&PostgresStage, usize, usize) -> Vec<String>,
}

/// Updates of a hundred columns, and of a megabyte.
pub fn measure(plan: &Plan, report: &mut Report) {
    let stage = PostgresStage::new(plan.tickets);
    create_tables(&stage, plan);
    let mut speeds = Table::new(&["rows"]);
    let mut processes = Table::of_processes();
    for case in cases(plan) {
        let runs = work_off(&stage, &case, plan);
        speeds.row(&[case.name], runs.speed());
        runs.add_processes(&mut processes, case.name);
    }
    report.add(&Section {
        measure: "growth",
        title: format!(
            "wide rows: {} updates of every column; heavy ones: {} of 1 MB each; 0 ms",
            plan.wide, plan.heavy
        ),
        tables: vec![speeds, processes],
        notes: Vec::new(),
    });
}

fn cases(plan: &Plan) -> [Case; 3] {
    [
        Case {
            name: "5 columns",
            count: plan.wide,
            proposals: |stage, _, count| stage.tickets().updates(count).collect(),
        },
        Case {
            name: "100 columns",
            count: plan.wide,
            proposals: |_, run, count| (1..=count).map(|row| wide(run, row)).collect(),
        },
        Case {
            name: "1 MB of json",
            count: plan.heavy,
            proposals: |_, run, count| (1..=count).map(|row| heavy(run, row)).collect(),
        },
    ]
}

fn create_tables(stage: &PostgresStage, plan: &Plan) {
    let columns: Vec<_> = (1..=COLUMNS).map(|n| format!("c{n} int")).collect();
    stage.database.execute(&format!(
        "CREATE TABLE wide (id bigint PRIMARY KEY, {});
         INSERT INTO wide (id) SELECT generate_series(1, {});
         CREATE TABLE heavy (id bigint PRIMARY KEY, document json);
         INSERT INTO heavy (id) SELECT generate_series(1, {});
         GRANT SELECT, UPDATE ON wide, heavy TO {WRITER}",
        columns.join(", "),
        plan.wide,
        plan.heavy,
    ));
    stage.tidy("wide, heavy");
}

/// Runs of new processes, so that the peak of memory is that of this case.
fn work_off(stage: &PostgresStage, case: &Case, plan: &Plan) -> Runs {
    let mut runs = Runs::of(case.count);
    for run in 1..=plan.runs {
        progress(format_args!(
            "growth: {}, {run} of {}",
            case.name, plan.runs
        ));
        let worker = stage.start_worker(NEVER);
        let proposals = (case.proposals)(stage, run, case.count);
        let on: &dyn Stage = stage;
        on.work_off(&mut runs, &worker, proposals.into_iter());
        stage.stop_worker();
    }
    runs
}

fn wide(run: usize, row: usize) -> String {
    let proposal = Proposal::update("wide")
        .id(&format!("wide_{run}_{row}"))
        .key("id", row);
    let columns = 1..=COLUMNS;
    let change = |proposal: Proposal, n: usize| proposal.change(&format!("c{n}"), run * n);
    columns.fold(proposal, change).to_string()
}

fn heavy(run: usize, row: usize) -> String {
    const ELEMENT: &str = "a word or two of text";
    let count = WEIGHT / (ELEMENT.len() + 3);
    let document: Vec<_> = (0..count).map(|_| ELEMENT).collect();
    let proposal = Proposal::update("heavy").id(&format!("heavy_{run}_{row}"));
    proposal
        .key("id", row)
        .change("document", document)
        .to_string()
}
