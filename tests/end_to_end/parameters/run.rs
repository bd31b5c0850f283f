//! A run: cases in lists of many hundreds, each list applied by one poll, and every outcome held against the oracle.

use std::collections::{BTreeSet, HashMap};

use postgres::Client;
use simulated_control_plane::{JournalMode, Options, Simulator, Status};

use super::case::Case;
use super::expectation::{Allowed, Expectation};
use super::hostile::MARKER;
use super::oracle::is_stored;
use super::server::{Rows, Server};
use super::summary::Summary;
use crate::stage::{SHARED, Stage, statuses};

/// As many cases as are listed at a time: more than a page of the control plane.
const LIST: u64 = 1500;

/// What the ledger says of a case.
struct Outcome {
    status: String,
    error: Option<String>,
}

/// Where cases run.
pub struct Run {
    stage: Stage,
    server: Server,
    ledger: Client,
    lists: u64,
    pub summary: Summary,
}

impl Run {
    pub fn set_up() -> Self {
        let mut stage = Stage::new();
        let options = Options {
            journal: JournalMode::CountsOnly,
            ..Options::default()
        };
        stage.simulator = Simulator::start(options).unwrap();
        stage
            .database
            .set("synapsor.base_url", stage.simulator.base_url());
        stage.database.set("synapsor.max_proposals", 2 * LIST);
        let server = Server::set_up(stage.database.connect());
        let ledger = stage.database.connect();
        Run {
            stage,
            server,
            ledger,
            lists: 0,
            summary: Summary::default(),
        }
    }

    /// Runs so many cases of a seed.
    pub fn cases(&mut self, seed: u64, count: u64) {
        for first in (0..count).step_by(LIST as usize) {
            let numbers = first..count.min(first + LIST);
            let cases: Vec<Case> = numbers
                .map(|n| Case::new(seed.wrapping_add(n), n as i64))
                .collect();
            self.list(&cases);
        }
        assert!(
            !SHARED.log().contains(MARKER),
            "a value is in the server's log"
        );
    }

    fn list(&mut self, cases: &[Case]) {
        self.server.empty();
        let expectations = Expectation::of_all(cases, &mut self.server);
        let mut rows = self.server.rows();
        self.poll(cases);
        let outcomes = self.outcomes(cases);
        for (case, expectation) in cases.iter().zip(expectations) {
            let outcome = outcomes.get(&case.id);
            if outcome.is_some_and(|outcome| outcome.status == "applied") {
                rows.apply(case, expectation.stored);
            }
            if let Err(what) = self.judge(case, &expectation.allowed, outcome) {
                self.summary.find(case, "outcome", &what);
            }
        }
        let after = self.server.rows();
        self.compare(cases, &rows, &after);
    }

    /// One poll for all of them: in turns the procedure, which commits in batches, and the function, in one transaction.
    fn poll(&mut self, cases: &[Case]) {
        for case in cases {
            self.stage
                .simulator
                .add_raw(case.proposal(), Some(&case.proposal_id()));
        }
        let mut operator = self.stage.operator();
        self.lists += 1;
        if self.lists % 2 == 1 {
            operator.call();
        } else {
            let answer = operator.poll();
            assert_eq!(statuses(&answer).len(), cases.len(), "one result for each");
            operator.report();
            self.stage.wait_for_reports();
        }
        let left = self
            .stage
            .simulator
            .read(|control_plane| control_plane.listed_count());
        assert_eq!(
            left, 0,
            "every proposal of the list has been decided and reported"
        );
    }

    fn outcomes(&mut self, cases: &[Case]) -> HashMap<i64, Outcome> {
        let ids: Vec<_> = cases.iter().map(Case::proposal_id).collect();
        let sql = "SELECT substr(key, 5)::bigint, status, error FROM synapsor.ledger
                   WHERE key = ANY ($1) AND report_state = 'delivered' AND attempts = 1";
        let rows = self.ledger.query(sql, &[&ids]).unwrap();
        let outcome = |row: &postgres::Row| {
            (
                row.get(0),
                Outcome {
                    status: row.get(1),
                    error: row.get(2),
                },
            )
        };
        rows.iter().map(outcome).collect()
    }

    fn judge(
        &mut self,
        case: &Case,
        allowed: &Allowed,
        outcome: Option<&Outcome>,
    ) -> Result<(), String> {
        let Outcome { status, error } = outcome.ok_or("it was not decided and reported at once")?;
        self.summary.count(case, status);
        let word = self
            .stage
            .simulator
            .final_word(&case.proposal_id())
            .ok_or("nothing was reported")?;
        let reported = match word.status {
            Status::Applied => "applied",
            Status::Conflict => "conflict",
            _ => "failed",
        };
        if reported != status || word.error != *error {
            return Err(format!(
                "the ledger has {status} {error:?}, the report {reported} {:?}",
                word.error
            ));
        }
        let is_allowed = match reported {
            "applied" => allowed.applied,
            "conflict" => allowed.conflict,
            _ => allowed.failed,
        };
        if !is_allowed {
            return Err(format!(
                "{status} {}, allowed: {allowed:?}",
                error.as_deref().unwrap_or_default()
            ));
        }
        match error {
            Some(error) if !is_clean(error) => Err(format!("the report says too much: {error}")),
            _ => Ok(()),
        }
    }

    /// Rows that are not as they should be: those of cases are told with them.
    fn compare(&mut self, cases: &[Case], expected: &Rows, after: &Rows) {
        let by_id: HashMap<_, _> = cases
            .iter()
            .map(|case| ((case.column, case.id), case))
            .collect();
        let keys: BTreeSet<_> = expected.0.keys().chain(after.0.keys()).collect();
        for key in keys {
            let (wanted, found) = (expected.0.get(key), after.0.get(key));
            let case = by_id.get(key);
            let is_same = match (wanted, found, case) {
                (Some(wanted), Some(found), Some(case)) => {
                    wanted.1 == found.1 && is_stored(case, &wanted.0, &found.0)
                }
                (wanted, found, _) => wanted == found,
            };
            let what = || format!("the row is {found:?}, and should be {wanted:?}");
            match case {
                _ if is_same => {}
                Some(case) => self.summary.find(case, "row", &what()),
                None => panic!("a row of no case: {}", what()),
            }
        }
    }
}

/// A code and names, and no word of a value: `WRITEBACK_VALUE_NOT_EXACT: v`,
/// `SQLSTATE 23514: check_violation, constraint email_check, column v, type email`.
fn is_clean(error: &str) -> bool {
    const NAMES: &[&str] = &["v", "changes", "primary_key", "tenant_id", "conflict"];
    let Some((code, rest)) = error.split_once(": ") else {
        return error == "WRITEBACK_TENANT_REQUIRED";
    };
    if code.starts_with("WRITEBACK_") {
        return NAMES.contains(&rest);
    }
    let is_state = code
        .strip_prefix("SQLSTATE ")
        .is_some_and(|state| state.len() == 5);
    let mut parts = rest.split(", ");
    let condition = parts.next().unwrap_or_default();
    let is_named = |part: &str| match part.split_once(' ') {
        Some(("column", name)) => NAMES.contains(&name),
        Some(("type", name)) => super::types::TYPES.contains(&format!("DOMAIN {name} ")),
        Some(("constraint", name)) => name
            .strip_suffix("_check")
            .is_some_and(|domain| super::types::TYPES.contains(&format!("DOMAIN {domain} "))),
        _ => false,
    };
    is_state
        && condition
            .chars()
            .all(|c| c.is_ascii_lowercase() || c == '_')
        && parts.all(is_named)
}

#[test]
fn what_a_report_may_say_is_known() {
    assert!(is_clean("WRITEBACK_VALUE_NOT_EXACT: v"));
    assert!(is_clean(
        "SQLSTATE 23514: check_violation, constraint email_check, column v, type email"
    ));
    assert!(!is_clean(
        "SQLSTATE 22P02: invalid_text_representation, column v, \"x\""
    ));
    assert!(!is_clean("WRITEBACK_VALUE_NOT_EXACT: secret"));
}
