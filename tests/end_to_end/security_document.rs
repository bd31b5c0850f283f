//! SECURITY.md: what it refers to is there, and the queries of its checklist find what they are for.

use std::fs;
use std::path::Path;

use synapsor_testbed::{Cluster, ClusterOptions, Database};

use crate::stage::{Stage, statuses};

/// The document.
const DOCUMENT: &str = include_str!("../../SECURITY.md");

/// The part of the document below this heading.
fn section(heading: &str) -> &'static str {
    let (_, rest) = DOCUMENT.split_once(heading).unwrap();
    rest.split("\n## ").next().unwrap()
}

/// The text of every Rust file in these directories of the project.
fn sources(directories: &[&str]) -> String {
    fn read(directory: &Path, text: &mut String) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, text);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    for directory in directories {
        read(&root.join(directory), &mut text);
    }
    text
}

#[test]
fn every_test_that_the_threats_name_exists() {
    let sources = sources(&["src", "tests", "crates"]);
    let rows = section("## Threats")
        .lines()
        .filter(|line| line.starts_with("| "));
    let mut count = 0;
    for row in rows.skip(1) {
        let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let names: Vec<_> = last.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "a threat without a test: {row}");
        for name in names {
            assert!(sources.contains(&format!("fn {name}(")), "no test {name}");
            count += 1;
        }
    }
    assert!(count > 40, "{count} tests are named");
}

/// The queries of the checklist, in its order.
fn checklist() -> Vec<&'static str> {
    let blocks = section("## Hardening checklist").split("```sql\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

/// What makes each query of the checklist return a line.
const NEGLIGENCE: [&str; 8] = [
    "ALTER ROLE writer CREATEROLE",
    "GRANT pg_write_all_data TO writer",
    "GRANT UPDATE ON tickets TO writer",
    "GRANT CREATE ON SCHEMA public TO PUBLIC",
    "GRANT SELECT ON synapsor.ledger TO ops",
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synapsor.allow_cascade = on', current_database()); END $$",
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synapsor.api_key_file = %L',
                                current_database(), current_setting('data_directory') || '/key'); END $$",
    "ALTER ROLE writer PASSWORD 'secret'",
];

/// The lines that each query returns, put together.
fn findings(database: &Database) -> Vec<String> {
    let all = checklist();
    let look = |query: &&str| database.rows(query).join(", ");
    all.iter().map(look).collect()
}

#[test]
fn the_checklist_finds_what_it_is_for_and_nothing_where_all_is_well() {
    let cluster = Cluster::start(
        ClusterOptions::default().setting("session_preload_libraries", "synapsor_writeback"),
    );
    let stage = Stage::on(&cluster);
    stage
        .database
        .execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC; REVOKE ALL ON tickets FROM writer");
    stage.database.set("synapsor.require_tenant_guard", "on");
    stage.database.set("synapsor.require_conflict_guard", "on");
    let grants = "SELECT synapsor_grants('tickets', '{status}', '{update,insert,delete}', 'tenant_id', 'version')";
    for grant in stage.database.rows(grants) {
        stage.database.execute(&grant);
    }
    assert_eq!(findings(&stage.database), [""; NEGLIGENCE.len()]);
    stage.approve_closing(1..=1);
    assert_eq!(statuses(&stage.poll()), ["applied"]);
    for (n, negligence) in NEGLIGENCE.iter().enumerate() {
        stage.database.execute(negligence);
        assert_ne!(findings(&stage.database)[n], "", "{negligence}");
    }
}
