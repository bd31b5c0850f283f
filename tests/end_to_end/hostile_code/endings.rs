//! Code that ends more than its statement: the worker, whose role it has, and at the worst the session. It keeps nobody from his
//! turn.

use synapsor_testbed::{Cluster, ClusterOptions, wait_for};

use super::assert_none;
use super::attacks::End;
use super::carriers::CARRIERS;
use super::case::Case;
use super::scene::Scene;
use crate::stage::PATIENCE;

const TERMINATE: &str = "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60);";
const CANCEL: &str = "PERFORM pg_cancel_backend(pg_backend_pid()); PERFORM pg_sleep(60);";
/// Catches every cancel, be it ours or a person's.
const NEVER_END: &str =
    "LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN END; END LOOP;";

const SHORT: &[(&str, &str)] = &[("synapsor.statement_timeout", "100ms")];

/// An attack on those of the carriers that this holds for.
fn cases(code: &'static str, end: End, wanted: impl Fn(&str) -> bool) -> Vec<Case> {
    let carriers = CARRIERS
        .iter()
        .filter(|carrier| !carrier.is_refused && wanted(carrier.name));
    (1..)
        .zip(carriers)
        .map(|(n, carrier)| Case::new(n, carrier, (code, end)))
        .collect()
}

#[test]
fn a_session_of_another_role_is_not_the_apply_roles_to_cancel_or_to_end() {
    let cluster = Cluster::start(ClusterOptions::default());
    for code in [CANCEL, TERMINATE] {
        let scene = Scene::set_up(&cluster, cases(code, End::Denied, |_| true), &[]);
        scene.approve();
        scene.stage.poll();
        assert_none(&scene.findings());
    }
}

#[test]
fn code_that_catches_every_cancel_ends_the_session_and_not_the_server() {
    let cluster = Cluster::start(ClusterOptions::default());
    let cases = cases(NEVER_END, End::Either, |name| {
        name == "a BEFORE row trigger"
    });
    let scene = Scene::set_up(&cluster, cases, SHORT);
    scene.approve();
    let error = scene.stage.operator().try_poll().unwrap_err();
    let code = error.code().map(|code| code.code());
    assert!(error.is_closed() || code == Some("57P01"), "{error:?}");
    assert_eq!(scene.stage.ledger("true"), 0);
}

/// Each ends a worker once, or twice, and is then written down as not tried.
fn gets_past(code: &'static str, wanted: impl Fn(&str) -> bool) {
    let often = ClusterOptions::default().setting("synapsor.poll_interval", "100ms");
    let cluster = Cluster::start(often);
    let settings = if code == NEVER_END { SHORT } else { &[] };
    let scene = Scene::set_up(&cluster, cases(code, End::WorkerEnded, wanted), settings);
    scene.approve();
    scene.stage.start_worker();
    wait_for("every proposal has had its turn", 3 * PATIENCE, || {
        scene.is_over()
    });
    assert_none(&scene.findings());
    wait_for("a worker is there", PATIENCE, || {
        scene.stage.status().worker_pid().is_some()
    });
}

#[test]
fn the_worker_gets_past_code_that_cancels_it_wherever_that_hangs() {
    gets_past(CANCEL, |_| true);
}

#[test]
fn the_worker_gets_past_code_that_never_ends() {
    gets_past(NEVER_END, |name| name == "a deferred constraint trigger");
}

#[test]
fn the_worker_gets_past_code_that_ends_it() {
    gets_past(TERMINATE, |name| name == "a domain's CHECK");
}
