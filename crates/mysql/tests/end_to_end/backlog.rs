//! A long backlog: worked off in one go, in little memory, with somebody watching.

use std::time::{Duration, Instant};

use simulated_control_plane::{Endpoint, JournalMode, Options};
use synapsor_mysql_testbed::{Flavor, shared, wait_for};

use crate::program::Running;
use crate::stage::Stage;
use crate::terminal::Dialogue;

/// The longest that the long backlog may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// A stage on which so many inserts are approved, of which the control plane keeps counts only.
fn stage_with(inserts: i64) -> Stage {
    let options = Options {
        journal: JournalMode::CountsOnly,
        ..Options::default()
    };
    let stage = Stage::with(shared(Flavor::MariaDb), options);
    let proposals = (1..=inserts).map(|n| {
        let insert = stage.insert("tickets").id(&format!("new_{n}"));
        insert.change("id", 1000 + n).change("tenant_id", "acme")
    });
    stage.simulator.add_proposals(proposals).unwrap();
    stage
}

#[test]
fn fifty_thousand_proposals_are_worked_off_in_flat_memory() {
    const ALL: u64 = 50_000;
    /// In kB.
    const MB: u64 = 1024;
    let stage = stage_with(ALL.cast_signed());
    let start = Instant::now();
    let mut poll = Running::start(&mut stage.program(&["poll-once"]));
    let reported = || stage.simulator.calls(Endpoint::Report);
    wait_for("a tenth", PATIENCE, || reported() >= ALL / 10);
    let (at_a_tenth, mut most) = (poll.memory(), 0);
    wait_for("the end", PATIENCE, || {
        most = most.max(poll.memory());
        !poll.is_running()
    });
    eprintln!(
        "{ALL} proposals in {:?}; {at_a_tenth} kB at a tenth, {most} kB at most",
        start.elapsed()
    );
    assert_eq!(poll.wait().code(), Some(0));
    assert_eq!(reported(), ALL);
    let rows = stage.number("SELECT count(*) FROM tickets WHERE id > 1000");
    assert_eq!(rows, ALL.cast_signed());
    let ledger = format!(
        "SELECT count(*) FROM {}.ledger WHERE status = 'applied' AND report_state = 'delivered'",
        stage.ledger()
    );
    assert_eq!(stage.number(&ledger), ALL.cast_signed());
    assert!(most < 100 * MB, "{most} kB");
    assert!(
        most < at_a_tenth + 30 * MB,
        "it grew from {at_a_tenth} kB to {most} kB"
    );
}

#[test]
fn somebody_at_a_terminal_sees_how_far_it_is() {
    let stage = stage_with(1_500);
    let (seen, code) = Dialogue::start(stage.program(&["poll-once"])).end();
    assert_eq!(code, 0, "{seen}");
    for part in [
        "/1000 proposals",
        "applying",
        "left",
        "1500 proposals: 1500 applied",
        "… and 1450 more",
    ] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
}

#[test]
fn nobody_sees_a_bar_where_nobody_looks() {
    let stage = stage_with(300);
    for format in ["json", "human"] {
        let mut poll = Running::start(stage.program(&["poll-once"]).args(["--output", format]));
        assert_eq!(poll.wait().code(), Some(0));
        assert_eq!(poll.stderr(), "");
    }
    let flags = ["poll-once", "--dry-run", "--json"];
    let (seen, _) = Dialogue::start(stage.program(&flags)).end();
    assert!(!seen.contains('\u{1b}'), "{seen}");
}
