//! `make demo-mysql`: a private MariaDB, a simulated control plane, and ten proposals. Shows what becomes of each, the rows before and
//! after, what the control plane was told, that a second poll changes nothing, and the program running by itself.
#![allow(
    clippy::expect_used,
    reason = "a demo that can't go on has to stop, and say why"
)]

mod program;
#[path = "../screen.rs"]
mod screen;
#[path = "../story.rs"]
mod story;

use std::time::{Duration, Instant};

use program::Program;
use serde_json::Value;
use simulated_control_plane::{Options, Simulator, Source};
use story::Scene;
use synapsor_mysql_testbed::{Flavor, Server, Shop};
use synapsor_testbed::Proposal;

const API_KEY: &str = "syn_demo_key";
const SOURCE_ID: &str = "src_1";
const TABLES: [&str; 4] = ["tickets", "invoices", "orders", "credits"];

/// The agent's changes are made with these rights, and no others.
const RIGHTS: [&str; 4] = [
    "SELECT, UPDATE (status, resolution_note) ON tickets",
    "SELECT, UPDATE (late_fee_cents, waived_reason) ON invoices",
    "SELECT, DELETE ON orders",
    "SELECT, INSERT (tenant_id, points, reason) ON credits",
];

fn main() {
    let server = Server::start(Flavor::MariaDb);
    let control_plane = Simulator::start(Options {
        api_key: API_KEY.to_owned(),
        ..Options::default()
    })
    .expect("the simulated control plane starts");
    control_plane.add_source(Source {
        kind: "mysql".to_owned(),
        ..Source::new(SOURCE_ID, "app_mysql")
    });
    let shop = Shop::new(&server);
    include_str!("shop.sql")
        .split(";\n")
        .for_each(|sql| shop.execute(sql));
    let (user, password) = shop.create_writer(&RIGHTS);
    let program = Program::set_up(&control_plane, &shop.url(&user, &password));
    program.migrate(&shop, &user);
    println!(
        "A private MariaDB {} with the database \"{}\", and a simulated control plane at {}.\n\
         Changes are made as \"{user}\", who may write a few columns.",
        server.query_value::<String>("SELECT VERSION()"),
        shop.name(),
        control_plane.base_url(),
    );

    let scenes = scenes(&shop);
    approve(&control_plane, &scenes);
    shop.execute(story::MEANWHILE);
    show_a_statement(&program, &scenes[0]);

    let before = rows(&shop);
    let results = program.lines(&["poll-once"]);
    show_outcomes(&scenes, &results);
    show_changes(&before, &rows(&shop));
    show_reports(&control_plane, &scenes);
    poll_again(&program, &shop, &control_plane);
    show_running(&program, &shop, &control_plane);
}

/// The scenes of `make demo` for a MySQL source, and one that only MySQL needs.
fn scenes(shop: &Shop) -> Vec<Scene> {
    let mut scenes = story::scenes();
    scenes.push(Scene {
        caption: "a tenant in capitals: MySQL's = finds it",
        proposal: Proposal::update("tickets")
            .id("wrp_capitals")
            .key("id", 4)
            .tenant("tenant_id", "acme")
            .change("status", "closed"),
    });
    let ours = |scene: Scene| Scene {
        proposal: ours(scene.proposal, shop),
        ..scene
    };
    scenes.into_iter().map(ours).collect()
}

fn ours(proposal: Proposal, shop: &Shop) -> Proposal {
    proposal.schema(shop.name()).field("source_kind", "mysql")
}

fn approve(control_plane: &Simulator, scenes: &[Scene]) {
    screen::heading("1. Approved in the control plane");
    let proposals = scenes.iter().map(|scene| scene.proposal.to_string());
    control_plane
        .add_proposals(proposals)
        .expect("the proposals are JSON");
    let row =
        |(n, scene): (usize, &Scene)| [(n + 1).to_string(), id(scene), scene.caption.to_owned()];
    screen::table(
        ["", "proposal", "what it is"],
        scenes.iter().enumerate().map(row),
    );
    println!(
        "\n  Then somebody else works on ticket 2: {};",
        story::MEANWHILE
    );
}

fn show_a_statement(program: &Program, scene: &Scene) {
    screen::heading(
        "2. What the first one becomes: synapsor-writeback-mysql build < proposal.json",
    );
    let built = program.build(&scene.proposal.to_string());
    println!("  {}\n  {}", text(&built["sql"]), built["params"]);
}

fn show_outcomes(scenes: &[Scene], results: &[Value]) {
    screen::heading("3. synapsor-writeback-mysql poll-once");
    let why = |result: &Value| text(&result["reason"]) + &text(&result["error"]);
    let rows = scenes
        .iter()
        .zip(results)
        .enumerate()
        .map(|(n, (scene, result))| {
            [
                (n + 1).to_string(),
                scene.caption.to_owned(),
                text(&result["status"]),
                result["affected_rows"].to_string(),
                why(result),
            ]
        });
    screen::table(["", "what it is", "outcome", "rows", "why"], rows);
}

/// Every row of every table, as text.
fn rows(shop: &Shop) -> Vec<String> {
    let of_table = |table: &str| {
        let cell = |cell: Option<String>| cell.unwrap_or_else(|| "NULL".to_owned());
        let rows = shop.query_rows(&format!("SELECT * FROM {table} ORDER BY 1"));
        let line = move |row: Vec<Option<String>>| {
            row.into_iter().map(cell).collect::<Vec<_>>().join(", ")
        };
        let table = table.to_owned();
        rows.into_iter()
            .map(move |row| format!("{table} ({})", line(row)))
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
    screen::heading("5. What the control plane was told, after each commit");
    let bodies = scenes.iter().flat_map(|scene| {
        let reports = control_plane.reports_for(&id(scene));
        assert_eq!(reports.len(), 1, "every proposal is reported once");
        let body = |report: simulated_control_plane::Report| {
            String::from_utf8_lossy(&report.body).into_owned()
        };
        reports
            .into_iter()
            .map(move |report| [id(scene), body(report)])
    });
    screen::table(["proposal", "body of POST …/apply-result"], bodies);
}

fn poll_again(program: &Program, shop: &Shop, control_plane: &Simulator) {
    screen::heading("6. A second poll");
    let (before, requests) = (rows(shop), control_plane.journal().len());
    let lines = program.lines(&["poll-once"]);
    assert!(
        lines.len() == 1 && rows(shop) == before,
        "a second poll changes nothing"
    );
    println!(
        "  {} proposals, no row changed, {} call to the control plane (the empty list).",
        lines[0]["count"],
        control_plane.journal().len() - requests,
    );
    let columns = "proposal_id, operation, status, why, report";
    screen::heading(&format!(
        "7. What the database remembers: SELECT {columns} FROM synapsor.recent"
    ));
    let query = format!("SELECT {columns} FROM synapsor.recent ORDER BY `at`, proposal_id");
    let remembered = shop.query_rows(&query).into_iter().map(|row| {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        std::array::from_fn(|_| cells.next().unwrap_or_default())
    });
    screen::table::<5>(
        ["proposal", "operation", "status", "why", "report"],
        remembered,
    );
}

/// The program left to itself, one more proposal, and the status.
fn show_running(program: &Program, shop: &Shop, control_plane: &Simulator) {
    screen::heading("8. Nothing to call: synapsor-writeback-mysql run");
    let mut running = program.start();
    let id = "wrp_later";
    let approved = Instant::now();
    control_plane
        .add_proposal(ours(story::later(id), shop))
        .expect("the proposal is JSON");
    let is_told = |state: &simulated_control_plane::ControlPlane| state.final_word(id).is_some();
    assert!(
        control_plane.wait_for(is_told, Duration::from_secs(20)),
        "it reports"
    );
    let milliseconds = approved.elapsed().as_millis();
    println!(
        "  Ticket 2 again, from its newer version: approved, applied and reported {milliseconds} ms later,"
    );
    println!("  the start of the program included.\n");
    running.kill().expect("it can be killed");
    running.wait().expect("it ends");
    println!(
        "  Then it was killed, in the middle of whatever it did. What was owed is delivered by any of:"
    );
    println!("  run, poll-once, report-once. synapsor-writeback-mysql report-once, and status:\n");
    for command in ["report-once", "status"] {
        for line in program.show(&[command]).lines() {
            println!("  {line}");
        }
        println!();
    }
    println!();
}

fn id(scene: &Scene) -> String {
    let proposal: Value =
        serde_json::from_str(&scene.proposal.to_string()).expect("a proposal is JSON");
    text(&proposal["proposal_id"])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
