//! A few proposals among many rows: in the ledger, and in the target.

use crate::plan::Plan;
use crate::processes::Process;
use crate::progress;
use crate::report::{Figure, Report, Section, Table, Unit};
use crate::runs::Runs;
use crate::stages::{NEVER, PostgresStage, Stage};

/// Proposals of the last month, all reported: `$1` of them. Their keys are random; the index on these is made at the end, as it
/// would take long otherwise.
const PAST: &str = r#"
    ALTER TABLE synapsor.ledger DROP CONSTRAINT ledger_pkey CASCADE;
    INSERT INTO synapsor.ledger (
        key, proposal_id, proposal_digest, source_id, target_schema, target_table, operation, status, affected_rows, guards,
        guard_advanced, applied_as, first_seen_at, decided_at, report_state, report_attempts, reported_at)
    SELECT k, k, d || d, 'src_1', 'public', 'tickets', 'update', 'applied', 1,
           '{"primary_key": true, "tenant": true, "conflict": true}', false, 'writer', t, t, 'delivered', 1, t
    FROM generate_series(1, $1) n,
         md5(n::text) d,
         concat('wrp_', left(d, 16)) k,
         LATERAL (SELECT now() - interval '30 days' + n * (interval '29 days' / $1) AS t) past;
    ALTER TABLE synapsor.ledger ADD CONSTRAINT ledger_pkey PRIMARY KEY (key)"#;

/// A stage with many rows somewhere, and one without.
struct Pair {
    many: PostgresStage,
    few: PostgresStage,
}

/// A large ledger against an empty one; gives the ratio of their times.
pub fn ledger(plan: &Plan, report: &mut Report) -> f64 {
    progress(format_args!(
        "growth: filling a ledger with {} rows",
        plan.many_rows
    ));
    let pair = Pair {
        many: PostgresStage::new(plan.tickets),
        few: PostgresStage::new(plan.tickets),
    };
    pair.many
        .database
        .execute(&PAST.replace("$1", &plan.many_rows.to_string()));
    pair.many.tidy("synapsor.ledger");
    let forget = |pair: &Pair| {
        pair.few
            .database
            .execute("TRUNCATE synapsor.ledger CASCADE")
    };
    let names = [
        format!("ledger of {}", plan.many_rows),
        "empty ledger".to_owned(),
    ];
    pair.compare("a ledger with a past", names, forget, plan, report)
}

/// A large target against an ordinary one.
pub fn target(plan: &Plan, report: &mut Report) {
    progress(format_args!(
        "growth: filling a target with {} rows",
        plan.many_rows
    ));
    let pair = Pair {
        many: PostgresStage::new(plan.many_rows),
        few: PostgresStage::new(plan.tickets),
    };
    let names = [plan.many_rows, plan.tickets].map(|rows| format!("target of {rows}"));
    pair.compare("a large target", names, |_| {}, plan, report);
}

impl Pair {
    /// Both in turn, first to warm up.
    fn compare(
        &self,
        what: &str,
        names: [String; 2],
        before_each: impl Fn(&Pair),
        plan: &Plan,
        report: &mut Report,
    ) -> f64 {
        let stages: [&dyn Stage; 2] = [&self.many, &self.few];
        let workers = stages.map(|stage| stage.start_worker(NEVER));
        let mut runs = [Runs::of(plan.among_many), Runs::of(plan.among_many)];
        for run in 0..=plan.runs {
            progress(format_args!("growth: {what}, {run} of {}", plan.runs));
            before_each(self);
            for (n, stage) in stages.into_iter().enumerate() {
                let runs = match run {
                    0 => &mut Runs::of(plan.among_many),
                    _ => &mut runs[n],
                };
                work_off(stage, runs, &workers[n], plan);
            }
        }
        let ratio = runs[0].seconds.median() / runs[1].seconds.median();
        report.add(&section(what, &names, &runs, ratio, plan));
        ratio
    }
}

fn work_off(stage: &dyn Stage, runs: &mut Runs, worker: &Process, plan: &Plan) {
    let proposals = stage.tickets().updates(plan.among_many);
    stage.work_off(runs, worker, proposals);
}

fn section(what: &str, names: &[String; 2], runs: &[Runs; 2], ratio: f64, plan: &Plan) -> Section {
    let mut speeds = Table::new(&["case"]);
    let mut processes = Table::of_processes();
    for ((name, runs), ratio) in names.iter().zip(runs).zip([ratio, 1.0]) {
        let against = Figure::single("time against the other", Unit::Times, ratio);
        speeds.row(&[name], runs.speed().into_iter().chain([against]));
        runs.add_processes(&mut processes, name);
    }
    Section {
        measure: "growth",
        title: format!("{what}, {} proposals, 0 ms", plan.among_many),
        tables: vec![speeds, processes],
        notes: Vec::new(),
    }
}
