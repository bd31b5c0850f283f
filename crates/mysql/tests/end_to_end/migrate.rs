//! Making the ledger, and what it takes to use it.

use synapsor_mysql_testbed::Flavor;

use crate::program::{Ended, program};
use crate::stage::Stage;

on_both! {
    the_ledger_is_made_once_and_left_alone_afterwards
    who_may_not_make_the_ledger_is_told_so_and_what_to_do
    what_is_printed_makes_the_ledger_and_suffices_for_a_writer
}

/// `migrate` by this user.
fn migrate(stage: &Stage, url: &str, schema: &str) -> Ended {
    let mut command = stage.program(&["migrate", "--ledger-schema", schema]);
    Ended::of(command.env("SYNAPSOR_DATABASE_URL", url))
}

fn the_ledger_is_made_once_and_left_alone_afterwards(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let root = stage.shop.socket_url("root", "");
    stage.approve(stage.close(1));
    stage.poll();
    let definition = || {
        stage
            .shop
            .query_rows(&format!("SHOW CREATE TABLE {}.ledger", stage.ledger()))
    };
    let before = (definition(), stage.run(&["status"]).summary());
    let again = migrate(&stage, &root, &stage.ledger());
    assert_eq!(
        (again.code, &again.summary()["ok"]),
        (Some(0), &true.into()),
        "{again:?}"
    );
    assert_eq!((definition(), stage.run(&["status"]).summary()), before);
    let other = format!("{}_2", stage.ledger());
    let made = migrate(&stage, &root, &other);
    assert_eq!(
        made.summary()["ledger"],
        format!("{other}.ledger"),
        "{made:?}"
    );
    let tables =
        format!("SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{other}'");
    assert_eq!(stage.number(&tables), 4, "the table and its three views");
}

fn who_may_not_make_the_ledger_is_told_so_and_what_to_do(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let url = stage.shop.url(&stage.user, &stage.password);
    let denied = migrate(&stage, &url, "not_there");
    assert_eq!(denied.code, Some(77), "{denied:?}");
    let error = denied.error();
    assert!(
        error["hint"].as_str().unwrap().contains("migrate --print"),
        "{error}"
    );
    let count = "SELECT count(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'not_there'";
    assert_eq!(stage.number(count), 0);
}

fn what_is_printed_makes_the_ledger_and_suffices_for_a_writer(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let ledger = format!("{}_printed", stage.shop.name());
    let account = format!("'{}'@'%'", stage.user);
    let mut print = program(&[
        "migrate",
        "--print",
        "--ledger-schema",
        &ledger,
        "--account",
        &account,
    ]);
    let printed = Ended::of(&mut print);
    assert_eq!(
        (printed.code, printed.stderr.as_str()),
        (Some(0), ""),
        "{printed:?}"
    );
    // Nothing but what is printed, and the rights on the target.
    let drop_rights = format!("REVOKE ALL PRIVILEGES, GRANT OPTION FROM {account}");
    stage.shop.execute(&drop_rights);
    stage.grant("SELECT, UPDATE (status, amount), INSERT, DELETE ON tickets");
    for _ in 0..2 {
        stage.shop.execute(&printed.stdout);
    }
    stage.approve(stage.close(1));
    stage.approve(stage.delete("tickets").id("gone").key("id", 2));
    stage.approve(stage.close(3).id("odd").conflict("version", 9));
    for words in [
        &["poll-once"][..],
        &["report-once"],
        &["status"],
        &["doctor"],
    ] {
        let ended = Ended::of(stage.program(words).env("SYNAPSOR_LEDGER_SCHEMA", &ledger));
        assert_eq!(ended.code, Some(0), "{words:?}: {ended:?}");
    }
    for view in ["pending_reports", "rejected_reports", "recent"] {
        let rows = stage.number(&format!("SELECT count(*) FROM {ledger}.{view}"));
        assert_eq!(rows, if view == "recent" { 3 } else { 0 }, "{view}");
    }
}

#[test]
fn an_account_that_is_more_than_a_name_is_not_printed() {
    for account in [
        "'w'@'%'; DROP DATABASE shop",
        "w; DROP DATABASE shop",
        "'w'@'%' WITH GRANT OPTION",
        "w WITH GRANT OPTION",
        "'w''@'%'",
        "'w\\'@'%'",
        "`w`@`%`",
        "'w'@'%' -- ",
        "'w'@'%'\n",
        "*.*",
        "''@''@''",
        "",
    ] {
        let ended = Ended::of(&mut program(&["migrate", "--print", "--account", account]));
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(69), ""),
            "{account}: {ended:?}"
        );
        assert_eq!(ended.error()["error"], "INPUT_INVALID");
    }
    for account in ["w", "'w'", "'w'@'%'", "'w x'@'10.0.0.0/255.0.0.0'"] {
        let ended = Ended::of(&mut program(&["migrate", "--print", "--account", account]));
        let granted = format!("`.`ledger` TO {account};");
        assert!(ended.stdout.contains(&granted), "{account}: {ended:?}");
    }
}

#[test]
fn a_ledger_s_name_that_is_more_than_a_name_is_refused() {
    for schema in [
        "a`; DROP DATABASE shop; `",
        "a b",
        "a.b",
        "1a",
        &"a".repeat(65),
    ] {
        let ended = Ended::of(&mut program(&[
            "migrate",
            "--print",
            "--ledger-schema",
            schema,
        ]));
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(2), ""),
            "{ended:?}"
        );
    }
}
