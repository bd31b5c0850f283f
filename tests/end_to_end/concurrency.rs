//! Several sessions at once: each proposal is applied once.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use simulated_control_plane::{Endpoint, Fault, Quirk, Rule, Status};
use synapsor_testbed::Proposal;

use crate::background::{Background, timed};
use crate::stage::{Stage, Told, close, statuses};

const POLL: &str = "SELECT synapsor_poll_once()";

/// A table without any key: nothing but the ledger keeps a row from being inserted twice.
const NOTES: &str = "CREATE TABLE notes (note int); GRANT INSERT ON notes TO writer";

fn note(n: i64) -> Proposal {
    Proposal::insert("notes")
        .id(&format!("note_{n}"))
        .change("note", n)
}

#[test]
fn sessions_that_poll_at_once_apply_two_hundred_inserts_two_hundred_times() {
    const SESSIONS: usize = 3;
    const ROUNDS: i64 = 10;
    let stage = Stage::new();
    stage.database.execute(NOTES);
    // Everything stays listed, so that every poll meets everything.
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::quirk(Quirk::KeepListed)));
    let barrier = Barrier::new(SESSIONS);
    let session = |number: usize| {
        let mut operator = stage.operator();
        let polls = (0..ROUNDS).map(|round| {
            if number == 0 {
                (round * 20..(round + 1) * 20).for_each(|n| stage.approve(note(n)));
            }
            barrier.wait();
            operator.try_poll()
        });
        // A failure is raised when all are done: the others would wait at the barrier for ever.
        polls.collect::<Vec<_>>()
    };
    let polls = thread::scope(|scope| {
        let sessions: Vec<_> = (0..SESSIONS)
            .map(|n| scope.spawn(move || session(n)))
            .collect();
        sessions
            .into_iter()
            .flat_map(|session| session.join().unwrap())
            .collect::<Vec<_>>()
    });
    for poll in polls {
        assert!(
            statuses(&poll.unwrap())
                .iter()
                .all(|status| *status == "applied")
        );
    }
    stage.wait_for_reports();
    let rows = stage
        .database
        .rows("SELECT count(*), count(DISTINCT note) FROM notes");
    assert_eq!(rows, ["200|200"]);
    assert_eq!(stage.ledger("status = 'applied' AND attempts = 1"), 200);
    assert_eq!(stage.simulator.read(|c| c.count(Status::Approved)), 0);
}

#[test]
fn procedures_and_polls_at_once_apply_each_proposal_once() {
    let stage = Stage::new();
    stage.database.execute(NOTES);
    stage.database.set("synapsor.batch_size", 7);
    (0..100).for_each(|n| stage.approve(note(n)));
    thread::scope(|scope| {
        scope.spawn(|| stage.operator().call());
        scope.spawn(|| stage.operator().call());
        scope.spawn(|| (0..5).for_each(|_| drop(stage.poll())));
    });
    stage.wait_for_reports();
    let rows = stage
        .database
        .rows("SELECT count(*), count(DISTINCT note) FROM notes");
    assert_eq!(rows, ["100|100"]);
    assert_eq!(stage.simulator.read(|c| c.count(Status::Applied)), 100);
}

#[test]
fn a_poll_behind_one_that_stays_open_gives_up_after_lock_timeout() {
    let stage = Stage::new();
    stage.approve_closing(1..=3);
    let mut first = stage.operator();
    first.run("BEGIN");
    first.poll();
    stage.database.set("synapsor.lock_timeout", "300ms");
    let (took, result) = timed(|| stage.operator().try_poll());
    let told = Told::by(result);
    assert_eq!(
        (told.sqlstate.as_str(), told.code()),
        ("55P03", "APPLYING_ELSEWHERE")
    );
    assert!(told.hint.contains("pg_stat_activity"), "{}", told.hint);
    let expected = Duration::from_millis(300)..Duration::from_millis(1_500);
    assert!(expected.contains(&took), "it took {took:?}");
    first.run("COMMIT");
    stage.wait_for_reports();
    assert_eq!(stage.tickets("closed"), 3);
}

#[test]
fn a_poll_that_waited_for_another_applies_what_is_left() {
    let stage = Stage::new();
    stage.approve_closing(1..=3);
    let mut first = stage.operator();
    first.run("BEGIN");
    first.poll();
    stage.approve(close(4));
    let second = Background::run(&stage, POLL);
    let arrived = |calls| {
        stage
            .simulator
            .wait_for(|c| c.calls(Endpoint::List) == calls, Duration::from_secs(5))
    };
    assert!(arrived(2));
    assert!(!second.has_ended());
    first.run("COMMIT");
    second.end().1.unwrap();
    stage.wait_for_reports();
    assert_eq!(stage.tickets("closed"), 4);
    assert_eq!(stage.ledger("attempts = 1"), 4);
}

#[test]
fn a_poll_that_waited_for_one_that_was_rolled_back_applies_it_all() {
    let stage = Stage::new();
    stage.approve_closing(1..=3);
    let mut first = stage.operator();
    first.run("BEGIN");
    first.poll();
    let second = Background::run(&stage, POLL);
    first.run("ROLLBACK");
    second.end().1.unwrap();
    stage.wait_for_reports();
    assert_eq!(stage.tickets("closed"), 3);
}

#[test]
fn a_snapshot_from_before_the_wait_fails_rather_than_applying_twice() {
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        let stage = Stage::new();
        stage.database.execute(NOTES);
        (0..3).for_each(|n| stage.approve(note(n)));
        let mut first = stage.operator();
        first.run("BEGIN");
        first.poll();
        let mut session = stage.operator();
        session.run(&format!("SET default_transaction_isolation = '{level}'"));
        let second = Background::run_in(session.0, POLL);
        assert!(
            stage
                .simulator
                .wait_for(|c| c.calls(Endpoint::List) == 2, Duration::from_secs(5))
        );
        first.run("COMMIT");
        let told = Told::by(second.end().1);
        assert_eq!(told.sqlstate, "40001", "{level}: {}", told.message);
        stage.wait_for_reports();
        assert_eq!(stage.database.value::<i64>("SELECT count(*) FROM notes"), 3);
    }
}

#[test]
fn databases_of_one_cluster_do_not_hold_each_other_up() {
    let (one, other) = (Stage::new(), Stage::new());
    one.approve_closing(1..=3);
    other.approve_closing(1..=3);
    let mut open = one.operator();
    open.run("BEGIN");
    open.poll();
    assert_eq!(statuses(&other.poll()), ["applied"; 3]);
    other.wait_for_reports();
    open.run("ROLLBACK");
    assert_eq!((one.tickets("closed"), other.tickets("closed")), (0, 3));
}

#[test]
fn nobody_else_s_advisory_lock_holds_a_poll_up() {
    let stage = Stage::new();
    stage.approve_closing(1..=3);
    let mut stranger = stage.database.connect();
    let locks = "SELECT pg_advisory_lock(n), pg_advisory_lock(n, m)
                 FROM generate_series(0, 3) n, unnest(ARRAY[1937337953, 0, 1, 2, 3]) m";
    stranger.query(locks, &[]).unwrap();
    assert_eq!(statuses(&stage.poll()), ["applied"; 3]);
    stage.wait_for_reports();
}
