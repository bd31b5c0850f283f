//! The calls about sources.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use simulated_control_plane::{Endpoint, Fault, Options, Quirk, Rule, Simulator, Source};
use synapsor_core::control_plane::{
    Client, ImportedTable, NewSource, Scope, Secret, SourceError, SourceResolver,
};

use crate::raw::{RawServer, serving};
use crate::support::{client, config, key, simulator};

fn with_sources(names: &[&str]) -> Simulator {
    let simulator = simulator();
    for (n, name) in names.iter().enumerate() {
        simulator.add_source(Source::new(format!("src_{}", n + 1), *name));
    }
    simulator
}

fn sent(simulator: &Simulator, endpoint: Endpoint) -> Value {
    let calls = simulator.requests_matching(|entry| entry.endpoint == endpoint);
    calls.last().and_then(|entry| entry.json()).unwrap()
}

fn new_source(kind: &str) -> NewSource {
    NewSource {
        project_id: "prj_1".into(),
        database_id: "db_1".into(),
        kind: kind.into(),
        name: None,
        url: Secret::from_env("env:APP_URL", |name| Some(format!("{kind}://{name}"))).unwrap(),
        ssl_mode: None,
        mode: None,
    }
}

#[test]
fn the_list_has_all_pages_in_order() {
    let simulator = Simulator::start(Options {
        max_page: 2,
        ..Options::default()
    })
    .unwrap();
    for n in 1..=5 {
        simulator.add_source(Source::new(format!("src_{n}"), format!("app_{n}")));
    }
    let sources = client(&simulator).list_sources(&key(), None).unwrap();
    let ids: Vec<_> = sources
        .iter()
        .map(|source| source.source_id.as_deref().unwrap())
        .collect();
    assert_eq!(ids, ["src_1", "src_2", "src_3", "src_4", "src_5"]);
    assert_eq!(sources[0].kind.as_deref(), Some("postgres"));
    assert_eq!(sources[0].status.as_deref(), Some("active"));
    simulator.inject(Rule::on_sources(Fault::quirk(Quirk::LoopingCursor)));
    assert_eq!(
        client(&simulator).list_sources(&key(), None).unwrap().len(),
        2
    );
}

#[test]
fn new_cursors_without_a_new_source_end_the_list() {
    let (server, requests) =
        serving(|n| format!(r#"{{"sources":[{{"source_id":"src_1"}}],"next_cursor":"c{n}"}}"#));
    let client = Client::new(&config(&server.base_url())).unwrap();
    assert_eq!(client.list_sources(&key(), None).unwrap().len(), 1);
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[test]
fn ten_thousand_sources_are_enough() {
    let (server, requests) = serving(|page| {
        let ids = page * 5_000..(page + 1) * 5_000;
        let sources: Vec<_> = ids
            .map(|n| format!(r#"{{"source_id":"src_{n}"}}"#))
            .collect();
        let sources = sources.join(",");
        format!(r#"{{"sources":[{sources}],"next_cursor":"c{page}"}}"#)
    });
    let client = Client::new(&config(&server.base_url())).unwrap();
    assert_eq!(client.list_sources(&key(), None).unwrap().len(), 10_000);
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[test]
fn the_project_is_asked_for() {
    let simulator = with_sources(&["app"]);
    client(&simulator)
        .list_sources(&key(), Some("prj_1"))
        .unwrap();
    assert_eq!(simulator.journal()[0].query, "project_id=prj_1");
}

#[test]
fn what_is_no_source_in_the_list_is_passed_over() {
    let body = r#"{"sources":[7,null,{"source_id":1,"name":"odd"},{"source_id":"src_1","name":"app","x":1.10}]}"#;
    let client = Client::new(&config(&RawServer::json(body).base_url())).unwrap();
    let sources = client.list_sources(&key(), None).unwrap();
    assert_eq!(sources.len(), 2);
    assert_eq!(sources[0].source_id, None);
    assert_eq!(
        sources[1].whole.text(),
        r#"{"source_id":"src_1","name":"app","x":1.10}"#
    );
    for body in ["{}", "[]", r#"{"sources":{}}"#] {
        let client = Client::new(&config(&RawServer::json(body).base_url())).unwrap();
        let error = client.list_sources(&key(), None).unwrap_err();
        assert_eq!(error.code(), "CONTROL_PLANE_UNEXPECTED_ANSWER");
    }
}

#[test]
fn a_new_source_has_the_contract_s_defaults() {
    let simulator = simulator();
    for (kind, name) in [("postgres", "app_postgres"), ("mysql", "app_mysql")] {
        let whole = client(&simulator)
            .create_source(&key(), &new_source(kind))
            .unwrap();
        assert!(whole.text().contains(name));
        let expected = json!({
            "project_id": "prj_1", "database_id": "db_1", "kind": kind, "name": name,
            "connection": { "url": format!("{kind}://APP_URL"), "ssl_mode": "require" },
            "mode": "read-only",
        });
        assert_eq!(sent(&simulator, Endpoint::CreateSource), expected);
    }
    assert_eq!(simulator.breaches().len(), 0);
}

#[test]
fn the_other_calls_send_what_the_contract_says() {
    let simulator = with_sources(&["app"]);
    let (client, key) = (client(&simulator), key());
    let schemas = Scope::Schemas(vec!["public".into()]);
    client.show_source(&key, "src_1").unwrap();
    client.test_source(&key, "src_1").unwrap();
    client.inspect_source(&key, "src_1", &schemas).unwrap();
    client.doctor_source(&key, "src_1", &schemas).unwrap();
    let generated = client
        .generate_from_source(&key, "src_1", None, None)
        .unwrap();
    assert!(generated.text().contains("\"files\""));
    client.disable_source(&key, "src_1").unwrap();
    assert_eq!(sent(&simulator, Endpoint::TestSource), json!({}));
    assert_eq!(sent(&simulator, Endpoint::DisableSource), json!({}));
    let inspect = json!({ "schemas": ["public"], "include_views": true });
    assert_eq!(sent(&simulator, Endpoint::InspectSource), inspect);
    assert_eq!(
        sent(&simulator, Endpoint::DoctorSource),
        json!({ "schemas": ["public"] })
    );
    let generate = json!({ "template": "support-ticket-agent", "namespace": "support" });
    assert_eq!(sent(&simulator, Endpoint::GenerateSource), generate);
    assert_eq!(simulator.breaches().len(), 0);
}

#[test]
fn mysql_is_looked_at_by_database() {
    let simulator = simulator();
    let (client, key) = (client(&simulator), key());
    client.create_source(&key, &new_source("mysql")).unwrap();
    let id = client
        .list_sources(&key, None)
        .unwrap()
        .remove(0)
        .source_id
        .unwrap();
    let shop = Scope::Database("shop".into());
    client.inspect_source(&key, &id, &shop).unwrap();
    client.doctor_source(&key, &id, &shop).unwrap();
    let inspect = json!({ "database": "shop", "include_views": true });
    assert_eq!(sent(&simulator, Endpoint::InspectSource), inspect);
    assert_eq!(
        sent(&simulator, Endpoint::DoctorSource),
        json!({ "database": "shop" })
    );
}

#[test]
fn an_import_has_the_contract_s_defaults() {
    let simulator = with_sources(&["app"]);
    let tickets = ImportedTable {
        schema: "public".into(),
        name: "tickets".into(),
        tenant_column: Some("tenant_id".into()),
        ..ImportedTable::default()
    };
    let orders = ImportedTable {
        database: Some("shop".into()),
        schema: "shop".into(),
        name: "orders".into(),
        single_tenant: true,
        ..ImportedTable::default()
    };
    client(&simulator)
        .import_tables(&key(), "src_1", &[tickets, orders])
        .unwrap();
    let expected = json!({ "tables": [
        { "schema": "public", "name": "tickets", "alias_schema": "external_support", "alias_name": "tickets",
          "tenant_column": "tenant_id", "single_tenant": false, "mode": "live-read" },
        { "database": "shop", "schema": "shop", "name": "orders", "alias_schema": "external_shop",
          "alias_name": "orders", "single_tenant": true, "mode": "live-read" },
    ] });
    assert_eq!(sent(&simulator, Endpoint::ImportSource), expected);
}

#[test]
fn an_import_without_tables_or_tenant_is_not_sent() {
    let simulator = with_sources(&["app"]);
    let client = client(&simulator);
    let error = client.import_tables(&key(), "src_1", &[]).unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        ("TABLES_REQUIRED", "TABLES_REQUIRED")
    );
    let table = ImportedTable {
        schema: "s".into(),
        name: "tickets".into(),
        ..ImportedTable::default()
    };
    let error = client.import_tables(&key(), "src_1", &[table]).unwrap_err();
    assert_eq!(error.to_string(), "TENANT_COLUMN_REQUIRED: tickets");
    assert_eq!(error.code(), "TENANT_COLUMN_REQUIRED");
    assert!(simulator.journal().is_empty());
}

#[test]
fn a_source_is_named_by_its_id_or_by_its_name() {
    let simulator = with_sources(&["app", "other", "twice", "twice"]);
    let (client, key) = (client(&simulator), key());
    let mut resolver = SourceResolver::default();
    let mut resolve = |name: &str| resolver.resolve(&client, &key, None, name);
    assert_eq!(resolve("src_anything").unwrap(), "src_anything");
    assert_eq!(simulator.calls(Endpoint::ListSources), 0);
    assert_eq!(resolve("other").unwrap(), "src_2");
    assert_eq!(resolve("other").unwrap(), "src_2");
    assert_eq!(simulator.calls(Endpoint::ListSources), 1);
    assert_eq!(
        resolve("nobody").unwrap_err().to_string(),
        "SOURCE_NOT_FOUND: nobody"
    );
    assert_eq!(resolve("twice").unwrap_err().code(), "SOURCE_AMBIGUOUS");
}

#[test]
fn a_name_is_looked_up_again_once_its_id_is_gone() {
    let simulator = with_sources(&["old", "new"]);
    let (client, key) = (client(&simulator), key());
    let mut resolver = SourceResolver::default();
    resolver.resolve(&client, &key, None, "new").unwrap();
    simulator.inject(Rule::on(Endpoint::ShowSource, Fault::status(404)));
    let error = resolver
        .call(&client, &key, None, "new", |id| {
            client.show_source(&key, id)
        })
        .unwrap_err();
    assert!(matches!(error, SourceError::ControlPlane(ref error) if error.status() == Some(404)));
    assert_eq!(simulator.calls(Endpoint::ShowSource), 1);
    assert_eq!(simulator.calls(Endpoint::ListSources), 2);
    simulator.clear_faults();
    let whole = resolver
        .call(&client, &key, None, "new", |id| {
            client.show_source(&key, id)
        })
        .unwrap();
    assert!(whole.text().contains("src_2"));
    assert_eq!(simulator.calls(Endpoint::ListSources), 2);
}

#[test]
fn a_name_that_belongs_to_another_source_by_now_is_followed_there() {
    let gone = client(&simulator())
        .show_source(&key(), "src_0")
        .unwrap_err();
    let (server, _) =
        serving(|n| format!(r#"{{"sources":[{{"source_id":"src_{n}","name":"app"}}]}}"#));
    let client = Client::new(&config(&server.base_url())).unwrap();
    let mut tried = Vec::new();
    let call = |id: &str| {
        tried.push(id.to_owned());
        match id {
            "src_0" => Err(gone.clone()),
            _ => Ok(()),
        }
    };
    SourceResolver::default()
        .call(&client, &key(), None, "app", call)
        .unwrap();
    assert_eq!(tried, ["src_0", "src_1"]);
}

#[test]
fn only_an_unknown_id_is_looked_up_again() {
    let simulator = with_sources(&["app"]);
    let (client, key) = (client(&simulator), key());
    simulator.inject(Rule::on(Endpoint::ShowSource, Fault::status(503)));
    let show = |id: &str| client.show_source(&key, id);
    let mut resolver = SourceResolver::default();
    assert!(resolver.call(&client, &key, None, "app", show).is_err());
    assert_eq!(simulator.calls(Endpoint::ListSources), 1);
}
