//! A worker that was asked to stop stops, whatever it waits for, and stays away until somebody wants it back.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use simulated_control_plane::{Endpoint, Fault, Rule, RuleId, Status};
use synapsor_testbed::{Cluster, Shutdown, wait_for};

use crate::slow_resolver::cluster_with_a_slow_resolver;
use crate::stage::{Operator, PATIENCE, Stage, Told};
use crate::workers::{A_SECOND, preloaded};

const STOP: &str = "SELECT synapsor_stop_worker()";
const START: &str = "SELECT synapsor_start_worker()";

/// How long it is watched that nothing happens: longer than a launcher waits until it starts a worker again.
const WATCH: Duration = Duration::from_secs(3);

/// A second is the promise; the machine may be busy with other things.
const IN_TIME: Duration = Duration::from_secs(3);

/// What only an operator may call.
const CALLS: &[&str] = &[
    START,
    STOP,
    "SELECT synapsor_pause()",
    "SELECT synapsor_resume()",
    "SELECT synapsor_wake()",
    "SELECT * FROM synapsor_status()",
];

impl Operator {
    /// What a function says that answers yes or no.
    fn says(&mut self, sql: &str) -> bool {
        self.0.query_one(sql, &[]).unwrap().get(0)
    }
}

fn started() -> Stage {
    let stage = Stage::new();
    stage.database.set("synapsor.poll_interval", "100ms");
    stage.database.set("synapsor.lock_timeout", "1h");
    stage.start_worker();
    stage.running_worker();
    stage
}

fn wait_until_gone(stage: &Stage) {
    let is_gone = || stage.workers().is_empty();
    wait_for("the worker has gone", IN_TIME, is_gone);
}

fn assert_stays_stopped(stage: &Stage) {
    wait_until_gone(stage);
    let watch = Instant::now();
    while watch.elapsed() < WATCH {
        assert_eq!(stage.workers(), [0; 0]);
        let status = stage.status();
        let shown = (status.state(), status.worker_pid());
        assert_eq!(shown, ("stopped".to_owned(), None));
        let reason = status.reason();
        assert!(reason.contains("synapsor_stop_worker()"), "{reason}");
        assert!(reason.contains("by ops"), "{reason}");
        thread::sleep(A_SECOND / 10);
    }
}

/// A process that comes up only to see that it is not wanted is none of anybody's business.
fn assert_asks_for_nothing(stage: &Stage) {
    wait_until_gone(stage);
    let watch = Instant::now();
    let before = stage.simulator.calls(Endpoint::List);
    while watch.elapsed() < WATCH {
        assert_eq!(stage.simulator.calls(Endpoint::List), before);
        assert_eq!(stage.status().state(), "stopped");
        thread::sleep(A_SECOND / 10);
    }
}

/// It works, and there is one of it: this ticket is applied, after so many others.
fn assert_works(stage: &Stage, ticket: i64) {
    stage.approve_closing([ticket]);
    stage.wait_for_applied(ticket);
    assert_eq!(stage.tickets("closed"), ticket);
    wait_for("there is one, and status shows it", PATIENCE, || {
        let worker = stage.status().worker_pid();
        worker.is_some_and(|worker| stage.workers() == [worker])
    });
    assert_eq!(stage.status().state(), "running");
}

#[test]
fn a_stopped_worker_stays_away_until_it_is_started_again() {
    let stage = started();
    let mut operator = stage.operator();
    assert!(!operator.says(START));
    assert!(operator.says(STOP));
    assert!(!operator.says(STOP));
    stage.approve_closing([1]);
    assert_stays_stopped(&stage);
    assert_eq!((stage.tickets("closed"), stage.ledger("true")), (0, 0));
    assert!(!operator.says("SELECT synapsor_wake()"));
    assert!(operator.says(START));
    stage.wait_for_applied(1);
    assert_works(&stage, 2);
}

#[test]
fn a_stopped_worker_stays_away_over_a_restart_and_a_crash() {
    let mut cluster = Cluster::start(preloaded());
    let stage = Stage::kept_on(&cluster);
    assert_works(&stage, 1);
    stage.operator().run(STOP);
    stage.approve_closing([2]);
    assert_stays_stopped(&stage);
    cluster.restart(Shutdown::Fast);
    assert_asks_for_nothing(&stage);
    assert_stays_stopped(&stage);
    cluster.kill_backend(stage.launcher());
    assert_asks_for_nothing(&stage);
    assert_stays_stopped(&stage);
    stage.operator().run(START);
    stage.wait_for_applied(2);
    assert_works(&stage, 3);
    cluster.restart(Shutdown::Fast);
    assert_works(&stage, 4);
}

#[test]
fn the_last_of_many_starts_and_stops_counts() {
    let cluster = Cluster::start(preloaded());
    for stage in [started(), Stage::kept_on(&cluster)] {
        assert_works(&stage, 1);
        let mut operator = stage.operator();
        for _ in 0..10 {
            operator.run(STOP);
            operator.run(START);
        }
        assert_works(&stage, 2);
        for _ in 0..10 {
            operator.run(START);
            operator.run(STOP);
        }
        assert_asks_for_nothing(&stage);
        assert_stays_stopped(&stage);
        operator.run(START);
        assert_works(&stage, 3);
    }
}

#[test]
fn the_last_of_a_stop_and_a_start_in_one_transaction_counts() {
    let cluster = Cluster::start(preloaded());
    for stage in [started(), Stage::kept_on(&cluster)] {
        assert_works(&stage, 1);
        let mut operator = stage.operator();
        operator.run(&format!("BEGIN; {STOP}; {START}; COMMIT"));
        assert_works(&stage, 2);
        for _ in 0..2 {
            operator.run(&format!("BEGIN; {START}; {STOP}; COMMIT"));
            assert_asks_for_nothing(&stage);
            assert_stays_stopped(&stage);
        }
        operator.run(&format!("BEGIN; {STOP}; {START}; COMMIT"));
        assert_works(&stage, 3);
    }
}

/// A statement in transactions that come to nothing.
fn undone(statement: &str) -> [String; 3] {
    [
        format!("BEGIN; {statement}; ROLLBACK"),
        format!("BEGIN; SAVEPOINT a; {statement}; ROLLBACK TO a; COMMIT"),
        format!(
            "DO $$ BEGIN {statement}; RAISE 'no'; EXCEPTION WHEN raise_exception THEN NULL; END $$"
        )
        .replace("SELECT", "PERFORM"),
    ]
}

#[test]
fn a_stop_or_a_start_that_is_rolled_back_has_no_effect() {
    let stage = started();
    let worker = stage.running_worker();
    let mut operator = stage.operator();
    for undone in undone(STOP) {
        operator.run(&undone);
        let watch = Instant::now();
        while watch.elapsed() < WATCH {
            assert_eq!(stage.workers(), [worker], "{undone}");
            assert_eq!(stage.status().state(), "running", "{undone}");
        }
    }
    assert_works(&stage, 1);
    operator.run(STOP);
    for undone in undone(START) {
        operator.run(&undone);
        assert_stays_stopped(&stage);
    }
    operator.run(START);
    assert_works(&stage, 2);
}

#[test]
fn a_worker_whose_launcher_has_just_ended_can_be_stopped_as_well() {
    let stage = started();
    let trap = Trap::set(Place::RowLock, &stage, 1);
    let worker = trap.catch(&stage);
    let launcher = stage.launcher();
    stage.terminate(launcher);
    wait_for("another launcher is there", PATIENCE, || {
        stage.launcher() != launcher
    });
    let asked = Instant::now();
    stage.operator().run(STOP);
    wait_for_the_end(worker, asked);
    assert_stays_stopped(&stage);
    trap.assert_nothing_came_of_it(&stage);
    trap.lift(&stage);
}

#[test]
fn nobody_can_touch_the_worker_until_it_is_granted() {
    let stage = started();
    stage
        .database
        .execute("CREATE ROLE passer_by; GRANT writer TO passer_by");
    for role in ["passer_by", "writer"] {
        let mut session = stage.database.connect();
        session.batch_execute(&format!("SET ROLE {role}")).unwrap();
        for call in CALLS {
            let told = Told::by(session.batch_execute(call));
            assert_eq!(told.sqlstate, "42501", "{role}: {call}: {}", told.message);
        }
    }
    assert_works(&stage, 1);
    let mut operator = stage.operator();
    for call in CALLS {
        operator.run(call);
    }
}

/// How a worker is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Function,
    Signal,
    Shutdown,
}

impl Way {
    fn ask(self, cluster: &mut Cluster, stage: &Stage, worker: i32) {
        match self {
            Way::Function => stage.operator().run(STOP),
            Way::Signal => stage.terminate(worker),
            Way::Shutdown => cluster.stop(Shutdown::Fast),
        }
    }
}

/// What a worker waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    RowLock,
    Fetching,
    Reporting,
    LookingUpAName,
}

/// A fault that a worker runs into with a proposal, until it is lifted.
struct Trap {
    place: Place,
    ticket: i64,
    hung: Option<RuleId>,
}

impl Trap {
    fn set(place: Place, stage: &Stage, ticket: i64) -> Self {
        let hang = |endpoint| Some(stage.simulator.inject(Rule::on(endpoint, Fault::hang())));
        let mut hung = None;
        match place {
            // Prepared, so that it outlives the server.
            Place::RowLock => stage.database.execute(&format!(
                "BEGIN; SELECT FROM tickets WHERE id = {ticket} FOR UPDATE; PREPARE TRANSACTION 'a lock'"
            )),
            Place::Fetching => hung = hang(Endpoint::List),
            Place::Reporting => hung = hang(Endpoint::Report),
            Place::LookingUpAName => stage.database.set("synapsor.base_url", "https://hung.example"),
        }
        stage.approve_closing([ticket]);
        Trap {
            place,
            ticket,
            hung,
        }
    }

    /// Waits until a worker is caught, and says which.
    fn catch(&self, stage: &Stage) -> i32 {
        if let Some(hung) = self.hung {
            let is_caught = || stage.simulator.applied(hung) > 0;
            wait_for("a call hangs", PATIENCE, is_caught);
        }
        stage.worker_that(match self.place {
            Place::RowLock => "wait_event_type = 'Lock'",
            Place::Reporting => "query LIKE '%: delivering reports'",
            Place::Fetching | Place::LookingUpAName => {
                "query LIKE '%: fetching approved proposals' AND wait_event_type = 'Extension'"
            }
        })
    }

    /// The proposal was neither applied nor reported; one that hung in its report was applied before.
    fn assert_nothing_came_of_it(&self, stage: &Stage) {
        let owed = i64::from(self.place == Place::Reporting);
        let id = format!("wrp_{}", self.ticket);
        assert_eq!(stage.ledger(&format!("proposal_id = '{id}'")), owed);
        assert_eq!(stage.ledger("report_state = 'pending'"), owed);
        assert_eq!(stage.tickets("closed"), self.ticket - 1 + owed);
        assert_eq!(stage.simulator.status(&id), Some(Status::Approved));
    }

    fn lift(&self, stage: &Stage) {
        match (self.place, self.hung) {
            (Place::RowLock, _) => stage.database.execute("ROLLBACK PREPARED 'a lock'"),
            (_, Some(hung)) => stage.simulator.withdraw(hung),
            (_, None) => {
                let base_url = stage.simulator.base_url();
                stage.database.set("synapsor.base_url", base_url);
            }
        }
    }
}

fn wait_for_the_end(worker: i32, asked: Instant) {
    let process = format!("/proc/{worker}");
    let has_ended = || !Path::new(&process).exists();
    wait_for("the worker ends", PATIENCE, has_ended);
    let took = asked.elapsed();
    assert!(took < IN_TIME, "it took {took:?}");
}

/// A worker that waits there ends as soon as it is asked, in each way; the next one does the work, once.
fn assert_stops_while(place: Place, cluster: &mut Cluster) {
    let stage = Stage::on(cluster);
    stage.allow_worker();
    stage.database.set("synapsor.lock_timeout", "1h");
    // One that is caught again before the fault is lifted gets away.
    stage.database.set("synapsor.request_timeout", "5s");
    stage.database.set("synapsor.connect_timeout", "5s");
    stage.keep();
    assert_works(&stage, 1);
    for (ticket, way) in (2..).zip([Way::Function, Way::Signal, Way::Shutdown]) {
        stage.operator().run(STOP);
        wait_until_gone(&stage);
        let trap = Trap::set(place, &stage, ticket);
        stage.operator().run(START);
        let worker = trap.catch(&stage);

        let asked = Instant::now();
        way.ask(cluster, &stage, worker);
        wait_for_the_end(worker, asked);
        if way == Way::Shutdown {
            cluster.resume();
        }
        trap.assert_nothing_came_of_it(&stage);
        trap.lift(&stage);
        if way == Way::Function {
            stage.operator().run(START);
        }
        stage.wait_for_applied(ticket);
        let heard = stage.simulator.reports_for(&format!("wrp_{ticket}"));
        assert_eq!(heard.len(), 1, "{place:?}, {way:?}");
    }
    assert_works(&stage, 5);
    assert_eq!(stage.ledger("attempts = 1"), 5);
}

#[test]
fn a_worker_that_waits_for_a_row_stops_within_a_second() {
    assert_stops_while(Place::RowLock, &mut Cluster::start(preloaded()));
}

#[test]
fn a_worker_that_fetches_from_a_hung_control_plane_stops_within_a_second() {
    assert_stops_while(Place::Fetching, &mut Cluster::start(preloaded()));
}

#[test]
fn a_worker_that_reports_to_a_hung_control_plane_stops_within_a_second() {
    assert_stops_while(Place::Reporting, &mut Cluster::start(preloaded()));
}

#[test]
fn a_worker_that_looks_up_a_name_stops_within_a_second() {
    let mut cluster = cluster_with_a_slow_resolver(preloaded());
    assert_stops_while(Place::LookingUpAName, &mut cluster);
}
