//! Tables of a special kind: sequences, temporary tables, tables with a history, columns that do not show.

use synapsor_mysql_testbed::Flavor;

use crate::stage::Stage;

on_both! {
    what_is_no_table_is_refused
    a_temporary_table_that_a_trigger_leaves_behind_takes_no_proposal
    an_invisible_column_is_written_and_compared
}

fn what_is_no_table_is_refused(flavor: Flavor) {
    let stage = Stage::new(flavor);
    if flavor == Flavor::MySql {
        // A routine of that name is no target either.
        stage.furnish("CREATE FUNCTION steps() RETURNS int DETERMINISTIC RETURN 1");
    } else {
        stage.furnish("CREATE SEQUENCE steps");
    }
    stage.approve(
        stage
            .update("steps")
            .id("update")
            .key("start_value", 1)
            .change("next_not_cached_value", 100),
    );
    stage.approve(
        stage
            .insert("steps")
            .id("insert")
            .change("next_not_cached_value", 100),
    );
    let polled = stage.poll();
    for id in ["update", "insert"] {
        let error = if flavor == Flavor::MySql {
            "SQLSTATE 42S02: ER_NO_SUCH_TABLE"
        } else {
            "WRITEBACK_TARGET_UNSUPPORTED: it is a sequence, not a table"
        };
        assert_eq!(polled.outcome(id), error);
    }
}

fn a_temporary_table_that_a_trigger_leaves_behind_takes_no_proposal(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(
        "CREATE TABLE first (id int PRIMARY KEY, c int); CREATE TABLE second (id int PRIMARY KEY, c int);
         INSERT INTO first VALUES (1, 1); INSERT INTO second VALUES (1, 1);
         CREATE TRIGGER leaves BEFORE UPDATE ON first FOR EACH ROW
             BEGIN CREATE TEMPORARY TABLE second (id int PRIMARY KEY, c int); INSERT INTO second VALUES (1, 1), (2, 2); END",
    );
    for table in ["first", "second"] {
        stage.approve(stage.update(table).id(table).key("id", 1).change("c", 2));
    }
    stage.approve(stage.delete("second").id("ghost").key("id", 2));
    let polled = stage.poll();
    assert_eq!(polled.outcome("first"), "applied");
    // A session that has such a table is given up, and another one goes on.
    stage.poll();
    assert_eq!(stage.value("SELECT c FROM second").as_deref(), Some("2"));
    assert_eq!(
        stage.ledger_column("second", "status").as_deref(),
        Some("applied")
    );
    assert_eq!(
        stage.ledger_column("ghost", "reason").as_deref(),
        Some("ROW_NOT_FOUND")
    );
}

fn an_invisible_column_is_written_and_compared(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(
        "CREATE TABLE shy (id int PRIMARY KEY, said text, version int INVISIBLE DEFAULT 1); INSERT INTO shy (id) VALUES (1)",
    );
    let update = |id: &str, version: i64| {
        let update = stage
            .update("shy")
            .id(id)
            .key("id", 1)
            .conflict("version", version);
        stage.approve(update.change("said", id));
    };
    update("right", 1);
    update("wrong", 2);
    stage.approve(
        stage
            .insert("shy")
            .id("insert")
            .change("id", 2)
            .change("version", 7),
    );
    let polled = stage.poll();
    let outcomes = ["right", "wrong", "insert"].map(|id| polled.outcome(id));
    assert_eq!(outcomes, ["applied", "CONFLICT_VALUE_CHANGED", "applied"]);
    let rows = "SELECT group_concat(concat_ws(':', id, said, version) ORDER BY id) FROM shy";
    assert_eq!(stage.value(rows).as_deref(), Some("1:right:1,2:7"));
}

#[test]
fn a_table_with_a_history_keeps_it() {
    let stage = Stage::new(Flavor::MariaDb);
    stage.furnish(
        "CREATE TABLE kept (id int PRIMARY KEY, said varchar(9)) WITH SYSTEM VERSIONING;
         INSERT INTO kept VALUES (1, 'x'), (2, 'x')",
    );
    let update = |id: &str, said: &str| {
        let update = stage
            .update("kept")
            .id(id)
            .key("id", 1)
            .conflict("said", said);
        stage.approve(update.change("said", id));
    };
    update("first", "x");
    update("second", "first");
    update("third", "x");
    stage.approve(stage.delete("kept").id("delete").key("id", 2));
    stage.approve(stage.insert("kept").id("insert").change("id", 3));
    stage.approve(
        stage
            .update("kept")
            .id("past")
            .key("id", 1)
            .change("row_end", "2000-01-01"),
    );
    let polled = stage.poll();
    for id in ["first", "second", "delete", "insert"] {
        assert_eq!(polled.outcome(id), "applied", "{polled:?}");
    }
    assert_eq!(
        polled.outcome("third"),
        "CONFLICT_VALUE_CHANGED",
        "the past is not the row"
    );
    assert_eq!(polled.result("past")["status"], "failed");
    let now = "SELECT group_concat(concat_ws(':', id, said) ORDER BY id) FROM kept";
    assert_eq!(stage.value(now).as_deref(), Some("1:second,3"));
    assert_eq!(
        stage.number("SELECT count(*) FROM kept FOR SYSTEM_TIME ALL"),
        5
    );
}
