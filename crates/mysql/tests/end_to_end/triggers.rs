//! Triggers: what they do to the approved row is found out, what they do elsewhere stays or goes with it, and what they say stays here.

use serde_json::json;
use synapsor_mysql_testbed::Flavor;
use synapsor_testbed::Proposal;

use crate::program::Ended;
use crate::stage::Stage;

on_both! {
    a_trigger_that_moves_the_row_is_found_out_and_everything_is_rolled_back
    a_trigger_that_moves_a_new_row_is_found_out
    a_temporary_table_over_the_target_hides_nothing_that_a_trigger_did
    a_temporary_table_is_found_where_the_target_s_definition_may_not_be_seen
    a_trigger_that_changes_other_columns_is_none_of_our_business
    a_trigger_s_error_tells_nobody_outside_what_it_says
    an_error_that_a_trigger_borrows_is_taken_as_the_server_s_own
    a_server_that_a_trigger_says_is_going_costs_a_session_and_nothing_else
    what_a_trigger_writes_elsewhere_stays_or_goes_with_its_proposal
    the_tenant_is_bound_for_its_own_statement_alone
    what_a_trigger_sets_in_the_session_is_gone_for_the_next_proposal
}

/// Rows `(<id>, 'acme', 1)` of a table on which a trigger makes of each id what the action says.
fn table(name: &str, when: &str, action: &str) -> String {
    format!(
        "CREATE TABLE {name} (id int PRIMARY KEY, tenant varchar(9) COLLATE utf8mb4_general_ci, version int, said text);
         INSERT INTO {name} VALUES (1, 'acme', 1, 'x'), (2, 'acme', 1, 'x');
         CREATE TRIGGER on_{name} {when} ON {name} FOR EACH ROW {action};"
    )
}

fn rows(stage: &Stage, table: &str) -> String {
    let rows = format!(
        "SELECT group_concat(concat_ws(':', id, tenant, version, said) ORDER BY id) FROM {table}"
    );
    stage.value(&rows).unwrap()
}

const UNTOUCHED: &str = "1:acme:1:x,2:acme:1:x";

/// An update of the first row of a table, with every guard.
fn guarded_update(stage: &Stage, name: &str) -> Proposal {
    let update = stage.update(name).id(name).key("id", 1);
    let update = update.tenant("tenant", "acme").conflict("version", 1);
    update.change("said", "y")
}

fn a_trigger_that_moves_the_row_is_found_out_and_everything_is_rolled_back(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let actions = [
        ("tenant", "SET NEW.tenant = 'globex'"),
        ("spelling", "SET NEW.tenant = upper(NEW.tenant)"),
        ("padding", "SET NEW.tenant = 'acme '"),
        ("nobody", "SET NEW.tenant = NULL"),
        ("number", "SET NEW.id = NEW.id + 1000"),
    ];
    for (name, action) in actions {
        stage.furnish(&table(name, "BEFORE UPDATE", action));
        stage.approve(guarded_update(&stage, name));
    }
    let polled = stage.poll();
    for (name, action) in actions {
        assert_eq!(
            polled.outcome(name),
            "WRITEBACK_GUARDED_COLUMN_CHANGED",
            "{action}"
        );
        assert_eq!(
            stage.report(name)["error"],
            "WRITEBACK_GUARDED_COLUMN_CHANGED"
        );
        assert_eq!(rows(&stage, name), UNTOUCHED);
    }
}

fn a_trigger_that_moves_a_new_row_is_found_out(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let actions = [
        ("tenant", "SET NEW.tenant = 'globex'", "tenant"),
        ("spelling", "SET NEW.tenant = upper(NEW.tenant)", "tenant"),
        ("number", "SET NEW.id = NEW.id + 1000", "tenant"),
        ("onto", "SET NEW.id = 2, NEW.tenant = 'globex'", ""),
    ];
    for (name, action, _) in actions {
        stage.furnish(&table(name, "BEFORE INSERT", action));
        let insert = stage
            .insert(name)
            .id(name)
            .change("id", 3)
            .change("said", "y");
        stage.approve(insert.tenant("tenant", "acme"));
    }
    stage.furnish(
        "CREATE TABLE numbered (id int AUTO_INCREMENT PRIMARY KEY, tenant varchar(9));
         CREATE TRIGGER moves BEFORE INSERT ON numbered FOR EACH ROW SET NEW.tenant = if(NEW.tenant = 'bad', 'globex', NEW.tenant)",
    );
    for tenant in ["good", "bad"] {
        let insert = stage
            .insert("numbered")
            .id(tenant)
            .field("allowed_columns", json!(["tenant"]));
        stage.approve(insert.tenant("tenant", tenant));
    }
    let polled = stage.poll();
    for (name, action, column) in actions {
        let error = if column.is_empty() {
            "SQLSTATE 23000: ER_DUP_ENTRY, constraint PRIMARY".to_owned()
        } else {
            format!("WRITEBACK_GUARDED_COLUMN_CHANGED: {column}")
        };
        assert_eq!(polled.outcome(name), error, "{action}");
        assert_eq!(rows(&stage, name), UNTOUCHED);
    }
    assert_eq!(polled.outcome("good"), "applied", "{polled:?}");
    assert_eq!(
        polled.outcome("bad"),
        "WRITEBACK_GUARDED_COLUMN_CHANGED: tenant"
    );
    assert_eq!(
        stage
            .value("SELECT group_concat(tenant) FROM numbered")
            .as_deref(),
        Some("good")
    );
}

/// The second look would read the temporary table in place of the row.
fn a_temporary_table_over_the_target_hides_nothing_that_a_trigger_did(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let columns = "id int, tenant varchar(9), version int, said text";
    let covers = [
        ("bare", format!("({columns})")),
        (
            "forged",
            "AS SELECT 1 AS id, 'acme' AS tenant, 1 AS version, 'y' AS said".to_owned(),
        ),
        (
            "other",
            "AS SELECT 'acme' AS tenant, 'one' AS id, NOW() AS version".to_owned(),
        ),
    ];
    for (name, cover) in &covers {
        let action = format!(
            "BEGIN CREATE TEMPORARY TABLE IF NOT EXISTS {name} {cover}; SET NEW.tenant = 'globex'; END"
        );
        stage.furnish(&table(name, "BEFORE UPDATE", &action));
        stage.furnish(&table(
            &format!("new_{name}"),
            "BEFORE INSERT",
            &action.replace(name, &format!("new_{name}")),
        ));
        stage.approve(guarded_update(&stage, name));
        let insert = stage
            .insert(&format!("new_{name}"))
            .id(&format!("new_{name}"));
        stage.approve(insert.change("id", 3).tenant("tenant", "acme"));
    }
    stage.approve(stage.close(1));
    let polled = stage.poll();
    for (name, _) in &covers {
        for name in [(*name).to_owned(), format!("new_{name}")] {
            assert_ne!(polled.result(&name)["status"], "applied", "{name}");
            assert_eq!(rows(&stage, &name), UNTOUCHED, "{name}");
        }
    }
    assert_eq!(polled.outcome("close_1"), "applied", "it harms no other");
}

fn a_temporary_table_is_found_where_the_target_s_definition_may_not_be_seen(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let action = "BEGIN IF NEW.said = 'move' THEN
            CREATE TEMPORARY TABLE IF NOT EXISTS narrow AS SELECT 1 AS id, 'acme' AS tenant, 1 AS version, 'y' AS said;
            SET NEW.tenant = 'globex';
        END IF; END";
    stage
        .shop
        .execute(&table("narrow", "BEFORE UPDATE", action));
    stage.grant("SELECT (id, tenant, version, said), UPDATE (said) ON narrow");
    let numbered = "CREATE TABLE numbered (id int AUTO_INCREMENT PRIMARY KEY, tenant varchar(9), said text);
        CREATE TRIGGER on_numbered BEFORE INSERT ON numbered FOR EACH ROW BEGIN IF NEW.said = 'move' THEN
            CREATE TEMPORARY TABLE IF NOT EXISTS numbered AS SELECT 1 AS id, 'acme' AS tenant UNION SELECT 2, 'acme';
            SET NEW.tenant = 'globex';
        END IF; END;";
    stage.shop.execute(numbered);
    stage.grant("SELECT (id, tenant), INSERT (tenant, said) ON numbered");
    for said in ["move", "stay"] {
        let update = stage.update("narrow").id(&format!("update_{said}"));
        let update = update.key("id", 1).tenant("tenant", "acme");
        stage.approve(update.conflict("version", 1).change("said", said));
        let insert = stage.insert("numbered").id(&format!("insert_{said}"));
        stage.approve(insert.change("said", said).tenant("tenant", "acme"));
    }
    let polled = stage.poll();
    for operation in ["update", "insert"] {
        let moved = polled.outcome(&format!("{operation}_move"));
        assert!(moved.starts_with("WRITEBACK_TARGET_UNSUPPORTED"), "{moved}");
        assert_eq!(polled.outcome(&format!("{operation}_stay")), "applied");
    }
    assert_eq!(rows(&stage, "narrow"), "1:acme:1:stay,2:acme:1:x");
    assert_eq!(stage.number("SELECT count(*) FROM numbered"), 1);
}

fn a_trigger_that_changes_other_columns_is_none_of_our_business(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(&table(
        "counted",
        "BEFORE UPDATE",
        "SET NEW.version = OLD.version + 1, NEW.said = upper(NEW.said)",
    ));
    let update = |id: &str| {
        let update = stage
            .update("counted")
            .id(id)
            .key("id", 1)
            .tenant("tenant", "acme");
        stage.approve(update.conflict("version", 1).change("said", id));
    };
    update("first");
    update("second");
    let polled = stage.poll();
    assert_eq!(polled.outcome("first"), "applied");
    assert_eq!(polled.result("first")["guard_advanced"], true);
    assert_eq!(polled.outcome("second"), "CONFLICT_VALUE_CHANGED");
    assert_eq!(rows(&stage, "counted"), "1:acme:2:FIRST,2:acme:1:x");
}

/// Approves one proposal for each table on which a trigger signals, by its name, and one that is fine behind them all.
fn poll_signals(stage: &Stage, signals: &[(&str, &str, &str)]) -> Ended {
    for (name, signal, _) in signals {
        stage.furnish(&table(name, "BEFORE UPDATE", &format!("SIGNAL {signal}")));
        let update = stage
            .update(name)
            .id(name)
            .key("id", 1)
            .tenant("tenant", "acme");
        stage.approve(update.change("said", "y"));
    }
    stage.approve(stage.close(1));
    let polled = stage.poll();
    assert_eq!(polled.outcome("close_1"), "applied", "it harms no other");
    polled
}

/// That a trigger's text is in the ledger, and nowhere else.
fn require_secrecy(stage: &Stage, polled: &Ended, name: &str) {
    assert!(!format!("{polled:?}").contains("hunter2"), "{polled:?}");
    for report in stage.simulator.reports_for(name) {
        assert!(!String::from_utf8_lossy(&report.body).contains("hunter2"));
    }
    for column in ["error", "reason", "sqlstate", "report_error"] {
        let text = stage.ledger_column(name, column).unwrap_or_default();
        assert!(!text.contains("hunter2"), "{name} {column}");
    }
    let detail = stage.ledger_column(name, "error_detail");
    assert!(
        detail.is_some_and(|detail| detail.contains("hunter2")),
        "{name}"
    );
}

fn a_trigger_s_error_tells_nobody_outside_what_it_says(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let signals = [
        (
            "plain",
            "SQLSTATE '45000' SET MESSAGE_TEXT = 'hunter2'",
            "SQLSTATE 45000: ER_SIGNAL_EXCEPTION",
        ),
        (
            "duplicate",
            "SQLSTATE '23000' SET MYSQL_ERRNO = 1062, MESSAGE_TEXT = 'Duplicate entry ''x'' for key ''hunter2'''",
            "SQLSTATE 23000: ER_DUP_ENTRY",
        ),
        (
            "orphan",
            "SQLSTATE '23000' SET MYSQL_ERRNO = 1452, MESSAGE_TEXT = 'fails (`a`.`b`, CONSTRAINT `hunter2` FOREIGN KEY'",
            "SQLSTATE 23000: ER_NO_REFERENCED_ROW_2",
        ),
        (
            "column_named",
            "SQLSTATE '23000' SET MYSQL_ERRNO = 1048, MESSAGE_TEXT = 'Column ''hunter2'' cannot be null'",
            "SQLSTATE 23000: ER_BAD_NULL_ERROR",
        ),
        (
            "harmless",
            "SQLSTATE '42000' SET MYSQL_ERRNO = 1142, MESSAGE_TEXT = 'hunter2 command denied'",
            "SQLSTATE 42000: ER_TABLEACCESS_DENIED_ERROR",
        ),
        (
            "made_up",
            "SQLSTATE '45001' SET MYSQL_ERRNO = 31999, MESSAGE_TEXT = 'hunter2'",
            "SQLSTATE 45001: unknown",
        ),
        (
            "collation",
            "SQLSTATE 'HY000' SET MYSQL_ERRNO = 1267, MESSAGE_TEXT = 'hunter2'",
            "SQLSTATE HY000: ER_CANT_AGGREGATE_2COLLATIONS",
        ),
        (
            "found",
            "SQLSTATE '02000' SET MESSAGE_TEXT = 'hunter2'",
            "SQLSTATE 02000: ER_SIGNAL_NOT_FOUND",
        ),
    ];
    let polled = poll_signals(&stage, &signals);
    for (name, _, error) in signals {
        assert_eq!(polled.outcome(name), error);
        assert_eq!(polled.result(name)["status"], "failed");
        assert_eq!(stage.report(name)["error"], error);
        require_secrecy(&stage, &polled, name);
        assert_eq!(rows(&stage, name), UNTOUCHED);
    }
}

fn an_error_that_a_trigger_borrows_is_taken_as_the_server_s_own(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let signals = [
        (
            "wait",
            "SQLSTATE 'HY000' SET MYSQL_ERRNO = 1205, MESSAGE_TEXT = 'hunter2'",
            "SQLSTATE HY000: ER_LOCK_WAIT_TIMEOUT",
        ),
        (
            "deadlock",
            "SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'hunter2'",
            "SQLSTATE 40001: ER_LOCK_DEADLOCK",
        ),
        (
            "serial",
            "SQLSTATE '40001' SET MYSQL_ERRNO = 31998, MESSAGE_TEXT = 'hunter2'",
            "SQLSTATE 40001: unknown",
        ),
        (
            "read_only",
            "SQLSTATE 'HY000' SET MYSQL_ERRNO = 1290, MESSAGE_TEXT = 'hunter2'",
            "SQLSTATE HY000: ER_OPTION_PREVENTS_STATEMENT",
        ),
    ];
    let polled = poll_signals(&stage, &signals);
    for (name, _, error) in signals {
        assert_eq!(polled.result(name)["status"], "retrying");
        assert_eq!(polled.outcome(name), error);
        assert_eq!(stage.word(name), None, "not reported while it may change");
        require_secrecy(&stage, &polled, name);
        assert_eq!(rows(&stage, name), UNTOUCHED);
    }
    // Once they are gone, so is the trouble.
    for (name, ..) in signals {
        stage.shop.execute(&format!("DROP TRIGGER on_{name}"));
    }
    let polled = stage.poll();
    assert_eq!(polled.summary()["applied"], signals.len(), "{polled:?}");
}

fn a_server_that_a_trigger_says_is_going_costs_a_session_and_nothing_else(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let signals = [
        (
            "shutdown",
            "SQLSTATE '08S01' SET MYSQL_ERRNO = 1053, MESSAGE_TEXT = 'hunter2'",
            "DATABASE_ERROR: SQLSTATE 08S01: ER_SERVER_SHUTDOWN (1053)",
        ),
        (
            "killed",
            "SQLSTATE '70100' SET MYSQL_ERRNO = 1927, MESSAGE_TEXT = 'hunter2'",
            "DATABASE_ERROR: SQLSTATE 70100: ER_CONNECTION_KILLED (1927)",
        ),
    ];
    let polled = poll_signals(&stage, &signals);
    for (name, _, error) in signals {
        assert_eq!(polled.result(name)["status"], "retrying");
        assert_eq!(polled.outcome(name), error);
        assert!(!format!("{polled:?}").contains("hunter2"), "{polled:?}");
        assert_eq!(rows(&stage, name), UNTOUCHED);
    }
}

fn what_a_trigger_writes_elsewhere_stays_or_goes_with_its_proposal(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish("CREATE TABLE audit (what varchar(9))");
    let note = "BEGIN INSERT INTO audit VALUES (NEW.said); IF NEW.said = 'move' THEN SET NEW.tenant = 'globex'; END IF; END";
    stage.furnish(&table("noted", "BEFORE UPDATE", note));
    stage.furnish("ALTER TABLE noted ADD CONSTRAINT short CHECK (said <> 'long')");
    let update = |said: &str| {
        let update = stage
            .update("noted")
            .id(said)
            .key("id", 1)
            .tenant("tenant", "acme");
        stage.approve(update.change("said", said));
    };
    ["good", "move", "long"].into_iter().for_each(update);
    let polled = stage.poll();
    assert_eq!(polled.outcome("good"), "applied");
    assert_eq!(polled.outcome("move"), "WRITEBACK_GUARDED_COLUMN_CHANGED");
    assert!(
        polled.outcome("long").ends_with(", constraint short"),
        "{polled:?}"
    );
    assert_eq!(
        stage
            .value("SELECT group_concat(what) FROM audit")
            .as_deref(),
        Some("good")
    );
}

fn the_tenant_is_bound_for_its_own_statement_alone(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish("CREATE TABLE seen (row_id int, tenant text)");
    let see = "BEGIN INSERT INTO seen VALUES (NEW.id, coalesce(@`app.tenant_id`, 'none')); IF NEW.said = 'fail' THEN SIGNAL SQLSTATE '45000'; END IF; END";
    stage.furnish(&table("watched", "BEFORE UPDATE", see));
    stage.furnish("INSERT INTO watched VALUES (3, '42', 1, 'x')");
    let update = |id: &str, row: i64, said: &str| {
        stage
            .update("watched")
            .id(id)
            .key("id", row)
            .change("said", said)
    };
    stage.approve(update("acme", 1, "y").tenant("tenant", "acme"));
    stage.approve(update("none", 2, "y"));
    stage.approve(update("fails", 1, "fail").tenant("tenant", "acme"));
    stage.approve(update("after", 2, "z"));
    stage.approve(update("number", 3, "y").tenant("tenant", 42));
    let polled = stage.run(&["poll-once", "--tenant-setting", "app.tenant_id"]);
    assert_eq!(polled.summary()["applied"], 4, "{polled:?}");
    let seen = "SELECT group_concat(concat(row_id, ':', tenant) ORDER BY row_id, tenant) FROM seen";
    assert_eq!(
        stage.value(seen).as_deref(),
        Some("1:acme,2:none,2:none,3:42")
    );
}

fn what_a_trigger_sets_in_the_session_is_gone_for_the_next_proposal(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let sets = "BEGIN SET time_zone = '+05:00'; SET foreign_key_checks = 0; SET unique_checks = 0; SET sql_safe_updates = 1;
        SET character_set_client = latin1, character_set_results = latin1; SET lock_wait_timeout = 1; SET sql_auto_is_null = 1; END";
    stage.furnish(&table("sets", "AFTER UPDATE", sets));
    stage.furnish(
        "CREATE TABLE times (id int PRIMARY KEY, at timestamp NULL, sets_id int, said text, FOREIGN KEY (sets_id) REFERENCES sets (id))",
    );
    stage.approve(
        stage
            .update("sets")
            .id("sets")
            .key("id", 1)
            .change("said", "y"),
    );
    let insert = |id: &str, row: i64| stage.insert("times").id(id).change("id", row);
    stage.approve(
        insert("time", 1)
            .change("at", "2026-03-01T10:00:00Z")
            .change("said", "é😀"),
    );
    stage.approve(insert("orphan", 2).change("sets_id", 99));
    let polled = stage.poll();
    assert_eq!(
        ["sets", "time"].map(|id| polled.outcome(id)),
        ["applied"; 2],
        "{polled:?}"
    );
    assert!(
        polled.outcome("orphan").contains("ER_NO_REFERENCED_ROW_2"),
        "{polled:?}"
    );
    assert_eq!(
        stage
            .value("SELECT unix_timestamp(at) FROM times")
            .as_deref(),
        Some("1772359200")
    );
    assert_eq!(
        stage.value("SELECT hex(said) FROM times").as_deref(),
        Some("C3A9F09F9880")
    );
}
