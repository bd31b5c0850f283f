//! A long run: how often it polls, what wakes it, what it does while something is away, and that it is quiet.

use std::fs;
use std::time::{Duration, Instant};

use simulated_control_plane::{Credential, Endpoint, Entry, Fault, Rule, Source, Status};
use synapsor_mysql_testbed::{Flavor, Proxy, Server, shared, wait_for};

use crate::folder::Folder;
use crate::program::{Ended, PATIENCE, Running};
use crate::stage::Stage;

on_both! {
    a_proposal_that_is_tried_again_does_not_wait_for_the_next_poll
    a_database_that_is_away_at_the_start_is_waited_for
    idle_polls_write_nothing
}

/// A run that polls so often.
fn start_every(stage: &Stage, interval: &str) -> Running {
    Running::start(&mut stage.program(&["run", "--poll-interval", interval]))
}

/// The listings so far.
fn lists(stage: &Stage) -> Vec<Entry> {
    let is_list = |entry: &Entry| entry.endpoint == Endpoint::List;
    stage.simulator.requests_matching(is_list)
}

fn wait_for_lists(stage: &Stage, count: usize) -> Vec<Entry> {
    wait_for(&format!("{count} polls"), PATIENCE, || {
        lists(stage).len() >= count
    });
    lists(stage)
}

/// The longest interval there is, for a run that is to poll at its start and then when something wakes it.
const NEVER: &str = "poll_interval = \"10h\"\n";

#[test]
fn polls_begin_an_interval_apart_however_long_they_take() {
    let stage = Stage::new(Flavor::MariaDb);
    let latency = Fault::latency(Duration::from_millis(150));
    stage.simulator.inject(Rule::on(Endpoint::List, latency));
    let mut run = start_every(&stage, "300ms");
    let lists = wait_for_lists(&stage, 8);
    run.terminate();
    let took = lists[7].at - lists[0].at;
    // Seven intervals; a busy machine is late and makes nothing up.
    assert!(took >= Duration::from_millis(2_000), "{took:?}");
    assert!(took < Duration::from_millis(6_000), "{took:?}");
}

#[test]
fn a_hangup_signal_polls_at_once_and_under_the_settings_as_they_are_now() {
    let stage = Stage::new(Flavor::MariaDb);
    let folder = Folder::new();
    let config = folder.file("settings.toml", &format!("{NEVER}source_id = \"src_1\""));
    let mut command = stage.program(&["run", "--config"]);
    let mut run = Running::start(command.arg(&config).env_remove("SYNAPSOR_SOURCE_ID"));
    wait_for_lists(&stage, 1);
    stage.approve(stage.close(1));
    let asked = Instant::now();
    run.signal(libc::SIGHUP);
    stage.wait_for_word("close_1");
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "{:?}",
        asked.elapsed()
    );
    // Another source.
    fs::write(&config, format!("{NEVER}source_id = \"src_2\"")).unwrap();
    run.signal(libc::SIGHUP);
    wait_for("a listing of the other source", PATIENCE, || {
        let listed = lists(&stage);
        listed.last().unwrap().query.contains("source_id=src_2")
    });
    // Another interval.
    let so_far = lists(&stage).len();
    fs::write(&config, "poll_interval = \"20ms\"\nsource_id = \"src_1\"").unwrap();
    run.signal(libc::SIGHUP);
    wait_for_lists(&stage, so_far + 5);
    assert_eq!(run.terminate().0, Some(0));
}

#[test]
fn settings_that_can_t_be_worked_with_leave_the_old_ones_in_place() {
    let stage = Stage::new(Flavor::MariaDb);
    let folder = Folder::new();
    let config = folder.file("settings.toml", NEVER);
    let mut command = stage.program(&["run", "--config"]);
    command.arg(&config).env_remove("SYNAPSOR_BASE_URL");
    let right = format!("{NEVER}base_url = {:?}\n", stage.simulator.base_url());
    fs::write(&config, &right).unwrap();
    let mut run = Running::start(&mut command);
    wait_for_lists(&stage, 1);
    for (ticket, wrong, code) in [
        (1, "poll_interval = \"soon\"", "CONFIG_INVALID"),
        (2, "poll_interval = ", "CONFIG_INVALID"),
        (3, "base_url = \"http://synapsor.ai\"", "BASE_URL_INSECURE"),
    ] {
        fs::write(&config, wrong).unwrap();
        stage.approve(stage.close(ticket));
        run.signal(libc::SIGHUP);
        // It polls all the same, as before.
        assert_eq!(
            stage.wait_for_word(&format!("close_{ticket}")),
            Status::Applied
        );
        run.wait_for_event(code);
        fs::write(&config, &right).unwrap();
    }
    fs::remove_file(&config).unwrap();
    run.signal(libc::SIGHUP);
    run.wait_for_event("CONFIG_FILE");
    assert_eq!(run.terminate().0, Some(0));
}

#[test]
fn new_settings_that_do_not_work_are_told_at_once() {
    let stage = Stage::new(Flavor::MariaDb);
    let folder = Folder::new();
    let config = folder.file("settings.toml", &format!("{NEVER}source_id = \"src_1\""));
    let mut command = stage.program(&["run", "--config"]);
    let mut run = Running::start(command.arg(&config).env_remove("SYNAPSOR_SOURCE_ID"));
    run.wait_for_event("running");
    fs::write(&config, format!("{NEVER}source_name = \"nobody\"")).unwrap();
    run.signal(libc::SIGHUP);
    run.wait_for_event("\"settings read again\",\"source\":\"nobody\"");
    run.wait_for_event("SOURCE_NOT_FOUND");
    assert_eq!(run.terminate().0, Some(0));
}

#[test]
fn a_new_key_is_taken_at_the_next_poll() {
    let stage = Stage::new(Flavor::MariaDb);
    let folder = Folder::new();
    let key = folder.file("key", "syn_simulated_key");
    let mut command = stage.program(&["run", "--poll-interval", "50ms"]);
    let mut run = Running::start(command.env("SYNAPSOR_API_KEY_FILE", &key));
    let right = wait_for_lists(&stage, 2);
    assert_eq!(right[1].credential, Credential::Matched);
    fs::rename(folder.file("new", "syn_another_key"), &key).unwrap();
    wait_for("the new key", PATIENCE, || {
        lists(&stage).last().unwrap().credential == Credential::Mismatched
    });
    assert!(run.is_running(), "a key that is refused ends nothing");
    fs::rename(folder.file("new", "syn_simulated_key"), &key).unwrap();
    stage.approve(stage.close(1));
    run.signal(libc::SIGHUP);
    stage.wait_for_word("close_1");
    assert_eq!(run.terminate().0, Some(0));
}

#[test]
fn while_the_control_plane_fails_polls_are_few_and_lines_fewer() {
    let stage = Stage::new(Flavor::MariaDb);
    stage
        .simulator
        .inject(Rule::on(Endpoint::List, Fault::status(503)));
    let mut run = start_every(&stage, "10ms");
    run.wait_for_event("503");
    let lists = wait_for_lists(&stage, 4);
    let took = lists[3].at - lists[0].at;
    assert!(took > Duration::from_millis(100), "no back-off: {took:?}");
    assert!(run.stderr().lines().count() <= 3, "{}", run.stderr());
    let complaint = run.stderr().lines().nth(1).unwrap().to_owned();
    assert!(
        complaint.contains("\"hint\"") && complaint.contains("\"warning\""),
        "{complaint}"
    );
    stage.simulator.clear_faults();
    stage.approve(stage.close(1));
    run.signal(libc::SIGHUP);
    stage.wait_for_word("close_1");
    assert_eq!(run.terminate().0, Some(0));
}

#[test]
fn a_control_plane_that_is_away_or_refuses_the_key_at_the_start_is_waited_for() {
    let stage = Stage::new(Flavor::MariaDb);
    stage.simulator.go_down();
    let mut run = stage.start();
    run.wait_for_event("a poll failed");
    assert!(run.is_running());
    stage.simulator.come_back().unwrap();
    let rule = stage
        .simulator
        .inject(Rule::on(Endpoint::List, Fault::status(401)));
    run.signal(libc::SIGHUP);
    wait_for("a refusal", PATIENCE, || stage.simulator.applied(rule) > 0);
    stage.simulator.clear_faults();
    stage.approve(stage.close(1));
    run.signal(libc::SIGHUP);
    stage.wait_for_word("close_1");
    assert_eq!(run.terminate().0, Some(0));
}

fn a_database_that_is_away_at_the_start_is_waited_for(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let proxy = Proxy::start(shared(flavor));
    let url = proxy.url(&stage.user, &stage.password, stage.shop.name());
    let stage = stage.by(url);
    proxy.refuse();
    stage.approve(stage.close(1));
    let mut run = stage.start();
    run.wait_for_event("DATABASE_UNREACHABLE");
    wait_for("another try", PATIENCE, || proxy.connections() > 2);
    assert!(run.is_running());
    proxy.admit();
    stage.wait_for_word("close_1");
    assert_eq!(run.terminate().0, Some(0));
}

fn a_proposal_that_is_tried_again_does_not_wait_for_the_next_poll(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.shop.execute(
        "CREATE TRIGGER busy BEFORE UPDATE ON tickets FOR EACH ROW SIGNAL SQLSTATE '40001'",
    );
    stage.approve(stage.close(1));
    let mut run = start_every(&stage, "10h");
    wait_for("a first try", PATIENCE, || {
        stage.ledger_column("close_1", "attempts").is_some()
    });
    stage.shop.execute("DROP TRIGGER busy");
    assert_eq!(stage.wait_for_word("close_1"), Status::Applied);
    let tries: i64 = stage
        .ledger_column("close_1", "attempts")
        .unwrap()
        .parse()
        .unwrap();
    assert!(tries > 1, "{tries}");
    assert_eq!(run.terminate().0, Some(0));
}

#[test]
fn a_report_that_was_put_off_does_not_wait_for_the_next_poll() {
    let stage = Stage::new(Flavor::MariaDb);
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::status(503)).times(2));
    stage.approve(stage.close(1));
    let mut run = start_every(&stage, "10h");
    assert_eq!(stage.wait_for_word("close_1"), Status::Applied);
    assert_eq!(
        lists(&stage).len(),
        2,
        "one poll: a listing, and one that finds nothing new"
    );
    wait_for("it is marked", PATIENCE, || {
        stage.ledger_column("close_1", "report_state").as_deref() == Some("delivered")
    });
    assert_eq!(run.terminate().0, Some(0));
}

/// Rows written so far, and how far the log of what was written goes.
fn writes(server: &Server) -> Vec<Vec<Option<String>>> {
    let log = match server.flavor() {
        Flavor::MariaDb => "SHOW MASTER STATUS",
        Flavor::MySql => "SHOW BINARY LOG STATUS",
    };
    let rows =
        "SHOW GLOBAL STATUS WHERE Variable_name IN ('Innodb_rows_inserted', 'Innodb_rows_updated',
        'Innodb_rows_deleted', 'Com_insert', 'Com_update', 'Com_delete', 'Com_replace')";
    [server.query_rows(rows), server.query_rows(log)].concat()
}

fn idle_polls_write_nothing(flavor: Flavor) {
    let server = Server::start_with(flavor, &["--log-bin=log", "--server-id=1"]);
    let stage = Stage::on(&server);
    stage.simulator.add_source(Source::new("src_1", "shop"));
    stage.approve(stage.close(1));
    // What is not ours stays listed.
    stage.approve(stage.close(2).field("source_kind", "postgres"));
    let mut run = start_every(&stage, "10ms");
    stage.wait_for_word("close_1");
    wait_for("its report is marked", PATIENCE, || {
        stage.ledger_column("close_1", "report_state").as_deref() == Some("delivered")
    });
    let so_far = lists(&stage).len();
    wait_for_lists(&stage, so_far + 3);
    let before = writes(&server);
    let so_far = lists(&stage).len();
    wait_for_lists(&stage, so_far + 100);
    assert_eq!(writes(&server), before);
    assert_eq!(stage.simulator.calls(Endpoint::Report), 1);
    assert!(run.stderr().lines().count() < 10, "{}", run.stderr());
    run.terminate();
}

#[test]
fn what_is_wrong_from_the_start_ends_a_run_at_once() {
    let stage = Stage::new(Flavor::MariaDb);
    for (variable, value, code) in [
        ("SYNAPSOR_SOURCE_ID", "", "SOURCE_NOT_CONFIGURED"),
        ("SYNAPSOR_API_KEY_FILE", "", "API_KEY_MISSING"),
        (
            "SYNAPSOR_API_KEY_FILE",
            "/nonexistent",
            "API_KEY_FILE_MISSING",
        ),
        ("SYNAPSOR_DATABASE_URL", "", "DATABASE_URL_MISSING"),
        (
            "SYNAPSOR_DATABASE_URL",
            "mysql://far.test?ssl-mode=disabled",
            "DATABASE_TLS_REQUIRED",
        ),
        (
            "SYNAPSOR_BASE_URL",
            "http://synapsor.ai",
            "BASE_URL_INSECURE",
        ),
        ("SYNAPSOR_POLL_INTERVAL", "1ms", "CONFIG_INVALID"),
    ] {
        let ended = Ended::of(stage.program(&["run"]).env(variable, value));
        assert_eq!(ended.code, Some(78), "{ended:?}");
        assert_eq!(ended.error()["error"], code, "{ended:?}");
        assert!(ended.error()["hint"].is_string(), "{ended:?}");
    }
    assert_eq!(stage.simulator.journal().len(), 0);
    let folder = Folder::new();
    let config = folder.file("settings.toml", "poll_interval = \"1ms\"");
    let mut run = Running::start(stage.program(&["run", "--config"]).arg(&config));
    assert_eq!(run.wait().code(), Some(78));
}
