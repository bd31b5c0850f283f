//! Each setting: three values, and what shows which of them counts.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use simulated_control_plane::{Endpoint, Fault, Rule, Source};
use synapsor_mysql_testbed::{wait_for, within};
use synapsor_testbed::Proposal;

use super::{Setting, Trial};
use crate::program::{Ended, PATIENCE, Running};
use crate::stage::Stage;

const NOTHING: &str = "SET NEW.amount = NEW.amount";

fn close(stage: &Stage, ticket: i64) -> Proposal {
    stage.close(ticket)
}

fn setting<V: Into<String>>(
    name: &'static str,
    values: [V; 3],
    seen: [&'static str; 3],
    look: fn(&Trial<'_>) -> String,
) -> Setting {
    Setting {
        name,
        values: values.map(Into::into),
        seen,
        look,
    }
}

/// What a command says of its failure.
fn complaint(command: &mut Command) -> String {
    Ended::of(command).message()
}

/// Files that can't be used, each in a way of its own: one that is not there, a directory, and one with something else in it.
fn bad_files(home: &Path) -> [String; 3] {
    let other = home.join("other");
    fs::write(&other, "two words").unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).unwrap();
    [&home.join("missing"), home, &other].map(|path| path.to_str().unwrap().to_owned())
}

pub fn control_plane(home: &Path) -> Vec<Setting> {
    let asked: [fn(&Trial<'_>) -> String; 2] = [
        |trial| trial.asked("source_id"),
        |trial| trial.asked("project_id"),
    ];
    let base = |name: &str| format!("http://127.0.0.1:1/{name}");
    let urls = ["file", "environment", "flag"].map(base);
    vec![
        setting(
            "base_url",
            urls,
            ["/file", "/environment", "/flag"],
            |trial| {
                let mut command = trial.program(&["doctor"]);
                let examined = Ended::of(command.env_remove("SYNAPSOR_DATABASE_URL"));
                examined.lines()[0]["detail"].as_str().unwrap().to_owned()
            },
        ),
        setting(
            "allow_insecure_http",
            ["on", "off", "on"],
            ["true", "false", "true"],
            |trial| {
                let mut command = trial.program(&["doctor"]);
                command.env("SYNAPSOR_BASE_URL", "http://0.0.0.0:1");
                let examined = Ended::of(command.env_remove("SYNAPSOR_DATABASE_URL"));
                examined.lines()[0]["ok"].to_string()
            },
        ),
        setting(
            "api_key_file",
            bad_files(home),
            [
                "does not exist",
                "is not a regular file",
                "visible ASCII ones",
            ],
            |trial| complaint(&mut trial.program(&["poll-once"])),
        ),
        setting(
            "source_id",
            ["src_t", "src_e", "src_f"],
            ["src_t", "src_e", "src_f"],
            asked[0],
        ),
        setting(
            "source_name",
            ["t", "e", "f"],
            ["src_t", "src_e", "src_f"],
            |trial| {
                for name in ["t", "e", "f"] {
                    let source = Source::new(format!("src_{name}"), name);
                    trial.stage.simulator.add_source(source);
                }
                let mut command = trial.program(&["doctor"]);
                command.env_remove("SYNAPSOR_DATABASE_URL");
                let examined = Ended::of(command.env_remove("SYNAPSOR_SOURCE_ID"));
                let detail = examined.lines()[1]["detail"].as_str().unwrap().to_owned();
                detail.split(',').next().unwrap().to_owned()
            },
        ),
        setting(
            "project_id",
            ["p_t", "p_e", "p_f"],
            ["p_t", "p_e", "p_f"],
            asked[1],
        ),
        setting(
            "ca_file",
            bad_files(home),
            ["entity not found", "is a directory", "no certificate in it"],
            |trial| {
                let mut command = trial.program(&["poll-once"]);
                complaint(command.env("SYNAPSOR_BASE_URL", "https://127.0.0.1:1"))
            },
        ),
    ]
}

pub fn limits(_: &Path) -> Vec<Setting> {
    const TIMES: [&str; 3] = ["100ms", "4s", "100ms"];
    const SEEN: [&str; 3] = ["soon", "late", "soon"];
    vec![
        setting("request_timeout", TIMES, SEEN, |trial| {
            let simulator = &trial.stage.simulator;
            let rule = simulator.inject(Rule::on(Endpoint::List, Fault::hang()));
            let patience = trial.patience(&mut trial.program(&["poll-once"]));
            simulator.withdraw(rule);
            patience
        }),
        setting("connect_timeout", TIMES, SEEN, |trial| {
            let silent = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("mysql://u@{}/shop", silent.local_addr().unwrap());
            let mut command = trial.program(&["status"]);
            trial.patience(command.env("SYNAPSOR_DATABASE_URL", url))
        }),
        setting(
            "max_response_size",
            ["10", "1MB", "10B"],
            ["69", "0", "69"],
            |trial| {
                let polled = Ended::of(&mut trial.program(&["poll-once"]));
                polled.code.unwrap().to_string()
            },
        ),
        setting(
            "report_concurrency",
            ["1", "64", "1"],
            ["one", "many", "one"],
            |trial| {
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
            },
        ),
    ]
}

pub fn database(home: &Path) -> Vec<Setting> {
    vec![
        setting(
            "database_url_file",
            bad_files(home),
            ["does not exist", "is not a regular file", "it is not a URL"],
            |trial| {
                complaint(
                    trial
                        .program(&["status"])
                        .env_remove("SYNAPSOR_DATABASE_URL"),
                )
            },
        ),
        setting(
            "database_ca_file",
            bad_files(home),
            ["entity not found", "is a directory", "no certificate (PEM)"],
            |trial| {
                let stage = trial.stage;
                let url = stage.shop.url(&stage.user, &stage.password);
                let url = format!("{url}?ssl-mode=verify-ca");
                complaint(trial.program(&["status"]).env("SYNAPSOR_DATABASE_URL", url))
            },
        ),
        setting(
            "ledger_schema",
            ["t", "e", "f"],
            ["`t`", "`e`", "`f`"],
            |trial| {
                let printed = Ended::of(&mut trial.program(&["migrate", "--print"])).stdout;
                let create = printed
                    .lines()
                    .find(|line| line.starts_with("CREATE DATABASE"));
                create
                    .unwrap()
                    .split_whitespace()
                    .find(|word| word.starts_with('`'))
                    .unwrap()
                    .to_owned()
            },
        ),
        setting(
            "lock_timeout",
            ["7s", "8s", "9s"],
            ["7.00", "8.00", "9.00"],
            |trial| {
                trial.set_up("SET NEW.amount = @@innodb_lock_wait_timeout");
                trial.ticket("amount", &trial.poll(close))
            },
        ),
        setting(
            "statement_timeout",
            ["200ms", "20s", "200ms"],
            ["retrying", "applied", "retrying"],
            |trial| {
                trial.set_up("SET NEW.amount = SLEEP(0.7)");
                trial.poll(close).status()
            },
        ),
        setting(
            "max_attempts",
            ["1", "2", "1"],
            ["failed", "retrying", "failed"],
            |trial| {
                trial.set_up("SIGNAL SQLSTATE '40001'");
                trial
                    .poll(|stage, ticket| stage.close(ticket + 10))
                    .status()
            },
        ),
    ]
}

pub fn pace(_: &Path) -> Vec<Setting> {
    vec![
        setting(
            "poll_interval",
            ["1h", "20ms", "1h"],
            ["slow", "quick", "slow"],
            |trial| {
                let simulator = &trial.stage.simulator;
                let before = simulator.calls(Endpoint::List);
                let mut run = Running::start(&mut trial.program(&["run"]));
                run.wait_for_event("running");
                let has_polled = || simulator.calls(Endpoint::List) > before + 2;
                let is_quick = within(Duration::from_secs(1), has_polled);
                run.terminate();
                ["slow", "quick"][usize::from(is_quick)].to_owned()
            },
        ),
        setting(
            "max_proposals",
            ["11", "12", "13"],
            ["11", "12", "13"],
            |trial| trial.asked("limit"),
        ),
        setting(
            "batch_size",
            ["1", "100", "1"],
            ["apart", "together", "apart"],
            |trial| {
                trial.set_up("SET NEW.amount = IF(NEW.status = 'slow', SLEEP(0.6), 0)");
                let ids = [1, 2].map(|n| format!("batch_{n}_{}", trial.places));
                for (id, status) in ids.iter().zip(["quick", "slow"]) {
                    let proposal = trial.stage.close(1).id(id).change("status", status);
                    trial.stage.approve(proposal.conflict("version", 1));
                }
                let polled = Ended::of(&mut trial.program(&["poll-once"]));
                assert_eq!(polled.summary()["applied"], 2, "{polled:?}");
                let [first, second] =
                    ids.map(|id| trial.stage.simulator.reports_for(&id)[0].elapsed);
                let is_apart = second.abs_diff(first) > Duration::from_millis(500);
                ["together", "apart"][usize::from(is_apart)].to_owned()
            },
        ),
        setting(
            "dry_run",
            ["on", "off", "on"],
            ["true", "false", "true"],
            |trial| {
                trial.set_up(NOTHING);
                trial.poll(close).ended.summary()["dry_run"].to_string()
            },
        ),
        setting(
            "ledger_retention",
            ["1ms", "0", "1ms"],
            ["pruned", "kept", "pruned"],
            |trial| {
                trial.set_up(NOTHING);
                let id = trial.poll(|stage, ticket| stage.close(ticket + 20)).id;
                let is_there = || trial.stage.ledger_column(&id, "status").is_some();
                let simulator = &trial.stage.simulator;
                let before = simulator.calls(Endpoint::List);
                let mut run = Running::start(trial.program(&["run"]).arg("--poll-interval=20ms"));
                wait_for("some polls", PATIENCE, || {
                    simulator.calls(Endpoint::List) > before + 3
                });
                run.terminate();
                ["pruned", "kept"][usize::from(is_there())].to_owned()
            },
        ),
    ]
}

pub fn guards(_: &Path) -> Vec<Setting> {
    const ON: [&str; 3] = ["on", "off", "on"];
    const REFUSED: [&str; 3] = ["failed", "applied", "failed"];
    vec![
        setting(
            "tenant_setting",
            ["app.t", "app.e", "app.f"],
            ["t", "e", "f"],
            |trial| {
                trial.set_up(
                "SET NEW.status = CONCAT_WS('', IF(@`app.t` = 'acme', 't', ''), IF(@`app.e` = 'acme', 'e', ''),
                     IF(@`app.f` = 'acme', 'f', ''))",
            );
                trial.ticket("status", &trial.poll(close))
            },
        ),
        setting("require_tenant_guard", ON, REFUSED, |trial| {
            trial.set_up(NOTHING);
            let change = |stage: &Stage, ticket| {
                stage
                    .update("tickets")
                    .key("id", ticket)
                    .change("status", "x")
            };
            trial.poll(change).status()
        }),
        setting("require_conflict_guard", ON, REFUSED, |trial| {
            trial.set_up(NOTHING);
            let change = |stage: &Stage, ticket| {
                stage
                    .update("tickets")
                    .key("id", ticket)
                    .change("status", "y")
            };
            trial.poll(change).status()
        }),
        setting("advance_guard", ON, ["2", "1", "2"], |trial| {
            trial.set_up(NOTHING);
            trial.ticket("version", &trial.poll(close))
        }),
        setting(
            "allow_cascade",
            ON,
            ["applied", "failed", "applied"],
            |trial| {
                trial.stage.furnish(
                    "CREATE TABLE IF NOT EXISTS orders (id bigint PRIMARY KEY);
                 CREATE TABLE IF NOT EXISTS items (order_id bigint,
                     FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE);
                 INSERT IGNORE INTO orders VALUES (1), (2), (3); INSERT INTO items VALUES (1), (2), (3)",
                );
                trial
                    .poll(|stage, order| stage.delete("orders").key("id", order))
                    .status()
            },
        ),
    ]
}
