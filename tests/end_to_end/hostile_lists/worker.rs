//! The resident worker meets the same list, again and again.

use synapsor_testbed::{Proposal, wait_for};

use crate::stage::{PATIENCE, SHARED, Stage, close};

#[test]
fn a_worker_outlives_a_hostile_list_and_logs_a_nameless_element_once() {
    let stage = Stage::polling_every("50ms");
    let worker = stage.running_worker();
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    for nameless in [deep, "7".to_owned(), close(60).id("a\nb").to_string()] {
        stage.simulator.add_raw(nameless, None);
    }
    let catalog = Proposal::update("pg_authid").schema("pg_catalog");
    let catalog = catalog.key("rolname", "writer").change("rolsuper", true);
    stage.approve(catalog.id("catalog"));
    stage.approve_closing(1..=3);
    stage.wait_for_applied(3);
    wait_for("the catalog is refused", PATIENCE, || {
        stage.ledger("proposal_id = 'catalog' AND report_state = 'delivered'") == 1
    });
    stage.wait_for_polls(5);
    assert_eq!(stage.running_worker(), worker);
    assert_eq!((stage.tickets("closed"), stage.ledger("true")), (3, 4));
    let log = stage.logged(&SHARED);
    let nameless = log.iter().filter(|line| line.contains("no usable id"));
    assert_eq!(nameless.count(), 3, "{log:#?}");
}
