//! Copies of a database: a copy neither applies nor reports anything until somebody says that it shall.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use simulated_control_plane::{Endpoint, Fault, Options, Rule, Simulator, Status};
use synapsor_testbed::{
    Cluster, ClusterOptions, Database, OPERATOR, Shutdown, WRITER, quote, wait_for, within,
};

use crate::stage::{PATIENCE, SHARED, Stage, Told};
use crate::workers::preloaded;

/// Long enough for a worker that polls ten times a second to do what it must not.
const A_WHILE: Duration = Duration::from_secs(2);

/// A database of the shared cluster that is worth a copy: the first ticket's proposal is applied and reported, the second
/// one's applied, and the report owed.
pub fn original() -> Stage {
    let stage = Stage::new();
    stage.database.set("synapsor.poll_interval", "100ms");
    stage.approve_closing(1..=1);
    stage.poll();
    stage.wait_for_reports();
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::status(500)));
    stage.approve_closing(2..=2);
    stage.poll();
    stage.wait_for_a_failed_report();
    stage
}

/// A cluster that is no copy of the one with the original, and where the roles are there.
pub fn elsewhere(options: ClusterOptions) -> Cluster {
    let cluster = Cluster::start(options.with_its_own_identity());
    cluster.database("postgres").execute(&format!(
        "CREATE ROLE {WRITER} LOGIN; CREATE ROLE {OPERATOR} LOGIN; GRANT {WRITER} TO {OPERATOR}"
    ));
    cluster
}

/// Makes for a copy the settings that neither a dump nor a clone takes along. Its control plane lists the proposals that
/// the original's does, and a third one.
pub fn set_up_again(cluster: &Cluster, database: Database) -> Stage {
    let options = Options::default();
    let key = cluster.key_file(&format!("key_{}", database.name()), &options.api_key);
    let simulator = Simulator::start(options).unwrap();
    database.set("synapsor.base_url", simulator.base_url());
    database.set("synapsor.api_key_file", key.display());
    database.set("synapsor.source_id", "src_1");
    database.set("synapsor.apply_role", WRITER);
    database.set("synapsor.poll_interval", "100ms");
    let copy = Stage {
        simulator,
        database,
    };
    copy.approve_closing(2..=3);
    copy
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
}

/// `pg_dump` into a file.
pub fn dump(cluster: &Cluster, database: &Database, format: &str) -> PathBuf {
    let file = format!("{}.{format}", database.name());
    let file = cluster.socket_directory().join(file);
    let mut dump = cluster.program("pg_dump");
    dump.args(["--format", format, "--dbname", database.name(), "--file"]);
    run(dump.arg(&file));
    file
}

/// Restores a dump of the format `plain`.
pub fn restore(cluster: &Cluster, file: &PathBuf, database: &Database) {
    let mut psql = cluster.program("psql");
    psql.args(["--quiet", "--set", "ON_ERROR_STOP=1", "--dbname"]);
    run(psql.arg(database.name()).arg("--file").arg(file));
}

/// Restores a dump of the format `custom`.
fn pg_restore(cluster: &Cluster, file: &PathBuf, database: &Database) {
    let mut restore = cluster.program("pg_restore");
    restore.args(["--exit-on-error", "--dbname", database.name()]);
    run(restore.arg(file));
}

/// Whoever asks, and however long a worker has: nothing is applied, and the control plane hears nothing.
fn assert_paused(copy: &Stage) {
    for call in [
        "SELECT synapsor_poll_once()",
        "CALL synapsor_poll()",
        "SELECT synapsor_report_once()",
    ] {
        let told = Told::by(copy.operator().0.batch_execute(call));
        assert_eq!(told.code(), "DATABASE_COPIED", "{call}");
        assert!(told.hint.contains("synapsor_resume()"), "{}", told.hint);
    }
    let heard = within(A_WHILE, || !copy.simulator.journal().is_empty());
    assert!(!heard, "{:?}", copy.simulator.journal());
    let status = copy.status();
    assert_eq!(status.state(), "paused");
    let reason = status.reason();
    assert!(reason.starts_with("DATABASE_COPIED: "), "{reason}");
    assert!(reason.contains("synapsor_resume()"), "{reason}");
    assert_eq!(copy.tickets("closed"), 2);
    let rows = [
        "status = 'applied'",
        "report_state = 'delivered'",
        "report_state = 'pending'",
    ];
    assert_eq!(rows.map(|rows| copy.ledger(rows)), [2, 1, 1]);
}

/// `synapsor_status()` says whether there is a worker beside the pause.
fn assert_says_whether_a_worker_runs(copy: &Stage, runs: bool) {
    let status = copy.status();
    assert_eq!(status.worker_pid().is_some(), runs);
    let says_none = status.reason().contains("No worker is running");
    assert_eq!(says_none, !runs, "{}", status.reason());
}

fn wait_for_worker(copy: &Stage) {
    wait_for("a worker is there", PATIENCE, || {
        copy.status().worker_pid().is_some() && copy.workers().len() == 1
    });
}

/// What the original left owed is reported, and what is new is applied.
fn assert_works_once_resumed(copy: &Stage) {
    copy.operator().run("SELECT synapsor_resume()");
    copy.wait_for_applied(3);
    assert_eq!(copy.tickets("closed"), 3);
    assert_eq!(copy.ledger("attempts = 1"), 3);
    assert_eq!(copy.simulator.read(|c| c.count(Status::Applied)), 2);
    assert_eq!(copy.status().state(), "running");
}

#[test]
fn a_restored_dump_is_paused_until_it_is_resumed_and_works_then_for_good() {
    let original = original();
    let file = dump(&SHARED, &original.database, "plain");
    let mut elsewhere = elsewhere(preloaded());
    let copy = set_up_again(&elsewhere, elsewhere.create_database("restored"));
    restore(&elsewhere, &file, &copy.database);
    assert_says_whether_a_worker_runs(&copy, false);
    copy.keep();
    wait_for_worker(&copy);
    assert_paused(&copy);
    assert_says_whether_a_worker_runs(&copy, true);
    elsewhere.restart(Shutdown::Fast);
    wait_for_worker(&copy);
    assert_paused(&copy);

    assert_works_once_resumed(&copy);
    elsewhere.restart(Shutdown::Fast);
    copy.approve_closing(4..=4);
    copy.wait_for_applied(4);
    elsewhere.kill_all();
    elsewhere.resume();
    copy.approve_closing(5..=5);
    copy.wait_for_applied(5);
}

#[test]
fn a_dump_restored_by_pg_restore_is_paused_also_for_a_worker_that_is_started_by_hand() {
    let original = original();
    let file = dump(&SHARED, &original.database, "custom");
    let elsewhere = elsewhere(ClusterOptions::default());
    let copy = set_up_again(&elsewhere, elsewhere.create_database("restored"));
    pg_restore(&elsewhere, &file, &copy.database);
    assert_paused(&copy);
    assert_says_whether_a_worker_runs(&copy, false);
    copy.start_worker();
    assert_paused(&copy);
    assert_says_whether_a_worker_runs(&copy, true);
    assert_works_once_resumed(&copy);
}

#[test]
fn the_same_oid_in_another_cluster_does_not_make_a_copy_the_original() {
    let first = elsewhere(ClusterOptions::default());
    let second = elsewhere(ClusterOptions::default());
    let stage = Stage::on(&first);
    let copy = set_up_again(&second, second.create_database(stage.database.name()));
    let oid = "SELECT oid FROM pg_database WHERE datname = current_database()";
    assert_eq!(
        stage.database.value::<u32>(oid),
        copy.database.value::<u32>(oid)
    );
    let file = dump(&first, &stage.database, "plain");
    restore(&second, &file, &copy.database);
    let told = Told::by(copy.operator().try_poll());
    assert_eq!(told.code(), "DATABASE_COPIED");
    assert_eq!(stage.poll()["ok"], true);
}

#[test]
fn a_dump_restored_in_the_place_of_the_original_is_paused_until_it_is_resumed() {
    let original = original();
    let name = original.database.name().to_owned();
    let file = dump(&SHARED, &original.database, "plain");
    let postgres = SHARED.database("postgres");
    postgres.execute(&format!("DROP DATABASE {}", quote(&name)));
    let copy = set_up_again(&SHARED, SHARED.create_database(&name));
    restore(&SHARED, &file, &copy.database);
    copy.start_worker();
    assert_paused(&copy);
    assert_works_once_resumed(&copy);
}

#[test]
fn a_clone_is_paused_until_it_is_resumed_and_the_original_goes_on() {
    let original = original();
    original.start_worker();
    original.operator().run("SELECT synapsor_stop_worker()");
    wait_for("the worker ends", PATIENCE, || {
        original.workers().is_empty()
    });
    let name = format!("{}_clone", original.database.name());
    let create = format!(
        "CREATE DATABASE {} TEMPLATE {}",
        quote(&name),
        quote(original.database.name())
    );
    SHARED.database("postgres").execute(&create);
    let clone = set_up_again(&SHARED, SHARED.database(&name));
    assert_paused(&clone);
    assert_says_whether_a_worker_runs(&clone, false);
    clone.start_worker();
    assert_paused(&clone);

    original.simulator.clear_faults();
    original.start_worker();
    original.approve_closing(3..=3);
    original.wait_for_applied(3);
    assert_paused(&clone);
    assert_works_once_resumed(&clone);
    original.approve_closing(4..=4);
    original.wait_for_applied(4);
    assert_eq!(
        (original.tickets("closed"), clone.tickets("closed")),
        (4, 3)
    );
}

#[test]
fn a_database_that_is_renamed_goes_on() {
    let mut stage = original();
    stage.simulator.clear_faults();
    let name = format!("{}_renamed", stage.database.name());
    let rename = format!(
        "ALTER DATABASE {} RENAME TO {}",
        quote(stage.database.name()),
        quote(&name)
    );
    SHARED.database("postgres").execute(&rename);
    stage.database = SHARED.database(&name);
    stage.approve_closing(3..=3);
    assert_eq!(stage.poll()["count"], 1);
    stage.start_worker();
    stage.approve_closing(4..=4);
    stage.wait_for_applied(4);
    assert_eq!(stage.status().0.get::<_, String>("database"), name);
}

#[test]
fn a_pause_survives_a_restart_and_a_dump() {
    let mut cluster = Cluster::start(preloaded());
    let stage = Stage::kept_on(&cluster);
    stage.running_worker();
    stage.operator().run("SELECT synapsor_pause()");
    stage.wait_for_state("paused");
    cluster.restart(Shutdown::Fast);
    wait_for_worker(&stage);
    stage.simulator.clear_journal();
    stage.approve_closing(1..=1);
    let heard = within(A_WHILE, || !stage.simulator.journal().is_empty());
    assert!(!heard, "{:?}", stage.simulator.journal());
    let reason = stage.status().reason();
    assert!(reason.starts_with("PAUSED: "), "{reason}");
    assert_eq!(Told::by(stage.operator().try_poll()).code(), "PAUSED");

    let file = dump(&cluster, &stage.database, "custom");
    let copy = set_up_again(&cluster, cluster.create_database("restored"));
    pg_restore(&cluster, &file, &copy.database);
    // What makes it a copy is not all that keeps it from working.
    copy.database.execute(
        "DELETE FROM synapsor.home;
         INSERT INTO synapsor.home SELECT system_identifier, oid
         FROM pg_control_system(), pg_database WHERE datname = current_database()",
    );
    let told = Told::by(copy.operator().try_poll());
    assert_eq!(told.code(), "PAUSED");
    copy.operator().run("SELECT synapsor_resume()");
    assert_eq!(copy.poll()["count"], 2);
    stage.operator().run("SELECT synapsor_resume()");
    stage.wait_for_applied(1);
}

#[test]
fn a_copy_of_the_files_is_idle_without_the_key_and_the_original_goes_on() {
    let mut cluster = Cluster::start(preloaded());
    let api_key = Options::default().api_key;
    let key = cluster.key_file("key", &api_key);
    cluster.configure("synapsor.api_key_file", key.display());
    let original = Stage::kept_on(&cluster);
    original.database.execute(&format!(
        "ALTER DATABASE {} RESET synapsor.api_key_file",
        quote(original.database.name())
    ));
    original.approve_closing(1..=1);
    cluster.restart(Shutdown::Fast);
    original.wait_for_applied(1);
    cluster.stop(Shutdown::Fast);
    let mut copied = cluster.copy_files();
    cluster.resume();
    let missing = copied.socket_directory().join("key");
    copied.configure("synapsor.api_key_file", missing.display());
    copied.start_copy();
    let copy = Stage {
        simulator: Simulator::start(Options::default()).unwrap(),
        database: copied.database(original.database.name()),
    };
    copy.database
        .set("synapsor.base_url", copy.simulator.base_url());
    copy.approve_closing(2..=2);

    assert_idle_without_a_key(&copy);
    original.approve_closing(2..=3);
    original.wait_for_applied(3);
    assert_eq!(copy.tickets("closed"), 1);
    // Whoever gives it the key says that it shall work, as after a restored backup.
    let _ = copied.key_file("key", &api_key);
    copy.wait_for_applied(2);
}

fn assert_idle_without_a_key(copy: &Stage) {
    copy.wait_for_state("idle");
    wait_for("it says why", PATIENCE, || {
        copy.status().reason().starts_with("API_KEY_FILE_MISSING: ")
    });
    let told = Told::by(copy.operator().try_poll());
    assert_eq!(told.code(), "API_KEY_FILE_MISSING");
    let heard = within(A_WHILE, || !copy.simulator.journal().is_empty());
    assert!(!heard, "{:?}", copy.simulator.journal());
    assert_eq!((copy.tickets("closed"), copy.ledger("true")), (1, 1));
}

/// A cluster that has its settings for all databases, and keeps a worker for one that is not there yet.
fn waiting_for_its_database(simulator: &Simulator, name: &str) -> Cluster {
    let cluster = elsewhere(preloaded().setting("synapsor.databases", name));
    let key = cluster.key_file("key", &Options::default().api_key);
    let postgres = cluster.database("postgres");
    for (name, value) in [
        ("base_url", simulator.base_url()),
        ("api_key_file", key.display().to_string()),
        ("source_id", "src_1".to_owned()),
        ("apply_role", WRITER.to_owned()),
    ] {
        postgres.execute(&format!("ALTER SYSTEM SET synapsor.{name} = '{value}'"));
    }
    postgres.execute("SELECT pg_reload_conf()");
    cluster
}

#[test]
fn a_worker_does_nothing_in_the_middle_of_a_restore() {
    let original = original();
    let file = dump(&SHARED, &original.database, "plain");
    let text = std::fs::read_to_string(&file).unwrap();
    // As long as the rows of a large table take.
    let slow = text.replacen("\nCOPY ", "\nSELECT pg_sleep(5);\n\nCOPY ", 1);
    assert_ne!(slow, text);

    let simulator = Simulator::start(Options::default()).unwrap();
    let elsewhere = waiting_for_its_database(&simulator, "restored");
    let file = elsewhere.file("slow.sql", &slow, 0o644);
    let copy = Stage {
        simulator,
        database: elsewhere.create_database("restored"),
    };
    copy.approve_closing(2..=3);
    wait_for("a worker is there", PATIENCE, || !copy.workers().is_empty());
    restore(&elsewhere, &file, &copy.database);
    assert_paused(&copy);
    wait_for_worker(&copy);
    assert_works_once_resumed(&copy);
}
