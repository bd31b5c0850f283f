//! `make demo`: a private Postgres, a simulated control plane, and nine proposals. Shows what becomes of each, the
//! rows before and after, what the control plane was told, that a second poll changes nothing, and the worker at work.
#![allow(
    clippy::expect_used,
    reason = "a demo that can't go on has to stop, and say why"
)]

mod screen;
mod story;
mod worker;

use std::time::Duration;

use serde_json::Value;
use simulated_control_plane::{Options, Simulator, Source};
use story::Scene;
use synapsor_testbed::{Cluster, ClusterOptions, Database, OPERATOR, WRITER};

const API_KEY: &str = "syn_demo_key";
const SOURCE_ID: &str = "src_1";
const TABLES: [&str; 4] = ["tickets", "invoices", "orders", "credits"];

fn main() {
    let cluster = Cluster::start(ClusterOptions::default());
    let control_plane = Simulator::start(Options {
        api_key: API_KEY.to_owned(),
        ..Options::default()
    })
    .expect("the simulated control plane starts");
    control_plane.add_source(Source::new(SOURCE_ID, "shop"));
    let database = set_up(&cluster, &control_plane);
    println!(
        "A private PostgreSQL {} with the database \"shop\", and a simulated control plane at {}.\n\
         The operator \"{OPERATOR}\" polls; changes are made as \"{WRITER}\", who may write a few columns.",
        database.value::<String>("SELECT current_setting('server_version')"),
        control_plane.base_url(),
    );

    let scenes = story::scenes();
    approve(&control_plane, &scenes);
    database.execute(story::MEANWHILE);
    show_a_statement(&database, &scenes[0]);

    let before = rows(&database);
    let results = poll(&database);
    show_outcomes(&scenes, &results);
    show_changes(&before, &rows(&database));
    show_reports(&control_plane, &scenes);
    poll_again(&database, &control_plane);
    worker::show(&database, &control_plane);
}

/// Makes the database, its tables and rights, and tells the extension what it has to know.
fn set_up(cluster: &Cluster, control_plane: &Simulator) -> Database {
    let database = cluster.create_database("shop");
    database.create_extension();
    database.create_roles();
    database.execute(include_str!("shop.sql"));
    database.set("synapsor.base_url", control_plane.base_url());
    database.set(
        "synapsor.api_key_file",
        cluster.key_file("synapsor.key", API_KEY).display(),
    );
    database.set("synapsor.source_id", SOURCE_ID);
    database
}

fn approve(control_plane: &Simulator, scenes: &[Scene]) {
    screen::heading("1. Approved in the control plane");
    let proposals = scenes.iter().map(|scene| scene.proposal.to_string());
    control_plane
        .add_proposals(proposals)
        .expect("the proposals are JSON");
    let number = |n: usize| (n + 1).to_string();
    screen::table(
        ["", "proposal", "what it is"],
        scenes
            .iter()
            .enumerate()
            .map(|(n, scene)| [number(n), id(scene), scene.caption.to_owned()]),
    );
    println!(
        "\n  Then somebody else works on ticket 2: {};",
        story::MEANWHILE
    );
}

fn show_a_statement(database: &Database, scene: &Scene) {
    screen::heading("2. What the first one becomes: SELECT * FROM synapsor_build(proposal)");
    let mut session = database.connect_as(OPERATOR);
    let row = session
        .query_one(
            "SELECT sql, params::text FROM synapsor_build($1::text::json)",
            &[&scene.proposal.to_string()],
        )
        .expect("the proposal can be built");
    println!(
        "  {}\n  {}",
        row.get::<_, String>(0),
        row.get::<_, String>(1)
    );
}

/// Polls as the operator, and returns the results.
fn poll(database: &Database) -> Vec<Value> {
    let mut session = database.connect_as(OPERATOR);
    let row = session
        .query_one("SELECT synapsor_poll_once()::text", &[])
        .expect("the poll succeeds");
    let answer: Value = serde_json::from_str(row.get(0)).expect("the answer is JSON");
    answer["results"].as_array().cloned().unwrap_or_default()
}

fn show_outcomes(scenes: &[Scene], results: &[Value]) {
    screen::heading("3. SELECT synapsor_poll_once()");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let why = |result: &Value| text(&result["reason"]) + &text(&result["error"]);
    screen::table(
        ["", "what it is", "outcome", "rows", "why"],
        scenes
            .iter()
            .zip(results)
            .enumerate()
            .map(|(n, (scene, result))| {
                let rows = result["affected_rows"].to_string();
                [
                    (n + 1).to_string(),
                    scene.caption.to_owned(),
                    text(&result["status"]),
                    rows,
                    why(result),
                ]
            }),
    );
}

/// Every row of every table, as text.
fn rows(database: &Database) -> Vec<String> {
    let of_table = |table: &str| {
        let query = format!("SELECT '{table} ' || t::text FROM {table} t ORDER BY 1");
        database.rows(&query)
    };
    TABLES.into_iter().flat_map(of_table).collect()
}

fn show_changes(before: &[String], after: &[String]) {
    screen::heading("4. The rows, before (-) and after (+); all others are as they were");
    for row in before.iter().filter(|row| !after.contains(row)) {
        println!("  - {row}");
    }
    for row in after.iter().filter(|row| !before.contains(row)) {
        println!("  + {row}");
    }
}

fn show_reports(control_plane: &Simulator, scenes: &[Scene]) {
    screen::heading("5. What the control plane was told, by itself, after the commit");
    let all_told = |scenes: &[Scene]| {
        control_plane.wait_for(
            |state| {
                scenes
                    .iter()
                    .all(|scene| state.final_word(&id(scene)).is_some())
            },
            Duration::from_secs(10),
        )
    };
    assert!(all_told(scenes), "every proposal is reported");
    screen::table(
        ["proposal", "body of POST …/apply-result"],
        scenes.iter().flat_map(|scene| {
            let bodies = control_plane.reports_for(&id(scene));
            bodies.into_iter().map(|report| {
                [
                    id(scene),
                    String::from_utf8_lossy(&report.body).into_owned(),
                ]
            })
        }),
    );
}

fn poll_again(database: &Database, control_plane: &Simulator) {
    screen::heading("6. A second poll");
    let (before, requests) = (rows(database), control_plane.journal().len());
    let results = poll(database);
    assert!(
        results.is_empty() && rows(database) == before,
        "a second poll changes nothing"
    );
    println!(
        "  {} proposals, no row changed, {} call to the control plane (the empty list).",
        results.len(),
        control_plane.journal().len() - requests,
    );
    let query = "SELECT proposal_id, operation, target, status, why, report FROM synapsor.recent ORDER BY at, proposal_id";
    screen::heading(&format!("7. What the database remembers: {query}"));
    let mut session = database.connect_as(OPERATOR);
    let remembered = session.query(query, &[]).expect("the operator may read it");
    let column = |row: &postgres::Row, n| row.get::<_, Option<String>>(n).unwrap_or_default();
    screen::table(
        ["proposal", "operation", "target", "status", "why", "report"],
        remembered
            .iter()
            .map(|row| [0, 1, 2, 3, 4, 5].map(|n| column(row, n))),
    );
}

fn id(scene: &Scene) -> String {
    let proposal: Value =
        serde_json::from_str(&scene.proposal.to_string()).expect("a proposal is JSON");
    proposal["proposal_id"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}
