//! What shows what a setting is set to: a word, a number, or the end of an error.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use simulated_control_plane::{Endpoint, Fault, Rule, Source};
use synapsor_mysql_testbed::{wait_for, within};
use synapsor_testbed::Proposal;

use super::Trial;
use crate::program::{Ended, PATIENCE, Running};
use crate::stage::Stage;

/// A trigger that changes nothing.
const NOTHING: &str = "SET NEW.amount = NEW.amount";

fn close(stage: &Stage, ticket: i64) -> Proposal {
    stage.close(ticket)
}

fn change(stage: &Stage, ticket: i64) -> Proposal {
    let update = stage.update("tickets").key("id", ticket);
    update.change("status", "changed")
}

/// What a command says of its failure.
fn complaint(command: &mut Command) -> String {
    Ended::of(command).message()
}

/// What the doctor says in the line of this number, when it examines no database.
fn examined(
    trial: &Trial<'_>,
    (variable, value): (&str, &str),
    line: usize,
    field: &str,
) -> String {
    let mut command = trial.program(&["doctor"]);
    command
        .env("SYNAPSOR_DATABASE_URL", "")
        .env(variable, value);
    let said = &Ended::of(&mut command).lines()[line][field];
    said.as_str()
        .map_or_else(|| said.to_string(), str::to_owned)
}

pub fn base_url(trial: &Trial<'_>) -> String {
    examined(trial, ("SYNAPSOR_SOURCE_ID", ""), 0, "detail")
}

pub fn allow_insecure_http(trial: &Trial<'_>) -> String {
    let elsewhere = ("SYNAPSOR_BASE_URL", "http://0.0.0.0:1");
    examined(trial, elsewhere, 0, "ok")
}

pub fn api_key_file(trial: &Trial<'_>) -> String {
    complaint(&mut trial.program(&["poll-once"]))
}

pub fn source_id(trial: &Trial<'_>) -> String {
    trial.asked("source_id")
}

pub fn source_name(trial: &Trial<'_>) -> String {
    for name in ["t", "e", "f"] {
        let source = Source::new(format!("src_{name}"), name);
        trial.stage.simulator.add_source(source);
    }
    let found = examined(trial, ("SYNAPSOR_SOURCE_ID", ""), 1, "detail");
    found.split(',').next().unwrap().to_owned()
}

pub fn project_id(trial: &Trial<'_>) -> String {
    trial.asked("project_id")
}

pub fn ca_file(trial: &Trial<'_>) -> String {
    let mut command = trial.program(&["poll-once"]);
    complaint(command.env("SYNAPSOR_BASE_URL", "https://127.0.0.1:1"))
}

pub fn request_timeout(trial: &Trial<'_>) -> String {
    let simulator = &trial.stage.simulator;
    let rule = simulator.inject(Rule::on(Endpoint::List, Fault::hang()));
    let patience = trial.patience(&mut trial.program(&["poll-once"]));
    simulator.withdraw(rule);
    patience
}

pub fn connect_timeout(trial: &Trial<'_>) -> String {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mysql://u@{}/shop", silent.local_addr().unwrap());
    let mut command = trial.program(&["status"]);
    trial.patience(command.env("SYNAPSOR_DATABASE_URL", url))
}

pub fn max_response_size(trial: &Trial<'_>) -> String {
    let polled = Ended::of(&mut trial.program(&["poll-once"]));
    polled.code.unwrap().to_string()
}

pub fn report_concurrency(trial: &Trial<'_>) -> String {
    let simulator = &trial.stage.simulator;
    for ticket in 1..=30 {
        let id = format!("{ticket}_{}", trial.places);
        trial.stage.approve(trial.stage.close(ticket).id(&id));
    }
    let latency = Fault::latency(Duration::from_millis(20));
    let rule = simulator.inject(Rule::on(Endpoint::Report, latency));
    simulator.clear_journal();
    let polled = Ended::of(&mut trial.program(&["poll-once"]));
    assert_eq!(polled.summary()["reported"], 30, "{polled:?}");
    simulator.withdraw(rule);
    let is_one = simulator.peak_in_flight() == 1;
    ["many", "one"][usize::from(is_one)].to_owned()
}

pub fn database_url_file(trial: &Trial<'_>) -> String {
    let mut command = trial.program(&["status"]);
    complaint(command.env_remove("SYNAPSOR_DATABASE_URL"))
}

pub fn database_ca_file(trial: &Trial<'_>) -> String {
    let stage = trial.stage;
    let url = stage.shop.url(&stage.user, &stage.password);
    let mut command = trial.program(&["status"]);
    complaint(command.env("SYNAPSOR_DATABASE_URL", url + "?ssl-mode=verify-ca"))
}

pub fn ledger_schema(trial: &Trial<'_>) -> String {
    let printed = Ended::of(&mut trial.program(&["migrate", "--print"])).stdout;
    let (_, create) = printed
        .split_once("CREATE DATABASE IF NOT EXISTS ")
        .unwrap();
    create.split_whitespace().next().unwrap().to_owned()
}

pub fn lock_timeout(trial: &Trial<'_>) -> String {
    trial.set_up("SET NEW.amount = @@innodb_lock_wait_timeout");
    trial.ticket("amount", &trial.poll(close))
}

pub fn statement_timeout(trial: &Trial<'_>) -> String {
    trial.set_up("SET NEW.amount = SLEEP(0.7)");
    trial.poll(close).status()
}

pub fn max_attempts(trial: &Trial<'_>) -> String {
    trial.set_up("SIGNAL SQLSTATE '40001'");
    let polled = trial.poll(|stage, ticket| stage.close(ticket + 10));
    polled.status()
}

pub fn poll_interval(trial: &Trial<'_>) -> String {
    let simulator = &trial.stage.simulator;
    let before = simulator.calls(Endpoint::List);
    let mut run = Running::start(&mut trial.program(&["run"]));
    run.wait_for_event("running");
    let has_polled = || simulator.calls(Endpoint::List) > before + 2;
    let is_quick = within(Duration::from_secs(1), has_polled);
    run.terminate();
    ["slow", "quick"][usize::from(is_quick)].to_owned()
}

pub fn max_proposals(trial: &Trial<'_>) -> String {
    trial.asked("limit")
}

pub fn batch_size(trial: &Trial<'_>) -> String {
    trial.set_up("SET NEW.amount = IF(NEW.status = 'slow', SLEEP(0.6), 0)");
    let ids = [1, 2].map(|n| format!("batch_{n}_{}", trial.places));
    for (id, status) in ids.iter().zip(["quick", "slow"]) {
        let proposal = trial.stage.close(1).id(id).change("status", status);
        trial.stage.approve(proposal);
    }
    let polled = Ended::of(&mut trial.program(&["poll-once"]));
    assert_eq!(polled.summary()["applied"], 2, "{polled:?}");
    let [first, second] = ids.map(|id| trial.stage.simulator.reports_for(&id)[0].elapsed);
    let is_apart = second.abs_diff(first) > Duration::from_millis(500);
    ["together", "apart"][usize::from(is_apart)].to_owned()
}

pub fn dry_run(trial: &Trial<'_>) -> String {
    trial.set_up(NOTHING);
    trial.poll(close).ended.summary()["dry_run"].to_string()
}

pub fn ledger_retention(trial: &Trial<'_>) -> String {
    trial.set_up(NOTHING);
    let id = trial.poll(|stage, ticket| stage.close(ticket + 20)).id;
    let simulator = &trial.stage.simulator;
    let before = simulator.calls(Endpoint::List);
    let mut run = Running::start(trial.program(&["run"]).arg("--poll-interval=20ms"));
    wait_for("some polls", PATIENCE, || {
        simulator.calls(Endpoint::List) > before + 3
    });
    run.terminate();
    let is_there = trial.stage.ledger_column(&id, "status").is_some();
    ["pruned", "kept"][usize::from(is_there)].to_owned()
}

pub fn tenant_setting(trial: &Trial<'_>) -> String {
    trial.set_up(
        "SET NEW.status = CONCAT_WS('', IF(@`app.t` = 'acme', 't', ''), IF(@`app.e` = 'acme', 'e', ''),
             IF(@`app.f` = 'acme', 'f', ''))",
    );
    trial.ticket("status", &trial.poll(close))
}

pub fn require_guard(trial: &Trial<'_>) -> String {
    trial.set_up(NOTHING);
    trial.poll(change).status()
}

pub fn advance_guard(trial: &Trial<'_>) -> String {
    trial.set_up(NOTHING);
    trial.ticket("version", &trial.poll(close))
}

pub fn allow_cascade(trial: &Trial<'_>) -> String {
    trial.stage.furnish(
        "CREATE TABLE IF NOT EXISTS orders (id bigint PRIMARY KEY);
         CREATE TABLE IF NOT EXISTS items (order_id bigint, FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE);
         INSERT IGNORE INTO orders VALUES (1), (2), (3); INSERT INTO items VALUES (1), (2), (3)",
    );
    let polled = trial.poll(|stage, order| stage.delete("orders").key("id", order));
    polled.status()
}
