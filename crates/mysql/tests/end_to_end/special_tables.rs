//! Tables of a special kind: sequences, tables with a history, columns that do not show.

use serde_json::json;
use synapsor_mysql_testbed::Flavor;

use crate::stage::Stage;

on_both! {
    what_is_no_table_is_refused
    an_invisible_column_is_written_and_compared
    a_new_row_s_tenant_is_known_where_its_key_is
    json_is_json_also_to_a_writer_with_few_rights
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

fn a_new_row_s_tenant_is_known_where_its_key_is(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(
        "CREATE TABLE given (id char(36) DEFAULT (uuid()) PRIMARY KEY, tenant varchar(9));
         CREATE TABLE composed (region varchar(9) DEFAULT 'eu', id int AUTO_INCREMENT, tenant varchar(9), KEY (id), PRIMARY KEY (region, id))",
    );
    let insert = |table: &str, id: &str| stage.insert(table).id(id).tenant("tenant", "acme");
    stage.approve(insert("given", "left_out"));
    stage.approve(insert("given", "named").change("id", "a0eebc99"));
    stage.approve(
        stage
            .insert("given")
            .id("nobody_s")
            .change("tenant", "acme"),
    );
    stage.approve(insert("composed", "half"));
    stage.approve(insert("composed", "whole").change("region", "us"));
    let polled = stage.poll();
    let unknown = |column: &str| {
        format!(
            "WRITEBACK_TARGET_UNSUPPORTED: without {column}, nobody can tell whose the inserted row is"
        )
    };
    assert_eq!(polled.outcome("left_out"), unknown("id"));
    assert_eq!(polled.outcome("half"), unknown("region"));
    for id in ["named", "nobody_s", "whole"] {
        assert_eq!(polled.outcome(id), "applied", "{id}: {polled:?}");
    }
    assert_eq!(stage.number("SELECT count(*) FROM given"), 2);
    assert_eq!(
        stage
            .value("SELECT group_concat(region, id) FROM composed")
            .as_deref(),
        Some("us1")
    );
}

fn json_is_json_also_to_a_writer_with_few_rights(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.shop.execute(
        "CREATE TABLE papers (id int PRIMARY KEY, doc json, said longtext); INSERT INTO papers (id) VALUES (1), (2);
         CREATE TABLE hidden LIKE papers; INSERT INTO hidden (id) VALUES (1)",
    );
    stage.grant("SELECT, UPDATE (doc, said) ON papers");
    stage.grant("SELECT (id), UPDATE (doc) ON hidden");
    let update = |id: &str, row: i64| stage.update("papers").id(id).key("id", row);
    stage.approve(update("text", 1).change("doc", "7").change("said", "7"));
    stage.approve(update("object", 2).change("doc", json!({ "a": [1] })));
    stage.approve(
        stage
            .update("hidden")
            .id("hidden")
            .key("id", 1)
            .change("doc", "7"),
    );
    let polled = stage.poll();
    assert_eq!(
        ["text", "object"].map(|id| polled.outcome(id)),
        ["applied"; 2]
    );
    let kinds = "SELECT group_concat(concat_ws(',', json_type(doc), said) ORDER BY id) FROM papers";
    assert_eq!(stage.value(kinds).as_deref(), Some("STRING,7,OBJECT"));
    // What MariaDB's text is, it shows to those who have a right on the whole table.
    let hidden = if flavor == Flavor::MySql {
        "applied"
    } else {
        "WRITEBACK_TARGET_UNSUPPORTED: doc is of type longtext or json"
    };
    assert_eq!(polled.outcome("hidden"), hidden);
}

#[test]
fn a_table_with_a_history_keeps_it() {
    let stage = Stage::new(Flavor::MariaDb);
    stage.furnish(
        "CREATE TABLE kept (id int PRIMARY KEY, said varchar(9), version int) WITH SYSTEM VERSIONING;
         INSERT INTO kept VALUES (1, 'x', 1), (2, 'x', 1); UPDATE kept SET version = 2 WHERE id = 1",
    );
    let update = |id: &str, version: i64| {
        let update = stage.update("kept").id(id).key("id", 1);
        stage.approve(update.conflict("version", version).change("said", id));
    };
    update("first", 2);
    update("second", 2);
    update("third", 1);
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
        6
    );
}
