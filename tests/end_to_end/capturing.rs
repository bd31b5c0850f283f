//! What applied changes replaced, and the proposals that take them back.

use serde_json::Value;
use simulated_control_plane::Status;
use synapsor_testbed::{Cluster, ClusterOptions, OPERATOR, Proposal};

use crate::background::Background;
use crate::copies;
use crate::stage::{SHARED, Stage, Told, close, statuses};

fn stage() -> Stage {
    let stage = Stage::new();
    stage.database.set("synapsor.capture", "on");
    stage
}

/// Has what takes a change back approved, as a control plane would.
fn approve_revert(stage: &Stage, key: &str) {
    let mut proposal: Value = stage
        .database
        .value(&format!("SELECT synapsor_revert_proposal('{key}')"));
    proposal["proposal_id"] = format!("back_{key}").into();
    stage.approve(proposal);
}

fn rows(stage: &Stage) -> Vec<String> {
    stage.database.rows("SELECT t FROM tickets t ORDER BY id")
}

#[test]
fn what_a_worker_applied_is_taken_back_by_proposals_that_are_approved_like_any_other() {
    let stage = stage();
    let before = rows(&stage);
    stage.approve_closing(1..=1);
    stage.approve(
        Proposal::insert("tickets")
            .id("key_new")
            .change("id", 500)
            .change("version", 1)
            .tenant("tenant_id", "acme"),
    );
    stage.approve(
        Proposal::delete("tickets")
            .id("key_gone")
            .key("id", 2)
            .tenant("tenant_id", "acme"),
    );
    stage.start_worker();
    stage.wait_for_applied(3);
    assert_ne!(rows(&stage), before);
    for key in ["key_1", "key_new", "key_gone"] {
        approve_revert(&stage, key);
    }
    stage.wait_for_applied(6);
    assert_eq!(rows(&stage), before);
    stage.wait_for_reports();
    let word = stage.simulator.final_word("back_key_gone").unwrap();
    assert_eq!(word.status, Status::Applied);
}

#[test]
fn what_was_before_is_what_the_change_found_also_where_it_had_to_wait_for_another() {
    let stage = stage();
    let mut other = stage.database.connect();
    other
        .batch_execute("BEGIN; UPDATE tickets SET status = 'held' WHERE id = 1")
        .unwrap();
    stage.approve_closing(1..=1);
    let poll = Background::run(&stage, "SELECT synapsor_poll_once()");
    poll.wait_until_blocked(&stage);
    other.batch_execute("COMMIT").unwrap();
    poll.end().1.unwrap();
    let before = "SELECT before ->> 'status' FROM synapsor.capture WHERE key = 'key_1'";
    assert_eq!(stage.database.rows(before), ["held"]);
}

#[test]
fn those_who_only_refer_to_a_row_do_not_hold_a_captured_update_up() {
    let stage = stage();
    stage
        .database
        .execute("CREATE TABLE comments (ticket bigint REFERENCES tickets (id), comment text)");
    let mut other = stage.database.connect();
    other
        .batch_execute("BEGIN; INSERT INTO comments VALUES (1, 'open for long')")
        .unwrap();
    stage.database.set("synapsor.lock_timeout", "200ms");
    stage.approve_closing(1..=1);
    assert_eq!(statuses(&stage.poll()), ["applied"]);
}

#[test]
fn a_row_that_is_locked_is_waited_for_once_and_tried_again() {
    let stage = stage();
    stage.database.set("synapsor.lock_timeout", "100ms");
    let mut other = stage.database.connect();
    other
        .batch_execute("BEGIN; SELECT FROM tickets WHERE id = 1 FOR UPDATE")
        .unwrap();
    stage.approve(close(1));
    let answer = stage.poll();
    assert_eq!(statuses(&answer), ["retrying"]);
    assert_eq!(
        answer["results"][0]["error"],
        "SQLSTATE 55P03: lock_not_available"
    );
    other.batch_execute("ROLLBACK").unwrap();
    assert_eq!(statuses(&stage.poll()), ["applied"]);
    let captured: i64 = stage
        .database
        .value("SELECT count(*) FROM synapsor.capture");
    assert_eq!(captured, 1);
}

#[test]
fn the_operator_reads_nothing_of_it_until_he_is_granted_it() {
    let cluster = Cluster::start(ClusterOptions::default());
    let stage = Stage::on(&cluster);
    stage.database.set("synapsor.capture", "on");
    stage.approve_closing(1..=1);
    stage.poll();
    let calls = [
        "SELECT * FROM synapsor.capture",
        "SELECT synapsor_revert_proposal('key_1')",
    ];
    for call in calls {
        let told = Told::by(stage.operator().0.batch_execute(call));
        assert_eq!(told.sqlstate, "42501", "{call}");
    }
    let grant = format!("SELECT synapsor_grant_capture('{OPERATOR}')");
    stage.database.execute(&grant);
    for call in calls {
        stage.operator().run(call);
    }
}

#[test]
fn a_dump_takes_it_along() {
    let stage = stage();
    stage.approve_closing(1..=1);
    stage.poll();
    stage.wait_for_reports();
    let file = copies::dump(&SHARED, &stage.database, "plain");
    let elsewhere = copies::elsewhere(ClusterOptions::default());
    let copy = copies::set_up_again(&elsewhere, elsewhere.create_database("restored"));
    copies::restore(&elsewhere, &file, &copy.database);
    let captured = "SELECT key, before ->> 'status' FROM synapsor.capture";
    assert_eq!(copy.database.rows(captured), ["key_1|open"]);
}
