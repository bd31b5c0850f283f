//! The last scene: the worker, and nothing to call.

use std::time::{Duration, Instant};

use simulated_control_plane::Simulator;
use synapsor_testbed::{Database, OPERATOR, WRITER, major_version, wait_for};

use crate::{screen, story};

/// Starts the worker, has another proposal approved, and waits until the control plane was told of it.
pub fn show(database: &Database, control_plane: &Simulator) {
    screen::heading("8. Nothing to call: SELECT synapsor_start_worker()");
    if major_version() < 17 {
        // Before 17 the role that a worker connects as has to be one that may log in.
        database.execute(&format!("ALTER ROLE {WRITER} LOGIN"));
    }
    let mut session = database.connect_as(OPERATOR);
    session
        .batch_execute("SELECT synapsor_start_worker()")
        .expect("the worker starts");

    let id = "wrp_later";
    let approved = Instant::now();
    control_plane
        .add_proposal(story::later(id))
        .expect("the proposal is JSON");
    let told = control_plane.wait_for(
        |state| state.final_word(id).is_some(),
        Duration::from_secs(20),
    );
    assert!(told, "the worker reports");
    let milliseconds = approved.elapsed().as_millis();
    println!(
        "  Ticket 2 again, from its newer version: approved, applied and reported {milliseconds} ms later.\n"
    );
    show_examination(&mut session);
    show_status(database, session);
}

/// What is wrong, of everything that write-back needs.
fn show_examination(session: &mut postgres::Client) {
    let query = "SELECT check_name, ok, detail FROM synapsor_doctor()";
    println!("  {query}\n");
    let rows = session
        .query(query, &[])
        .expect("the doctor always answers");
    let shown = |ok: Option<bool>| match ok {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "?",
    };
    let row = |row: &postgres::Row| {
        let text = |n| row.get::<_, String>(n);
        [text(0), shown(row.get(1)).to_owned(), text(2)]
    };
    screen::table(["check_name", "ok", "detail"], rows.iter().map(row));
    println!();
    let all_is_well = rows
        .iter()
        .all(|row| row.get::<_, Option<bool>>(1) == Some(true));
    assert!(all_is_well, "the doctor finds nothing wrong");
}

fn show_status(database: &Database, mut session: postgres::Client) {
    let query =
        "SELECT state, reason, applied, conflicts, failed, pending_reports FROM synapsor_status()";
    println!("  {query}\n");
    // The control plane knows before the ledger does that it was told.
    wait_for(
        "the worker has come to rest",
        Duration::from_secs(10),
        || {
            database
                .value("SELECT pending_reports = 0 AND reason <> 'starting' FROM synapsor_status()")
        },
    );
    let row = session
        .query_one(query, &[])
        .expect("the operator may see the status");
    let text = |n| row.get::<_, String>(n);
    let number = |n| row.get::<_, i64>(n).to_string();
    screen::table(
        [
            "state",
            "reason",
            "applied",
            "conflicts",
            "failed",
            "pending reports",
        ],
        [[text(0), text(1), number(2), number(3), number(4), number(5)]],
    );
    println!();
}
