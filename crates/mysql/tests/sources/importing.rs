//! `import`: how tables are written, and what is sent.

use serde_json::json;
use simulated_control_plane::{Endpoint, Source};

use crate::desk::Desk;

#[test]
fn tables_of_a_postgres_source_are_imported_by_schema() {
    let desk = Desk::open();
    let answer = desk
        .done("import app_postgres --table public.tickets --table billing.invoices=bills --tenant-column tenant_id")
        .json();
    assert_eq!(answer["tables"][1]["status"], "imported");
    let expected = json!({ "tables": [
        { "schema": "public", "name": "tickets", "alias_schema": "external_support", "alias_name": "tickets",
          "single_tenant": false, "mode": "live-read", "tenant_column": "tenant_id" },
        { "schema": "billing", "name": "invoices", "alias_schema": "external_support", "alias_name": "bills",
          "single_tenant": false, "mode": "live-read", "tenant_column": "tenant_id" },
    ] });
    assert_eq!(desk.sent(Endpoint::ImportSource), expected);
}

#[test]
fn tables_of_a_mysql_source_are_imported_by_database() {
    let desk = Desk::open();
    let shown = desk
        .done("import app_mysql --table shop.orders --single-tenant --output human")
        .stdout;
    assert!(
        shown.contains("orders") && shown.contains("imported"),
        "{shown}"
    );
    let expected = json!({ "tables": [
        { "schema": "shop", "name": "orders", "alias_schema": "external_shop", "alias_name": "orders",
          "single_tenant": true, "mode": "live-read", "database": "shop" },
    ] });
    assert_eq!(desk.sent(Endpoint::ImportSource), expected);
}

#[test]
fn flags_say_where_tables_are_and_spare_the_question_for_the_kind() {
    let desk = Desk::open();
    desk.done("import src_2 --database shop --table orders --table crm.people=customers --single-tenant --alias-schema sales --mode cached");
    let sent = desk.sent(Endpoint::ImportSource);
    let place = |n: usize| {
        ["database", "schema", "name", "alias_name"].map(|field| sent["tables"][n][field].clone())
    };
    assert_eq!(place(0), ["shop", "shop", "orders", "orders"]);
    assert_eq!(place(1), ["crm", "crm", "people", "customers"]);
    assert_eq!(
        (
            &sent["tables"][1]["alias_schema"],
            &sent["tables"][1]["mode"]
        ),
        (&json!("sales"), &json!("cached"))
    );
    desk.done("import src_1 --schema public --table tickets --tenant-column t");
    let sent = desk.sent(Endpoint::ImportSource);
    assert_eq!(
        (
            &sent["tables"][0]["schema"],
            sent["tables"][0].get("database")
        ),
        (&json!("public"), None)
    );
    assert_eq!(desk.simulator.calls(Endpoint::ShowSource), 0);
}

#[test]
fn without_tables_or_tenant_nothing_is_sent() {
    let desk = Desk::open();
    for (words, message) in [
        ("import app_mysql --tenant-column t", "TABLES_REQUIRED"),
        ("import app_mysql --single-tenant", "TABLES_REQUIRED"),
        (
            "import app_mysql --table shop.orders",
            "TENANT_COLUMN_REQUIRED: orders",
        ),
    ] {
        let error = desk.run(words).error(78);
        assert_eq!(error["message"], message);
        assert!(error["hint"].is_string());
    }
    assert!(desk.simulator.journal().is_empty());
}

#[test]
fn a_table_without_a_place_is_refused_before_anything_is_imported() {
    let desk = Desk::open();
    let words = "--table orders --single-tenant";
    let error = desk.run(&format!("import app_mysql {words}")).error(78);
    assert_eq!(error["error"], "DATABASE_REQUIRED");
    let error = desk.run(&format!("import app_postgres {words}")).error(78);
    assert_eq!(error["error"], "SCHEMA_REQUIRED");
    desk.simulator.add_source(Source {
        kind: String::new(),
        ..Source::new("src_9", "other")
    });
    let error = desk
        .run("import other --table a.b --single-tenant")
        .error(78);
    assert_eq!(error["error"], "SOURCE_KIND_UNKNOWN");
    assert_eq!(desk.simulator.calls(Endpoint::ImportSource), 0);
}

#[test]
fn a_table_that_is_written_otherwise_is_a_wrong_command_line() {
    let desk = Desk::open();
    for words in [
        "--table a.b.c --single-tenant",
        "--table a. --single-tenant",
        "--table a= --single-tenant",
        "--table= --single-tenant",
        "--table a.b --single-tenant --tenant-column t",
        "--table a.b --single-tenant --schema a --database b",
        "--table a.b --tenant-column=",
    ] {
        let ran = desk.run(&format!("import app_mysql {words}"));
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (2, ""),
            "{words}: {}",
            ran.stderr
        );
    }
    assert!(desk.simulator.journal().is_empty());
}
