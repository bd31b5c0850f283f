//! SECURITY.md: what it refers to is there, and the doctor finds what its checklist is about.

use std::fs;
use std::path::Path;

use synapsor_testbed::{Cluster, ClusterOptions};

use crate::doctor::{Row, Ward};
use crate::stage::statuses;

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

/// The examinations of the doctor that the checklist names.
fn checklist() -> Vec<&'static str> {
    let words = section("## Hardening checklist").split('(').skip(1);
    let mut names: Vec<_> = words
        .filter_map(|rest| rest.strip_prefix('`')?.split('`').next())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// A mistake for each point of the checklist, and the examination that finds it.
const NEGLIGENCE: [(&str, &str); 13] = [
    ("role", "ALTER ROLE writer SUPERUSER"),
    ("role", "ALTER ROLE writer BYPASSRLS"),
    ("role rights", "ALTER ROLE writer CREATEROLE"),
    ("role rights", "CREATE ROLE rich; GRANT rich TO writer"),
    (
        "role rights",
        "CREATE TABLE own (a int); ALTER TABLE own OWNER TO writer",
    ),
    ("role rights", "GRANT TRUNCATE ON tickets TO writer"),
    ("role rights", "ALTER ROLE writer PASSWORD 'secret'"),
    ("schema", "GRANT CREATE ON SCHEMA public TO PUBLIC"),
    ("ledger", "GRANT SELECT ON synapsor.ledger TO ops"),
    (
        "ledger",
        "GRANT SELECT (error_detail) ON synapsor.ledger TO PUBLIC",
    ),
    (
        "guards",
        "ALTER DATABASE DATABASE SET synapsor.allow_cascade = on",
    ),
    (
        "guards",
        "ALTER DATABASE DATABASE SET synapsor.require_tenant_guard = off",
    ),
    (
        "guards",
        "ALTER DATABASE DATABASE SET synapsor.allow_insecure_http = on",
    ),
];

/// What these examinations have to say, in good or in bad.
fn findings(ward: &Ward, names: &[&str]) -> Vec<Row> {
    let mut rows = ward.examine();
    rows.retain(|row| names.contains(&row.check.as_str()));
    rows.retain(|row| row.ok == Some(false) || !row.hint.is_empty());
    rows
}

#[test]
fn each_point_of_the_checklist_is_found_and_put_right_by_the_doctor() {
    let cluster = Cluster::start(ClusterOptions::default());
    let ward = Ward::on(&cluster);
    let database = &ward.0.database;
    database.execute("REVOKE ALL ON tickets FROM writer");
    database.set("synapsor.require_tenant_guard", "on");
    database.set("synapsor.require_conflict_guard", "on");
    let grants = "SELECT synapsor_grants('tickets', '{status}', '{update,insert,delete}', 'tenant_id', 'version')";
    for grant in database.rows(grants) {
        database.execute(&grant);
    }
    let names = checklist();
    assert!(names.len() > 6, "{names:?}");
    let existing = ward.examine();
    for name in &names {
        assert!(existing.iter().any(|row| row.check == *name), "{name}");
    }
    assert_eq!(findings(&ward, &names), Vec::<Row>::new());
    for (check, negligence) in NEGLIGENCE {
        database.execute(&negligence.replace(
            "DATABASE DATABASE",
            &format!("DATABASE {}", database.name()),
        ));
        let found = findings(&ward, &names);
        assert!(!found.is_empty(), "{negligence}");
        for row in found {
            assert_eq!(row.check, check, "{negligence}: {row:?}");
            ward.run(&row.hint);
        }
        assert_eq!(findings(&ward, &names), Vec::<Row>::new(), "{negligence}");
    }
    assert_eq!(statuses(&ward.0.poll()), ["applied"]);
}
