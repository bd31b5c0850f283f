//! The source calls.

use serde_json::{Value, json};
use simulated_control_plane::{Simulator, Source};

use crate::client::{Client, SOURCES, start};

fn with_sources() -> Simulator {
    let simulator = start();
    simulator.add_source(Source {
        project_id: "prj_1".to_owned(),
        ..Source::new("src_1", "app_postgres")
    });
    simulator.add_source(Source {
        project_id: "prj_2".to_owned(),
        kind: "mysql".to_owned(),
        ..Source::new("src_2", "app_mysql")
    });
    simulator
}

fn on_source(client: &Client, action: &str, body: &Value) -> (u16, Value) {
    client.post(&format!("{SOURCES}/src_1/{action}"), body)
}

#[test]
fn sources_are_listed_by_project_and_in_pages() {
    let simulator = with_sources();
    let client = Client::of(&simulator);
    let (_, of_project) = client.get(&format!("{SOURCES}?project_id=prj_2"));
    let summary = json!({
        "source_id": "src_2", "name": "app_mysql", "kind": "mysql", "status": "active",
    });
    assert_eq!(of_project, json!({"ok": true, "sources": [summary]}));
    let (_, first) = client.get(&format!("{SOURCES}?limit=1"));
    let cursor = first["next_cursor"].as_str().unwrap();
    let (_, second) = client.get(&format!("{SOURCES}?limit=1&cursor={cursor}"));
    assert_eq!(second["sources"][0]["source_id"], "src_2");
    assert_eq!(second.get("next_cursor"), None);
}

#[test]
fn a_source_is_shown_as_a_whole() {
    let simulator = with_sources();
    let (status, source) = Client::of(&simulator).get(&format!("{SOURCES}/src_1"));
    assert_eq!((status, &source["name"]), (200, &json!("app_postgres")));
    assert_eq!(source["connection"]["ssl_mode"], "require");
}

#[test]
fn an_unknown_source_is_404() {
    let simulator = start();
    let client = Client::of(&simulator);
    assert_eq!(
        client.get(&format!("{SOURCES}/src_9")).1["error_code"],
        "SOURCE_NOT_FOUND"
    );
    assert_eq!(on_source(&client, "test", &json!({})).0, 404);
    assert_eq!(on_source(&client, "explode", &json!({})).0, 404);
}

#[test]
fn a_source_is_created_and_its_url_never_given_back() {
    let simulator = start();
    let client = Client::of(&simulator);
    let body = json!({
        "project_id": "prj_1", "database_id": "db_1", "kind": "postgres", "name": "app_postgres",
        "connection": {"url": "postgres://secret", "ssl_mode": "require"}, "mode": "read-only",
    });
    let (status, source) = client.post(SOURCES, &body);
    assert_eq!((status, &source["source_id"]), (201, &json!("src_1")));
    assert!(!source.to_string().contains("secret"));
    assert_eq!(client.get(&format!("{SOURCES}/src_1")).0, 200);
    assert_eq!(client.post(SOURCES, &body).0, 409, "the name is taken");
    for field in [
        "project_id",
        "database_id",
        "kind",
        "name",
        "connection",
        "mode",
    ] {
        let mut incomplete = body.clone();
        incomplete[field] = json!(7);
        assert_eq!(client.post(SOURCES, &incomplete).0, 422, "{field}");
    }
}

#[test]
fn a_source_is_tested_inspected_and_examined() {
    let simulator = with_sources();
    let client = Client::of(&simulator);
    assert_eq!(
        on_source(&client, "test", &json!({})).1["status"],
        "connected"
    );
    let (_, inspected) = on_source(
        &client,
        "inspect",
        &json!({"schemas": ["public"], "include_views": true}),
    );
    assert_eq!(inspected["tables"][0]["schema"], "public");
    let (_, examined) = on_source(&client, "doctor", &json!({"schemas": ["public"]}));
    assert_eq!(examined["checks"][0]["ok"], true);
    let mysql = format!("{SOURCES}/src_2/inspect");
    assert_eq!(
        client
            .post(&mysql, &json!({"database": "shop", "include_views": true}))
            .0,
        200
    );
}

#[test]
fn a_source_call_of_the_wrong_shape_is_422() {
    let simulator = with_sources();
    let client = Client::of(&simulator);
    let wrong = [
        ("inspect", json!({"schemas": ["public"]})),
        ("inspect", json!({"schemas": [], "include_views": true})),
        ("inspect", json!({"schemas": [1], "include_views": true})),
        (
            "inspect",
            json!({"database": "shop", "include_views": true}),
        ),
        ("doctor", json!({})),
        ("generate", json!({"template": "support-ticket-agent"})),
        ("import", json!({"tables": []})),
        ("import", json!({"tables": ["tickets"]})),
    ];
    for (action, body) in wrong {
        assert_eq!(on_source(&client, action, &body).0, 422, "{action} {body}");
    }
}

#[test]
fn generate_gives_files_under_its_namespace() {
    let simulator = with_sources();
    let body = json!({"template": "support-ticket-agent", "namespace": "support"});
    let (_, generated) = on_source(&Client::of(&simulator), "generate", &body);
    assert_eq!(generated["capability"], "support.support_ticket_agent");
    for file in generated["files"].as_array().unwrap() {
        assert!(file["path"].as_str().unwrap().starts_with("support/"));
        assert!(file["contents"].is_string());
    }
}

#[test]
fn import_wants_a_tenant_column_or_a_single_tenant() {
    let simulator = with_sources();
    let client = Client::of(&simulator);
    let mut table = json!({
        "schema": "public", "name": "tickets", "alias_schema": "external_support",
        "alias_name": "tickets", "single_tenant": false, "mode": "live-read",
    });
    let (_, refused) = on_source(&client, "import", &json!({"tables": [table]}));
    assert_eq!(refused["error_code"], "TENANT_COLUMN_REQUIRED");
    table["tenant_column"] = json!("tenant_id");
    let (status, imported) = on_source(&client, "import", &json!({"tables": [table]}));
    assert_eq!(
        (status, &imported["tables"][0]["status"]),
        (200, &json!("imported"))
    );
}

#[test]
fn a_disabled_source_says_so() {
    let simulator = with_sources();
    let client = Client::of(&simulator);
    assert_eq!(
        on_source(&client, "disable", &json!({})).1["status"],
        "disabled"
    );
    assert_eq!(client.get(SOURCES).1["sources"][0]["status"], "disabled");
}
