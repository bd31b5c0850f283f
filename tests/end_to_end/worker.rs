//! The resident worker: nothing to call.

use synapsor_testbed::Cluster;

use crate::stage::Stage;
use crate::workers::preloaded;

#[test]
fn a_started_worker_applies_and_reports_what_is_approved() {
    let stage = Stage::new();
    stage.start_worker();
    stage.approve_closing(1..=3);
    stage.wait_for_applied(3);
    assert_eq!(stage.tickets("closed"), 3);
}

#[test]
fn a_preloaded_library_keeps_a_worker_for_each_database_of_the_setting() {
    let cluster = Cluster::start(preloaded());
    let stage = Stage::kept_on(&cluster);
    stage.approve_closing(1..=3);
    stage.wait_for_applied(3);
    assert_eq!(stage.workers().len(), 1);
}
