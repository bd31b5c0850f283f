//! Where we are stricter than the published worker, on purpose (contract section 4), through the whole program and on real servers.

use serde_json::{Value, json};
use simulated_control_plane::Status;
use synapsor_mysql_testbed::Flavor;
use synapsor_testbed::Proposal;

use crate::cases::cases;
use crate::stage::Stage;

on_both! {
    a_proposal_that_breaks_a_rule_fails_with_its_code_and_harms_only_itself
    a_conflict_value_of_null_finds_the_null_and_nothing_else
    a_guard_left_out_shows_in_results_and_ledger
    a_guard_left_out_is_refused_where_the_operator_demands_it
    names_of_64_characters_work
    more_than_one_row_is_a_failure_and_none_of_them_changes
    a_lock_time_out_is_tried_again_until_the_lock_is_gone
}

/// Everything that the tickets hold, in one text.
fn tickets(stage: &Stage) -> Vec<Vec<Option<String>>> {
    stage.shop.query_rows("SELECT * FROM tickets ORDER BY id")
}

/// Errors, and the fields of a proposal for ticket 1 that has to fail with it; `<long>` is a name of 65 characters.
const BROKEN: &str = r#"
WRITEBACK_TENANT_REQUIRED | {"tenant_id": null}
WRITEBACK_TENANT_REQUIRED | {"tenant_id": null, "operation": "delete"}
WRITEBACK_TENANT_REQUIRED | {"tenant_id": null, "operation": "insert", "changes": {"id": 500}}
WRITEBACK_TENANT_REQUIRED | {"tenant_id": null, "operation": "insert", "changes": {"id": 500, "tenant_id": "acme"}}
WRITEBACK_PRIMARY_KEY_REQUIRED: id | {"primary_key": {"id": null}}
WRITEBACK_PRIMARY_KEY_REQUIRED: version | {"primary_key": {"id": 1, "version": null}, "operation": "delete"}
WRITEBACK_PRIMARY_KEY_REQUIRED | {"primary_key": {}}
WRITEBACK_UPDATE_VALUES_REQUIRED | {"changes": {}}
WRITEBACK_PROTECTED_COLUMN_CHANGE: version | {"changes": {"version": 2}}
WRITEBACK_PROTECTED_COLUMN_CHANGE: id | {"changes": {"status": "closed", "id": 500}}
WRITEBACK_COLUMN_NOT_ALLOWED: update status | {"allowed_columns": ["id", "tenant_id", "version"]}
WRITEBACK_COLUMN_NOT_ALLOWED: tenant tenant_id | {"allowed_columns": ["id", "status", "version"]}
UNSUPPORTED_WRITEBACK_OPERATION: truncate | {"operation": "truncate"}
UNSAFE_IDENTIFIER: tickets`; DROP TABLE tickets; -- | {"external_table": "tickets`; DROP TABLE tickets; --"}
UNSAFE_IDENTIFIER: <long> | {"external_table": "<long>"}
UNSAFE_IDENTIFIER: <long> | {"external_schema": "<long>"}
UNSAFE_IDENTIFIER: <long> | {"changes": {"<long>": 1}, "allowed_columns": ["<long>", "id"]}
WRITEBACK_TENANT_MISMATCH: tenant_id | {"operation": "insert", "changes": {"id": 500, "tenant_id": "globex"}}
WRITEBACK_TENANT_MISMATCH: tenant_id | {"operation": "insert", "changes": {"id": 500, "tenant_id": "ACME"}}
WRITEBACK_TENANT_MISMATCH: tenant_id | {"operation": "insert", "changes": {"id": 500, "tenant_id": "acme "}}
WRITEBACK_TENANT_MISMATCH: tenant_id | {"operation": "insert", "changes": {"id": 500, "tenant_id": ["acme"]}}
WRITEBACK_TENANT_MISMATCH: tenant_id | {"operation": "insert", "changes": {"id": 500, "tenant_id": null}}
WRITEBACK_PROPOSAL_INVALID: changes | {"changes": [1]}
WRITEBACK_PROPOSAL_INVALID: primary_key | {"primary_key": 7}
WRITEBACK_PROPOSAL_INVALID: external_table | {"external_table": ["tickets"]}
WRITEBACK_PROPOSAL_INVALID: operation | {"operation": {}}
WRITEBACK_PROPOSAL_INVALID: tenant_column | {"tenant_column": 1}
WRITEBACK_PROPOSAL_INVALID: conflict_column | {"conflict_column": true}
WRITEBACK_PROPOSAL_INVALID: conflict | {"conflict": "version"}
WRITEBACK_PROPOSAL_INVALID: allowed_columns | {"allowed_columns": "status"}
"#;

/// Proposals, each with the error that it has to fail with.
fn broken(stage: &Stage) -> Vec<(Proposal, String)> {
    let long = |text: &str| text.replace("<long>", &"x".repeat(65));
    let broken = |[error, fields]: [&str; 2]| {
        let fields: Value = serde_json::from_str(&long(fields)).unwrap();
        let fields = fields.as_object().unwrap().clone();
        let proposal = fields
            .into_iter()
            .fold(stage.close(1), |proposal, (name, value)| {
                proposal.field(&name, value)
            });
        (proposal, long(error))
    };
    cases(BROKEN).into_iter().map(broken).collect()
}

fn a_proposal_that_breaks_a_rule_fails_with_its_code_and_harms_only_itself(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let broken = broken(&stage);
    for (n, (proposal, _)) in broken.iter().enumerate() {
        stage.approve(proposal.clone().id(&format!("broken_{n}")));
    }
    let before = tickets(&stage);
    let polled = stage.poll();
    assert_eq!(polled.code, Some(1), "somebody should look");
    assert_eq!(tickets(&stage), before);
    for (n, (_, error)) in broken.iter().enumerate() {
        let id = format!("broken_{n}");
        assert_eq!(polled.result(&id)["status"], "failed", "{error}");
        assert_eq!(&polled.outcome(&id), error);
        assert_eq!(stage.report(&id)["error"], **error);
        assert_eq!(stage.ledger_column(&id, "error").as_ref(), Some(error));
    }
    for (n, (proposal, _)) in broken.iter().enumerate() {
        stage.approve(proposal.clone().id(&format!("again_{n}")));
        stage.approve(stage.close(n as i64 + 1));
    }
    let polled = stage.poll();
    assert_eq!(polled.summary()["applied"], broken.len(), "every other one");
    assert_eq!(polled.summary()["failed"], broken.len());
}

fn a_conflict_value_of_null_finds_the_null_and_nothing_else(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage
        .shop
        .execute("UPDATE tickets SET amount = NULL WHERE id IN (1, 3)");
    for ticket in 1..=2 {
        let update = stage
            .update("tickets")
            .key("id", ticket)
            .change("status", "closed");
        stage.approve(
            update
                .id(&format!("update_{ticket}"))
                .conflict("amount", Value::Null),
        );
        let delete = stage.delete("tickets").key("id", ticket + 2);
        stage.approve(
            delete
                .id(&format!("delete_{ticket}"))
                .conflict("amount", Value::Null),
        );
    }
    let polled = stage.poll();
    for operation in ["update", "delete"] {
        assert_eq!(polled.outcome(&format!("{operation}_1")), "applied");
        assert_eq!(
            polled.outcome(&format!("{operation}_2")),
            "CONFLICT_VALUE_CHANGED"
        );
    }
    assert_eq!(polled.result("update_1")["guards"]["conflict"], true);
    let left = stage.value("SELECT group_concat(id, status ORDER BY id) FROM tickets WHERE id < 5");
    assert_eq!(left.as_deref(), Some("1closed,2open,4open"));
}

fn guards(primary_key: bool, tenant: bool, conflict: bool) -> Value {
    json!({ "primary_key": primary_key, "tenant": tenant, "conflict": conflict })
}

/// Proposals with fewer guards than [`Stage::close`] has, and which are left.
fn unguarded(stage: &Stage) -> Vec<(Proposal, Value)> {
    let update = |ticket: i64| {
        stage
            .update("tickets")
            .key("id", ticket)
            .change("status", "closed")
    };
    vec![
        (update(1).id("bare"), guards(true, false, false)),
        (
            update(2).id("tenant").tenant("tenant_id", "acme"),
            guards(true, true, false),
        ),
        (
            update(3).id("conflict").conflict("version", 1),
            guards(true, false, true),
        ),
        // A conflict column without a value, as the published worker leaves it out.
        (
            update(4).id("empty").field("conflict_column", "version"),
            guards(true, false, false),
        ),
        (
            stage.delete("tickets").id("delete").key("id", 5),
            guards(true, false, false),
        ),
        (
            stage
                .insert("tickets")
                .id("insert")
                .change("id", 101)
                .change("tenant_id", "acme"),
            guards(false, false, false),
        ),
    ]
}

fn a_guard_left_out_shows_in_results_and_ledger(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let mut proposals = unguarded(&stage);
    proposals.push((stage.close(6), guards(true, true, true)));
    let insert = stage.insert("tickets").id("owned").change("id", 102);
    proposals.push((
        insert.tenant("tenant_id", "acme"),
        guards(false, true, false),
    ));
    proposals
        .iter()
        .for_each(|(proposal, _)| stage.approve(proposal));
    let polled = stage.poll();
    assert_eq!(polled.summary()["applied"], proposals.len(), "{polled:?}");
    let rows = stage.shop.query_rows(&format!(
        "SELECT proposal_id, guards FROM {}.ledger",
        stage.ledger()
    ));
    for row in rows {
        let [Some(id), Some(shown)] = row.as_slice() else {
            panic!("{row:?}")
        };
        let expected = proposals
            .iter()
            .find(|(proposal, _)| proposal.to_string().contains(&format!("\"{id}\"")));
        let (_, expected) = expected.unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(shown).unwrap(),
            *expected,
            "{id}"
        );
        assert_eq!(polled.result(id)["guards"], *expected, "{id}");
    }
}

fn a_guard_left_out_is_refused_where_the_operator_demands_it(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let before = tickets(&stage);
    for (proposal, _) in unguarded(&stage) {
        stage.approve(proposal);
    }
    let polled = stage.run(&[
        "poll-once",
        "--require-tenant-guard",
        "--require-conflict-guard",
    ]);
    for id in ["bare", "conflict", "empty", "delete", "insert"] {
        assert_eq!(polled.outcome(id), "WRITEBACK_TENANT_GUARD_REQUIRED");
        assert_eq!(stage.report(id)["error"], "WRITEBACK_TENANT_GUARD_REQUIRED");
    }
    assert_eq!(
        polled.outcome("tenant"),
        "WRITEBACK_CONFLICT_GUARD_REQUIRED"
    );
    assert_eq!(tickets(&stage), before);
    assert_eq!(
        polled.result("tenant")["guards"],
        guards(true, true, false),
        "what it had shows"
    );

    stage.approve(stage.close(7));
    let insert = stage.insert("tickets").id("owned").change("id", 102);
    stage.approve(insert.tenant("tenant_id", "acme"));
    let polled = stage.run(&[
        "poll-once",
        "--require-tenant-guard",
        "--require-conflict-guard",
    ]);
    assert_eq!(
        polled.summary()["applied"],
        2,
        "an insert has no row to conflict with: {polled:?}"
    );
}

fn names_of_64_characters_work(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let (table, column) = ("T".repeat(64), "c".repeat(64));
    stage.furnish(&format!("CREATE TABLE {table} ({column} int PRIMARY KEY, said text); INSERT INTO {table} VALUES (1, 'a')"));
    stage.approve(stage.update(&table).key(&column, 1).change("said", "b"));
    assert_eq!(stage.poll().outcome("wrp_1"), "applied");
    assert_eq!(
        stage.value(&format!("SELECT said FROM {table}")).as_deref(),
        Some("b")
    );
}

fn more_than_one_row_is_a_failure_and_none_of_them_changes(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(
        "CREATE TABLE twins (n int, code varchar(9) COLLATE utf8mb4_general_ci, said varchar(9));
         INSERT INTO twins VALUES (1, 'a', 'x'), (1, 'b', 'x'), (2, 'c', 'x'), (2, 'C', 'x')",
    );
    // The server takes 'c' for 'C': its statement would change both, though one alone is meant.
    for (id, column, key) in [("number", "n", json!(1)), ("case", "code", json!("c"))] {
        let update = stage.update("twins").id(id).key(column, key.clone());
        stage.approve(update.change("said", "y"));
        stage.approve(
            stage
                .delete("twins")
                .id(&format!("{id}_gone"))
                .key(column, key),
        );
    }
    let polled = stage.poll();
    for id in ["number", "number_gone", "case", "case_gone"] {
        assert_eq!(
            polled.outcome(id),
            "WRITEBACK_MULTI_ROW_BLOCKED",
            "{polled:?}"
        );
        assert_eq!(stage.report(id)["error"], "WRITEBACK_MULTI_ROW_BLOCKED");
    }
    assert_eq!(
        stage.number("SELECT count(*) FROM twins WHERE said = 'x'"),
        4
    );
}

fn a_lock_time_out_is_tried_again_until_the_lock_is_gone(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let mut holder = stage.shop.root();
    mysql::prelude::Queryable::query_drop(
        &mut holder,
        "START TRANSACTION; UPDATE tickets SET status = 'busy' WHERE id = 1",
    )
    .unwrap();
    stage.approve(stage.close(1));
    stage.approve(stage.close(2));
    let polled = stage.run(&["poll-once", "--lock-timeout", "1s"]);
    assert_eq!(polled.result("close_1")["status"], "retrying");
    assert_eq!(
        polled.outcome("close_1"),
        "SQLSTATE HY000: ER_LOCK_WAIT_TIMEOUT"
    );
    assert_eq!(
        polled.outcome("close_2"),
        "applied",
        "it does not stand in the way of others"
    );
    assert_eq!(
        stage.word("close_1"),
        None,
        "nothing is reported that may still change"
    );
    let mut running = stage.start_with(&["--lock-timeout", "1s"]);
    mysql::prelude::Queryable::query_drop(&mut holder, "ROLLBACK").unwrap();
    assert_eq!(stage.wait_for_word("close_1"), Status::Applied);
    assert_eq!(running.terminate().0, Some(0));
    assert_eq!(
        stage
            .value("SELECT status FROM tickets WHERE id = 1")
            .as_deref(),
        Some("closed")
    );
}
