//! Foreign keys that are hard to see: each of these would change rows that nobody approved.

use mysql::prelude::Queryable;
use serde_json::Value;
use synapsor_mysql_testbed::Flavor;
use synapsor_testbed::Proposal;

use crate::stage::Stage;

on_both! {
    a_key_to_a_column_that_is_not_unique_widens_an_update
    a_key_to_a_generated_column_widens_an_update_of_what_it_is_made_from
    a_trigger_that_changes_a_referred_column_widens_an_update
    an_advanced_guard_that_is_referred_to_widens_an_update
    a_table_with_an_odd_name_behind_a_view_is_not_passed_by
    a_row_that_comes_to_refer_while_others_are_looked_for_is_not_taken_along
}

/// A parent with row 1 and code `a`, a child that refers to it as `key` says, and rights on both.
fn family(flavor: Flavor, parent: &str, reference: &str) -> Stage {
    let stage = Stage::new(flavor);
    let mut root = stage.shop.root();
    if flavor == Flavor::MySql {
        root.query_drop("SET SESSION restrict_fk_on_non_standard_key = OFF")
            .unwrap();
    }
    for sql in [
        format!("CREATE TABLE parent ({parent}) ENGINE = InnoDB"),
        "INSERT INTO parent (id, code) VALUES (1, 5)".to_owned(),
        format!(
            "CREATE TABLE child (id int PRIMARY KEY, r int, FOREIGN KEY (r) REFERENCES parent ({reference}) ON UPDATE CASCADE ON DELETE CASCADE) ENGINE = InnoDB"
        ),
        format!("INSERT INTO child SELECT 1, {reference} FROM parent"),
        format!(
            "GRANT SELECT, UPDATE, DELETE ON parent TO '{}'@'%'",
            stage.user
        ),
        format!("GRANT SELECT ON child TO '{}'@'%'", stage.user),
    ] {
        root.query_drop(sql).unwrap();
    }
    stage
}

/// The proposal that changes a column of the parent.
fn change(stage: &Stage, column: &str, value: impl Into<Value>) -> Proposal {
    let update = stage.update("parent").id("widens").key("id", 1);
    update.change(column, value)
}

/// Polls: the proposal is refused for the child's sake, and nothing has changed.
fn require_blocked(stage: &Stage, flags: &[&str]) {
    let family = "SELECT concat_ws(' ', p.code, c.r) FROM parent p, child c";
    let before = stage.value(family);
    let mut arguments = vec!["poll-once"];
    arguments.extend(flags);
    let polled = stage.run(&arguments);
    let error = polled.result("widens")["error"].clone();
    let error = error.as_str().unwrap_or_else(|| panic!("{polled:?}"));
    assert!(error.starts_with("WRITEBACK_CASCADE_BLOCKED: "), "{error}");
    assert_eq!(stage.value(family), before);
}

fn a_key_to_a_column_that_is_not_unique_widens_an_update(flavor: Flavor) {
    let stage = family(flavor, "id int PRIMARY KEY, code int, KEY (code)", "code");
    stage.approve(change(&stage, "code", 6));
    require_blocked(&stage, &[]);
}

fn a_key_to_a_generated_column_widens_an_update_of_what_it_is_made_from(flavor: Flavor) {
    let parent = "id int PRIMARY KEY, code int, twice int AS (code * 2) STORED UNIQUE";
    let stage = family(flavor, parent, "twice");
    stage.approve(change(&stage, "code", 6));
    require_blocked(&stage, &[]);
}

fn a_trigger_that_changes_a_referred_column_widens_an_update(flavor: Flavor) {
    let stage = family(
        flavor,
        "id int PRIMARY KEY, code int UNIQUE, s varchar(9)",
        "code",
    );
    let trigger = "CREATE TRIGGER tr BEFORE UPDATE ON parent FOR EACH ROW SET NEW.code = 7";
    stage.shop.root().query_drop(trigger).unwrap();
    stage.approve(change(&stage, "s", "x"));
    require_blocked(&stage, &[]);
}

fn an_advanced_guard_that_is_referred_to_widens_an_update(flavor: Flavor) {
    let stage = family(
        flavor,
        "id int PRIMARY KEY, code int UNIQUE, s varchar(9)",
        "code",
    );
    stage.approve(change(&stage, "s", "x").conflict("code", 5));
    require_blocked(&stage, &["--advance-guard"]);
}

fn a_table_with_an_odd_name_behind_a_view_is_not_passed_by(flavor: Flavor) {
    let stage = Stage::new(flavor);
    for sql in [
        "CREATE TABLE `odd-parent` (id int PRIMARY KEY) ENGINE = InnoDB",
        "CREATE TABLE `odd-child` (r int, FOREIGN KEY (r) REFERENCES `odd-parent` (id) ON DELETE CASCADE) ENGINE = InnoDB",
        "INSERT INTO `odd-parent` VALUES (1)",
        "INSERT INTO `odd-child` VALUES (1)",
        "CREATE VIEW ov AS SELECT id FROM `odd-parent`",
    ] {
        stage.shop.execute(sql);
    }
    for right in [
        "SELECT, DELETE, SHOW VIEW ON ov",
        "SELECT ON `odd-parent`",
        "SELECT ON `odd-child`",
    ] {
        stage
            .shop
            .execute(&format!("GRANT {right} TO '{}'@'%'", stage.user));
    }
    stage.approve(stage.delete("ov").id("widens").key("id", 1));
    let polled = stage.poll();
    let error = polled.result("widens")["error"].clone();
    assert!(
        error
            .as_str()
            .unwrap_or_default()
            .starts_with("WRITEBACK_CASCADE_BLOCKED"),
        "{polled:?}"
    );
    assert_eq!(stage.number("SELECT count(*) FROM `odd-child`"), 1);
}

/// The look for one child's rows waits for somebody; meanwhile another one comes to refer to the same row by its other key.
fn a_row_that_comes_to_refer_while_others_are_looked_for_is_not_taken_along(flavor: Flavor) {
    let stage = Stage::new(flavor);
    for sql in [
        "CREATE TABLE parent (id int PRIMARY KEY, code int UNIQUE) ENGINE = InnoDB",
        "CREATE TABLE ca (r int, FOREIGN KEY (r) REFERENCES parent (code) ON DELETE CASCADE) ENGINE = InnoDB",
        "CREATE TABLE cb (r int, FOREIGN KEY (r) REFERENCES parent (id) ON DELETE CASCADE) ENGINE = InnoDB",
        "INSERT INTO parent VALUES (1, 5)",
        "INSERT INTO cb VALUES (1)",
    ] {
        stage.shop.execute(sql);
    }
    for right in ["SELECT, DELETE ON parent", "SELECT ON ca", "SELECT ON cb"] {
        stage
            .shop
            .execute(&format!("GRANT {right} TO '{}'@'%'", stage.user));
    }
    let mut holder = stage.shop.root();
    holder.query_drop("START TRANSACTION").unwrap();
    holder.query_drop("DELETE FROM cb").unwrap();
    stage.approve(stage.delete("parent").id("widens").key("id", 1));
    let mut running = stage.start();
    let waiting = "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%`cb`%LOCK IN SHARE MODE'";
    synapsor_mysql_testbed::wait_for("the look waits", crate::program::PATIENCE, || {
        stage.number(waiting) > 0
    });
    let mut newcomer = stage.shop.root();
    newcomer
        .query_drop("SET innodb_lock_wait_timeout = 1")
        .unwrap();
    let came = newcomer.query_drop("INSERT INTO ca VALUES (5)");
    holder.query_drop("COMMIT").unwrap();
    stage.wait_for_word("widens");
    running.terminate();
    assert!(
        came.is_err(),
        "nobody comes to refer to a row that is being deleted"
    );
    assert_eq!(
        stage.number("SELECT count(*) FROM parent"),
        0,
        "nothing referred to it"
    );
}
