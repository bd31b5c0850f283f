//! The ledger: a row for each proposal, in the words of results and reports, and one outcome for each key.

use std::collections::BTreeMap;

use mysql::prelude::Queryable;
use mysql::{Row, from_value};
use serde_json::json;
use simulated_control_plane::Status;
use synapsor_core::digest;
use synapsor_core::proposal::Proposal as Read;
use synapsor_mysql_testbed::Flavor;
use synapsor_testbed::Proposal;

use crate::stage::Stage;

on_both! {
    every_column_says_what_happened
    a_key_that_is_decided_is_reported_again_and_never_applied_again
    the_same_key_with_another_content_is_left_alone_and_shown
    an_outcome_that_the_ledger_refuses_is_passed_by_and_the_others_go_on
    a_ledger_that_is_locked_or_whose_server_is_going_costs_no_attempt
}

/// A proposal's row, by column.
fn row(stage: &Stage, proposal_id: &str) -> BTreeMap<String, Option<String>> {
    let query = format!(
        "SELECT * FROM `{}`.ledger WHERE proposal_id = ?",
        stage.ledger()
    );
    let row: Option<Row> = stage
        .shop
        .root()
        .exec_first(query.replace('?', &format!("'{proposal_id}'")), ())
        .unwrap();
    let row = row.unwrap_or_else(|| panic!("no row of {proposal_id}"));
    let names: Vec<_> = row
        .columns_ref()
        .iter()
        .map(|column| column.name_str().into_owned())
        .collect();
    let text = |value: mysql::Value| match value {
        mysql::Value::NULL => None,
        mysql::Value::Int(number) => Some(number.to_string()),
        mysql::Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(format!("{:?}", from_value::<mysql::Value>(other))),
    };
    names
        .into_iter()
        .zip(row.unwrap().into_iter().map(text))
        .collect()
}

/// Requires of a row what each of these columns holds.
fn require(stage: &Stage, proposal_id: &str, expected: &[(&str, Option<&str>)]) {
    let row = row(stage, proposal_id);
    for (column, value) in expected {
        assert_eq!(row[*column].as_deref(), *value, "{proposal_id}: {column}");
    }
}

/// True where this holds of a proposal's row.
fn holds(stage: &Stage, proposal_id: &str, condition: &str) -> bool {
    let ledger = stage.ledger();
    stage.number(&format!(
        "SELECT count(*) FROM `{ledger}`.ledger WHERE proposal_id = '{proposal_id}' AND {condition}"
    )) == 1
}

const COLUMNS: [&str; 24] = [
    "key",
    "proposal_id",
    "proposal_digest",
    "source_id",
    "target_schema",
    "target_table",
    "operation",
    "status",
    "affected_rows",
    "guards",
    "guard_advanced",
    "reason",
    "sqlstate",
    "error",
    "attempts",
    "applied_as",
    "first_seen_at",
    "decided_at",
    "next_attempt_at",
    "report_state",
    "report_attempts",
    "reported_at",
    "next_report_at",
    "report_error",
];

/// One proposal of each fate.
fn fates(stage: &Stage) -> [Proposal; 4] {
    stage.furnish(
        "CREATE TABLE busy (id int PRIMARY KEY, said text); INSERT INTO busy VALUES (1, 'x');
         CREATE TRIGGER locks BEFORE UPDATE ON busy FOR EACH ROW SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213",
    );
    stage
        .shop
        .execute("UPDATE tickets SET version = 2 WHERE id = 2");
    [
        stage.close(1).id("applied").idempotency_key("key 1"),
        stage
            .delete("tickets")
            .id("conflict")
            .key("id", 2)
            .conflict("version", 1),
        stage
            .insert("tickets")
            .id("failed")
            .change("id", 3)
            .tenant("tenant_id", "acme"),
        stage
            .update("busy")
            .id("retrying")
            .key("id", 1)
            .change("said", "y"),
    ]
}

fn every_column_says_what_happened(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let proposals = fates(&stage);
    proposals
        .iter()
        .for_each(|proposal| stage.approve(proposal));
    stage.poll();
    let account = format!("{}@%", stage.user);
    for proposal in &proposals {
        let read = Read::parse(&proposal.to_string()).unwrap();
        let id = read.proposal_id.as_deref().unwrap();
        let row = row(&stage, id);
        assert!(
            COLUMNS.iter().all(|column| row.contains_key(*column)),
            "{row:?}"
        );
        require(
            &stage,
            id,
            &[
                ("key", read.key()),
                ("idempotency_key", read.idempotency_key.as_deref()),
                ("proposal_digest", Some(&digest::of_proposal(&read))),
                ("source_id", Some("src_1")),
                ("target_schema", Some(stage.shop.name())),
                ("target_table", read.table.as_deref()),
                ("operation", read.operation.as_deref()),
                ("status", Some(id)),
                (
                    "affected_rows",
                    Some(if id == "applied" { "1" } else { "0" }),
                ),
                ("attempts", Some("1")),
                ("applied_as", Some(&account)),
                ("report_error", None),
            ],
        );
        assert!(holds(&stage, id, "key_hash = unhex(sha2(`key`, 256))"));
        assert!(holds(
            &stage,
            id,
            "first_seen_at BETWEEN utc_timestamp() - INTERVAL 1 MINUTE AND utc_timestamp(6)"
        ));
    }
    for id in ["applied", "conflict", "failed"] {
        require(
            &stage,
            id,
            &[
                ("report_state", Some("delivered")),
                ("report_attempts", Some("1")),
                ("next_report_at", None),
                ("next_attempt_at", None),
            ],
        );
        assert!(holds(
            &stage,
            id,
            "first_seen_at <= decided_at AND decided_at <= reported_at AND reported_at <= utc_timestamp(6)"
        ));
    }
    require_reasons(&stage);
}

/// What the fates have of their own.
fn require_reasons(stage: &Stage) {
    let nothing = [
        ("reason", None),
        ("sqlstate", None),
        ("error", None),
        ("error_detail", None),
    ];
    require(stage, "applied", &nothing);
    require(stage, "applied", &[("guard_advanced", Some("0"))]);
    require(stage, "conflict", &nothing[1..]);
    require(
        stage,
        "conflict",
        &[
            ("reason", Some("CONFLICT_VALUE_CHANGED")),
            ("guard_advanced", None),
        ],
    );
    let error = "SQLSTATE 23000: ER_DUP_ENTRY, constraint PRIMARY";
    require(
        stage,
        "failed",
        &[
            ("reason", None),
            ("sqlstate", Some("23000")),
            ("error", Some(error)),
        ],
    );
    assert!(
        row(stage, "failed")["error_detail"]
            .as_ref()
            .is_some_and(|detail| detail.starts_with("Duplicate entry '3' for key"))
    );
    require(
        stage,
        "retrying",
        &[
            ("sqlstate", Some("40001")),
            ("error", Some("SQLSTATE 40001: ER_LOCK_DEADLOCK")),
            ("decided_at", None),
            ("report_state", None),
            ("report_attempts", Some("0")),
            ("reported_at", None),
            ("next_report_at", None),
        ],
    );
    assert!(holds(
        stage,
        "retrying",
        "next_attempt_at BETWEEN first_seen_at AND utc_timestamp() + INTERVAL 2 SECOND"
    ));
    for (id, guards) in [
        ("applied", [true, true, true]),
        ("conflict", [true, false, true]),
        ("failed", [false, true, false]),
        ("retrying", [true, false, false]),
    ] {
        let shown = row(stage, id)["guards"].clone().unwrap();
        let [primary_key, tenant, conflict] = guards;
        let expected =
            json!({ "primary_key": primary_key, "tenant": tenant, "conflict": conflict });
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
            expected,
            "{id}"
        );
    }
}

fn a_key_that_is_decided_is_reported_again_and_never_applied_again(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish("CREATE TABLE notes (id int AUTO_INCREMENT PRIMARY KEY, said text)");
    let note = |id: &str| {
        stage
            .insert("notes")
            .id(id)
            .idempotency_key("key")
            .change("said", "x")
    };
    stage.approve(note("first"));
    assert_eq!(stage.poll().result("first")["status"], "applied");
    let before = row(&stage, "first");

    // The control plane forgets, and lists it again; and somebody sends the same once more under another id.
    stage.simulator.set_status("first", Status::Approved);
    let polled = stage.poll();
    let again = polled.result("first");
    assert_eq!(
        (&again["status"], &again["already_decided"]),
        (&json!("applied"), &json!(true))
    );
    assert_eq!(stage.simulator.reports_for("first").len(), 2);
    stage.approve(note("second"));
    assert_eq!(stage.poll().result("second")["already_decided"], true);
    assert_eq!(stage.wait_for_word("second"), Status::Applied);

    assert_eq!(stage.number("SELECT count(*) FROM notes"), 1);
    let after = row(&stage, "second");
    for column in [
        "status",
        "decided_at",
        "first_seen_at",
        "attempts",
        "affected_rows",
        "proposal_digest",
    ] {
        assert_eq!(before[column], after[column], "{column}");
    }
}

fn the_same_key_with_another_content_is_left_alone_and_shown(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let keyed = |proposal: Proposal| stage.approve(proposal.idempotency_key("key"));
    keyed(stage.close(1));
    stage.poll();
    let before = row(&stage, "close_1");
    keyed(stage.close(2));
    keyed(stage.close(1).id("value").change("status", "open"));
    keyed(stage.close(1).id("guard").conflict("version", 2));
    keyed(stage.delete("tickets").id("operation").key("id", 1));
    let polled = stage.poll();
    assert_eq!(polled.code, Some(1), "somebody should look");
    for id in ["close_2", "value", "guard", "operation"] {
        assert_eq!(polled.result(id)["status"], "refused");
        assert_eq!(polled.outcome(id), "WRITEBACK_IDEMPOTENCY_MISMATCH");
        assert_eq!(stage.word(id), None, "nothing is reported");
        assert!(
            polled.stderr.contains(&format!("\"about\":\"{id}\"")),
            "{}",
            polled.stderr
        );
    }
    assert_eq!(row(&stage, "close_1"), before, "the ledger stays as it is");
    assert_eq!(
        stage.number("SELECT count(*) FROM tickets WHERE status = 'open'"),
        99
    );
}

fn an_outcome_that_the_ledger_refuses_is_passed_by_and_the_others_go_on(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let ledger = stage.ledger();
    let refuses = format!(
        "CREATE TRIGGER `{ledger}`.refuses BEFORE UPDATE ON `{ledger}`.ledger FOR EACH ROW
             IF NEW.proposal_id = 'close_1' THEN SIGNAL SQLSTATE '45000'; END IF"
    );
    stage.shop.root().query_drop(refuses).unwrap();
    (1..=2).for_each(|ticket| stage.approve(stage.close(ticket)));
    let polled = stage.poll();
    let passed_by = polled.result("close_1");
    assert_eq!(passed_by["status"], "skipped");
    let why = "can't be recorded: DATABASE_ERROR: SQLSTATE 45000: ER_SIGNAL_EXCEPTION (1644)";
    assert_eq!(passed_by["reason"], why);
    assert!(polled.stderr.contains("an outcome can't be recorded"));
    assert_eq!(polled.outcome("close_2"), "applied");
    let closed = "SELECT group_concat(id) FROM tickets WHERE status = 'closed'";
    assert_eq!(stage.value(closed).as_deref(), Some("2"));
    assert_eq!(stage.ledger_column("close_1", "status"), None);
    // It stays approved.
    let drop = format!("DROP TRIGGER `{ledger}`.refuses");
    stage.shop.root().query_drop(drop).unwrap();
    assert_eq!(stage.poll().outcome("close_1"), "applied");
    assert_eq!(stage.value(closed).as_deref(), Some("1,2"));
}

fn a_ledger_that_is_locked_or_whose_server_is_going_costs_no_attempt(flavor: Flavor) {
    for (signal, code) in [
        ("SQLSTATE 'HY000' SET MYSQL_ERRNO = 1205", Some(0)),
        ("SQLSTATE '08S01' SET MYSQL_ERRNO = 1053", Some(75)),
    ] {
        let stage = Stage::new(flavor);
        let ledger = stage.ledger();
        let trigger = format!(
            "CREATE TRIGGER `{ledger}`.fails BEFORE UPDATE ON `{ledger}`.ledger FOR EACH ROW SIGNAL {signal}"
        );
        stage.shop.root().query_drop(trigger).unwrap();
        stage.approve(stage.close(1));
        let polled = stage.poll();
        assert_eq!(polled.code, code, "{polled:?}");
        assert_eq!(polled.summary()["retrying"], 0, "{polled:?}");
        assert_eq!(stage.ledger_column("close_1", "status"), None);
        let drop = format!("DROP TRIGGER `{ledger}`.fails");
        stage.shop.root().query_drop(drop).unwrap();
        assert_eq!(stage.poll().outcome("close_1"), "applied");
        let attempts = stage.ledger_column("close_1", "attempts");
        assert_eq!(attempts.as_deref(), Some("1"));
    }
}
