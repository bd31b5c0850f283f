//! Tables that somebody alters, and rights that somebody gives, while the program runs: each proposal meets them as they are then.

use mysql::prelude::Queryable;
use serde_json::Value;
use simulated_control_plane::Status;
use synapsor_mysql_testbed::{Flavor, wait_for};
use synapsor_testbed::exact;

use crate::program::{PATIENCE, Running};
use crate::stage::Stage;

on_both! {
    a_column_altered_between_two_polls_is_written_as_it_is_then
    a_column_altered_between_two_proposals_of_one_poll_is_written_as_it_is_then
    a_view_replaced_between_two_polls_is_looked_at_anew
    a_right_given_between_two_polls_is_enough_from_then_on
}

const LOTS: &str =
    "CREATE TABLE lots (id int PRIMARY KEY, c int, said text); INSERT INTO lots VALUES (1, 0, 'x')";

/// Has `run` write a value to `lots.c`, and returns the error, if any.
fn write(stage: &Stage, id: &str, value: &str) -> Option<String> {
    let update = stage.update("lots").id(id).key("id", 1);
    stage.approve(update.change("c", exact(value)));
    match stage.wait_for_word(id) {
        Status::Applied => None,
        _ => stage.ledger_column(id, "error"),
    }
}

fn held(stage: &Stage) -> Option<String> {
    stage.value("SELECT c FROM lots")
}

fn a_column_altered_between_two_polls_is_written_as_it_is_then(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(LOTS);
    let mut running = stage.start();
    assert_eq!(write(&stage, "int", "7"), None);
    let steps = [
        ("varchar(9)", "\"x7\"", None, "x7"),
        (
            "varchar(3)",
            "\"long\"",
            Some("WRITEBACK_VALUE_NOT_EXACT: c"),
            "x7",
        ),
        ("varbinary(9)", "\"0x616263\"", None, "abc"),
        (
            "char(9) CHARACTER SET ascii",
            "\"é\"",
            Some("WRITEBACK_VALUE_NOT_EXACT: c"),
            "abc",
        ),
    ];
    for (n, (column, value, error, text)) in steps.into_iter().enumerate() {
        stage
            .shop
            .execute(&format!("ALTER TABLE lots MODIFY c {column}"));
        assert_eq!(
            write(&stage, &format!("text_{n}"), value).as_deref(),
            error,
            "{column}"
        );
        assert_eq!(held(&stage).as_deref(), Some(text), "{column}");
    }
    let steps = [
        ("decimal(5,2)", "1.25", None, Some("1.25")),
        (
            "decimal(5,1)",
            "1.25",
            Some("WRITEBACK_VALUE_NOT_EXACT: c"),
            None,
        ),
        (
            "datetime(6)",
            "\"2026-01-01T10:00:00.123456Z\"",
            None,
            Some("2026-01-01 10:00:00.123456"),
        ),
        (
            "datetime(3)",
            "\"2026-01-01T10:00:00.123456Z\"",
            Some("WRITEBACK_VALUE_NOT_EXACT: c"),
            None,
        ),
        (
            "bigint unsigned",
            "18446744073709551615",
            None,
            Some("18446744073709551615"),
        ),
        (
            "int AS (id + 1)",
            "1",
            Some("WRITEBACK_TARGET_UNSUPPORTED: c is a generated column"),
            Some("2"),
        ),
    ];
    for (n, (column, value, error, text)) in steps.into_iter().enumerate() {
        stage
            .shop
            .execute(&format!("ALTER TABLE lots DROP c, ADD c {column}"));
        assert_eq!(
            write(&stage, &format!("other_{n}"), value).as_deref(),
            error,
            "{column}"
        );
        assert_eq!(held(&stage).as_deref(), text, "{column}");
    }
    stage.shop.execute("ALTER TABLE lots DROP c");
    assert_eq!(
        write(&stage, "gone", "1").as_deref(),
        Some("SQLSTATE 42S22: ER_BAD_FIELD_ERROR, column c")
    );
    stage
        .shop
        .execute("ALTER TABLE lots ADD c int, ENGINE = MyISAM");
    assert!(
        write(&stage, "engine", "1")
            .unwrap()
            .starts_with("WRITEBACK_TARGET_UNSUPPORTED: its engine is MyISAM")
    );
    stage.shop.execute("DROP TABLE lots");
    assert_eq!(
        write(&stage, "dropped", "1").as_deref(),
        Some("SQLSTATE 42S02: ER_NO_SUCH_TABLE")
    );
    stage.shop.execute(LOTS);
    assert_eq!(write(&stage, "new", "5"), None);
    assert_eq!(running.terminate().0, Some(0));
}

fn a_column_altered_between_two_proposals_of_one_poll_is_written_as_it_is_then(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(LOTS);
    let update = |id: &str, value: Value| {
        let update = stage
            .update("lots")
            .id(id)
            .key("id", 1)
            .conflict("said", "x");
        stage.approve(update.change("c", value));
    };
    update("before", 7.into());
    stage.approve(stage.close(1));
    update("text", "x7".into());
    update("long", "longer than 9".into());
    let mut holder = stage.shop.root();
    holder
        .query_drop("START TRANSACTION; SELECT * FROM tickets WHERE id = 1 FOR UPDATE")
        .unwrap();
    let mut polling = Running::start(&mut stage.program(&["poll-once", "--lock-timeout", "30s"]));
    // The second waits for its row until we let it go.
    wait_for("the first is in", PATIENCE, || {
        held(&stage).as_deref() == Some("7")
    });
    stage
        .shop
        .execute("ALTER TABLE lots MODIFY c varchar(9), MODIFY said varbinary(9)");
    holder.query_drop("ROLLBACK").unwrap();
    assert_eq!(polling.wait().code(), Some(1), "one does not fit");
    assert_eq!(
        ["before", "close_1", "text"].map(|id| stage.word(id)),
        [Some(Status::Applied); 3]
    );
    assert_eq!(
        stage.ledger_column("long", "error").as_deref(),
        Some("WRITEBACK_VALUE_NOT_EXACT: c")
    );
    assert_eq!(held(&stage).as_deref(), Some("x7"));
}

fn a_view_replaced_between_two_polls_is_looked_at_anew(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(
        "CREATE TABLE first (id int PRIMARY KEY, c int); CREATE TABLE second (id int PRIMARY KEY, c varchar(9));
         CREATE TABLE third (id int PRIMARY KEY, c int) ENGINE = MyISAM;
         INSERT INTO first VALUES (1, 0); INSERT INTO second VALUES (1, ''); INSERT INTO third VALUES (1, 0);
         CREATE VIEW lots AS SELECT * FROM first",
    );
    let mut running = stage.start();
    assert_eq!(write(&stage, "first", "7"), None);
    assert_eq!(
        write(&stage, "text", "\"x7\"").as_deref(),
        Some("WRITEBACK_VALUE_TYPE_MISMATCH: c")
    );
    stage.shop.execute("ALTER TABLE first MODIFY c varchar(9)");
    assert_eq!(write(&stage, "below", "\"x7\""), None);
    stage
        .shop
        .execute("ALTER VIEW lots AS SELECT * FROM second");
    assert_eq!(write(&stage, "second", "\"x8\""), None);
    stage.shop.execute("ALTER VIEW lots AS SELECT * FROM third");
    assert!(write(&stage, "third", "1").unwrap().contains("MyISAM"));
    assert_eq!(running.terminate().0, Some(0));
    let row = "SELECT concat_ws(',', a.c, b.c, d.c) FROM first a, second b, third d";
    assert_eq!(stage.value(row).as_deref(), Some("x7,x8,0"));
}

fn a_right_given_between_two_polls_is_enough_from_then_on(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.shop.execute(LOTS);
    let mut running = stage.start();
    let denied = "SQLSTATE 42000: ER_TABLEACCESS_DENIED_ERROR";
    assert_eq!(write(&stage, "nothing", "1").as_deref(), Some(denied));
    stage.grant("SELECT (id, said), UPDATE (said) ON lots");
    let refused = write(&stage, "other_column", "1").expect("an error");
    assert!(refused.starts_with("SQLSTATE 42"), "{refused}");
    stage.grant("SELECT (c) ON lots");
    assert_eq!(
        write(&stage, "read_only", "1").as_deref(),
        Some("SQLSTATE 42000: ER_COLUMNACCESS_DENIED_ERROR, column c")
    );
    stage.grant("UPDATE (c) ON lots");
    assert_eq!(write(&stage, "enough", "1"), None);
    assert_eq!(running.terminate().0, Some(0));
    assert_eq!(held(&stage).as_deref(), Some("1"));
}
