//! `synapsor_explain()`: the story of a proposal, as a person would tell it.

use simulated_control_plane::{Endpoint, Fault, Rule};
use synapsor_testbed::{Proposal, wait_for};

use crate::stage::{PATIENCE, Stage, close};

/// The lines, without the moments that some begin with.
fn story(stage: &Stage, key: &str) -> Vec<String> {
    let rows = stage
        .operator()
        .0
        .query("SELECT synapsor_explain($1)", &[&key])
        .unwrap();
    let line = |row: &postgres::Row| {
        let line: String = row.get(0);
        match line.split_once("  ") {
            Some((moment, rest)) if moment.starts_with("20") => format!("…  {rest}"),
            _ => line,
        }
    };
    rows.iter().map(line).collect()
}

#[test]
fn an_applied_one_is_told_from_first_sight_to_its_report() {
    let stage = Stage::new();
    stage.approve_closing(1..=1);
    stage.poll();
    stage.wait_for_reports();
    let expected = [
        "Proposal wrp_1 (key key_1): update of public.tickets, from source src_1.",
        "…  Seen and tried, as role \"writer\".",
        "…  Applied: one row was changed, and nothing else.",
        "Guarded by: primary key, tenant, conflict column.",
        "The conflict column has the same value as before: a second proposal made from the same reading would be applied, too (synapsor.advance_guard prevents that).",
        "…  Reported, and accepted by the control plane; sent once.",
        "To do: nothing.",
    ];
    assert_eq!(story(&stage, "key_1"), expected);
    // Its id does as well.
    assert_eq!(story(&stage, "wrp_1"), expected);
}

#[test]
fn a_conflict_a_failure_and_their_causes_are_told_with_what_to_do() {
    let stage = Stage::new();
    stage.approve(close(1).conflict("version", 9));
    stage.approve(
        Proposal::update("tickets")
            .id("wrp_bad")
            .key("id", 2)
            .change("tenant_id", "x"),
    );
    stage.poll();
    stage.wait_for_reports();
    let lines = story(&stage, "key_1").join("\n");
    assert!(
        lines.contains(
            "Conflict, nothing was changed: CONFLICT_VALUE_CHANGED. Somebody changed the row"
        ),
        "{lines}"
    );
    assert!(
        lines.contains("To do: Have a new proposal made from the row as it is now"),
        "{lines}"
    );
    let lines = story(&stage, "wrp_bad").join("\n");
    assert!(lines.contains("Failed for good, nothing was changed: SQLSTATE 42501: insufficient_privilege. The apply role lacks a right"), "{lines}");
    assert!(
        lines.contains("To do: SELECT * FROM synapsor_doctor()"),
        "{lines}"
    );
}

#[test]
fn one_that_is_tried_again_is_told_with_when() {
    let stage = Stage::new();
    stage.database.set("synapsor.lock_timeout", "50ms");
    stage.approve_closing(1..=1);
    let mut other = stage.database.connect();
    other
        .batch_execute("BEGIN; SELECT * FROM tickets WHERE id = 1 FOR UPDATE")
        .unwrap();
    stage.poll();
    let lines = story(&stage, "key_1").join("\n");
    assert!(lines.contains("for a reason that may pass, nothing was changed: SQLSTATE 55P03: lock_not_available. Another session held a lock"), "{lines}");
    assert!(lines.contains("…  It will be tried again"), "{lines}");
    other.batch_execute("ROLLBACK").unwrap();
    stage.poll();
    stage.wait_for_reports();
    let lines = story(&stage, "key_1").join("\n");
    assert!(lines.contains("Applied: one row was changed"), "{lines}");
}

#[test]
fn a_report_that_is_owed_and_one_that_was_refused_are_told() {
    let stage = Stage::new();
    let rule = stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::status(503)));
    stage.approve_closing(1..=1);
    stage.poll();
    stage.wait_for_a_failed_report();
    let lines = story(&stage, "key_1").join("\n");
    assert!(
        lines.contains("not accepted yet: UNAVAILABLE") || lines.contains("HTTP 503"),
        "{lines}"
    );
    assert!(
        lines.contains("To do: The report goes out by itself"),
        "{lines}"
    );
    stage.simulator.withdraw(rule);
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::status(409)));
    stage.operator().report();
    wait_for("the report is rejected", PATIENCE, || {
        stage.ledger("report_state = 'rejected'") == 1
    });
    let lines = story(&stage, "key_1").join("\n");
    assert!(
        lines.contains("The control plane refused the report, for good; sent"),
        "{lines}"
    );
    assert!(
        lines.contains("To do: Compare this with what Synapsor shows"),
        "{lines}"
    );
}

#[test]
fn of_one_that_nobody_knows_it_says_so_and_a_strange_name_keeps_to_its_line() {
    let stage = Stage::new();
    let lines = story(&stage, "no\nsuch");
    assert!(
        lines[0].starts_with("No proposal with the key or id \"no\\nsuch\" was tried"),
        "{lines:?}"
    );
    stage.approve(
        Proposal::update("two\nlines")
            .id("wrp_two")
            .key("id", 1)
            .change("a", 1),
    );
    stage.poll();
    let lines = story(&stage, "wrp_two");
    assert!(lines.iter().all(|line| !line.contains('\n')), "{lines:?}");
    assert!(lines.join(" ").contains("UNSAFE_IDENTIFIER"), "{lines:?}");
}

#[test]
fn what_a_row_holds_is_never_told() {
    let stage = Stage::new();
    stage
        .database
        .execute("ALTER TABLE tickets ADD CONSTRAINT known CHECK (status <> 'hush')");
    stage.approve(close(1).change("status", "hush"));
    stage.poll();
    stage.wait_for_reports();
    let lines = story(&stage, "key_1").join("\n");
    assert!(
        lines.contains("constraint known") && !lines.contains("hush"),
        "{lines}"
    );
}
