//! Code of others on the tables that we write: every attack on every carrier, by somebody who owns tables and functions.
//!
//! It runs as the apply role, which is as far as the trust in it goes. It becomes nobody else, gains no right that stays,
//! changes no outcome but its own proposal's, which is recorded as it is, and leaves nothing behind for the next one.

#[rustfmt::skip]
mod attacks;
mod carriers;
mod case;
mod endings;
mod rows;
mod scene;

use synapsor_testbed::{Cluster, ClusterOptions};

use attacks::{Attack, End, QUICK, SLOW};
use carriers::CARRIERS;
use case::Case;
use scene::Scene;

use crate::stage::Operator;

/// What a session can see of itself.
const SESSION: &str = "
    SELECT concat_ws('=', name, setting, source) FROM pg_settings WHERE name !~ '^plpgsql'
    UNION ALL SELECT concat_ws(' ', current_user, session_user, pg_my_temp_schema())
    UNION ALL SELECT name FROM pg_prepared_statements WHERE name !~ '^s[0-9]+$'
    UNION ALL SELECT 'cursor ' || name FROM pg_cursors WHERE name <> ''
    UNION ALL SELECT 'lock ' || objid FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'
    ORDER BY 1";

/// Every attack on every carrier; what is denied, once more by somebody who hides it.
fn matrix(attacks: impl Iterator<Item = Attack>) -> Vec<Case> {
    let mut cases = Vec::new();
    for attack in attacks {
        for carrier in CARRIERS {
            cases.push(Case::new(cases.len() + 1, carrier, attack));
            if attack.1 == End::Denied && carrier.hides {
                cases.push(Case::hidden(cases.len() + 1, carrier, attack));
            }
        }
    }
    cases
}

fn quick() -> Vec<Case> {
    matrix(QUICK.iter().flat_map(|group| group.iter().copied()))
}

#[track_caller]
fn assert_none(findings: &[String]) {
    let text = findings.join("\n");
    assert!(findings.is_empty(), "{} findings:\n{text}", findings.len());
}

#[test]
fn no_code_on_a_table_becomes_anybody_else_or_outlives_its_own_proposal_in_a_poll() {
    let cluster = Cluster::start(ClusterOptions::default());
    let scene = Scene::set_up(&cluster, quick(), &[]);
    let mut operator = scene.stage.operator();
    // The settings are there from the first call on.
    operator.poll();
    let look = |operator: &mut Operator| -> Vec<String> {
        let rows = operator.0.query(SESSION, &[]).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    let before = look(&mut operator);
    scene.approve();
    operator.poll();
    assert!(scene.is_over());
    assert_eq!(look(&mut operator), before);
    assert_none(&scene.findings());
}

#[test]
fn no_code_on_a_table_becomes_anybody_else_or_outlives_its_own_proposal_in_the_worker() {
    let cluster = Cluster::start(ClusterOptions::default());
    let scene = Scene::set_up(&cluster, quick(), &[]);
    scene.stage.start_worker();
    let worker = scene.stage.running_worker();
    scene.approve();
    scene.stage.wake();
    scene.wait_until_over();
    assert_eq!(scene.stage.running_worker(), worker);
    assert_none(&scene.findings());
}

#[test]
fn no_code_on_a_table_takes_longer_than_its_time() {
    let cluster = Cluster::start(ClusterOptions::default());
    let short = [("synapsor.statement_timeout", "100ms")];
    let scene = Scene::set_up(&cluster, matrix(SLOW.iter().copied()), &short);
    scene.approve();
    let mut operator = scene.stage.operator();
    while !scene.is_over() {
        operator.poll();
    }
    assert_none(&scene.findings());
}
