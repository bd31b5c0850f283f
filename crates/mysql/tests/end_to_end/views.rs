//! Views: one that shows rows of one table is written to as that table is, any other is refused.

use mysql::prelude::Queryable;
use simulated_control_plane::Status;
use synapsor_mysql_testbed::Flavor;

use crate::cases::cases;
use crate::stage::Stage;
use crate::steps::{Step, poll_held_at};

on_both! {
    a_view_of_one_table_is_written_to
    guards_hold_through_a_view
    what_a_view_does_not_let_through_fails
    a_row_that_leaves_its_view_before_the_statement_is_a_conflict
    a_view_that_is_not_of_one_table_alone_is_refused
    a_view_needs_the_rights_to_see_what_it_stands_for
    a_view_of_another_database_s_table_is_written_to
}

const VIEWS: &str = "
    CREATE TABLE base (id int PRIMARY KEY, tenant varchar(9), state varchar(9), version int NOT NULL DEFAULT 1,
        twice int AS (version * 2));
    INSERT INTO base (id, tenant, state) VALUES (1, 'acme', 'open'), (2, 'acme', 'open'), (3, 'acme', 'gone'),
        (4, 'globex', 'open'), (5, 'acme', 'open');
    CREATE VIEW shown AS SELECT id AS no, tenant AS owner, state, version, twice, version + 1 AS next FROM base WHERE state <> 'gone';
    CREATE VIEW of_view AS SELECT * FROM shown WHERE owner = 'acme';
    CREATE VIEW checked AS SELECT * FROM base WHERE state <> 'gone' WITH CHECK OPTION;
    CREATE VIEW checked_view AS SELECT * FROM checked WITH CASCADED CHECK OPTION";

fn rows(stage: &Stage) -> String {
    let rows = "SELECT group_concat(concat_ws(':', id, tenant, state) ORDER BY id) FROM base";
    stage.value(rows).unwrap()
}

fn a_view_of_one_table_is_written_to(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(VIEWS);
    let update = |view: &str, key: &str, id: i64| {
        stage
            .update(view)
            .id(view)
            .key(key, id)
            .change("state", view)
    };
    stage.approve(
        update("shown", "no", 1)
            .tenant("owner", "acme")
            .conflict("version", 1),
    );
    stage.approve(update("of_view", "no", 2).conflict("next", 2));
    stage.approve(update("checked", "id", 4).tenant("tenant", "globex"));
    stage.approve(
        stage
            .delete("checked_view")
            .id("delete")
            .key("id", 5)
            .tenant("tenant", "acme"),
    );
    stage.approve(
        stage
            .insert("checked")
            .id("insert")
            .change("id", 6)
            .change("state", "new"),
    );
    let polled = stage.poll();
    assert_eq!(polled.summary()["applied"], 5, "{polled:?}");
    assert_eq!(
        rows(&stage),
        "1:acme:shown,2:acme:of_view,3:acme:gone,4:globex:checked,6:new"
    );
}

fn guards_hold_through_a_view(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(VIEWS);
    let before = rows(&stage);
    let update = |id: &str, no: i64, owner: &str| {
        let update = stage
            .update("shown")
            .id(id)
            .key("no", no)
            .tenant("owner", owner);
        stage.approve(update.change("state", "x"));
    };
    update("case", 1, "ACME");
    update("tenant", 4, "acme");
    update("outside", 3, "acme");
    let deep = stage.update("of_view").id("deep").key("no", 4);
    stage.approve(deep.change("state", "x"));
    let stale = stage.delete("shown").id("stale").key("no", 1);
    stage.approve(stale.conflict("next", 3));
    let polled = stage.poll();
    for id in ["case", "tenant", "outside", "deep"] {
        assert_eq!(polled.outcome(id), "ROW_NOT_FOUND");
    }
    assert_eq!(polled.outcome("stale"), "CONFLICT_VALUE_CHANGED");
    assert_eq!(rows(&stage), before);
}

fn what_a_view_does_not_let_through_fails(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(VIEWS);
    let before = rows(&stage);
    for view in ["checked", "checked_view"] {
        let update = stage.update(view).id(view).key("id", 1);
        stage.approve(update.change("state", "gone"));
        let insert = stage.insert(view).id(&format!("{view}_new"));
        stage.approve(insert.change("id", 9).change("state", "gone"));
    }
    let update = |id: &str| stage.update("shown").id(id).key("no", 1);
    stage.approve(update("expression").change("next", 5));
    stage.approve(update("generated").change("twice", 5));
    // Nobody can see any more whether it is the row that was approved.
    stage.approve(update("leaves").change("state", "gone"));
    let insert = stage.insert("checked").id("whose").change("id", 9);
    stage.approve(insert.change("state", "new").tenant("tenant", "acme"));
    let polled = stage.poll();
    for id in ["checked", "checked_new", "checked_view", "checked_view_new"] {
        let outcome = polled.outcome(id);
        assert!(
            outcome.ends_with(": ER_VIEW_CHECK_FAILED"),
            "{id}: {outcome}"
        );
    }
    assert_eq!(polled.outcome("leaves"), "WRITEBACK_GUARDED_COLUMN_CHANGED");
    assert!(
        polled
            .outcome("whose")
            .starts_with("WRITEBACK_TARGET_UNSUPPORTED: without its primary key")
    );
    assert_eq!(
        polled.outcome("expression"),
        "SQLSTATE HY000: ER_NONUPDATEABLE_COLUMN, column next"
    );
    assert_eq!(polled.result("generated")["status"], "failed", "{polled:?}");
    assert_eq!(rows(&stage), before);
}

/// Definitions of views, and why each is refused.
const REFUSED: &str = "
SELECT a.id, a.state FROM base a JOIN base b USING (id) | it is a view of more than one plain table
SELECT a.id, a.state FROM base a, other b WHERE a.id = b.id | it is a view of more than one plain table
SELECT a.id, a.state FROM base a LEFT JOIN other b ON a.id = b.id | it is a view
SELECT id, max(state) AS state FROM base GROUP BY id | it is a view that can't be updated
SELECT DISTINCT id, state FROM base | it is a view that can't be updated
SELECT id, state FROM base UNION SELECT id, state FROM base | it is a view that can't be updated
SELECT id, state FROM base LIMIT 1 | it is a view that can't be updated
SELECT id, state FROM (SELECT * FROM base) AS b | it is a view
SELECT id, state FROM base WHERE id IN (SELECT id FROM other) | it is a view
SELECT 1 AS id, 'x' AS state | it is a view that can't be updated
SELECT id, state FROM slow | its engine is MyISAM
SELECT id, state FROM slow_view | its engine is MyISAM
";

/// The view shows its rows while a lock is free, which somebody takes between the look at the row and the statement.
fn a_row_that_leaves_its_view_before_the_statement_is_a_conflict(flavor: Flavor) {
    let (stage, proxy) = Stage::new(flavor).behind_a_proxy();
    let shop = stage.shop.name();
    stage.furnish(&format!(
        "CREATE VIEW by_day AS SELECT * FROM tickets WHERE IS_FREE_LOCK('night in {shop}')"
    ));
    let update = stage.update("by_day").id("late").key("id", 1);
    stage.approve(update.change("status", "closed"));
    let statement = Step::Before(format!("UPDATE `{shop}`.`by_day`"));
    let mut poll = poll_held_at(&stage, &proxy, &statement);
    let mut night = stage.shop.root();
    let taken = night.query_first(format!("SELECT GET_LOCK('night in {shop}', 0)"));
    assert_eq!(taken.unwrap(), Some(1));
    proxy.thaw();
    assert_eq!(poll.wait().code(), Some(0));
    let reason = stage.ledger_column("late", "reason");
    assert_eq!(reason.as_deref(), Some("ROW_NOT_CHANGED"));
    assert_eq!(stage.word("late"), Some(Status::Conflict));
}

fn a_view_that_is_not_of_one_table_alone_is_refused(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(VIEWS);
    stage.furnish(
        "CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (1);
         CREATE TABLE slow (id int PRIMARY KEY, state varchar(9)) ENGINE = MyISAM; INSERT INTO slow VALUES (1, 'open');
         CREATE VIEW slow_view AS SELECT * FROM slow WHERE id > 0",
    );
    let before = rows(&stage);
    let refused = cases::<2>(REFUSED);
    for (n, [definition, _]) in refused.iter().enumerate() {
        let view = format!("view_{n}");
        stage.furnish(&format!("CREATE VIEW {view} AS {definition}"));
        let update = stage.update(&view).id(&format!("update_{n}")).key("id", 1);
        stage.approve(update.change("state", "x"));
        stage.approve(stage.delete(&view).id(&format!("delete_{n}")).key("id", 1));
        let insert = stage.insert(&view).id(&format!("insert_{n}"));
        stage.approve(insert.change("id", 9).change("state", "x"));
    }
    let polled = stage.poll();
    for (n, [definition, why]) in refused.iter().enumerate() {
        for operation in ["update", "delete", "insert"] {
            let outcome = polled.outcome(&format!("{operation}_{n}"));
            assert!(
                outcome.starts_with(&format!("WRITEBACK_TARGET_UNSUPPORTED: {why}")),
                "{definition}: {outcome}"
            );
        }
    }
    assert_eq!(rows(&stage), before);
    assert_eq!(
        stage
            .value("SELECT group_concat(id, state) FROM slow")
            .as_deref(),
        Some("1open")
    );
}

fn a_view_needs_the_rights_to_see_what_it_stands_for(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.shop.execute(VIEWS);
    let update = |id: &str| {
        let update = stage.update("shown").id(id).key("no", 1);
        stage.approve(update.change("state", id));
        stage.poll().outcome(id)
    };
    stage.grant("SELECT, UPDATE ON shown");
    assert_eq!(
        update("view"),
        "WRITEBACK_TARGET_UNSUPPORTED: it is a view whose definition needs the right SHOW VIEW"
    );
    stage.grant("SHOW VIEW ON shown");
    assert_eq!(
        update("table"),
        "WRITEBACK_TARGET_UNSUPPORTED: it is a view of a table that we have no right on"
    );
    stage.grant("SELECT (id) ON base");
    assert_eq!(update("enough"), "applied");
    assert!(rows(&stage).starts_with("1:acme:enough,2:acme:open"));
}

fn a_view_of_another_database_s_table_is_written_to(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let elsewhere = format!("{}_elsewhere", stage.shop.name());
    stage.furnish(&format!(
        "CREATE DATABASE {elsewhere}; CREATE TABLE {elsewhere}.far (id int PRIMARY KEY, said text);
         INSERT INTO {elsewhere}.far VALUES (1, 'x'); CREATE VIEW near AS SELECT * FROM {elsewhere}.far"
    ));
    stage.grant(&format!("SELECT ON {elsewhere}.far"));
    stage.approve(stage.update("near").key("id", 1).change("said", "y"));
    let polled = stage.poll();
    assert_eq!(polled.outcome("wrp_1"), "applied", "{polled:?}");
    let said = format!("SELECT said FROM {elsewhere}.far");
    assert_eq!(stage.value(&said).as_deref(), Some("y"));
}
