//! Asked to stop, the program stops within a second, whatever it waits for, and leaves nothing behind.

use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use simulated_control_plane::{ControlPlane, Endpoint, Fault, Rule};
use synapsor_mysql_testbed::{Flavor, wait_for};

use crate::agreement::{Deed, IN_TIME};
use crate::program::{PATIENCE, Running};
use crate::stage::Stage;
use crate::steps::{COMMIT, Step, poll_held_at};

on_both! {
    an_idle_program_stops_at_once
    a_program_that_waits_for_a_lock_stops_and_the_next_run_goes_on
    a_program_in_a_slow_statement_stops_and_the_statement_with_it
    a_program_in_a_slow_trigger_stops_and_the_trigger_soon_after
    a_program_that_waits_for_the_control_plane_stops
    a_program_in_the_middle_of_a_backlog_finishes_its_proposal_and_stops
    a_program_whose_database_hangs_stops
    a_program_whose_database_is_away_stops
    a_program_stopped_while_it_commits_leaves_the_truth_to_the_next_run
    a_second_signal_ends_it_at_once
}

const SIGNALS: [i32; 2] = [libc::SIGTERM, libc::SIGINT];

/// For ever, and once.
const COMMANDS: [&[&str]; 2] = [&["run", "--poll-interval", "50ms"], &["poll-once"]];

/// Asks it to stop: exit code 0, in time.
fn assert_stops(program: &mut Running, signal: i32) {
    let start = Instant::now();
    program.signal(signal);
    assert_eq!(program.wait().code(), Some(0));
    let took = start.elapsed();
    assert!(took < IN_TIME, "it took {took:?}");
}

impl Stage {
    /// Both commands, each with another signal, stopped once they have come to where `arrived` says; the next run applies ticket 1.
    fn assert_both_stop(&self, flags: &[&str], arrived: impl Fn(&Stage, &Running)) {
        for (command, signal) in COMMANDS.iter().zip(SIGNALS) {
            let arguments = [command, flags].concat();
            let mut program = Running::start(&mut self.program(&arguments));
            arrived(self, &program);
            assert_stops(&mut program, signal);
            self.wait_until_gone();
            self.assert_no_lie();
        }
    }

    fn assert_goes_on(&self, tickets: impl IntoIterator<Item = i64>) {
        self.simulator.clear_faults();
        assert_eq!(self.poll().code, Some(0));
        self.wait_until_alone();
        self.assert_applied_once(tickets.into_iter().map(|n| Deed::Close.id(n)));
    }
}

fn an_idle_program_stops_at_once(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    for signal in SIGNALS {
        let mut program = Running::start(&mut stage.program(&["run", "--poll-interval", "1h"]));
        program.wait_for_event("running");
        assert_stops(&mut program, signal);
        stage.wait_until_alone();
    }
}

fn a_program_that_waits_for_a_lock_stops_and_the_next_run_goes_on(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    stage.approve(stage.close(1));
    let mut holder = stage.hold(1);
    stage.assert_both_stop(&["--lock-timeout", "1h"], |stage, _| {
        stage.wait_until_stuck("LIMIT 2 FOR UPDATE");
    });
    assert_eq!(stage.ledger_column("close_1", "status"), None);
    holder.query_drop("ROLLBACK").unwrap();
    stage.assert_goes_on([1]);
}

fn a_program_in_a_slow_statement_stops_and_the_statement_with_it(flavor: Flavor) {
    // A view whose condition sleeps, and which runs as the writer.
    let stage = Stage::new(flavor).with_effects();
    stage.shop.execute(&format!(
        "CREATE SQL SECURITY INVOKER VIEW slow AS SELECT * FROM tickets WHERE SLEEP(60) = 0;
         GRANT SELECT, SHOW VIEW, UPDATE ON slow TO '{}'@'%'",
        stage.user
    ));
    stage.approve(
        stage
            .update("slow")
            .id("close_1")
            .key("id", 1)
            .change("status", "closed"),
    );
    stage.assert_both_stop(&[], |stage, _| stage.wait_until_stuck("`slow`"));
    stage
        .shop
        .execute("ALTER SQL SECURITY INVOKER VIEW slow AS SELECT * FROM tickets");
    stage.assert_goes_on([1]);
}

/// A trigger runs as its definer, whose statements the server does not let us end: it notices that we hung up.
fn a_program_in_a_slow_trigger_stops_and_the_trigger_soon_after(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    stage.shop.execute(
        "CREATE TRIGGER sleeps BEFORE UPDATE ON tickets FOR EACH ROW
             SET NEW.status = IF(SLEEP(60) = 0, NEW.status, 'slept')",
    );
    stage.approve(stage.close(1));
    let mut program = Running::start(&mut stage.program(&["poll-once"]));
    stage.wait_until_stuck("UPDATE");
    assert_stops(&mut program, libc::SIGTERM);
    wait_for("the trigger has ended", PATIENCE, || stage.is_unlocked());
    stage.assert_no_lie();
    stage.shop.execute("DROP TRIGGER sleeps");
    stage.assert_goes_on([1]);
}

fn a_program_that_waits_for_the_control_plane_stops(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    stage.approve(stage.close(1));
    for endpoint in [Endpoint::List, Endpoint::Report] {
        stage.simulator.inject(Rule::on(endpoint, Fault::hang()));
        let before = std::cell::Cell::new(stage.simulator.calls(endpoint));
        stage.assert_both_stop(&[], |stage, _| {
            let is_waiting = stage
                .simulator
                .wait_for(|c| c.calls(endpoint) > before.get(), PATIENCE);
            assert!(is_waiting, "it calls");
            before.set(stage.simulator.calls(endpoint));
        });
        stage.simulator.clear_faults();
    }
    stage.assert_goes_on([1]);
}

fn a_program_in_the_middle_of_a_backlog_finishes_its_proposal_and_stops(flavor: Flavor) {
    const COUNT: i64 = 400;
    let stage = Stage::new(flavor).with_effects();
    stage.approve_opening(1_000..1_000 + COUNT);
    for (n, (command, signal)) in (1..).zip(COMMANDS.iter().zip(SIGNALS)) {
        let mut program = Running::start(&mut stage.program(command));
        stage.wait_for_effects(n * COUNT / 8);
        assert_stops(&mut program, signal);
        if *command == COMMANDS[1] {
            let said = program.stdout();
            let summary = said.lines().last().unwrap_or_default();
            assert!(summary.contains(r#""ok":false"#), "{summary}");
            assert!(summary.contains(r#""stopped":true"#), "{summary}");
        }
        stage.wait_until_alone();
        stage.assert_no_lie();
    }
    assert!(
        stage.number("SELECT count(*) FROM effects") < COUNT,
        "in the middle"
    );
    assert_eq!(stage.poll().code, Some(0));
    stage.assert_applied_once((1_000..1_000 + COUNT).map(|n| Deed::Open.id(n)));
}

fn a_program_whose_database_hangs_stops(flavor: Flavor) {
    let (stage, proxy) = Stage::new(flavor).with_effects().behind_a_proxy();
    proxy.freeze();
    let before = std::cell::Cell::new(0);
    for (command, signal) in COMMANDS.iter().zip(SIGNALS) {
        let mut program = Running::start(&mut stage.program(command));
        wait_for("it connects", PATIENCE, || {
            proxy.connections() > before.get()
        });
        assert_stops(&mut program, signal);
        before.set(proxy.connections());
    }
    proxy.thaw();
    stage.approve(stage.close(1));
    stage.assert_goes_on([1]);
}

fn a_program_whose_database_is_away_stops(flavor: Flavor) {
    let (stage, proxy) = Stage::new(flavor).with_effects().behind_a_proxy();
    proxy.refuse();
    let mut program = stage.start();
    program.wait_for_event("DATABASE_UNREACHABLE");
    assert_stops(&mut program, libc::SIGTERM);
    proxy.admit();
    stage.approve(stage.close(1));
    stage.assert_goes_on([1]);
}

fn a_program_stopped_while_it_commits_leaves_the_truth_to_the_next_run(flavor: Flavor) {
    let (stage, proxy) = Stage::new(flavor).with_effects().behind_a_proxy();
    let moments = [Step::Before, Step::After].map(|moment| moment(COMMIT.to_owned()));
    for (ticket, moment) in (1..).zip(moments) {
        stage.approve(stage.close(ticket));
        let mut poll = poll_held_at(&stage, &proxy, &moment);
        assert_stops(&mut poll, libc::SIGTERM);
        proxy.thaw();
        stage.assert_goes_on(1..=ticket);
    }
}

fn a_second_signal_ends_it_at_once(flavor: Flavor) {
    // The first one gives it 900 ms.
    const AT_ONCE: Duration = Duration::from_millis(600);
    let stage = Stage::new(flavor).with_effects();
    stage.approve(stage.close(1));
    stage
        .simulator
        .inject(Rule::on(Endpoint::List, Fault::hang()));
    let end_with_two_signals = || {
        let before = stage.simulator.calls(Endpoint::List);
        let mut program = stage.start();
        let calls = |c: &ControlPlane| c.calls(Endpoint::List) > before;
        assert!(stage.simulator.wait_for(calls, PATIENCE), "it calls");
        program.signal(libc::SIGTERM);
        let start = Instant::now();
        program.signal(libc::SIGINT);
        assert_eq!(program.wait().code(), Some(0));
        start.elapsed()
    };
    // A busy machine may be slow, but not three times.
    let fastest = (0..3).map(|_| end_with_two_signals()).min().unwrap();
    assert!(fastest < AT_ONCE, "it took {fastest:?}");
    stage.assert_goes_on([1]);
}
