//! What a person sees of the worker, in `synapsor_status()`, `pg_stat_activity`, statistics and log.

use std::time::SystemTime;

use postgres::types::FromSql;
use simulated_control_plane::{Endpoint, Fault, Rule};
use synapsor_testbed::{Proposal, WRITER, wait_for};

use crate::stage::{PATIENCE, SHARED, Stage, close};
use crate::workers::{A_SECOND, Status};

/// Appears in rows and proposals, and nowhere else.
const SECRET: &str = "planted-secret-4711";

/// The simulator's key.
const KEY: &str = "syn_simulated_key";

impl Status {
    fn get<'a, T: FromSql<'a>>(&'a self, column: &str) -> T {
        self.0.get(column)
    }

    fn time(&self, column: &str) -> Option<SystemTime> {
        self.get(column)
    }

    /// applied, conflicts, failed, retrying, pending and rejected reports
    fn numbers(&self) -> [i64; 6] {
        [
            "applied",
            "conflicts",
            "failed",
            "retrying",
            "pending_reports",
            "rejected_reports",
        ]
        .map(|column| self.get(column))
    }
}

#[test]
fn status_of_a_database_that_never_had_a_worker_says_how_to_get_one() {
    let stage = Stage::new();
    let status = stage.status();
    assert_eq!(status.get::<String>("database"), stage.database.name());
    assert_eq!(
        (status.state(), status.worker_pid()),
        ("stopped".to_owned(), None)
    );
    assert!(
        status.reason().contains("synapsor_start_worker()"),
        "{}",
        status.reason()
    );
    for time in [
        "last_poll_at",
        "last_error_at",
        "next_attempt_at",
        "oldest_pending_report",
    ] {
        assert_eq!(status.time(time), None, "{time}");
    }
    assert_eq!(status.get::<Option<String>>("last_error"), None);
    assert_eq!(status.numbers(), [0; 6]);
}

#[test]
fn status_follows_a_worker_through_running_backing_off_and_stopped() {
    let stage = Stage::polling_every("50ms");
    let status = stage.status();
    assert_eq!(stage.workers(), [status.worker_pid().unwrap()]);
    assert_eq!(status.get::<Option<String>>("last_error"), None);
    assert!(status.time("next_attempt_at").is_some());
    let first_poll = status.time("last_poll_at").unwrap();
    wait_for("it polls on", PATIENCE, || {
        stage.status().time("last_poll_at").unwrap() > first_poll
    });

    let fault = Fault::status(503).retry_after(60);
    stage.simulator.inject(Rule::on(Endpoint::List, fault));
    stage.wait_for_state("backing off");
    let error: String = stage.status().get("last_error");
    assert!(error.contains("HTTP 503"), "{error}");
    assert_eq!(stage.status().reason(), error);
    wait_for("it says when it tries again", PATIENCE, || {
        let status = stage.status();
        status.time("next_attempt_at")
            > status
                .time("last_error_at")
                .map(|then| then + 30 * A_SECOND)
    });

    stage.simulator.clear_faults();
    stage.wake();
    stage.wait_for_state("running");
    let status = stage.status();
    assert_eq!(
        status.get::<String>("last_error"),
        error,
        "it is remembered"
    );
    assert!(status.time("last_error_at") < status.time("last_poll_at"));

    stage.operator().run("SELECT synapsor_stop_worker()");
    wait_for("it has stopped", PATIENCE, || {
        stage.status().worker_pid().is_none()
    });
    let status = stage.status();
    assert_eq!(
        (status.state(), status.time("next_attempt_at")),
        ("stopped".to_owned(), None)
    );
    let reason = status.reason();
    let expected = [
        "synapsor_stop_worker()",
        "since 20",
        "by ops",
        "synapsor_start_worker()",
    ];
    assert!(
        expected.iter().all(|part| reason.contains(part)),
        "{reason}"
    );
}

/// Proposals that end in every way: two applied (one report pending, one rejected), two conflicts, one failed, one retrying.
fn approve_some_of_each(stage: &Stage) {
    for (id, status) in [("wrp_1", 503), ("wrp_2", 422)] {
        let fault = Rule::on(Endpoint::Report, Fault::status(status)).for_proposal(id);
        stage.simulator.inject(fault);
    }
    stage.approve_closing(1..=2);
    stage.approve(close(3).conflict("version", 7));
    stage.approve(close(4).key("id", 4_000));
    stage.approve(close(5).change("nowhere", 1));
    stage.approve_closing(6..=6);
}

#[test]
fn the_numbers_of_status_are_those_of_the_ledger() {
    let stage = Stage::new();
    stage.database.set("synapsor.poll_interval", "50ms");
    stage.database.set("synapsor.lock_timeout", "50ms");
    let mut holder = stage.database.connect();
    holder
        .batch_execute("BEGIN; SELECT FROM tickets WHERE id = 6 FOR UPDATE")
        .unwrap();
    approve_some_of_each(&stage);
    stage.start_worker();
    wait_for("all is decided and told", PATIENCE, || {
        stage.ledger("report_state = 'delivered'") == 3
            && stage.ledger("report_error IS NOT NULL") == 2
    });
    let status = stage.status();
    assert_eq!(status.numbers(), [2, 2, 1, 1, 1, 1]);
    let decided_at: SystemTime = stage
        .database
        .value("SELECT decided_at FROM synapsor.ledger WHERE key = 'key_1'");
    assert_eq!(status.time("oldest_pending_report"), Some(decided_at));
    stage.simulator.clear_faults();
    holder.batch_execute("ROLLBACK").unwrap();
    wait_for("the rest is done", PATIENCE, || {
        stage.status().numbers() == [3, 2, 1, 0, 0, 1]
    });
    assert_eq!(stage.status().time("oldest_pending_report"), None);
}

#[test]
fn pg_stat_activity_shows_whom_the_worker_is_and_what_it_does() {
    let stage = Stage::polling_every("50ms");
    stage.database.set("synapsor.lock_timeout", "20s");
    let who = format!(
        "usename = '{WRITER}' AND application_name = 'synapsor_writeback worker' AND backend_type = application_name"
    );
    stage.worker_that(&format!(
        "state = 'idle' AND query = 'synapsor_writeback: waiting for the next poll' AND {who}"
    ));
    let hang = |endpoint| stage.simulator.inject(Rule::on(endpoint, Fault::hang()));
    let at_work =
        |on: &str| format!("state = 'active' AND query = 'synapsor_writeback: {on}' AND {who}");

    let hung = hang(Endpoint::List);
    stage.worker_that(&at_work("fetching approved proposals"));
    let no_transaction = "xact_start IS NULL AND backend_xid IS NULL AND backend_xmin IS NULL";
    stage.worker_that(&format!(
        "{} AND {no_transaction}",
        at_work("fetching approved proposals")
    ));
    let mut holder = stage.database.connect();
    holder
        .batch_execute("BEGIN; SELECT FROM tickets WHERE id = 1 FOR UPDATE")
        .unwrap();
    stage.approve_closing(1..=1);
    stage.simulator.withdraw(hung);
    stage.database.set("synapsor.request_timeout", "20s");
    terminate(&stage);
    stage.worker_that(&format!(
        "{} AND wait_event_type = 'Lock'",
        at_work("applying proposals")
    ));
    hang(Endpoint::Report);
    holder.batch_execute("ROLLBACK").unwrap();
    stage.worker_that(&format!(
        "{} AND {no_transaction}",
        at_work("delivering reports")
    ));

    let launchers = format!(
        "SELECT count(*) FROM pg_stat_activity
         WHERE backend_type = 'synapsor_writeback launcher' AND datname IS NULL
           AND query = 'synapsor_writeback: keeping a worker for {}'",
        stage.database.name()
    );
    assert_eq!(stage.database.value::<i64>(&launchers), 1);
}

#[test]
fn status_says_what_the_worker_waits_for_and_where_to_look() {
    let stage = Stage::new();
    stage.database.set("synapsor.lock_timeout", "20s");
    let mut holder = stage.database.connect();
    holder
        .batch_execute("BEGIN; SELECT FROM tickets WHERE id = 1 FOR UPDATE")
        .unwrap();
    stage.approve_closing(1..=1);
    stage.start_worker();
    let worker = stage.worker_that("wait_event_type = 'Lock'");
    let wait = format!(
        "at the moment it waits for a lock that another session holds: see pg_blocking_pids({worker})"
    );
    let reason = stage.status().reason();
    assert!(reason.ends_with(&wait), "{reason}");
    holder.batch_execute("ROLLBACK").unwrap();
    stage.wait_for_applied(1);
    let reason = stage.status().reason();
    assert!(!reason.contains("at the moment"), "{reason}");
}

/// Ends the worker in the middle of what it does; another one starts.
fn terminate(stage: &Stage) {
    let worker = stage.worker_that("true");
    stage
        .database
        .execute(&format!("SELECT pg_terminate_backend({worker})"));
}

#[test]
fn what_the_worker_writes_shows_in_the_statistics() {
    let stage = Stage::polling_every("50ms");
    let outside = SHARED.database("postgres");
    let commits = || {
        let name = stage.database.name();
        let query = format!("SELECT xact_commit FROM pg_stat_database WHERE datname = '{name}'");
        outside.value::<i64>(&query)
    };
    let before = commits();
    wait_for("its looks are counted", PATIENCE, || commits() > before + 5);
    stage.approve_closing(1..=7);
    stage.wait_for_applied(7);
    wait_for("its updates are counted", PATIENCE, || {
        let query = "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'tickets'";
        stage.database.value::<i64>(query) == 7
    });
}

#[test]
fn the_log_has_a_line_for_each_thing_that_matters_and_none_with_a_value() {
    let stage = Stage::new();
    stage.database.set("synapsor.poll_interval", "20ms");
    stage.database.execute(&format!(
        "ALTER TABLE tickets ADD CHECK (status <> '{SECRET}'); UPDATE tickets SET tenant_id = '{SECRET}' WHERE id = 3"
    ));
    stage.start_worker();
    stage.wait_for_polls(20);
    stage.approve(close(1).change("status", SECRET));
    let insert = Proposal::insert("tickets").id("wrp_2").change("id", 3);
    stage.approve(insert.change("tenant_id", SECRET).change("version", 1));
    wait_for("both have failed", PATIENCE, || {
        stage.ledger("status = 'failed' AND report_state = 'delivered'") == 2
    });
    assert!(
        stage.ledger(&format!("error_detail LIKE '%{SECRET}%'")) > 0,
        "it is where it belongs"
    );
    stage.wait_for_polls(20);
    stage.pause();
    stage.wait_until_worker_pauses();
    stage.operator().run("SELECT synapsor_resume()");
    stage.wait_for_polls(20);
    stage.operator().run("SELECT synapsor_stop_worker()");
    wait_for("it has left", PATIENCE, || stage.workers().is_empty());
    wait_for("that is logged", PATIENCE, || {
        stage.logged(&SHARED).len() >= 7
    });

    let lines = stage.logged(&SHARED);
    let expected = [
        "worker started, as role \"writer\"",
        "running: polling for proposals of source src_1",
        "proposal wrp_1 failed: SQLSTATE 23514: check_violation, constraint",
        "proposal wrp_2 failed: SQLSTATE 23505: unique_violation, constraint",
        "paused: PAUSED",
        "running: polling for proposals of source src_1",
        "worker stopped: synapsor_stop_worker() was called",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{expected}: {lines:#?}");
    }
    assert_no_secret(&stage);
}

/// Neither a value of a row nor the key is where people look.
fn assert_no_secret(stage: &Stage) {
    let seen = [
        SHARED.log(),
        stage
            .database
            .rows("SELECT * FROM synapsor_status()")
            .join("\n"),
        stage
            .database
            .rows("SELECT * FROM pg_stat_activity WHERE query NOT LIKE '%CHECK%'")
            .join("\n"),
    ];
    for text in seen {
        let leak = text
            .lines()
            .find(|line| line.contains(SECRET) || line.contains(KEY));
        assert_eq!(leak, None);
    }
}
