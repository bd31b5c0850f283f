//! Connections that are cut, killed, refused or frozen: one effect, one true word, and nobody has to be called.

use std::thread;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use synapsor_mysql_testbed::{Flavor, Server};

use crate::agreement::Deed;
use crate::stage::Stage;
use crate::steps::{self, Step, poll_with_held_at};
use crate::victims::{Changed, victim};

on_both! {
    a_connection_cut_at_any_step_costs_another_poll_at_most
    connections_cut_under_load_cost_nothing_but_time
    an_idle_session_that_an_administrator_kills_is_replaced
    a_busy_session_that_an_administrator_kills_costs_its_proposal_an_attempt_and_the_others_nothing
    a_statement_that_an_administrator_ends_is_tried_again
    a_database_that_refuses_connections_is_waited_for
    a_server_without_a_free_connection_is_waited_for
    a_frozen_server_is_given_up_in_time_and_taken_up_again
}

fn a_connection_cut_at_any_step_costs_another_poll_at_most(flavor: Flavor) {
    let (stage, proxy) = Stage::new(flavor).with_effects().behind_a_proxy();
    let mut applied = Vec::new();
    let count = steps::of_applying(&stage, Deed::Close).len();
    for number in 0..count {
        // Each step is cut in the story of one of the three; the statements of all three in the crashes.
        let deed = Deed::ALL[number % 3];
        let ticket = deed.ticket(number as i64 + 1);
        let step = steps::of_applying(&stage, deed)[number].clone();
        stage.approve(stage.propose(deed, ticket));
        step.cut(&proxy);
        let polled = stage.poll();
        assert!(matches!(polled.code, Some(0 | 75)), "{step:?}: {polled:?}");
        assert_eq!(proxy.cuts(), number + 1, "{step:?}");
        stage.assert_no_lie();
        assert_eq!(stage.poll().code, Some(0), "{step:?}");
        applied.push(deed.id(ticket));
        stage.assert_applied_once(&applied);
    }
}

fn connections_cut_under_load_cost_nothing_but_time(flavor: Flavor) {
    const COUNT: i64 = 200;
    let (stage, proxy) = Stage::new(flavor).with_effects().behind_a_proxy();
    stage.approve_opening(1_000..1_000 + COUNT);
    let mut program = stage.start_with(&["--batch-size", "20"]);
    for cut in 0..4 {
        stage.wait_for_effects(COUNT * (2 * cut + 1) / 8);
        proxy.cut_now();
    }
    stage.wait_for_reports(COUNT as usize);
    assert_eq!(program.terminate().0, Some(0));
    stage.assert_applied_once((1_000..1_000 + COUNT).map(|n| Deed::Open.id(n)));
}

fn an_idle_session_that_an_administrator_kills_is_replaced(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    let mut program = stage.start();
    for ticket in 1..=3 {
        stage.approve(stage.close(ticket));
        stage.wait_for_word(&Deed::Close.id(ticket));
        stage.for_each_session("KILL CONNECTION");
    }
    assert!(program.is_running());
    assert_eq!(program.terminate().0, Some(0));
    stage.assert_applied_once((1..=3).map(|n| Deed::Close.id(n)));
}

fn a_busy_session_that_an_administrator_kills_costs_its_proposal_an_attempt_and_the_others_nothing(
    flavor: Flavor,
) {
    let stage = Stage::new(flavor).with_effects();
    let error = killed_while_it_waits_for_a_lock(&stage, "KILL CONNECTION");
    let is_known =
        error.starts_with("DATABASE_CONNECTION_LOST: ") || error.starts_with("DATABASE_ERROR: ");
    assert!(is_known, "{error}");
}

fn a_statement_that_an_administrator_ends_is_tried_again(flavor: Flavor) {
    let stage = Stage::new(flavor).with_effects();
    let error = killed_while_it_waits_for_a_lock(&stage, "KILL QUERY");
    assert_eq!(error, "SQLSTATE 70100: ER_QUERY_INTERRUPTED");
}

/// The error of a proposal whose session is killed while it waits for the lock on ticket 2; all three are applied in the end.
fn killed_while_it_waits_for_a_lock(stage: &Stage, kill: &str) -> String {
    (1..=3).for_each(|ticket| stage.approve(stage.close(ticket)));
    let mut holder = stage.hold(2);
    let error = thread::scope(|scope| {
        let poll = scope.spawn(|| stage.poll());
        stage.wait_until_stuck("LIMIT 2 FOR UPDATE");
        stage.for_each_session(kill);
        let polled = poll.join().unwrap();
        assert_eq!(polled.code, Some(0), "{polled:?}");
        assert_eq!(polled.summary()["applied"], 2, "{polled:?}");
        let killed = polled.result(&Deed::Close.id(2));
        assert_eq!(killed["status"], "retrying");
        killed["error"].as_str().unwrap().to_owned()
    });
    stage.assert_no_lie();
    holder.query_drop("ROLLBACK").unwrap();
    assert_eq!(stage.poll().summary()["applied"], 1);
    stage.assert_applied_once((1..=3).map(|n| Deed::Close.id(n)));
    error
}

fn a_database_that_refuses_connections_is_waited_for(flavor: Flavor) {
    let (stage, proxy) = Stage::new(flavor).with_effects().behind_a_proxy();
    stage.approve(stage.close(1));
    proxy.refuse();
    let polled = stage.poll();
    assert_eq!(polled.code, Some(75), "{polled:?}");
    assert_eq!(polled.error()["error"], "DATABASE_UNREACHABLE");
    let mut program = stage.start();
    program.wait_for_event("DATABASE_UNREACHABLE");
    proxy.admit();
    stage.wait_for_word("close_1");
    assert_eq!(program.terminate().0, Some(0));
    stage.assert_applied_once(["close_1"]);
}

fn a_server_without_a_free_connection_is_waited_for(flavor: Flavor) {
    const MOST: usize = 10;
    let server = victim(flavor);
    let stage = Stage::on(&server).with_effects();
    stage.approve(stage.close(1));
    let _few = Changed::set(&server, "max_connections", MOST);
    let others = take_all_connections(&stage);
    let polled = stage.poll();
    assert_eq!(polled.code, Some(75), "{polled:?}");
    let error = polled.error()["message"].as_str().unwrap().to_owned();
    assert!(error.contains("ER_CON_COUNT_ERROR"), "{error}");
    let mut program = stage.start();
    program.wait_for_event("ER_CON_COUNT_ERROR");
    drop(others);
    stage.wait_for_word("close_1");
    assert_eq!(program.terminate().0, Some(0));
    stage.assert_applied_once(["close_1"]);
}

/// Sessions of the writer until there is none left to be had.
fn take_all_connections(stage: &Stage) -> Vec<mysql::Conn> {
    let url = stage.shop.url(&stage.user, &stage.password);
    let options = mysql::OptsBuilder::from_opts(mysql::Opts::from_url(&url).unwrap());
    let options = options.prefer_socket(false);
    let mut sessions = Vec::new();
    while let Ok(session) = mysql::Conn::new(options.clone()) {
        sessions.push(session);
    }
    sessions
}

fn a_frozen_server_is_given_up_in_time_and_taken_up_again(flavor: Flavor) {
    let mut server = victim(flavor);
    let (stage, proxy) = Stage::on(&server).with_effects().behind_a_proxy();
    stage.approve(stage.close(1));
    let limits = ["--statement-timeout", "1s", "--connect-timeout", "1s"];
    let changed = Step::After(steps::statement(&stage, Deed::Close));
    let mut poll = poll_with_held_at(&stage, &limits, &proxy, &changed);
    let frozen = Frozen::freeze(&mut server);
    let start = Instant::now();
    proxy.thaw();
    assert_eq!(poll.wait().code(), Some(75));
    let took = start.elapsed();
    assert!(
        took < Duration::from_secs(10),
        "a second for each thing, and the rest: {took:?}"
    );
    let mut program = stage.start_with(&limits);
    program.wait_for_event("a poll failed; it is tried again");
    drop(frozen);
    stage.wait_for_word("close_1");
    assert_eq!(program.terminate().0, Some(0));
    stage.assert_applied_once(["close_1"]);
}

/// A server whose clock stands still until this is dropped.
struct Frozen<'a>(&'a mut Server);

impl<'a> Frozen<'a> {
    fn freeze(server: &'a mut Server) -> Self {
        server.freeze();
        Frozen(server)
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.0.thaw();
    }
}

impl Stage {
    /// Does this to each session of the writer.
    fn for_each_session(&self, statement: &str) {
        let ids = self.shop.query_rows(&format!(
            "SELECT id FROM information_schema.processlist WHERE user = '{}'",
            self.user
        ));
        assert_ne!(ids.len(), 0, "no session to do it to");
        let mut root = self.shop.root();
        for id in ids.iter().flatten().flatten() {
            // One may be gone by itself.
            let _ = root.query_drop(format!("{statement} {id}"));
        }
    }
}
