//! An episode: a schedule made from a seed, run on a system; then everything is left in peace, and the checker looks at it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use simulated_control_plane::{Simulator, Status, Verdict};

use crate::case::{Author, Case, Rows};
use crate::checker::{self, Violation};
use crate::evidence::{Evidence, Heard};
use crate::fault::Fault;
use crate::system::{Actor, System};
use crate::tally::Tally;

/// Faults of an episode.
const FAULTS: usize = 14;

/// Proposals for each fault.
const PROPOSALS: usize = 6;

/// How long everything may take to drain once the faults have ended.
const PATIENCE: Duration = Duration::from_secs(45);

/// What an episode is run on.
pub struct Field<'a> {
    /// The system under attack.
    pub system: &'a mut dyn System,
    /// Its control plane.
    pub simulator: &'a Simulator,
    /// When the control plane was started.
    pub since: SystemTime,
    /// Where faults are counted.
    pub tally: &'a mut Tally,
}

/// What happened in an episode.
pub struct Story {
    /// The seed.
    pub seed: u64,
    /// The faults, each with its time since the start.
    pub faults: Vec<(Duration, String)>,
    /// The proposals.
    pub cases: Vec<Case>,
    /// What was left behind.
    pub evidence: Evidence,
    /// What is wrong with it.
    pub violations: Vec<Violation>,
}

/// Runs an episode. `number` tells its rows and keys from those of others on the same system.
pub fn run(field: &mut Field<'_>, seed: u64, number: i64) -> Story {
    let mut random = fastrand::Rng::with_seed(seed);
    let start = Instant::now();
    let before = field.system.last_change();
    let current = Arc::new(AtomicI64::new(first_row(number, 0)));
    let crowd = Crowd::start(field.system.actors(random.u64(..), &current));
    let (mut faults, mut cases) = (Vec::new(), Vec::new());
    for step in 0..FAULTS {
        let rows = Rows {
            first: first_row(number, step),
        };
        field.system.make_rows(rows);
        current.store(rows.first, Ordering::Relaxed);
        cases.extend(approve(field, &mut random, rows, number));
        let fault = Fault::draw(&mut random, field.system);
        let at = start.elapsed();
        let happened = fault.inflict(field.system, field.simulator, rows, &mut random);
        let (place, what) = fault.name();
        let outcome = if happened {
            ""
        } else {
            " (did not come about)"
        };
        faults.push((at, format!("{place}: {what}{outcome}")));
        field
            .tally
            .count(&field.system.label(), (place, what), happened);
        field.system.heal();
    }
    crowd.leave();
    field.simulator.clear_faults();
    field.system.heal();
    drain(field, &cases, number);
    let evidence = gather(field, &cases, before, number);
    for case in cases.iter().filter(|case| !case.is_to_be_told()) {
        field.simulator.set_status(&case.id, Status::Canceled);
    }
    field.simulator.clear_journal();
    let violations = checker::check(&cases, &evidence);
    count(field.tally, &cases, &evidence, violations.len());
    Story {
        seed,
        faults,
        cases,
        evidence,
        violations,
    }
}

/// Rows of different steps do not meet.
fn first_row(number: i64, step: usize) -> i64 {
    const STEPS: i64 = 100;
    let step = i64::try_from(step).unwrap_or(0);
    (number * STEPS + step) * Rows::COUNT + 1
}

fn prefix(number: i64) -> String {
    format!("key_e{number}_")
}

fn approve(
    field: &mut Field<'_>,
    random: &mut fastrand::Rng,
    rows: Rows,
    number: i64,
) -> Vec<Case> {
    let schema = field.system.schema();
    let mut author = Author {
        random,
        source_kind: field.system.source_kind(),
        schema: &schema,
        rows,
        in_order: field.system.in_order(),
        prefix: format!("e{number}_{}", rows.first),
    };
    let cases = author.write(PROPOSALS);
    let texts = cases.iter().map(|case| &case.text);
    let added = field.simulator.add_proposals(texts);
    added.expect("the proposals are JSON");
    cases
}

/// Waits until everybody has been told everything.
fn drain(field: &mut Field<'_>, cases: &[Case], number: i64) {
    const PAUSE: Duration = Duration::from_millis(50);
    let start = Instant::now();
    let is_told = |case: &&Case| field.simulator.status(&case.id) != Some(Status::Approved);
    while start.elapsed() < PATIENCE {
        let all_told = cases
            .iter()
            .filter(|case| case.is_to_be_told())
            .all(|case| is_told(&case));
        let ledger = field.system.ledger(&prefix(number));
        let is_owed = |row: &crate::evidence::LedgerRow| {
            row.status == "retrying" || row.report_state == "pending"
        };
        if all_told && !ledger.values().any(is_owed) {
            return;
        }
        field.system.hurry();
        thread::sleep(PAUSE);
    }
}

fn gather(field: &mut Field<'_>, cases: &[Case], before: i64, number: i64) -> Evidence {
    let mut evidence = Evidence {
        history: field.system.history(before),
        ledger: field.system.ledger(&prefix(number)),
        marks: field.system.marks(&prefix(number)),
        ..Evidence::default()
    };
    for case in cases {
        let heard = field.simulator.reports_for(&case.id);
        let heard = heard.into_iter().map(|report| Heard {
            status: report.word.status,
            at: field.since + report.elapsed,
            is_accepted: matches!(report.verdict, Verdict::Stored | Verdict::Repeated),
        });
        evidence.heard.insert(case.id.clone(), heard.collect());
        if let Some(status) = field.simulator.status(&case.id) {
            evidence.standing.insert(case.id.clone(), status);
        }
    }
    evidence
}

fn count(tally: &mut Tally, cases: &[Case], evidence: &Evidence, violations: usize) {
    let applied = evidence
        .ledger
        .values()
        .filter(|row| row.status == "applied")
        .count();
    tally.episodes += 1;
    tally.violations += violations as u64;
    tally.proposals += cases.len() as u64;
    tally.applied += applied as u64;
}

/// Actors, each on a thread of its own.
struct Crowd {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    fn start(actors: Vec<Actor>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let start = |mut actor: Actor| {
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    actor();
                }
            })
        };
        let threads = actors.into_iter().map(start).collect();
        Crowd { is_over, threads }
    }

    fn leave(self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("an actor that does not panic");
        }
    }
}

/// What the proposals of an episode have become, for people.
pub fn outcomes(story: &Story) -> BTreeMap<&str, usize> {
    let mut outcomes = BTreeMap::new();
    for row in story.evidence.ledger.values() {
        *outcomes.entry(row.status.as_str()).or_default() += 1;
    }
    outcomes
}
