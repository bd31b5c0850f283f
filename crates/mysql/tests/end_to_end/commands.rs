//! What preview, status and report-once print, change and end with.

use serde_json::{Value, json};
use simulated_control_plane::{Endpoint, Fault, Rule, Status};
use synapsor_mysql_testbed::Flavor;

use crate::program::Ended;
use crate::stage::Stage;

on_both! {
    a_preview_shows_the_row_before_and_after_and_changes_nothing
    a_preview_shows_why_nothing_would_be_applied
    the_status_counts_what_the_ledger_has
    reports_that_are_owed_are_delivered_on_demand
}

/// A preview of a proposal, and how it ended.
fn preview(stage: &Stage, proposal: impl ToString) -> (Value, Option<i32>) {
    let ended = Ended::with_input(&mut stage.program(&["preview"]), &proposal.to_string());
    (ended.summary(), ended.code)
}

/// What a preview must not change.
fn world(stage: &Stage) -> Vec<Vec<Option<String>>> {
    let mut rows = stage.shop.query_rows("SELECT * FROM tickets ORDER BY id");
    rows.extend(
        stage
            .shop
            .query_rows(&format!("SELECT * FROM {}.ledger", stage.ledger())),
    );
    rows
}

fn a_preview_shows_the_row_before_and_after_and_changes_nothing(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let before = world(&stage);
    let (update, code) = preview(&stage, stage.close(1).change("amount", "12.50"));
    assert_eq!(
        (&update["status"], code),
        (&json!("applied"), Some(0)),
        "{update}"
    );
    assert_eq!(update["operation"], "update");
    assert_eq!(
        update["guards"],
        json!({ "primary_key": true, "tenant": true, "conflict": true })
    );
    for (side, status, amount) in [("before", "open", 10.0), ("after", "closed", 12.5)] {
        let row = &update[side];
        assert_eq!(
            (&row["id"], &row["status"]),
            (&json!(1), &json!(status)),
            "{update}"
        );
        assert_eq!(row["amount"].as_f64(), Some(amount), "{update}");
    }
    let insert = stage
        .insert("tickets")
        .change("id", 500)
        .change("status", "new")
        .tenant("tenant_id", "acme");
    let (insert, code) = preview(&stage, insert);
    assert_eq!(
        (&insert["status"], code),
        (&json!("applied"), Some(0)),
        "{insert}"
    );
    assert_eq!(insert["before"], Value::Null);
    assert_eq!(
        insert["after"],
        json!({ "id": 500, "status": "new", "tenant_id": "acme" })
    );
    let (delete, code) = preview(
        &stage,
        stage
            .delete("tickets")
            .key("id", 2)
            .tenant("tenant_id", "acme"),
    );
    assert_eq!(
        (&delete["status"], code),
        (&json!("applied"), Some(0)),
        "{delete}"
    );
    assert_eq!(
        (&delete["before"]["id"], &delete["after"]),
        (&json!(2), &Value::Null)
    );
    assert_eq!(world(&stage), before);
    assert_eq!(stage.simulator.journal().len(), 0, "nobody is told");
}

fn a_preview_shows_why_nothing_would_be_applied(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let before = world(&stage);
    for kind in [json!("postgres"), Value::Null] {
        let (skipped, code) = preview(&stage, stage.close(1).field("source_kind", kind));
        assert_eq!(skipped["status"], "skipped");
        assert_eq!(
            (&skipped["reason"], code),
            (&json!("not ours: source_kind"), Some(1))
        );
    }
    let close = || stage.close(1);
    let insert = stage.insert("tickets").change("id", 1);
    let missing = stage.update("missing").key("id", 1).change("x", 1);
    let other_tenant = close().tenant("tenant_id", "other");
    let not_allowed = close().field("allowed_columns", json!([]));
    for (proposal, status, why) in [
        (close().conflict("version", 7), "conflict", "CONFLICT_VALUE"),
        (stage.close(999), "conflict", "ROW_NOT_FOUND"),
        (other_tenant, "conflict", "ROW_NOT_FOUND"),
        (not_allowed, "failed", "WRITEBACK_COLUMN_NOT_ALLOWED"),
        (close().change("nothing", 1), "failed", "SQLSTATE 42S22"),
        (
            close().change("amount", "1e99"),
            "failed",
            "WRITEBACK_VALUE",
        ),
        (
            insert.tenant("tenant_id", "acme"),
            "failed",
            "SQLSTATE 23000",
        ),
        (missing, "failed", "SQLSTATE 42"),
    ] {
        let (shown, code) = preview(&stage, &proposal);
        assert_eq!(
            (&shown["status"], code),
            (&json!(status), Some(1)),
            "{shown}"
        );
        let told = shown.get("reason").or(shown.get("error")).unwrap();
        assert!(
            told.as_str().unwrap().starts_with(why),
            "{proposal}: {shown}"
        );
    }
    let conflict = preview(&stage, close().conflict("version", 7)).0;
    assert_eq!(conflict["before"], conflict["after"]);
    assert_eq!(world(&stage), before);
}

#[test]
fn a_preview_for_people_is_a_sentence_and_a_table() {
    let stage = Stage::new(Flavor::MariaDb);
    let mut command = stage.program(&["preview", "--output", "human"]);
    let shown = Ended::with_input(&mut command, &stage.close(1).to_string());
    assert!(shown.stdout.starts_with("would be applied"), "{shown:?}");
    for word in ["column", "before", "after", "open", "closed"] {
        assert!(shown.stdout.contains(word), "{word}: {shown:?}");
    }
}

fn the_status_counts_what_the_ledger_has(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let status = stage.run(&["status"]);
    let empty = json!({
        "applied": 0, "conflicts": 0, "failed": 0, "retrying": 0, "pending_reports": 0,
        "oldest_pending_report_seconds": null, "rejected_reports": 0,
    });
    assert_eq!((status.code, status.summary()), (Some(0), empty));
    for ticket in 1..=3 {
        stage.approve(stage.close(ticket));
    }
    stage.approve(stage.close(4).conflict("version", 9));
    stage.approve(stage.close(5).change("nothing", 1));
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::status(422)).for_proposal("close_1"));
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::status(503)).for_proposal("close_2"));
    assert_eq!(stage.poll().code, Some(1));
    let status = stage.run(&["status"]);
    let mut numbers = status.summary();
    let age = numbers["oldest_pending_report_seconds"].take();
    assert!((0..60).contains(&age.as_i64().unwrap()), "{age}");
    let wanted = json!({
        "applied": 3, "conflicts": 1, "failed": 1, "retrying": 0, "pending_reports": 1,
        "oldest_pending_report_seconds": null, "rejected_reports": 1,
    });
    assert_eq!(
        (status.code, numbers),
        (Some(1), wanted),
        "a rejected report calls for somebody"
    );
    let human = stage.run(&["status", "--output", "human"]);
    assert!(human.stdout.contains("rejected reports"), "{human:?}");
}

fn reports_that_are_owed_are_delivered_on_demand(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let nothing = stage.run(&["report-once"]);
    let none = json!({ "ok": true, "delivered": 0, "pending": 0, "rejected": 0 });
    assert_eq!((nothing.code, nothing.summary()), (Some(0), none));
    stage.approve(stage.close(1));
    stage.approve(stage.close(2));
    let down = stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::status(503)));
    let polled = stage.poll();
    assert_eq!(
        (polled.code, &polled.summary()["reports_postponed"]),
        (Some(1), &json!(2)),
        "{polled:?}"
    );
    let owed = stage.run(&["report-once"]);
    let summary = owed.summary();
    assert_eq!(
        (owed.code, &summary["ok"], &summary["pending"]),
        (Some(1), &json!(false), &json!(2)),
        "{owed:?}"
    );
    assert!(
        summary["error"].as_str().unwrap().contains("503"),
        "{owed:?}"
    );
    stage.simulator.withdraw(down);
    // At once, although they are put off until later.
    let delivered = stage.run(&["report-once"]);
    let both = json!({ "ok": true, "delivered": 2, "pending": 0, "rejected": 0 });
    assert_eq!((delivered.code, delivered.summary()), (Some(0), both));
    assert_eq!(stage.word("close_1"), Some(Status::Applied));
    assert_eq!(stage.word("close_2"), Some(Status::Applied));
}

#[test]
fn a_preview_of_what_is_no_proposal_is_refused() {
    let stage = Stage::new(Flavor::MariaDb);
    for input in ["", "{"] {
        let ended = Ended::with_input(&mut stage.program(&["preview"]), input);
        assert_eq!(ended.code, Some(69), "{ended:?}");
    }
}
