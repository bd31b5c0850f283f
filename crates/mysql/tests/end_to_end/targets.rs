//! What can be written to: tables of InnoDB, and nothing that does not roll back, belongs to the server or is the ledger.

use synapsor_mysql_testbed::Flavor;

use crate::cases::cases;
use crate::program::Ended;
use crate::stage::Stage;

on_both! {
    a_table_that_does_not_roll_back_is_refused_and_says_why
    the_ledger_and_what_shows_it_are_never_written_to
    what_belongs_to_the_server_is_never_written_to
    a_view_of_what_belongs_to_the_server_is_never_written_to
    what_is_missing_is_named_in_the_servers_words
    partitioned_tables_are_written_to_also_where_a_row_moves
    names_with_capitals_are_found_as_they_are_written
    a_table_without_a_primary_key_needs_a_key_that_finds_one_row
    as_few_rights_as_a_proposal_needs_are_enough
}

/// Approves, for each target, one proposal of each kind: `<operation>_<target>`.
fn approve_all_kinds(stage: &Stage, schema: &str, table: &str, column: &str) {
    let id = |operation: &str| format!("{operation}_{table}");
    let update = stage.update(table).schema(schema).id(&id("update"));
    stage.approve(update.key("id", 1).change(column, 2));
    let insert = stage.insert(table).schema(schema).id(&id("insert"));
    stage.approve(insert.change("id", 3).change(column, 3));
    let delete = stage.delete(table).schema(schema).id(&id("delete"));
    stage.approve(delete.key("id", 1));
}

fn outcomes(polled: &Ended, table: &str) -> [String; 3] {
    ["update", "insert", "delete"].map(|operation| polled.outcome(&format!("{operation}_{table}")))
}

fn a_table_that_does_not_roll_back_is_refused_and_says_why(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let own: &[&str] = if flavor == Flavor::MySql {
        &["ARCHIVE", "BLACKHOLE"]
    } else {
        &["Aria"]
    };
    let engines: Vec<_> = ["MyISAM", "MEMORY", "CSV"].iter().chain(own).collect();
    for engine in &engines {
        let sql = format!(
            "CREATE TABLE in_{engine} (id int NOT NULL, c int NOT NULL) ENGINE = {engine}; INSERT INTO in_{engine} VALUES (1, 1)"
        );
        stage.furnish(&sql);
        approve_all_kinds(&stage, stage.shop.name(), &format!("in_{engine}"), "c");
    }
    let polled = stage.poll();
    for engine in engines {
        let table = format!("in_{engine}");
        let error = format!(
            "WRITEBACK_TARGET_UNSUPPORTED: its engine is {engine}, whose changes do not roll back with InnoDB's"
        );
        assert_eq!(
            outcomes(&polled, &table),
            [&error, &error, &error].map(|e| (*e).clone())
        );
        assert_eq!(stage.report(&format!("update_{table}"))["error"], *error);
        let rows = stage.shop.query_rows(&format!("SELECT id, c FROM {table}"));
        let untouched = vec![Some("1".to_owned()), Some("1".to_owned())];
        assert!(
            rows.iter().all(|row| *row == untouched) && rows.len() <= 1,
            "{rows:?}"
        );
    }
}

fn the_ledger_and_what_shows_it_are_never_written_to(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let ledger = stage.ledger();
    stage.approve(stage.close(1));
    assert_eq!(stage.poll().outcome("close_1"), "applied");
    stage.furnish(&format!(
        "CREATE VIEW mine AS SELECT * FROM {ledger}.ledger; CREATE VIEW deep AS SELECT * FROM mine WHERE status = 'applied'"
    ));
    let targets = [
        (ledger.as_str(), "ledger", "it is the ledger"),
        (&ledger, "LEDGER", "it is the ledger"),
        (&ledger.to_uppercase(), "ledger", "it is the ledger"),
        (&ledger, "pending_reports", ""),
        (&ledger, "rejected_reports", ""),
        (&ledger, "recent", ""),
        (stage.shop.name(), "mine", "it is the ledger"),
        (stage.shop.name(), "deep", "it is the ledger"),
    ];
    for (n, (schema, table, _)) in targets.iter().enumerate() {
        let update = stage
            .update(table)
            .schema(schema)
            .id(&format!("update_{n}"));
        stage.approve(
            update
                .key("proposal_id", "close_1")
                .change("status", "failed"),
        );
        let delete = stage
            .delete(table)
            .schema(schema)
            .id(&format!("delete_{n}"));
        stage.approve(delete.key("proposal_id", "close_1"));
    }
    let polled = stage.poll();
    for (n, (_, table, why)) in targets.iter().enumerate() {
        for operation in ["update", "delete"] {
            let outcome = polled.outcome(&format!("{operation}_{n}"));
            assert!(
                outcome.starts_with(&format!("WRITEBACK_TARGET_UNSUPPORTED: {why}")),
                "{table}: {outcome}"
            );
        }
    }
    assert_eq!(
        stage.ledger_column("close_1", "status").as_deref(),
        Some("applied")
    );
    assert_eq!(
        stage.ledger_column("close_1", "attempts").as_deref(),
        Some("1")
    );
}

fn what_belongs_to_the_server_is_never_written_to(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let tables = [
        ("mysql", "user"),
        ("MySQL", "user"),
        ("mysql", "db"),
        ("information_schema", "TABLES"),
        ("INFORMATION_SCHEMA", "tables"),
        ("performance_schema", "threads"),
        ("sys", "sys_config"),
    ];
    for (n, (schema, table)) in tables.iter().enumerate() {
        let update = stage
            .update(table)
            .schema(schema)
            .id(&format!("update_{n}"));
        stage.approve(
            update
                .key("User", stage.user.as_str())
                .change("Super_priv", "Y"),
        );
        let delete = stage
            .delete(table)
            .schema(schema)
            .id(&format!("delete_{n}"));
        stage.approve(delete.key("User", "root"));
    }
    // With the rights of the superuser, as an operator in a hurry would.
    let stage_url = stage.shop.socket_url("root", "");
    let stage = stage.by(stage_url);
    let polled = stage.poll();
    for n in 0..tables.len() {
        for operation in ["update", "delete"] {
            let outcome = polled.outcome(&format!("{operation}_{n}"));
            assert_eq!(
                outcome,
                "WRITEBACK_TARGET_UNSUPPORTED: it belongs to the server"
            );
        }
    }
}

fn a_view_of_what_belongs_to_the_server_is_never_written_to(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(
        "CREATE VIEW rights AS SELECT * FROM mysql.db; CREATE VIEW deep_rights AS SELECT * FROM rights",
    );
    for view in ["rights", "deep_rights"] {
        let update = stage.update(view).id(&format!("update_{view}"));
        let update = update.key("User", stage.user.as_str());
        stage.approve(update.change("Grant_priv", "Y"));
        let delete = stage.delete(view).id(&format!("delete_{view}"));
        stage.approve(delete.key("User", "root"));
        let insert = stage.insert(view).id(&format!("insert_{view}"));
        stage.approve(insert.change("User", "x").change("Db", "%"));
    }
    let polled = stage.poll();
    for view in ["rights", "deep_rights"] {
        let refused = "WRITEBACK_TARGET_UNSUPPORTED: it belongs to the server".to_owned();
        assert_eq!(
            outcomes(&polled, view),
            [refused.clone(), refused.clone(), refused]
        );
    }
}

/// The name of a target, a column of it, and the error: `<shop>` is the shop's database.
const MISSING: &str = "
<shop> | nothing | c | SQLSTATE 42S02: ER_NO_SUCH_TABLE
<shop> | there | nothing | SQLSTATE 42S22: ER_BAD_FIELD_ERROR, column nothing
nowhere | there | c | SQLSTATE 42000: ER_TABLEACCESS_DENIED_ERROR
<shop> | There | c | SQLSTATE 42S02: ER_NO_SUCH_TABLE
";

fn what_is_missing_is_named_in_the_servers_words(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage
        .furnish("CREATE TABLE there (id int PRIMARY KEY, c int); INSERT INTO there VALUES (1, 1)");
    let missing = cases::<4>(MISSING);
    for (n, [schema, table, column, _]) in missing.iter().enumerate() {
        let schema = schema.replace("<shop>", stage.shop.name());
        let update = || {
            stage
                .update(table)
                .schema(&schema)
                .id(&format!("update_{n}"))
                .key("id", 1)
        };
        stage.approve(update().change(column, 2));
        let guarded = stage
            .delete(table)
            .schema(&schema)
            .id(&format!("guarded_{n}"))
            .key("id", 1);
        stage.approve(guarded.conflict(column, 1));
        let insert = stage
            .insert(table)
            .schema(&schema)
            .id(&format!("insert_{n}"));
        stage.approve(insert.change("id", 5).change(column, 2));
    }
    let polled = stage.poll();
    for (n, [.., error]) in missing.iter().enumerate() {
        for operation in ["update", "guarded", "insert"] {
            assert_eq!(polled.outcome(&format!("{operation}_{n}")), *error);
        }
    }
    assert_eq!(stage.number("SELECT count(*) FROM there"), 1);
}

fn partitioned_tables_are_written_to_also_where_a_row_moves(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(
        "CREATE TABLE parts (id int, region int, said text, PRIMARY KEY (id, region)) PARTITION BY LIST (region)
             (PARTITION one VALUES IN (1), PARTITION two VALUES IN (2));
         INSERT INTO parts VALUES (1, 1, 'x'), (2, 2, 'x'), (3, 1, 'x')",
    );
    stage.approve(
        stage
            .update("parts")
            .id("move")
            .key("id", 1)
            .change("region", 2),
    );
    stage.approve(
        stage
            .update("parts")
            .id("nowhere")
            .key("id", 2)
            .change("region", 3),
    );
    stage.approve(
        stage
            .insert("parts")
            .id("insert")
            .change("id", 4)
            .change("region", 2),
    );
    stage.approve(
        stage
            .delete("parts")
            .id("delete")
            .key("id", 3)
            .key("region", 1),
    );
    let polled = stage.poll();
    assert_eq!(
        ["move", "insert", "delete"].map(|id| polled.outcome(id)),
        ["applied"; 3]
    );
    assert_eq!(polled.result("nowhere")["status"], "failed", "{polled:?}");
    let rows = "SELECT group_concat(id ORDER BY id) FROM parts PARTITION (two)";
    assert_eq!(stage.value(rows).as_deref(), Some("1,2,4"));
    assert_eq!(
        stage.number("SELECT count(*) FROM parts PARTITION (one)"),
        0
    );
}

fn names_with_capitals_are_found_as_they_are_written(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(
        "CREATE TABLE `Order` (`Id` int PRIMARY KEY, `lineTotal` int, `select` int);
         CREATE TABLE `order` (`Id` int PRIMARY KEY, `lineTotal` varchar(9), `select` int);
         INSERT INTO `Order` VALUES (1, 1, 1); INSERT INTO `order` VALUES (1, '1', 1)",
    );
    let update = stage
        .update("Order")
        .id("exact")
        .key("Id", 1)
        .conflict("select", 1);
    stage.approve(update.change("lineTotal", 2));
    // Columns have no case to the servers.
    let update = stage
        .update("order")
        .id("folded")
        .key("ID", 1)
        .conflict("SELECT", 1);
    stage.approve(update.change("LINETOTAL", "two"));
    let polled = stage.poll();
    assert_eq!(
        ["exact", "folded"].map(|id| polled.outcome(id)),
        ["applied"; 2]
    );
    let values = "SELECT concat_ws(',', a.lineTotal, b.lineTotal) FROM `Order` a, `order` b";
    assert_eq!(stage.value(values).as_deref(), Some("2,two"));
}

fn a_table_without_a_primary_key_needs_a_key_that_finds_one_row(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(
        "CREATE TABLE heap (id int, tenant varchar(9), said text);
         INSERT INTO heap VALUES (1, 'acme', 'x'), (2, 'acme', 'x'), (2, 'acme', 'x'), (2, 'globex', 'x')",
    );
    let update = |id: &str, key: i64, tenant: &str| {
        let update = stage
            .update("heap")
            .id(id)
            .key("id", key)
            .tenant("tenant", tenant);
        stage.approve(update.change("said", id));
    };
    update("one", 1, "acme");
    update("two", 2, "acme");
    update("other", 2, "globex");
    stage.approve(stage.insert("heap").id("insert").change("id", 1));
    let insert = stage.insert("heap").id("tenant").change("id", 3);
    stage.approve(insert.tenant("tenant", "acme"));
    let polled = stage.poll();
    assert_eq!(
        ["one", "other", "insert"].map(|id| polled.outcome(id)),
        ["applied"; 3]
    );
    assert_eq!(polled.outcome("two"), "WRITEBACK_MULTI_ROW_BLOCKED");
    assert_eq!(
        polled.outcome("tenant"),
        "WRITEBACK_TARGET_UNSUPPORTED: without its primary key, nobody can tell whose the inserted row is"
    );
    let said = "SELECT group_concat(coalesce(said, 'null') ORDER BY said) FROM heap";
    assert_eq!(stage.value(said).as_deref(), Some("null,one,other,x,x"));
}

fn as_few_rights_as_a_proposal_needs_are_enough(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.shop.execute(
        "CREATE TABLE few (id int PRIMARY KEY, tenant varchar(9), version int, said text, secret text);
         INSERT INTO few VALUES (1, 'acme', 1, 'x', 'hunter2')",
    );
    stage.grant("SELECT (id, tenant, version), UPDATE (said) ON few");
    let update = |id: &str| {
        stage
            .update("few")
            .id(id)
            .key("id", 1)
            .tenant("tenant", "acme")
            .conflict("version", 1)
    };
    stage.approve(update("said").change("said", "y"));
    stage.approve(update("secret").change("secret", "y"));
    stage.approve(stage.delete("few").id("delete").key("id", 1));
    stage.approve(
        stage
            .insert("few")
            .id("insert")
            .change("id", 2)
            .change("said", "z"),
    );
    stage.approve(
        stage
            .update("few")
            .id("guard")
            .key("id", 1)
            .conflict("secret", "hunter2")
            .change("said", "z"),
    );
    let polled = stage.poll();
    assert_eq!(polled.outcome("said"), "applied", "{polled:?}");
    for id in ["secret", "delete", "insert", "guard"] {
        let outcome = polled.outcome(id);
        assert!(outcome.starts_with("SQLSTATE 42"), "{id}: {outcome}");
        assert!(!format!("{polled:?}{}", stage.report(id)).contains("hunter2"));
    }
    let row = "SELECT concat_ws(',', id, version, said, secret) FROM few";
    assert_eq!(stage.value(row).as_deref(), Some("1,1,y,hunter2"));
}
