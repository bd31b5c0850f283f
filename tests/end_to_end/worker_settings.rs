//! A worker that lacks something says what, waits for it, and goes on by itself; settings reach it without a restart.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use simulated_control_plane::{Endpoint, Options, Simulator};
use synapsor_testbed::{Cluster, Proposal, WRITER, wait_for};

use crate::background::timed;
use crate::stage::{PATIENCE, SHARED, Stage, close};
use crate::workers::preloaded;

/// "Within a few seconds", on a busy machine.
const A_FEW_SECONDS: Duration = Duration::from_secs(8);

impl Stage {
    /// Takes back what the database has set.
    fn reset(&self, name: &str) {
        let database = self.database.name();
        self.database
            .execute(&format!("ALTER DATABASE {database} RESET {name}"));
    }

    /// Has changes made as a role that no other test knows.
    fn own_writer(&self) -> String {
        let role = format!("{WRITER}_of_{}", self.database.name());
        self.database.execute(&format!(
            "CREATE ROLE {role} LOGIN; GRANT {WRITER} TO {role}"
        ));
        self.database.set("synapsor.apply_role", &role);
        role
    }

    /// Does something that makes the worker another process, and waits until that one works.
    fn replaces_worker(&self, change: impl FnOnce()) {
        let before = self.running_worker();
        change();
        wait_for("another worker works", PATIENCE, || {
            let status = self.status();
            status.state() == "running"
                && status.reason().contains("polling")
                && status.worker_pid().is_some_and(|pid| pid != before)
        });
    }
}

/// The worker idles, says `said` once, and does nothing; once it is cured it goes on by itself.
fn idles_until_cured(
    said: &str,
    spoil: impl FnOnce(&Stage, &str),
    cure: impl FnOnce(&Stage, &str),
) {
    let stage = Stage::new();
    let writer = stage.own_writer();
    spoil(&stage, &writer);
    stage.approve_closing(1..=1);
    stage.start_worker();
    stage.wait_for_state("idle");
    stage.wait_for_reason(said);
    // It looks each second.
    thread::sleep(Duration::from_millis(2_500));
    let status = stage.status();
    assert_eq!(status.state(), "idle");
    assert_eq!(
        status.0.get::<_, Option<SystemTime>>("next_attempt_at"),
        None
    );
    assert_eq!(
        (stage.tickets("closed"), stage.simulator.journal().len()),
        (0, 0)
    );

    let cured = Instant::now();
    cure(&stage, &writer);
    stage.wait_for_applied(1);
    let took = cured.elapsed();
    assert!(took < A_FEW_SECONDS, "it took {took:?}");
    assert_eq!(stage.status().state(), "running");
    let lines = stage.logged(&SHARED);
    let idle: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("idle: "))
        .collect();
    assert_eq!(idle.len(), 1, "{lines:#?}");
    assert!(idle[0].contains(said), "{lines:#?}");
}

/// Runs a statement about the worker's role and database.
fn sql(statement: &str) -> impl FnOnce(&Stage, &str) {
    move |stage, writer| {
        let statement = statement.replace("{writer}", writer);
        let statement = statement.replace("{database}", stage.database.name());
        stage.database.execute(&statement);
    }
}

#[test]
fn a_worker_without_a_role_idles_until_there_is_one() {
    idles_until_cured(
        "APPLY_ROLE_NOT_SET",
        sql("ALTER DATABASE {database} RESET synapsor.apply_role"),
        sql("ALTER DATABASE {database} SET synapsor.apply_role = '{writer}'"),
    );
}

#[test]
fn a_worker_whose_role_is_missing_idles_until_it_is_created() {
    idles_until_cured(
        "APPLY_ROLE_MISSING",
        sql("ALTER DATABASE {database} SET synapsor.apply_role = '{writer}_2'"),
        sql("CREATE ROLE {writer}_2 LOGIN; GRANT writer TO {writer}_2"),
    );
}

#[test]
fn a_worker_whose_role_is_above_the_rules_idles_until_it_is_not() {
    idles_until_cured(
        "is a superuser",
        sql("ALTER ROLE {writer} SUPERUSER"),
        sql("ALTER ROLE {writer} NOSUPERUSER"),
    );
    idles_until_cured(
        "bypasses row security",
        sql("ALTER ROLE {writer} BYPASSRLS"),
        sql("ALTER ROLE {writer} NOBYPASSRLS"),
    );
}

#[test]
fn a_worker_whose_role_could_write_the_ledger_idles_until_it_can_not() {
    idles_until_cured(
        "could write the ledger",
        sql("GRANT UPDATE (report_state) ON synapsor.ledger TO {writer}"),
        sql("REVOKE UPDATE (report_state) ON synapsor.ledger FROM {writer}"),
    );
}

#[test]
fn a_worker_whose_role_may_not_connect_idles_until_that_is_granted() {
    idles_until_cured(
        "APPLY_ROLE_CANNOT_CONNECT",
        sql(
            "REVOKE CONNECT ON DATABASE {database} FROM PUBLIC; GRANT CONNECT ON DATABASE {database} TO ops",
        ),
        sql("GRANT CONNECT ON DATABASE {database} TO {writer}"),
    );
}

/// Writes the stage's key file.
fn write_key(stage: &Stage, mode: u32) -> PathBuf {
    let name = format!("key_{}", stage.database.name());
    SHARED.file(&name, "syn_simulated_key", mode)
}

#[test]
fn a_worker_without_a_key_idles_until_there_is_a_file() {
    idles_until_cured(
        "API_KEY_MISSING",
        |stage, _| stage.reset("synapsor.api_key_file"),
        |stage, _| {
            let file = write_key(stage, 0o600);
            stage.database.set("synapsor.api_key_file", file.display());
        },
    );
    idles_until_cured(
        "API_KEY_FILE_MISSING",
        |stage, _| fs::remove_file(write_key(stage, 0o600)).unwrap(),
        |stage, _| drop(write_key(stage, 0o600)),
    );
}

#[test]
fn a_worker_whose_key_others_can_read_idles_until_they_can_not() {
    idles_until_cured(
        "API_KEY_FILE_EXPOSED",
        |stage, _| drop(write_key(stage, 0o644)),
        |stage, _| drop(write_key(stage, 0o600)),
    );
}

#[test]
fn a_worker_without_a_source_idles_until_it_is_named() {
    idles_until_cured(
        "SOURCE_NOT_CONFIGURED",
        |stage, _| stage.reset("synapsor.source_id"),
        |stage, _| stage.database.set("synapsor.source_id", "src_1"),
    );
}

#[test]
fn a_worker_with_a_bad_url_or_authority_idles_until_it_is_put_right() {
    for (name, value, said) in [
        (
            "synapsor.base_url",
            "http://example.com",
            "BASE_URL_INSECURE",
        ),
        ("synapsor.base_url", "nonsense", "BASE_URL_SCHEME"),
        (
            "synapsor.ca_file",
            "/nonexistent/ca.pem",
            "CA_FILE_UNREADABLE",
        ),
    ] {
        idles_until_cured(
            said,
            |stage, _| stage.database.set(name, value),
            |stage, _| match name {
                "synapsor.base_url" => stage.database.set(name, stage.simulator.base_url()),
                _ => stage.reset(name),
            },
        );
    }
}

#[test]
fn a_worker_whose_extension_is_gone_idles_until_it_is_there_again() {
    let stage = Stage::new();
    stage.start_worker();
    stage.worker_that_sleeps();
    stage
        .database
        .execute("DROP EXTENSION synapsor_writeback CASCADE");
    stage.worker_that("query LIKE '%idle: EXTENSION_MISSING%'");
    stage.approve_closing(1..=1);
    let (took, ()) = timed(|| {
        stage.database.create_extension();
        stage.database.create_roles();
        stage.wait_for_applied(1);
    });
    assert!(took < A_FEW_SECONDS, "it took {took:?}");
}

#[test]
fn a_worker_goes_on_step_by_step_as_alter_system_sets_what_it_lacks() {
    let cluster = Cluster::start(preloaded());
    let stage = Stage::on(&cluster);
    let key = cluster.key_file("key", "syn_simulated_key");
    stage.reset("ALL");
    stage.allow_worker();
    stage.keep();
    stage.approve_closing(1..=1);
    let set = |name: &str, value: &str| {
        let mut session = stage.database.connect();
        let set = format!("ALTER SYSTEM SET {name} = '{value}'");
        session.batch_execute(&set).unwrap();
        session.batch_execute("SELECT pg_reload_conf()").unwrap();
    };
    set("synapsor.base_url", &stage.simulator.base_url());
    for (missing, name, value) in [
        ("APPLY_ROLE_NOT_SET", "synapsor.apply_role", WRITER),
        ("SOURCE_NOT_CONFIGURED", "synapsor.source_id", "src_1"),
        (
            "API_KEY_MISSING",
            "synapsor.api_key_file",
            key.to_str().unwrap(),
        ),
    ] {
        stage.wait_for_reason(missing);
        assert_eq!(stage.status().state(), "idle");
        set(name, value);
    }
    stage.wait_for_applied(1);
    let worker = stage.running_worker();
    set("synapsor.poll_interval", "30ms");
    stage.wait_for_reason("every 0.03 s");
    assert_eq!(stage.running_worker(), worker, "the same worker");

    another_control_plane_and_back(&stage);
}

/// What the database says goes before what the system says, and without it the system's counts again.
fn another_control_plane_and_back(stage: &Stage) {
    let other = Simulator::start(Options::default()).unwrap();
    stage.replaces_worker(|| stage.database.set("synapsor.base_url", other.base_url()));
    stage.approve_closing(2..=2);
    other.add_proposal(close(3)).unwrap();
    stage.wait_for_applied(2);
    assert!(other.final_word("wrp_3").is_some());
    assert!(stage.simulator.final_word("wrp_2").is_none());
    stage.replaces_worker(|| stage.reset("synapsor.base_url"));
    stage.wait_for_applied(3);
    assert!(stage.simulator.final_word("wrp_2").is_some());
}

#[test]
fn source_and_interval_of_a_database_can_be_changed_under_a_running_worker() {
    let stage = Stage::new();
    stage.start_worker();
    stage.wait_for_reason("source src_1 every 5 s");
    stage.replaces_worker(|| stage.database.set("synapsor.poll_interval", "20ms"));
    stage.wait_for_reason("every 0.02 s");
    stage.wait_for_polls(20);

    stage.replaces_worker(|| stage.database.set("synapsor.source_id", "src_2"));
    stage.approve_closing(1..=1);
    stage.approve(close(2).field("source_id", "src_2"));
    stage.wait_for_applied(1);
    assert_eq!(stage.ledger("proposal_id = 'wrp_2'"), 1);
    stage.reset("synapsor.source_id");
    stage.wait_for_reason("SOURCE_NOT_CONFIGURED");
    stage.database.set("synapsor.source_id", "src_1");
    stage.wait_for_applied(2);

    stage.replaces_worker(|| stage.reset("synapsor.poll_interval"));
    stage.wait_for_reason("every 5 s");
}

#[test]
fn the_batch_size_of_a_database_can_be_changed_under_a_running_worker() {
    let stage = Stage::new();
    stage.database.set("synapsor.poll_interval", "50ms");
    stage.start_worker();
    // A batch is written down by one statement.
    let batches = |condition: &str| {
        let query =
            format!("SELECT count(DISTINCT decided_at) FROM synapsor.ledger WHERE {condition}");
        stage.database.value::<i64>(&query)
    };
    stage.replaces_worker(|| stage.database.set("synapsor.batch_size", 10));
    stage.approve_closing(1..=30);
    stage.wait_for_applied(30);
    assert_eq!(batches("true"), 3);
    let first = "decided_at <= (SELECT max(decided_at) FROM synapsor.ledger WHERE key = 'key_30')";
    stage.replaces_worker(|| stage.reset("synapsor.batch_size"));
    stage.approve_closing(31..=60);
    stage.wait_for_applied(60);
    assert_eq!(batches(&format!("NOT ({first})")), 1);
}

#[test]
fn a_dry_run_writes_and_reports_nothing_and_says_no_word_of_it_again_and_again() {
    let stage = Stage::new();
    stage.database.set("synapsor.poll_interval", "20ms");
    stage.database.set("synapsor.dry_run", "on");
    stage.approve_closing(1..=3);
    let hopeless = Proposal::update("nowhere").id("wrp_0").key("id", 1);
    stage.approve(hopeless.change("status", "closed"));
    stage.start_worker();
    stage.wait_for_polls(50);
    assert_eq!((stage.tickets("closed"), stage.ledger("true")), (0, 0));
    assert_eq!(stage.simulator.calls(Endpoint::Report), 0);
    let lines = stage.logged(&SHARED);
    assert_eq!(lines.len(), 2, "it started, and it polls: {lines:#?}");
    stage.reset("synapsor.dry_run");
    stage.wait_for_applied(3);
    assert_eq!(stage.ledger("status = 'failed'"), 1);
}

#[test]
fn settings_of_the_role_reach_the_worker_and_do_no_harm() {
    let stage = Stage::new();
    let writer = stage.own_writer();
    stage.database.set("synapsor.poll_interval", "50ms");
    stage.start_worker();
    let set = format!("ALTER ROLE {writer} SET work_mem = '16MB'");
    stage.replaces_worker(|| stage.database.execute(&set));
    stage.approve_closing(1..=1);
    stage.wait_for_applied(1);
    assert_eq!(
        stage.logged(&SHARED).len(),
        5,
        "started, runs, replaced, started, runs"
    );
}

#[test]
fn a_role_that_names_another_apply_role_is_neither_applied_as_nor_started_over_and_over() {
    let stage = Stage::new();
    let writer = stage.own_writer();
    stage.database.set("synapsor.poll_interval", "50ms");
    stage.start_worker();
    stage.running_worker();
    stage.database.execute(&format!(
        "ALTER ROLE {writer} SET synapsor.apply_role = '{WRITER}'"
    ));
    stage.wait_for_state("idle");
    stage.approve_closing(1..=1);
    let lines = || stage.logged(&SHARED).len();
    let before = lines();
    thread::sleep(Duration::from_secs(4));
    assert_eq!(lines(), before, "{:#?}", stage.logged(&SHARED));
    assert_eq!(stage.tickets("closed"), 0);
    let reason = stage.status().reason();
    assert!(reason.contains("synapsor.apply_role"), "{reason}");
    let reset = format!("ALTER ROLE {writer} RESET synapsor.apply_role");
    stage.database.execute(&reset);
    stage.wait_for_applied(1);
}
