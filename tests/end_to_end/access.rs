//! Who may do what: the table in SECURITY.md, tried.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use postgres::Client;
use simulated_control_plane::Source;
use synapsor_testbed::{Cluster, ClusterOptions};

use crate::stage::Stage;

/// The document with the table.
const DOCUMENT: &str = include_str!("../../SECURITY.md");

/// The roles, in the order of the table's columns.
const ROLES: [&str; 5] = ["stranger", "ops", "watcher", "writer", "landlord"];

/// A cluster with roles that can all log in. The library is there in every session, as it is where a setting counts.
fn cluster() -> Cluster {
    Cluster::start(
        ClusterOptions::default().setting("session_preload_libraries", "synapsor_writeback"),
    )
}

/// A stage whose database belongs to somebody who is no superuser.
fn stage(cluster: &Cluster) -> Stage {
    let stage = Stage::on(cluster);
    stage.simulator.add_source(Source::new("src_1", "shop"));
    stage.database.execute(&format!(
        "CREATE ROLE stranger LOGIN;
         CREATE ROLE watcher LOGIN IN ROLE pg_monitor;
         CREATE ROLE landlord LOGIN;
         ALTER ROLE writer LOGIN;
         ALTER DATABASE {} OWNER TO landlord",
        stage.database.name()
    ));
    stage
}

/// A statement of the table, and what it says of each role.
fn table() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    let rows = DOCUMENT.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once("` | "))
        .map(|(statement, words)| {
            (
                statement,
                words.trim_end_matches(" |").split(" | ").collect(),
            )
        })
        .filter(|(_, words): &(_, Vec<_>)| words.iter().all(|word| ["yes", "no"].contains(word)))
}

/// What becomes of a statement, which is undone: `no` when the role has no right to it.
fn attempt(session: &mut Client, statement: &str) -> &'static str {
    // What controls transactions itself is tried outside of one.
    let is_outside = statement.starts_with("CALL") || statement.starts_with("ALTER SYSTEM");
    let (begin, end) = match is_outside {
        true => ("", ""),
        false => ("BEGIN", "ROLLBACK"),
    };
    session.batch_execute(begin).unwrap();
    let tried = session.batch_execute(statement);
    session.batch_execute(end).unwrap();
    match tried
        .as_ref()
        .err()
        .map(|error| error.code().unwrap().code())
    {
        Some("42501") => "no",
        // A right to it, and a call that can't work here.
        None | Some("22023" | "42704") => "yes",
        Some(_) => panic!("{statement}: {tried:?}"),
    }
}

/// The statement as one role says it, once for each setting where it is about settings.
fn spelled_out(statement: &str, role: &str, stage: &Stage, settings: &[String]) -> Vec<String> {
    let statement = statement
        .replace(
            "DATABASE DATABASE",
            &format!("DATABASE {}", stage.database.name()),
        )
        .replace("TO ME", &format!("TO {role}"))
        .replace("ROLE ME", &format!("ROLE {role}"))
        .replace("'ME'", &format!("'{role}'"));
    match statement.contains("SETTING") {
        true => settings
            .iter()
            .map(|name| statement.replace("SETTING", name))
            .collect(),
        false => vec![statement],
    }
}

fn settings(stage: &Stage) -> Vec<String> {
    stage
        .database
        .rows("SELECT name FROM pg_settings WHERE name LIKE 'synapsor.%'")
}

#[test]
fn everybody_may_do_what_the_table_says_and_nothing_else() {
    let cluster = cluster();
    let stage = stage(&cluster);
    let settings = settings(&stage);
    assert!(settings.len() > 20, "{settings:?}");
    let mut sessions = ROLES.map(|role| stage.database.connect_as(role));
    let (mut seen, mut differences, mut count) = (String::new(), String::new(), 0);
    for (statement, expected) in table() {
        let found: Vec<_> = ROLES
            .iter()
            .zip(&mut sessions)
            .map(|(role, session)| {
                let all = spelled_out(statement, role, &stage, &settings);
                count += all.len();
                let answers: BTreeSet<_> = all.iter().map(|one| attempt(session, one)).collect();
                answers.into_iter().collect::<Vec<_>>().join(" and ")
            })
            .collect();
        writeln!(seen, "{:60.60} {}", statement, found.join("  ")).unwrap();
        if found != expected {
            writeln!(differences, "{statement}: {found:?}, not {expected:?}").unwrap();
        }
    }
    println!("{seen}{count} attempts of {}", ROLES.join(", "));
    assert_eq!(differences, "");
}

#[test]
fn the_table_names_every_function_table_and_view() {
    let stage = Stage::new();
    let objects = stage.database.rows(
        "SELECT p.proname FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid JOIN pg_proc p ON p.oid = d.objid
         WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND e.extname = 'synapsor_writeback'
         UNION ALL
         SELECT 'synapsor.' || relname FROM pg_class
         WHERE relnamespace = 'synapsor'::regnamespace AND relkind NOT IN ('i', 't')",
    );
    assert!(objects.len() > 15, "{objects:?}");
    let statements: Vec<_> = table().map(|(statement, _)| statement).collect();
    let is_named = |object: &String| {
        let calls = |statement: &&str| {
            let mut words = statement.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.');
            words.any(|word| word == object)
        };
        statements.iter().any(calls)
    };
    let missing: Vec<_> = objects.iter().filter(|object| !is_named(object)).collect();
    assert_eq!(missing, Vec::<&String>::new());
}
