//! Which databases get a worker, and that each gets one.

use std::fs;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use simulated_control_plane::{Endpoint, Fault, Quirk, Rule, Status};
use synapsor_testbed::{Cluster, ClusterOptions, quote, wait_for};

use crate::stage::{Operator, PATIENCE, Stage, Told, close};
use crate::workers::{preloaded, processes};

const START: &str = "SELECT synapsor_start_worker()";

/// The setting, and a reload.
fn keep(cluster: &Cluster, list: &str) {
    let literal = list.replace('\'', "''");
    let postgres = cluster.database("postgres");
    let set = format!("ALTER SYSTEM SET synapsor.databases = '{literal}'");
    postgres.execute(&set);
    postgres.execute("SELECT pg_reload_conf()");
}

/// A database whose worker may connect, once somebody keeps one.
fn stage_on(cluster: &Cluster) -> Stage {
    let stage = Stage::on(cluster);
    stage.allow_worker();
    stage
}

fn workers(cluster: &Cluster) -> Vec<i32> {
    processes(cluster, "worker", "true")
}

fn launchers(cluster: &Cluster) -> Vec<i32> {
    processes(cluster, "launcher", "true")
}

fn wait_for_no_worker(cluster: &Cluster) {
    wait_for("no worker is left", PATIENCE, || {
        workers(cluster).is_empty()
    });
}

fn wait_for_one_launcher(cluster: &Cluster) {
    let is_alone = || launchers(cluster).len() == 1;
    wait_for("the other launchers leave", PATIENCE, is_alone);
}

fn times_logged(cluster: &Cluster, what: &str) -> usize {
    cluster.log().matches(what).count()
}

/// Reads the configuration anew, and waits until the launcher has looked what there is to keep.
fn wait_for_another_look(cluster: &Cluster) {
    let postgres = cluster.database("postgres");
    let before: String = postgres.value("SELECT clock_timestamp()::text");
    postgres.execute("SELECT pg_reload_conf()");
    let looked = format!(
        "SELECT coalesce(bool_and(state_change > '{before}'), false) FROM pg_stat_activity
         WHERE backend_type = 'synapsor_writeback launcher'"
    );
    wait_for("every launcher looks", PATIENCE, || postgres.value(&looked));
}

/// What `synapsor_start_worker()` says.
fn starts(stage: &Stage) -> bool {
    stage.operator().0.query_one(START, &[]).unwrap().get(0)
}

/// Ten calls that work of `synapsor_start_worker()`, each in a session of its own, at the same moment.
fn start_ten_times(stage: &Stage) {
    let sessions: Vec<_> = (0..10).map(|_| stage.operator()).collect();
    let barrier = Barrier::new(sessions.len());
    thread::scope(|scope| {
        for mut session in sessions {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                session.run(START);
            });
        }
    });
}

/// One worker works for this database, and one launcher is left in the cluster.
fn assert_one_of_each(cluster: &Cluster, stage: &Stage, ticket: i64) {
    stage.approve_closing(ticket..=ticket);
    stage.wait_for_applied(ticket);
    wait_for_one_launcher(cluster);
    assert_eq!(workers(cluster), stage.workers());
    assert_eq!(stage.workers().len(), 1);
    assert_eq!(stage.ledger("attempts = 1"), ticket);
}

#[test]
fn two_databases_share_a_cluster_and_a_control_plane_and_nothing_else() {
    let cluster = Cluster::start(preloaded());
    let (first, second) = (stage_on(&cluster), stage_on(&cluster));
    let plane = &first.simulator;
    second.database.execute(
        "CREATE ROLE second_writer LOGIN; GRANT SELECT, UPDATE (status) ON tickets TO second_writer",
    );
    second.database.set("synapsor.base_url", plane.base_url());
    second.database.set("synapsor.source_id", "src_2");
    second.database.set("synapsor.apply_role", "second_writer");
    keep(&cluster, &names([&first, &second]));
    let of_second = |ticket| close(ticket).field("source_id", "src_2");
    first.approve_closing(1..=3);
    plane.add_proposals((4..=6).map(of_second)).unwrap();
    first.wait_for_applied(3);
    second.wait_for_applied(3);
    // Not even where the control plane hands them over.
    let all_to_all = Fault::quirk(Quirk::IgnoreFilters);
    plane.inject(Rule::on(Endpoint::List, all_to_all));
    first.approve_closing(7..=8);
    plane.add_proposals((9..=10).map(of_second)).unwrap();
    first.wait_for_applied(5);
    second.wait_for_applied(5);
    assert_separate(&first, "1 2 3 7 8", "src_1 writer");
    assert_separate(&second, "4 5 6 9 10", "src_2 second_writer");
    assert_eq!(plane.read(|c| c.count(Status::Applied)), 10);
    assert_eq!(plane.breaches().len(), 0);
}

fn assert_separate(stage: &Stage, tickets: &str, who: &str) {
    let closed =
        "SELECT string_agg(id::text, ' ' ORDER BY id) FROM tickets WHERE status = 'closed'";
    assert_eq!(stage.database.value::<String>(closed), tickets);
    let ledger = "SELECT DISTINCT source_id || ' ' || applied_as FROM synapsor.ledger";
    assert_eq!(stage.database.rows(ledger), [who]);
}

/// The setting that names these databases.
fn names<'a>(stages: impl IntoIterator<Item = &'a Stage>) -> String {
    let names = stages.into_iter().map(|stage| quote(stage.database.name()));
    names.collect::<Vec<_>>().join(", ")
}

#[test]
fn a_database_may_have_any_name() {
    let cluster = Cluster::start(preloaded());
    let names = ["MixedCase", "Sales EU", "it's, eh", r#"say "hi""#, "Ü"];
    let stages = names.map(|name| stage_on(&cluster).renamed(&cluster, name));
    let list = r#"MixedCase,"Sales EU" , "it's, eh", "say ""hi""", Ü"#;
    keep(&cluster, list);
    for stage in &stages {
        stage.approve_closing(1..=1);
    }
    for stage in &stages {
        stage.wait_for_applied(1);
        assert_eq!(stage.workers().len(), 1);
        let name: String = stage.status().0.get("database");
        assert_eq!(name, stage.database.name());
    }
    assert_eq!(times_logged(&cluster, "does not exist"), 0);
}

#[test]
fn a_reload_adds_databases_and_takes_them_away() {
    let cluster = Cluster::start(preloaded());
    let (first, second) = (stage_on(&cluster), stage_on(&cluster));
    keep(&cluster, first.database.name());
    let worker = first.running_worker();
    assert_eq!(workers(&cluster), [worker]);
    keep(&cluster, &names([&first, &second]));
    second.running_worker();
    assert_eq!(first.workers(), [worker]);
    keep(&cluster, second.database.name());
    wait_for("the first worker leaves", PATIENCE, || {
        first.workers().is_empty()
    });
    first.approve_closing(1..=1);
    assert_eq!(first.status().state(), "stopped");
    let reason = first.status().reason();
    assert!(reason.contains("synapsor.databases"), "{reason}");
    keep(&cluster, "");
    wait_for_no_worker(&cluster);
    assert_eq!(first.simulator.status("wrp_1"), Some(Status::Approved));
    keep(&cluster, &names([&first, &second]));
    first.wait_for_applied(1);
    second.running_worker();
    assert_eq!(launchers(&cluster).len(), 1);
}

#[test]
fn a_name_that_does_not_exist_is_logged_once_and_noticed_when_it_does() {
    let cluster = Cluster::start(preloaded());
    let stage = stage_on(&cluster);
    let list = format!("later, {}", stage.database.name());
    keep(&cluster, &list);
    stage.running_worker();
    for _ in 0..3 {
        wait_for_another_look(&cluster);
    }
    let complaint = r#"synapsor.databases names "later", which does not exist"#;
    assert_eq!(times_logged(&cluster, complaint), 1);
    let later = stage_on(&cluster).renamed(&cluster, "later");
    later.approve_closing(1..=1);
    later.wait_for_applied(1);
    assert_eq!(times_logged(&cluster, complaint), 1);
}

#[test]
fn a_database_that_is_dropped_and_created_again_is_kept_again() {
    let cluster = Cluster::start(preloaded());
    let (stage, other) = (stage_on(&cluster), stage_on(&cluster));
    let name = stage.database.name();
    keep(&cluster, name);
    stage.running_worker();
    let drop_it = format!("DROP DATABASE {name} WITH (FORCE)");
    cluster.database("postgres").execute(&drop_it);
    let at_rest = "query = 'synapsor_writeback: no database to keep a worker for'";
    let gives_up = || processes(&cluster, "launcher", at_rest).len() == 1;
    wait_for("the launcher gives it up", PATIENCE, gives_up);
    wait_for_another_look(&cluster);
    assert_eq!(workers(&cluster), [0; 0]);
    let missing = format!("synapsor.databases names \"{name}\", which does not exist");
    assert_eq!(times_logged(&cluster, &missing), 1);

    let other = other.renamed(&cluster, name);
    other.approve_closing(1..=1);
    other.wait_for_applied(1);
    assert_eq!(workers(&cluster), other.workers());
    assert_eq!(times_logged(&cluster, "was terminated by signal"), 0);
}

#[test]
fn a_malformed_list_changes_nothing_and_is_logged_once() {
    let cluster = Cluster::start(preloaded());
    let stage = stage_on(&cluster);
    let name = stage.database.name();
    keep(&cluster, name);
    let worker = stage.running_worker();
    let complaint = "synapsor.databases is not a list of names";
    for malformed in [r#""unclosed"#, "a,,b", "two words", ","] {
        keep(&cluster, malformed);
        wait_for_another_look(&cluster);
        wait_for_another_look(&cluster);
        assert_eq!(times_logged(&cluster, complaint), 1, "{malformed}");
        assert_eq!(stage.running_worker(), worker);
    }
    keep(&cluster, "");
    wait_for_no_worker(&cluster);
    keep(&cluster, name);
    stage.running_worker();
}

#[test]
fn however_often_and_by_however_many_it_is_started_there_is_one_worker() {
    let options = ClusterOptions::default().setting("max_worker_processes", 32);
    let cluster = Cluster::start(options);
    let stage = stage_on(&cluster);
    stage.database.set("synapsor.poll_interval", "100ms");
    start_ten_times(&stage);
    assert_one_of_each(&cluster, &stage, 1);
    let worker = stage.workers();
    for _ in 0..10 {
        assert!(!starts(&stage));
    }
    assert_one_of_each(&cluster, &stage, 2);
    start_ten_times(&stage);
    assert_one_of_each(&cluster, &stage, 3);
    assert_eq!(stage.workers(), worker);
}

#[test]
fn what_the_preloaded_launcher_keeps_gets_no_second_worker_by_hand() {
    let cluster = Cluster::start(preloaded());
    let stage = stage_on(&cluster);
    keep(&cluster, stage.database.name());
    let worker = stage.running_worker();
    assert!(!starts(&stage));
    start_ten_times(&stage);
    assert_one_of_each(&cluster, &stage, 1);
    assert_eq!(stage.workers(), [worker]);
}

#[test]
fn a_worker_that_was_started_by_hand_stays_the_only_one_when_the_setting_names_its_database() {
    let cluster = Cluster::start(preloaded());
    let stage = stage_on(&cluster);
    stage.start_worker();
    let worker = stage.running_worker();
    assert_eq!(launchers(&cluster).len(), 2);
    keep(&cluster, stage.database.name());
    for n in 1..=3 {
        wait_for_another_look(&cluster);
        stage.approve_closing(n..=n);
        stage.wait_for_applied(n);
        assert_eq!(workers(&cluster), [worker]);
    }
    // The launcher of the setting takes over when the other one leaves.
    stage.operator().run("SELECT synapsor_stop_worker()");
    wait_for_one_launcher(&cluster);
    wait_for_another_look(&cluster);
    stage.operator().run(START);
    assert_one_of_each(&cluster, &stage, 4);
    assert_eq!(times_logged(&cluster, "WARNING"), 0);
}

#[test]
fn a_start_that_comes_while_the_worker_finds_that_it_is_stopped_is_not_lost() {
    let cluster = Cluster::start(preloaded());
    let stage = stage_on(&cluster);
    stage.operator().run("SELECT synapsor_stop_worker()");
    let mut session = Operator(stage.database.connect());
    session.run("BEGIN; LOCK TABLE synapsor.hold IN ACCESS EXCLUSIVE MODE");
    keep(&cluster, stage.database.name());
    // It will see what was true before it began to wait.
    stage.worker_that("wait_event_type = 'Lock'");
    session.run(START);
    session.run("COMMIT");
    assert_one_of_each(&cluster, &stage, 1);
}

#[test]
fn without_a_free_slot_a_start_fails_and_changes_nothing_where_it_would_have() {
    // One slot for the logical replication launcher, one for ours, and one for a worker.
    let cluster = Cluster::start(ClusterOptions::default().setting("max_worker_processes", 3));
    let (first, second) = (stage_on(&cluster), stage_on(&cluster));
    first.start_worker();
    let worker = first.running_worker();
    second.operator().run("SELECT synapsor_stop_worker()");
    let before = second.status().reason();
    let told = Told::by(second.operator().0.query_one(START, &[]));
    assert_eq!(told.sqlstate, "53400");
    assert_eq!(told.code(), "NO_WORKER_SLOT");
    assert!(told.hint.contains("max_worker_processes"), "{}", told.hint);
    assert_eq!(second.status().state(), "stopped");
    assert_eq!(second.status().reason(), before);
    assert!(!starts(&first), "it runs already");
    assert_eq!(first.running_worker(), worker);
}

#[test]
fn a_database_without_a_free_slot_says_so_and_gets_its_worker_once_there_is_one() {
    // One slot for the logical replication launcher, one for ours, and one for a worker.
    let cluster = Cluster::start(preloaded().setting("max_worker_processes", 3));
    let (first, second) = (stage_on(&cluster), stage_on(&cluster));
    keep(&cluster, first.database.name());
    first.running_worker();
    keep(&cluster, &names([&first, &second]));
    second.wait_for_reason("no background worker slot is free");
    assert_eq!(second.status().state(), "stopped");
    let name = second.database.name();
    let complaint = format!("database \"{name}\": no worker: no background worker slot is free");
    assert_eq!(times_logged(&cluster, &complaint), 1);
    second.approve_closing(1..=1);
    first.operator().run("SELECT synapsor_stop_worker()");
    second.wait_for_applied(1);
    assert_eq!(workers(&cluster), second.workers());
    assert_eq!(times_logged(&cluster, &complaint), 1);
}

/// The processor time that processes have used so far, all their threads. To the nanosecond: of work that is short, the clock's ticks
/// in `stat` see nothing.
fn processor_time(processes: &[i32]) -> Duration {
    let threads = |pid: &i32| fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of_thread = |thread: fs::DirEntry| -> u64 {
        let stat = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        let first = stat.split_whitespace().next();
        first.map_or(0, |time| time.parse().unwrap())
    };
    let threads = processes.iter().flat_map(threads).map(Result::unwrap);
    Duration::from_nanos(threads.map(of_thread).sum())
}

#[test]
fn twenty_databases_are_kept_at_once_and_cost_next_to_nothing() {
    const WINDOW: Duration = Duration::from_secs(2);
    let options = preloaded()
        .setting("synapsor.poll_interval", "5s")
        .setting("max_worker_processes", 32);
    let cluster = Cluster::start(options);
    let stages: Vec<_> = (0..20).map(|_| stage_on(&cluster)).collect();
    for stage in &stages {
        stage.approve_closing(1..=1);
    }
    keep(&cluster, &names(&stages));
    for stage in &stages {
        stage.wait_for_applied(1);
    }
    let processes = [workers(&cluster), launchers(&cluster)].concat();
    assert_eq!(processes.len(), stages.len() + 1);
    let before = processor_time(&processes);
    assert!(before > Duration::ZERO, "they had to start");
    // There is nothing to wait for: nothing is to happen.
    thread::sleep(WINDOW);
    let used = processor_time(&processes) - before;
    assert!(used < WINDOW / 5, "{used:?} in {WINDOW:?}");
    assert_eq!([workers(&cluster), launchers(&cluster)].concat(), processes);
}
