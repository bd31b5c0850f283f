//! Code on a target's table runs in our session. Nothing that it leaves there reaches another proposal, and it harms its own alone.

use simulated_control_plane::Status;
use synapsor_mysql_testbed::Flavor;

use crate::stage::Stage;

on_both! {
    a_clock_that_a_trigger_stopped_does_not_put_reports_off
    a_temporary_table_of_a_trigger_does_not_hide_the_next_proposal_s_table
    a_temporary_ledger_takes_no_receipt
    a_number_that_a_trigger_chose_is_not_the_next_row_s
    a_lock_that_a_trigger_took_does_not_stop_the_delivery
    settings_that_a_trigger_changed_do_not_reach_the_next_proposal
    a_table_s_name_of_any_length_harms_its_own_proposal_alone
    names_that_differ_in_case_alone_mean_the_same_column
    a_view_that_runs_a_stored_function_is_refused
    an_insert_into_a_table_whose_rows_one_may_only_read_is_applied
}

/// Two tables, the first with a trigger before its updates, and a proposal for each; polled.
fn with_trigger(flavor: Flavor, code: &str) -> Stage {
    let stage = Stage::new(flavor);
    stage
        .shop
        .execute("CREATE TABLE a (id int PRIMARY KEY, s varchar(40)) ENGINE = InnoDB");
    stage.shop.execute(
        "CREATE TABLE b (id int AUTO_INCREMENT PRIMARY KEY, s varchar(40)) ENGINE = InnoDB",
    );
    stage.shop.execute("INSERT INTO a VALUES (1, 'x')");
    // The code runs as the superuser, who may do more than the writer.
    trigger(&stage, code);
    for table in ["a", "b"] {
        let grant = format!(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO '{}'@'%'",
            stage.user
        );
        stage.shop.execute(&grant);
    }
    stage.approve(stage.update("a").id("loud").key("id", 1).change("s", "y"));
    stage.approve(stage.insert("b").id("quiet").change("s", "z"));
    stage
}

fn trigger(stage: &Stage, code: &str) {
    use mysql::prelude::Queryable;
    let code = code.replace("{ledger}", &stage.ledger());
    // In one piece: the shop's own `execute` separates statements.
    let sql = format!("CREATE TRIGGER tr BEFORE UPDATE ON a FOR EACH ROW BEGIN {code}; END");
    stage
        .shop
        .root()
        .query_drop(sql)
        .expect("the trigger is made");
}

/// Polls, and requires that the quiet proposal was applied whatever became of the loud one.
fn require_quiet(stage: &Stage) {
    let polled = stage.poll();
    assert_eq!(polled.result("quiet")["status"], "applied", "{polled:?}");
    assert_eq!(stage.word("quiet"), Some(Status::Applied));
    assert_eq!(stage.number("SELECT count(*) FROM b WHERE s = 'z'"), 1);
}

fn a_clock_that_a_trigger_stopped_does_not_put_reports_off(flavor: Flavor) {
    let stage = with_trigger(flavor, "SET SESSION timestamp = 2147483000");
    require_quiet(&stage);
    assert_eq!(stage.word("loud"), Some(Status::Applied));
    let late = format!(
        "SELECT count(*) FROM {}.ledger WHERE decided_at > UTC_TIMESTAMP() + INTERVAL 1 DAY",
        stage.ledger()
    );
    assert_eq!(stage.number(&late), 0);
}

fn a_temporary_table_of_a_trigger_does_not_hide_the_next_proposal_s_table(flavor: Flavor) {
    let stage = with_trigger(
        flavor,
        "CREATE TEMPORARY TABLE IF NOT EXISTS b (id int, s varchar(40))",
    );
    require_quiet(&stage);
}

fn a_temporary_ledger_takes_no_receipt(flavor: Flavor) {
    let stage = with_trigger(
        flavor,
        "CREATE TEMPORARY TABLE IF NOT EXISTS {ledger}.ledger (nothing int)",
    );
    require_quiet(&stage);
    // Its own change is rolled back, and it is tried again.
    assert_eq!(stage.value("SELECT s FROM a").as_deref(), Some("x"));
    assert_eq!(
        stage.ledger_column("loud", "status").as_deref(),
        Some("retrying")
    );
    assert_eq!(stage.word("loud"), None);
}

fn a_number_that_a_trigger_chose_is_not_the_next_row_s(flavor: Flavor) {
    let stage = with_trigger(flavor, "SET SESSION insert_id = 77");
    require_quiet(&stage);
    assert_eq!(stage.number("SELECT id FROM b"), 1);
}

fn a_lock_that_a_trigger_took_does_not_stop_the_delivery(flavor: Flavor) {
    let stage = with_trigger(flavor, "DO GET_LOCK('synapsor.deliver.{ledger}', 0)");
    let mut running = stage.start();
    stage.wait_for_word("quiet");
    let free = format!("SELECT IS_FREE_LOCK('synapsor.deliver.{}')", stage.ledger());
    synapsor_mysql_testbed::wait_for("the lock is free", crate::program::PATIENCE, || {
        stage.number(&free) == 1
    });
    running.terminate();
}

fn settings_that_a_trigger_changed_do_not_reach_the_next_proposal(flavor: Flavor) {
    for code in [
        "SET SESSION sql_mode = ''",
        "SET SESSION completion_type = 2",
        "SET SESSION foreign_key_checks = 0",
        "SET SESSION time_zone = '+05:00'",
        "SET SESSION sql_auto_is_null = 1",
        // How the rest of the message is read that the statement came in.
        "SET SESSION sql_mode = 'ANSI_QUOTES,IGNORE_SPACE,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'",
        "SET SESSION character_set_client = gbk, SESSION collation_connection = gbk_bin",
        "SET SESSION character_set_client = sjis, SESSION character_set_results = latin1",
    ] {
        let stage = with_trigger(flavor, code);
        require_quiet(&stage);
        assert_eq!(stage.word("loud"), Some(Status::Applied), "{code}");
    }
}

fn a_table_s_name_of_any_length_harms_its_own_proposal_alone(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let long = "t".repeat(100_000);
    stage.approve(stage.update(&long).id("long").key("id", 1).change("s", "y"));
    stage.approve(stage.close(1));
    let polled = stage.poll();
    assert_eq!(polled.result("long")["status"], "failed", "{polled:?}");
    assert_eq!(stage.word("long"), Some(Status::Failed));
    assert_eq!(stage.word("close_1"), Some(Status::Applied));
}

fn names_that_differ_in_case_alone_mean_the_same_column(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let guard = stage
        .update("tickets")
        .id("guard")
        .key("id", 1)
        .change("VERSION", 9)
        .conflict("version", 1);
    let twice = stage
        .update("tickets")
        .id("twice")
        .key("id", 2)
        .change("status", "one")
        .change("Status", "two");
    stage.approve(guard);
    stage.approve(twice);
    let polled = stage.poll();
    assert_eq!(
        polled.result("guard")["error"],
        "WRITEBACK_PROTECTED_COLUMN_CHANGE: VERSION"
    );
    assert_eq!(
        polled.result("twice")["error"],
        "WRITEBACK_PROPOSAL_INVALID: changes"
    );
    assert_eq!(
        stage.number("SELECT count(*) FROM tickets WHERE status <> 'open' OR version <> 1"),
        0
    );
}

fn a_view_that_runs_a_stored_function_is_refused(flavor: Flavor) {
    use mysql::prelude::Queryable;
    let stage = Stage::new(flavor);
    let mut root = stage.shop.root();
    let _ = root.query_drop("SET GLOBAL log_bin_trust_function_creators = 1");
    root.query_drop(
        "CREATE FUNCTION evil() RETURNS int SQL SECURITY INVOKER MODIFIES SQL DATA
         BEGIN UPDATE tickets SET status = 'evil' WHERE id = 50; RETURN 1; END",
    )
    .expect("the function is made");
    let view =
        "CREATE SQL SECURITY INVOKER VIEW v AS SELECT id, status FROM tickets WHERE evil() = 1";
    stage.shop.execute(view);
    let grants = ["EXECUTE ON FUNCTION evil", "SELECT, UPDATE, SHOW VIEW ON v"];
    for grant in grants {
        stage
            .shop
            .execute(&format!("GRANT {grant} TO '{}'@'%'", stage.user));
    }
    stage.approve(
        stage
            .update("v")
            .id("view")
            .key("id", 1)
            .change("status", "closed"),
    );
    let polled = stage.poll();
    let error = polled.result("view")["error"].clone();
    assert!(
        error.as_str().unwrap().contains("runs functions"),
        "{error}"
    );
    assert_eq!(
        stage.number("SELECT count(*) FROM tickets WHERE status <> 'open'"),
        0
    );
}

fn an_insert_into_a_table_whose_rows_one_may_only_read_is_applied(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.shop.execute("CREATE TABLE notes (id int AUTO_INCREMENT PRIMARY KEY, tenant_id varchar(40), s text) ENGINE = InnoDB");
    stage.shop.execute(&format!(
        "GRANT SELECT, INSERT ON notes TO '{}'@'%'",
        stage.user
    ));
    stage.approve(
        stage
            .insert("notes")
            .id("note")
            .change("s", "hello")
            .tenant("tenant_id", "acme"),
    );
    let polled = stage.poll();
    assert_eq!(polled.result("note")["status"], "applied", "{polled:?}");
}
