//! The main job: what was approved is applied, once, and reported.

use simulated_control_plane::Status;
use synapsor_mysql_testbed::Flavor;

use crate::stage::Stage;

on_both! {
    an_update_an_insert_and_a_delete_are_applied_and_reported
}

fn an_update_an_insert_and_a_delete_are_applied_and_reported(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.approve(stage.close(1));
    stage.approve(
        stage
            .insert("tickets")
            .id("new")
            .change("id", 101)
            .change("status", "new")
            .tenant("tenant_id", "acme"),
    );
    stage.approve(
        stage
            .delete("tickets")
            .id("gone")
            .key("id", 2)
            .tenant("tenant_id", "acme"),
    );
    let polled = stage.poll();
    assert_eq!(polled.code, Some(0), "{polled:?}");
    assert_eq!(polled.summary()["applied"], 3);
    assert_eq!(
        stage
            .value("SELECT status FROM tickets WHERE id = 1")
            .as_deref(),
        Some("closed")
    );
    assert_eq!(
        stage.number("SELECT count(*) FROM tickets WHERE id = 101 AND tenant_id = 'acme'"),
        1
    );
    assert_eq!(stage.number("SELECT count(*) FROM tickets WHERE id = 2"), 0);
    for id in ["close_1", "new", "gone"] {
        assert_eq!(stage.word(id), Some(Status::Applied));
        assert_eq!(
            stage.ledger_column(id, "report_state").as_deref(),
            Some("delivered")
        );
    }
}
