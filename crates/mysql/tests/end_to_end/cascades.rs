//! Foreign keys: what they would change along is not approved, and what they forbid fails in their name.

use synapsor_mysql_testbed::Flavor;

use crate::stage::Stage;

on_both! {
    a_delete_that_would_take_other_rows_along_is_blocked
    a_delete_that_takes_no_other_row_along_is_applied
    an_operator_can_allow_what_foreign_keys_widen
    an_update_of_what_other_rows_follow_is_blocked
    a_row_that_refers_to_itself_or_to_its_own_table
    a_child_that_can_t_be_looked_at_counts_as_one_with_rows
    without_the_right_to_see_foreign_keys_nothing_is_widened
    what_a_trigger_changes_that_others_follow_is_blocked_too
    what_restricts_is_the_server_s_own_violation
}

const FAMILY: &str = "
    CREATE TABLE parents (id int PRIMARY KEY, code varchar(9) UNIQUE, other int, said text, KEY (other));
    CREATE TABLE gone_along (id int PRIMARY KEY, parent int, CONSTRAINT goes FOREIGN KEY (parent) REFERENCES parents (id) ON DELETE CASCADE);
    CREATE TABLE set_null (id int PRIMARY KEY, parent int, CONSTRAINT nulls FOREIGN KEY (parent) REFERENCES parents (id) ON DELETE SET NULL);
    CREATE TABLE grandchildren (id int PRIMARY KEY, parent int, FOREIGN KEY (parent) REFERENCES gone_along (id) ON DELETE CASCADE);
    INSERT INTO parents VALUES (1, 'one', 1, 'x'), (2, 'two', 2, 'x'), (3, 'three', 3, 'x'), (4, 'four', 4, 'x');
    INSERT INTO gone_along VALUES (10, 1), (11, NULL); INSERT INTO set_null VALUES (20, 2), (21, NULL);
    INSERT INTO grandchildren VALUES (100, 10)";

fn counts(stage: &Stage) -> String {
    let count = |table: &str| stage.number(&format!("SELECT count(*) FROM {table}"));
    let nulls = stage.number("SELECT count(*) FROM set_null WHERE parent IS NULL");
    format!(
        "{} parents, {} children, {} nulls, {} grandchildren",
        count("parents"),
        count("gone_along"),
        nulls,
        count("grandchildren")
    )
}

fn delete(stage: &Stage, id: i64) {
    stage.approve(
        stage
            .delete("parents")
            .id(&format!("delete_{id}"))
            .key("id", id),
    );
}

fn a_delete_that_would_take_other_rows_along_is_blocked(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(FAMILY);
    delete(&stage, 1);
    delete(&stage, 2);
    let polled = stage.poll();
    for (id, child) in [("delete_1", "gone_along"), ("delete_2", "set_null")] {
        let error = format!("WRITEBACK_CASCADE_BLOCKED: {}.{child}", stage.shop.name());
        assert_eq!(polled.outcome(id), error);
        assert_eq!(stage.report(id)["error"], *error);
    }
    assert_eq!(
        counts(&stage),
        "4 parents, 2 children, 1 nulls, 1 grandchildren"
    );
}

fn a_delete_that_takes_no_other_row_along_is_applied(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(FAMILY);
    delete(&stage, 3);
    stage.approve(stage.delete("gone_along").id("delete_child").key("id", 11));
    stage.approve(stage.delete("set_null").id("delete_leaf").key("id", 20));
    delete(&stage, 2);
    let polled = stage.poll();
    assert_eq!(polled.summary()["applied"], 4, "{polled:?}");
    assert_eq!(
        counts(&stage),
        "2 parents, 1 children, 1 nulls, 1 grandchildren"
    );
}

fn an_operator_can_allow_what_foreign_keys_widen(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(FAMILY);
    delete(&stage, 1);
    delete(&stage, 2);
    let polled = stage.run(&["poll-once", "--allow-cascade"]);
    for id in ["delete_1", "delete_2"] {
        assert_eq!(polled.result(id)["affected_rows"], 1, "its own: {polled:?}");
    }
    assert_eq!(
        counts(&stage),
        "2 parents, 1 children, 2 nulls, 0 grandchildren"
    );
}

const FOLLOWERS: &str = "
    CREATE TABLE leaders (id int PRIMARY KEY, code varchar(9), number int, said text, UNIQUE (code), UNIQUE (number));
    CREATE TABLE followers (id int PRIMARY KEY, code varchar(9), FOREIGN KEY (code) REFERENCES leaders (code) ON UPDATE CASCADE);
    CREATE TABLE losers (id int PRIMARY KEY, number int, FOREIGN KEY (number) REFERENCES leaders (number) ON UPDATE SET NULL);
    INSERT INTO leaders VALUES (1, 'a', 1, 'x'), (2, 'b', 2, 'x'), (3, 'c', 3, 'x');
    INSERT INTO followers VALUES (1, 'a'); INSERT INTO losers VALUES (1, 2)";

fn an_update_of_what_other_rows_follow_is_blocked(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(FOLLOWERS);
    let update = |id: &str, row: i64| stage.update("leaders").id(id).key("id", row);
    stage.approve(update("followed", 1).change("code", "z"));
    stage.approve(update("lost", 2).change("number", 9).change("said", "y"));
    // Alike to the server, and another value to the child.
    stage.approve(update("case", 1).change("code", "A"));
    stage.approve(update("same", 1).change("code", "a").change("said", "same"));
    stage.approve(update("alone", 3).change("code", "y").change("number", 8));
    stage.approve(
        update("other", 2)
            .change("code", "bb")
            .change("said", "other"),
    );
    let polled = stage.poll();
    let blocked = |child: &str| format!("WRITEBACK_CASCADE_BLOCKED: {}.{child}", stage.shop.name());
    assert_eq!(polled.outcome("followed"), blocked("followers"));
    assert_eq!(polled.outcome("lost"), blocked("losers"));
    assert_eq!(polled.outcome("case"), blocked("followers"));
    for id in ["same", "alone", "other"] {
        assert_eq!(polled.outcome(id), "applied", "{id}");
    }
    let rows =
        "SELECT group_concat(concat_ws(':', id, code, number, said) ORDER BY id) FROM leaders";
    assert_eq!(
        stage.value(rows).as_deref(),
        Some("1:a:1:same,2:bb:2:other,3:y:8:x")
    );
    assert_eq!(
        stage
            .value("SELECT concat(code, number) FROM followers, losers")
            .as_deref(),
        Some("a2")
    );

    stage.approve(update("allowed", 1).change("code", "z"));
    let polled = stage.run(&["poll-once", "--allow-cascade"]);
    assert_eq!(polled.outcome("allowed"), "applied");
    assert_eq!(
        stage.value("SELECT code FROM followers").as_deref(),
        Some("z")
    );
}

fn a_row_that_refers_to_itself_or_to_its_own_table(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(
        "CREATE TABLE staff (id int PRIMARY KEY, chief int, FOREIGN KEY (chief) REFERENCES staff (id) ON DELETE CASCADE);
         INSERT INTO staff VALUES (1, NULL), (2, 1), (3, 2)",
    );
    for id in [1, 2, 3] {
        stage.approve(
            stage
                .delete("staff")
                .id(&format!("delete_{id}"))
                .key("id", id),
        );
    }
    let polled = stage.poll();
    for id in ["delete_1", "delete_2"] {
        assert!(
            polled.outcome(id).starts_with("WRITEBACK_CASCADE_BLOCKED"),
            "{polled:?}"
        );
    }
    assert_eq!(polled.outcome("delete_3"), "applied");
    assert_eq!(stage.number("SELECT count(*) FROM staff"), 2);
}

fn a_child_that_can_t_be_looked_at_counts_as_one_with_rows(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let elsewhere = format!("{}_elsewhere", stage.shop.name());
    let child = |name: &str| {
        format!(
            "CREATE TABLE {elsewhere}.{name} (id int PRIMARY KEY, parent int,
                 FOREIGN KEY (parent) REFERENCES {}.{name} (id) ON DELETE CASCADE)",
            stage.shop.name()
        )
    };
    stage.furnish(&format!(
        "CREATE DATABASE {elsewhere}; CREATE TABLE seen (id int PRIMARY KEY); CREATE TABLE unseen (id int PRIMARY KEY);
         {}; {}; INSERT INTO seen VALUES (1), (2); INSERT INTO unseen VALUES (1), (2);
         INSERT INTO {elsewhere}.seen VALUES (1, 1); INSERT INTO {elsewhere}.unseen VALUES (1, 1)",
        child("seen"),
        child("unseen")
    ));
    stage.grant(&format!("SELECT ON {elsewhere}.seen"));
    for table in ["seen", "unseen"] {
        for id in [1, 2] {
            let delete = stage.delete(table).id(&format!("{table}_{id}"));
            stage.approve(delete.key("id", id));
        }
    }
    let polled = stage.poll();
    let blocked = |child: &str| format!("WRITEBACK_CASCADE_BLOCKED: {elsewhere}.{child}");
    assert_eq!(polled.outcome("seen_1"), blocked("seen"));
    assert_eq!(polled.outcome("seen_2"), "applied");
    for id in ["unseen_1", "unseen_2"] {
        assert!(
            polled.outcome(id).starts_with(&blocked("unseen")),
            "{polled:?}"
        );
    }
    assert_eq!(
        stage.number(&format!(
            "SELECT count(*) FROM {elsewhere}.seen, {elsewhere}.unseen"
        )),
        1
    );
}

fn without_the_right_to_see_foreign_keys_nothing_is_widened(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(FAMILY);
    stage
        .shop
        .execute(&format!("REVOKE PROCESS ON *.* FROM '{}'@'%'", stage.user));
    let unseen = "WRITEBACK_CASCADE_BLOCKED: foreign keys can't be seen without the right PROCESS";
    let update = |id: &str| stage.update("parents").id(id).key("id", 4);
    delete(&stage, 3);
    stage.approve(update("unique").change("code", "z"));
    stage.approve(update("plain").change("said", "y"));
    stage.approve(stage.insert("parents").id("insert").change("id", 5));
    let polled = stage.poll();
    assert_eq!(polled.outcome("delete_3"), unseen);
    assert_eq!(polled.outcome("unique"), unseen);
    assert_eq!(
        ["plain", "insert"].map(|id| polled.outcome(id)),
        ["applied"; 2]
    );
    stage.approve(stage.delete("parents").id("allowed").key("id", 3));
    assert_eq!(
        stage
            .run(&["poll-once", "--allow-cascade"])
            .outcome("allowed"),
        "applied"
    );
}

fn what_a_trigger_changes_that_others_follow_is_blocked_too(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(FOLLOWERS);
    stage.furnish("CREATE TRIGGER renames BEFORE UPDATE ON leaders FOR EACH ROW SET NEW.code = concat(NEW.code, '!')");
    for id in [1, 3] {
        let update = stage.update("leaders").id(&format!("update_{id}"));
        stage.approve(update.key("id", id).change("said", "y"));
    }
    let polled = stage.poll();
    let blocked = format!("WRITEBACK_CASCADE_BLOCKED: {}.followers", stage.shop.name());
    assert_eq!(polled.outcome("update_1"), blocked);
    assert_eq!(polled.outcome("update_3"), "applied");
    let codes = "SELECT group_concat(code ORDER BY id) FROM leaders";
    assert_eq!(stage.value(codes).as_deref(), Some("a,b,c!"));
}

fn what_restricts_is_the_server_s_own_violation(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(
        "CREATE TABLE owners (id int PRIMARY KEY, code int UNIQUE); INSERT INTO owners VALUES (1, 1), (2, 2);
         CREATE TABLE owned (id int PRIMARY KEY, owner int, code int,
             CONSTRAINT has_owner FOREIGN KEY (owner) REFERENCES owners (id),
             CONSTRAINT has_code FOREIGN KEY (code) REFERENCES owners (code) ON DELETE NO ACTION ON UPDATE RESTRICT);
         INSERT INTO owned VALUES (1, 1, NULL), (2, NULL, 2)",
    );
    stage.approve(stage.delete("owners").id("owner").key("id", 1));
    stage.approve(stage.delete("owners").id("code").key("id", 2));
    stage.approve(
        stage
            .update("owners")
            .id("update")
            .key("id", 2)
            .change("code", 3),
    );
    stage.approve(
        stage
            .update("owned")
            .id("orphan")
            .key("id", 1)
            .change("owner", 77),
    );
    stage.approve(
        stage
            .insert("owned")
            .id("insert")
            .change("id", 3)
            .change("owner", 77),
    );
    let polled = stage.poll();
    for (id, error, constraint) in [
        ("owner", "ER_ROW_IS_REFERENCED_2", "has_owner"),
        ("code", "ER_ROW_IS_REFERENCED_2", "has_code"),
        ("update", "ER_ROW_IS_REFERENCED_2", "has_code"),
        ("orphan", "ER_NO_REFERENCED_ROW_2", "has_owner"),
        ("insert", "ER_NO_REFERENCED_ROW_2", "has_owner"),
    ] {
        let error = format!("SQLSTATE 23000: {error}, constraint {constraint}");
        assert_eq!(polled.outcome(id), error);
        assert_eq!(stage.report(id)["error"], *error);
        assert_eq!(
            stage.ledger_column(id, "sqlstate").as_deref(),
            Some("23000")
        );
        assert!(!format!("{polled:?}").contains("77"), "no value");
    }
}
