//! Ways to run: a rehearsal, guards that advance, and a ledger that forgets what is long reported.

use serde_json::Value;
use simulated_control_plane::{Endpoint, Fault, Rule, Status};
use synapsor_mysql_testbed::{Flavor, wait_for};

use crate::program::PATIENCE;
use crate::stage::Stage;

on_both! {
    a_dry_run_shows_everything_and_changes_nothing
    a_dry_run_owes_no_report_of_what_is_decided
    a_preview_shows_the_row_before_and_after_and_changes_nothing
    a_guard_that_advances_makes_the_second_of_two_a_conflict
    a_guard_that_can_t_advance_says_so
    a_guard_that_the_table_advances_is_enough
    what_is_there_already_is_written_and_counts
    what_is_long_reported_is_forgotten_and_nothing_else
}

/// Tables and ledger in one text.
fn everything(stage: &Stage) -> String {
    let tickets = stage.shop.query_rows("SELECT * FROM tickets ORDER BY id");
    let ledger = stage
        .shop
        .query_rows(&format!("SELECT * FROM `{}`.ledger", stage.ledger()));
    format!("{tickets:?} {ledger:?}")
}

fn a_dry_run_shows_everything_and_changes_nothing(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage
        .shop
        .execute("UPDATE tickets SET version = 2 WHERE id = 2");
    stage.furnish("CREATE TABLE audit (id bigint); CREATE TRIGGER noted AFTER UPDATE ON tickets FOR EACH ROW INSERT INTO audit VALUES (NEW.id)");
    for ticket in [1, 2, 999] {
        stage.approve(stage.close(ticket));
    }
    stage.approve(stage.delete("tickets").id("delete").key("id", 3));
    stage.approve(
        stage
            .insert("tickets")
            .id("insert")
            .change("id", 3)
            .change("tenant_id", "acme"),
    );
    stage.approve(stage.close(4).id("bad").change("amount", "x"));
    let before = everything(&stage);
    let polled = stage.run(&["poll-once", "--dry-run"]);
    assert_eq!(polled.code, Some(1), "one would fail");
    assert_eq!(polled.summary()["dry_run"], true);
    let outcomes =
        ["close_1", "close_2", "close_999", "delete", "insert", "bad"].map(|id| polled.outcome(id));
    let duplicate = "SQLSTATE 23000: ER_DUP_ENTRY, constraint PRIMARY";
    let mismatch = "WRITEBACK_VALUE_TYPE_MISMATCH: amount";
    assert_eq!(
        outcomes,
        [
            "applied",
            "CONFLICT_VALUE_CHANGED",
            "ROW_NOT_FOUND",
            "applied",
            duplicate,
            mismatch
        ]
    );
    assert_eq!(everything(&stage), before);
    assert_eq!(stage.number("SELECT count(*) FROM audit"), 0);
    assert_eq!(stage.simulator.calls(Endpoint::Report), 0);

    let polled = stage.poll();
    assert_eq!(
        polled.summary()["applied"],
        3,
        "in earnest, the delete makes room for the insert"
    );
    assert_eq!(polled.summary()["dry_run"], false);
}

fn a_dry_run_owes_no_report_of_what_is_decided(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.approve(stage.close(1));
    stage.poll();
    // The control plane forgets, and lists it again.
    stage.simulator.set_status("close_1", Status::Approved);
    let before = everything(&stage);
    let polled = stage.run(&["poll-once", "--dry-run"]);
    assert_eq!(polled.result("close_1")["already_decided"], true);
    assert_eq!(everything(&stage), before);
    assert_eq!(stage.poll().summary()["reported"], 1, "in earnest");
}

fn a_preview_shows_the_row_before_and_after_and_changes_nothing(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let before = everything(&stage);
    let preview = |proposal: synapsor_testbed::Proposal| {
        crate::program::Ended::with_input(&mut stage.program(&["preview"]), &proposal.to_string())
    };
    let close = preview(stage.close(1));
    assert_eq!(close.code, Some(0), "{close:?}");
    let shown = close.summary();
    assert_eq!(shown["status"], "applied");
    let (was, is) = (&shown["before"], &shown["after"]);
    assert_eq!(
        (&was["status"], &was["version"]),
        (&"open".into(), &1.into())
    );
    assert_eq!(
        (&is["status"], &is["version"]),
        (&"closed".into(), &1.into())
    );
    let gone = preview(stage.delete("tickets").key("id", 2)).summary();
    assert_eq!(
        (&gone["before"]["id"], &gone["after"]),
        (&2.into(), &Value::Null)
    );
    let stale = preview(stage.close(1).conflict("version", 9));
    assert_eq!(
        (stale.code, &stale.summary()["reason"]),
        (Some(1), &"CONFLICT_VALUE_CHANGED".into())
    );
    let bad = preview(stage.close(1).change("status", "x".repeat(41)));
    assert_eq!(
        (bad.code, &bad.summary()["error"]),
        (Some(1), &"WRITEBACK_VALUE_NOT_EXACT: status".into())
    );
    assert_eq!(everything(&stage), before);
    assert!(
        stage.simulator.journal().is_empty(),
        "the control plane is not asked"
    );
}

const VERSIONED: &str = "
    CREATE TABLE versioned (id int PRIMARY KEY, n int, big bigint unsigned, at datetime(6), day timestamp NULL, said text);
    SET time_zone = '+00:00';
    INSERT INTO versioned VALUES (1, 7, 9007199254740993, '2026-01-01 10:00:00.5', '2026-01-01 10:00:00', 'x'),
        (2, NULL, 1, '2999-01-01 00:00:00', NULL, 'x')";

fn a_guard_that_advances_makes_the_second_of_two_a_conflict(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(VERSIONED);
    let guards = [
        (1, "n", "7"),
        (1, "big", "9007199254740993"),
        (1, "at", "\"2026-01-01T10:00:00.5Z\""),
        (1, "day", "\"2026-01-01T10:00:00Z\""),
        (2, "n", "null"),
        (2, "at", "\"2999-01-01T00:00:00Z\""),
        (2, "day", "null"),
    ];
    for (row, column, value) in guards {
        for id in ["first", "second"] {
            let update = stage
                .update("versioned")
                .id(&format!("{id}_{column}_{row}"))
                .key("id", row)
                .change("said", id);
            stage.approve(update.conflict(column, synapsor_testbed::exact(value)));
        }
    }
    let polled = stage.run(&["poll-once", "--advance-guard"]);
    for (row, column, _) in guards {
        let first = format!("first_{column}_{row}");
        assert_eq!(polled.outcome(&first), "applied", "{polled:?}");
        assert_eq!(polled.result(&first)["guard_advanced"], true);
        assert_eq!(
            stage.ledger_column(&first, "guard_advanced").as_deref(),
            Some("1")
        );
        assert_eq!(
            polled.outcome(&format!("second_{column}_{row}")),
            "CONFLICT_VALUE_CHANGED"
        );
    }
    let numbers = "SELECT group_concat(concat_ws(':', n, big) ORDER BY id) FROM versioned";
    assert_eq!(
        stage.value(numbers).as_deref(),
        Some("8:9007199254740994,1:1")
    );
    let clocks = "SELECT count(*) FROM versioned WHERE abs(timestampdiff(SECOND, if(id = 1, at, utc_timestamp()), utc_timestamp())) < 60
        AND abs(unix_timestamp(day) - unix_timestamp()) < 60";
    assert_eq!(stage.number(clocks), 2);
    assert_eq!(
        stage
            .value("SELECT at FROM versioned WHERE id = 2")
            .as_deref(),
        Some("2999-01-01 00:00:00.000001")
    );
}

fn a_guard_that_can_t_advance_says_so(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(
        "CREATE TABLE versioned (id int PRIMARY KEY, code varchar(9), small tinyint, said text);
         INSERT INTO versioned VALUES (1, 'a', 127, 'x')",
    );
    let update = |id: &str| stage.update("versioned").id(id).key("id", 1);
    stage.approve(update("full").conflict("small", 127).change("said", "full"));
    stage.approve(update("text").conflict("code", "a").change("said", "text"));
    stage.approve(update("unguarded").change("said", "y"));
    let polled = stage.run(&["poll-once", "--advance-guard"]);
    assert_eq!(
        polled.outcome("full"),
        "SQLSTATE 22003: ER_WARN_DATA_OUT_OF_RANGE, column small"
    );
    assert_eq!(
        ["text", "unguarded"].map(|id| polled.outcome(id)),
        ["applied"; 2]
    );
    assert_eq!(polled.result("text")["guard_advanced"], false);
    assert_eq!(polled.result("unguarded").get("guard_advanced"), None);
    let row = "SELECT concat_ws(':', code, small, said) FROM versioned";
    assert_eq!(stage.value(row).as_deref(), Some("a:127:y"));
}

fn a_guard_that_the_table_advances_is_enough(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.shop.execute(
        "CREATE TRIGGER counts BEFORE UPDATE ON tickets FOR EACH ROW SET NEW.version = OLD.version + 10",
    );
    stage.furnish(
        "CREATE TABLE dated (id int PRIMARY KEY, said text, at datetime(6) ON UPDATE CURRENT_TIMESTAMP(6));
         INSERT INTO dated VALUES (1, 'x', '2026-01-01 10:00:00')",
    );
    stage.approve(stage.close(1));
    for id in ["first", "second"] {
        let update = stage.update("dated").id(id).key("id", 1).change("said", id);
        stage.approve(update.conflict("at", "2026-01-01T10:00:00Z"));
    }
    let polled = stage.run(&["poll-once", "--advance-guard"]);
    for id in ["close_1", "first"] {
        assert_eq!(polled.result(id)["guard_advanced"], true, "{polled:?}");
    }
    assert_eq!(polled.outcome("second"), "CONFLICT_VALUE_CHANGED");
    assert_eq!(stage.number("SELECT version FROM tickets WHERE id = 1"), 11);
}

fn what_is_there_already_is_written_and_counts(flavor: Flavor) {
    let stage = Stage::new(flavor);
    for id in ["first", "second"] {
        stage.approve(stage.close(1).id(id));
    }
    let polled = stage.poll();
    for id in ["first", "second"] {
        let result = polled.result(id);
        assert_eq!(
            (&result["status"], &result["affected_rows"]),
            (&"applied".into(), &1.into())
        );
        assert_eq!(
            result["guard_advanced"], false,
            "nobody has changed the version"
        );
        assert_eq!(
            stage.report(id)["external_commit_metadata"]["affected_rows"],
            "1"
        );
    }
}

fn what_is_long_reported_is_forgotten_and_nothing_else(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(
        "CREATE TABLE busy (id int PRIMARY KEY, said text); INSERT INTO busy VALUES (1, 'x');
         CREATE TRIGGER locks BEFORE UPDATE ON busy FOR EACH ROW SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213",
    );
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::status(409)).for_proposal("close_2"));
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::status(503)).for_proposal("close_3"));
    for ticket in 1..=4 {
        stage.approve(stage.close(ticket));
    }
    stage.approve(
        stage
            .update("busy")
            .id("retrying")
            .key("id", 1)
            .change("said", "y"),
    );
    stage.poll();
    let ledger = stage.ledger();
    // All but one were decided a year ago.
    stage.shop.execute(&format!(
        "UPDATE `{ledger}`.ledger SET first_seen_at = first_seen_at - INTERVAL 1 YEAR, decided_at = decided_at - INTERVAL 1 YEAR,
             reported_at = reported_at - INTERVAL 1 YEAR WHERE proposal_id <> 'close_4'"
    ));
    let left = || {
        stage.value(&format!(
            "SELECT group_concat(proposal_id ORDER BY proposal_id) FROM `{ledger}`.ledger"
        ))
    };
    let mut running = stage.start_with(&["--ledger-retention", "30days"]);
    wait_for("the reported row is gone", PATIENCE, || {
        left().as_deref() == Some("close_2,close_3,close_4,retrying")
    });
    assert_eq!(running.terminate().0, Some(0));
    let mut running = stage.start_with(&["--ledger-retention", "0"]);
    let polls = stage.simulator.calls(Endpoint::List) + 3;
    wait_for("some polls", PATIENCE, || {
        stage.simulator.calls(Endpoint::List) > polls
    });
    assert_eq!(running.terminate().0, Some(0));
    assert_eq!(left().as_deref(), Some("close_2,close_3,close_4,retrying"));
}
