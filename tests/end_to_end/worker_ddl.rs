//! What people do to a database, its extension and its roles while the worker is in the middle of a cycle: it is in nobody's
//! way, and ends up where it should be.

use std::fmt::Debug;
use std::time::Duration;

use simulated_control_plane::{Endpoint, Fault, Rule};
use synapsor_testbed::{Cluster, OPERATOR, Shutdown, major_version, wait_for};

use crate::background::timed;
use crate::stage::{PATIENCE, SHARED, Stage, Told, close};
use crate::workers::{preloaded, processes};

/// What a second, which is the promise, may become on a busy machine.
const PROMPTLY: Duration = Duration::from_secs(3);

/// The requests that a cycle can hang in.
const REQUESTS: [Endpoint; 2] = [Endpoint::List, Endpoint::Report];

/// A database with an apply role of its own, so that what happens to that happens to nobody else's.
fn stage_on(cluster: &Cluster) -> Stage {
    let stage = Stage::on(cluster);
    stage.database.set("synapsor.poll_interval", "100ms");
    create_role(&stage);
    stage.database.set("synapsor.apply_role", role_of(&stage));
    stage
}

fn role_of(stage: &Stage) -> String {
    format!("{}_writer", stage.database.name())
}

fn create_role(stage: &Stage) {
    let role = role_of(stage);
    let login = if major_version() < 17 { "LOGIN" } else { "" };
    stage.database.execute(&format!(
        "CREATE ROLE {role} {login};
         GRANT SELECT, INSERT, DELETE, UPDATE (status, amount, version) ON tickets TO {role}"
    ));
}

fn create_extension(stage: &Stage) {
    stage.database.create_extension();
    let grant = format!("SELECT synapsor_grant_usage('{OPERATOR}')");
    stage.database.execute(&grant);
}

/// A worker in the middle of a request that nobody answers.
struct Hung {
    stage: Stage,
    endpoint: Endpoint,
    worker: i32,
}

impl Hung {
    /// With ticket 1 approved; it is applied already where the report hangs.
    fn new(endpoint: Endpoint) -> Self {
        let stage = stage_on(&SHARED);
        stage.start_worker();
        let worker = stage.running_worker();
        stage.simulator.inject(Rule::on(endpoint, Fault::hang()));
        stage.approve_closing(1..=1);
        let hung = Hung {
            stage,
            endpoint,
            worker,
        };
        wait_for("the worker hangs", PATIENCE, || hung.is_hanging());
        hung
    }

    fn is_hanging(&self) -> bool {
        let work = match self.endpoint {
            Endpoint::List => "fetching approved proposals",
            _ => "delivering reports",
        };
        let condition = format!("query LIKE '%{work}'");
        met_a_fault(&self.stage, self.endpoint) && workers(&self.stage, &condition).len() == 1
    }

    /// Runs statements in a session of their own, which has to be quick and to leave the worker in its request.
    fn meanwhile(&self, sql: &str) {
        promptly(sql, || self.stage.database.execute(sql));
        assert!(self.is_hanging(), "{sql}: the worker hangs no more");
    }

    /// The control plane answers again.
    fn release(&self) {
        let simulator = &self.stage.simulator;
        simulator.clear_faults();
        simulator.go_down();
        simulator.come_back().unwrap();
    }

    /// Waits until the worker is idle for this reason, which is logged once.
    fn wait_until_idle(&self, code: &str) {
        wait_for_idle(&self.stage, code);
        let status = self.stage.status();
        assert_eq!(status.state(), "idle");
        assert!(status.reason().contains(code), "{status:?}");
        let said = format!("database \"{}\": idle: {code}", self.stage.database.name());
        assert_eq!(SHARED.log().matches(&said).count(), 1, "{said}");
    }

    /// Ticket 1 and another one are applied and reported, by the only worker; nothing has crashed.
    fn assert_goes_on(&self) {
        self.stage.approve_closing(2..=2);
        self.stage.wait_for_applied(2);
        assert_eq!(self.stage.tickets("closed"), 2);
        assert_eq!(self.stage.workers().len(), 1);
        assert_no_crash(&SHARED);
    }
}

/// True once a request of this kind has met the fault that awaits it.
fn met_a_fault(stage: &Stage, endpoint: Endpoint) -> bool {
    let met = stage
        .simulator
        .requests_matching(|entry| entry.endpoint == endpoint && entry.fault.is_some());
    !met.is_empty()
}

fn while_it_hangs(test: impl Fn(Hung)) {
    REQUESTS.into_iter().map(Hung::new).for_each(test);
}

fn promptly<T: Debug>(what: &str, work: impl FnOnce() -> T) -> T {
    let (took, result) = timed(work);
    assert!(took < PROMPTLY, "{what}: it took {took:?}");
    result
}

fn assert_no_crash(cluster: &Cluster) {
    let log = cluster.log();
    let crashes: Vec<_> = log
        .lines()
        .filter(|line| line.contains("was terminated by signal") || line.contains("PANIC:"))
        .collect();
    assert_eq!(crashes, [""; 0]);
}

/// Waits until the worker says that it is idle for this reason.
fn wait_for_idle(stage: &Stage, code: &str) -> i32 {
    stage.worker_that(&format!("query LIKE 'synapsor_writeback: idle: {code}%'"))
}

/// The workers of this database, seen from another one.
fn workers(stage: &Stage, condition: &str) -> Vec<i32> {
    let name = stage.database.name();
    let condition = format!("datname = '{name}' AND {condition}");
    processes(&SHARED, "worker", &condition)
}

#[test]
fn drop_extension_is_let_through_and_the_worker_waits_for_another_one() {
    while_it_hangs(|hung| {
        hung.meanwhile("DROP EXTENSION synapsor_writeback");
        hung.release();
        wait_for_idle(&hung.stage, "EXTENSION_MISSING");
        create_extension(&hung.stage);
        hung.assert_goes_on();
    });
}

#[test]
fn an_extension_that_is_dropped_and_created_again_in_one_go_is_worked_with() {
    while_it_hangs(|hung| {
        hung.meanwhile("DROP EXTENSION synapsor_writeback");
        create_extension(&hung.stage);
        hung.release();
        hung.assert_goes_on();
    });
}

#[test]
fn a_worker_that_came_before_the_extension_works_as_soon_as_that_is_there() {
    let cluster = Cluster::start(preloaded());
    let stage = stage_on(&cluster);
    stage.database.execute("DROP EXTENSION synapsor_writeback");
    stage.keep();
    stage.approve_closing(1..=1);
    let worker = wait_for_idle(&stage, "EXTENSION_MISSING");
    assert_eq!(stage.simulator.journal().len(), 0);
    stage.database.create_extension();
    stage.wait_for_applied(1);
    assert_eq!(stage.workers(), [worker]);
    assert_no_crash(&cluster);
}

#[test]
fn drop_database_with_force_ends_the_worker_and_its_launcher() {
    while_it_hangs(|hung| {
        let database = &hung.stage.database;
        let oid: u32 =
            database.value("SELECT oid FROM pg_database WHERE datname = current_database()");
        let name = database.name();
        let drop_it = format!("DROP DATABASE {name} WITH (FORCE)");
        promptly(&drop_it, || SHARED.database("postgres").execute(&drop_it));
        assert_eq!(workers(&hung.stage, "true"), [0; 0]);
        let is_its_launcher = format!("query LIKE '% keeping a worker for {name}'");
        wait_for("the launcher leaves", PATIENCE, || {
            processes(&SHARED, "launcher", &is_its_launcher).is_empty()
        });
        // Nobody has tried again and again to connect to it.
        let missed = format!("database {oid} does not exist");
        assert!(SHARED.log().matches(&missed).count() <= 1, "{missed}");
        assert_no_crash(&SHARED);
    });
}

#[test]
fn drop_database_without_force_needs_the_worker_stopped_first() {
    while_it_hangs(|hung| {
        let drop_it = format!("DROP DATABASE {}", hung.stage.database.name());
        let postgres = SHARED.database("postgres");
        let told = Told::by(postgres.connect().batch_execute(&drop_it));
        assert_eq!(told.sqlstate, "55006");
        assert!(hung.is_hanging());
        promptly("the worker stops", || {
            hung.stage.operator().run("SELECT synapsor_stop_worker()");
            wait_for("the worker ends", PATIENCE, || {
                workers(&hung.stage, "true").is_empty()
            });
        });
        promptly(&drop_it, || postgres.execute(&drop_it));
        assert_no_crash(&SHARED);
    });
}

#[test]
fn dropping_another_database_is_not_held_up() {
    while_it_hangs(|hung| {
        let other = format!("{}_other", hung.stage.database.name());
        let _ = SHARED.create_database(&other);
        hung.meanwhile(&format!("DROP DATABASE {other}"));
        hung.release();
        hung.assert_goes_on();
    });
}

#[test]
fn an_update_of_the_extension_is_not_held_up_and_another_version_gets_another_worker() {
    while_it_hangs(|hung| {
        hung.meanwhile("ALTER EXTENSION synapsor_writeback UPDATE");
        // There is only one version to update to so far.
        hung.meanwhile(
            "UPDATE pg_extension SET extversion = '0.0.9' WHERE extname = 'synapsor_writeback'",
        );
        hung.release();
        wait_for("another process works", PATIENCE, || {
            let worker = hung.stage.status().worker_pid();
            worker.is_some_and(|worker| worker != hung.worker)
        });
        hung.assert_goes_on();
    });
}

#[test]
fn a_role_that_is_dropped_is_missed_and_works_once_it_is_there_again() {
    while_it_hangs(|hung| {
        let role = role_of(&hung.stage);
        let database = &hung.stage.database;
        database.execute(&format!(
            "CREATE TABLE belongings (); ALTER TABLE belongings OWNER TO {role}"
        ));
        hung.meanwhile(&format!("REASSIGN OWNED BY {role} TO postgres"));
        hung.meanwhile(&format!("DROP OWNED BY {role}"));
        hung.meanwhile(&format!("DROP ROLE {role}"));
        hung.release();
        hung.wait_until_idle("APPLY_ROLE_MISSING");
        create_role(&hung.stage);
        hung.assert_goes_on();
    });
}

/// A change of the apply role is let through, the worker idles and says this, and goes on once it is undone.
fn assert_heeded(change: &str, code: &str, undo: &str) {
    while_it_hangs(|hung| {
        let role = role_of(&hung.stage);
        let statement = |text: &str| text.replace("ROLE", &format!("ROLE {role}"));
        hung.meanwhile(&statement(change));
        hung.release();
        hung.wait_until_idle(code);
        hung.stage.database.execute(&statement(undo));
        hung.assert_goes_on();
    });
}

#[test]
fn a_role_that_becomes_a_superuser_is_not_worked_as_until_it_is_none() {
    let (change, undo) = ("ALTER ROLE SUPERUSER", "ALTER ROLE NOSUPERUSER");
    assert_heeded(change, "APPLY_ROLE_UNSAFE", undo);
}

#[test]
fn a_role_that_bypasses_row_security_is_not_worked_as_until_it_does_not() {
    let (change, undo) = ("ALTER ROLE BYPASSRLS", "ALTER ROLE NOBYPASSRLS");
    assert_heeded(change, "APPLY_ROLE_UNSAFE", undo);
}

#[test]
fn a_role_that_is_renamed_is_missed_until_the_setting_says_the_new_name() {
    while_it_hangs(|hung| {
        let role = role_of(&hung.stage);
        hung.meanwhile(&format!("ALTER ROLE {role} RENAME TO {role}_2"));
        hung.release();
        hung.wait_until_idle("APPLY_ROLE_MISSING");
        let new_name = format!("{role}_2");
        hung.stage.database.set("synapsor.apply_role", &new_name);
        hung.assert_goes_on();
        assert!(hung.stage.ledger(&format!("applied_as = '{new_name}'")) > 0);
    });
}

#[test]
fn what_arrives_after_the_ground_has_gone_is_not_applied() {
    const REACHES: [(&str, &str); 4] = [
        ("DROP EXTENSION synapsor_writeback", "EXTENSION_MISSING"),
        ("ALTER ROLE {} SUPERUSER", "APPLY_ROLE_UNSAFE"),
        ("ALTER ROLE {} BYPASSRLS", "APPLY_ROLE_UNSAFE"),
        ("DROP OWNED BY {}; DROP ROLE {}", "APPLY_ROLE_MISSING"),
    ];
    for (change, code) in REACHES {
        let stage = stage_on(&SHARED);
        stage.start_worker();
        stage.running_worker();
        let body = format!(r#"{{"ok": true, "proposals": [{}]}}"#, close(1));
        let late = Fault::body(200, body).and(Fault::latency(PROMPTLY));
        stage
            .simulator
            .inject(Rule::on(Endpoint::List, late).times(1));
        wait_for("the answer is on its way", PATIENCE, || {
            met_a_fault(&stage, Endpoint::List)
        });
        let change = change.replace("{}", &role_of(&stage));
        promptly(&change, || stage.database.execute(&change));
        wait_for_idle(&stage, code);
        assert_eq!(stage.tickets("closed"), 0, "{change}");
    }
}

#[test]
fn a_worker_that_sleeps_or_hangs_holds_no_lock_and_no_transaction() {
    let asleep = stage_on(&SHARED);
    asleep.database.set("synapsor.poll_interval", "1h");
    asleep.approve_closing(1..=1);
    asleep.start_worker();
    asleep.wait_for_applied(1);
    asleep.worker_that_sleeps();
    assert_in_nobody_s_way(&asleep);
    while_it_hangs(|hung| {
        assert_in_nobody_s_way(&hung.stage);
        assert!(hung.is_hanging());
    });
}

fn assert_in_nobody_s_way(stage: &Stage) {
    let is_free = "xact_start IS NULL AND backend_xid IS NULL AND backend_xmin IS NULL";
    assert_eq!(workers(stage, is_free), stage.workers());
    for sql in [
        "BEGIN; LOCK TABLE tickets, synapsor.ledger IN ACCESS EXCLUSIVE MODE NOWAIT; COMMIT",
        "ALTER TABLE tickets ADD COLUMN note text",
        "VACUUM FULL tickets",
        "CREATE INDEX CONCURRENTLY ON tickets (status)",
    ] {
        let mut session = stage.database.connect();
        promptly(sql, || session.batch_execute(sql)).unwrap();
    }
}

#[test]
fn a_shutdown_waits_for_no_request_and_the_worker_goes_on_after_the_next_start() {
    let mut cluster = Cluster::start(preloaded());
    let stage = stage_on(&cluster);
    stage.keep();
    let rounds =
        [Shutdown::Fast, Shutdown::Immediate].map(|how| REQUESTS.map(|endpoint| (how, endpoint)));
    for (n, (how, endpoint)) in (1..).zip(rounds.into_iter().flatten()) {
        stage.running_worker();
        stage.simulator.clear_journal();
        stage.simulator.inject(Rule::on(endpoint, Fault::hang()));
        stage.approve_closing(n..=n);
        wait_for("the worker hangs", PATIENCE, || {
            met_a_fault(&stage, endpoint)
        });
        promptly("the server stops", || cluster.stop(how));
        if how == Shutdown::Fast {
            assert_no_crash(&cluster);
        }
        stage.simulator.clear_faults();
        cluster.resume();
        stage.wait_for_applied(n);
        assert_eq!(stage.workers().len(), 1);
        assert_eq!(stage.ledger("attempts = 1"), n);
    }
}
