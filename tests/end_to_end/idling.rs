//! A call that finds nothing to do costs nothing; a server without room for workers loses nothing.

use simulated_control_plane::{Endpoint, Status};
use synapsor_testbed::{Cluster, ClusterOptions, Shutdown};

use crate::stage::Stage;

/// The next transaction id that the cluster will assign.
fn next_xid(stage: &Stage) -> String {
    stage
        .database
        .value("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
}

#[test]
fn idle_polls_consume_no_transaction_id_and_write_nothing() {
    // Nobody else assigns ids here.
    let cluster = Cluster::start(ClusterOptions::default().setting("autovacuum", "off"));
    let stage = Stage::on(&cluster);
    // Rows that are there already make no difference.
    stage.approve_closing(1..=3);
    stage.operator().call();
    let before = (
        next_xid(&stage),
        stage
            .database
            .rows("SELECT l.*, l.xmin FROM synapsor.ledger l"),
    );
    let mut operator = stage.operator();
    for _ in 0..3 {
        assert_eq!(operator.poll()["count"], 0);
        assert_eq!(operator.report()["delivered"], 0);
        operator.call();
    }
    let after = (
        next_xid(&stage),
        stage
            .database
            .rows("SELECT l.*, l.xmin FROM synapsor.ledger l"),
    );
    assert_eq!(after, before);
}

#[test]
fn without_a_free_worker_slot_nothing_is_lost_and_reports_go_out_at_the_next_call() {
    // With one slot, it is the logical replication launcher's.
    let mut cluster = Cluster::start(ClusterOptions::default().setting("max_worker_processes", 0));
    for slots in [0, 1] {
        if slots > 0 {
            cluster.configure("max_worker_processes", slots);
            cluster.restart(Shutdown::Fast);
        }
        let stage = Stage::on(&cluster);
        stage.approve_closing(1..=5);
        let mut operator = stage.operator();
        assert_eq!(operator.poll()["count"], 5, "{slots} slots");
        assert_eq!(stage.ledger("report_state = 'pending'"), 5);
        assert_eq!(stage.simulator.calls(Endpoint::Report), 0);
        assert!(cluster.log().contains("no background worker slot is free"));
        assert_eq!(operator.poll()["count"], 0);
        assert_eq!(stage.ledger("report_state = 'delivered'"), 5);
        assert_eq!(stage.simulator.read(|c| c.count(Status::Applied)), 5);
        assert_eq!(stage.tickets("closed"), 5);
    }
}
