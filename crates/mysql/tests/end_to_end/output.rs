//! What the program prints: for programs a JSON object a line, for people tables; and nothing that commands a terminal.

use std::io::Read;
use std::process::{Command, Stdio};

use serde_json::Value;
use synapsor_mysql_testbed::Flavor;

use crate::program::{Ended, program};
use crate::stage::Stage;
use crate::terminal::Dialogue;

/// Characters that a terminal obeys, that turn the direction of writing, or that nobody sees.
const COMMANDS: [char; 6] = [
    '\u{1b}', '\u{9b}', '\u{7f}', '\u{202e}', '\u{200b}', '\u{7}',
];

/// A text with all of them.
fn commanding(name: &str) -> String {
    format!("{name}\u{1b}[31m\u{9b}2J\u{7f}\u{202e}\u{200b}\u{7}")
}

fn assert_harmless(what: &str, text: &str) {
    let found = text
        .chars()
        .find(|c| COMMANDS.contains(c) || (c.is_control() && !"\n\t".contains(*c)));
    assert_eq!(found, None, "{what}: {text:?}");
}

/// An id with those that an id can have.
fn hiding(name: &str) -> String {
    format!("{name}\u{202e}\u{200b}")
}

/// A stage with proposals of every outcome, whose ids and more command terminals.
fn hostile_stage() -> Stage {
    let stage = Stage::new(Flavor::MariaDb);
    let close = |ticket, id: &str| stage.close(ticket).id(&hiding(id));
    stage.approve(close(1, "applied"));
    stage.approve(close(2, "conflict").conflict("version", 9));
    stage.approve(close(3, "failed").change("amount", commanding("amount")));
    stage.approve(close(4, "column").change(&commanding("column"), 1));
    stage.approve(close(5, "table").field("external_table", commanding("table")));
    stage.approve(close(6, "operation").field("operation", commanding("operation")));
    stage.approve(close(7, "kind").field("source_kind", commanding("kind")));
    stage.approve(close(8, "key").idempotency_key(&hiding("key")));
    stage.approve(close(9, "mismatch").idempotency_key(&hiding("key")));
    stage.approve(stage.close(10).id(&commanding("unusable")));
    stage
}

#[test]
fn nothing_that_others_have_written_commands_the_terminal() {
    for format in ["json", "human"] {
        let stage = hostile_stage();
        for words in [
            &["doctor"][..],
            &["poll-once"],
            &["poll-once"],
            &["status"],
            &["report-once"],
            &["sources", "list"],
        ] {
            let ended = Ended::of(stage.program(words).args(["--output", format]));
            assert_harmless(&format!("{words:?}"), &ended.stdout);
            assert_harmless(&format!("{words:?}"), &ended.stderr);
        }
        let input = stage
            .close(10)
            .id(&hiding("id"))
            .change("status", commanding("status"))
            .to_string();
        for words in [["preview"], ["build"]] {
            let ended = Ended::with_input(stage.program(&words).args(["--output", format]), &input);
            assert_eq!(ended.code, Some(0), "{ended:?}");
            assert_harmless(words[0], &ended.stdout);
        }
    }
}

#[test]
fn no_event_of_a_long_run_commands_the_terminal() {
    for format in ["json", "human"] {
        let stage = hostile_stage();
        let mut run = stage.start_with(&["--output", format]);
        stage.wait_for_word(&hiding("applied"));
        stage.wait_for_word(&hiding("key"));
        run.wait_for_event("no usable id");
        run.terminate();
        assert_harmless(format, &run.stderr());
        assert_eq!(run.stdout(), "");
    }
}

#[test]
fn every_line_is_an_object_of_json_where_nobody_reads() {
    let stage = hostile_stage();
    let objects = |text: &str| {
        text.lines().for_each(|line| {
            let value: Value =
                serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
            assert!(value.is_object(), "{line}");
        })
    };
    for words in [
        &["doctor"][..],
        &["poll-once"],
        &["status"],
        &["report-once"],
        &["migrate"],
        &["sources", "list"],
    ] {
        for flags in [&[][..], &["--json"], &["--output", "json"]] {
            let ended = Ended::of(stage.program(words).args(flags));
            objects(&ended.stdout);
            objects(&ended.stderr);
        }
    }
    let mut run = stage.start();
    run.wait_for_event("running");
    run.terminate();
    objects(&run.stderr());
    let events: Vec<Value> = run
        .stderr()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for event in &events {
        assert!(
            event["at"].as_str().unwrap().ends_with('Z') && event["level"].is_string(),
            "{event}"
        );
    }
    assert_eq!(
        (&events[0]["event"], &events.last().unwrap()["event"]),
        (&"starting".into(), &"stopped".into())
    );
}

#[test]
fn a_poll_prints_a_result_for_each_proposal_in_the_order_of_the_list_and_a_summary() {
    let stage = Stage::new(Flavor::MariaDb);
    for ticket in [3, 1, 2] {
        stage.approve(stage.close(ticket));
    }
    let lines = stage.poll().lines();
    let ids: Vec<_> = lines
        .iter()
        .map(|line| line["proposal_id"].as_str())
        .collect();
    let listed = ["close_3", "close_1", "close_2"].map(Some);
    assert_eq!(ids, [&listed[..], &[None]].concat());
    assert_eq!(lines[3]["count"], 3);
}

#[test]
fn people_get_tables_and_sentences() {
    let stage = Stage::new(Flavor::MariaDb);
    stage.approve(stage.close(1));
    stage.approve(stage.close(2).conflict("version", 9));
    let polled = stage.run(&["poll-once", "--output", "human"]);
    for part in [
        "close_1",
        "applied",
        "CONFLICT_VALUE_CHANGED",
        "2 proposals: 1 applied, 1 conflicts",
        "2 reported, 0 reports still owed",
    ] {
        assert!(polled.stdout.contains(part), "{part}: {polled:?}");
    }
    let dry = stage.run(&["poll-once", "--output", "human", "--dry-run"]);
    assert!(
        dry.stdout
            .contains("dry run: nothing was changed or reported"),
        "{dry:?}"
    );
    let denied = Ended::of(
        stage
            .program(&["status", "--output", "human"])
            .env("SYNAPSOR_DATABASE_URL", "x"),
    );
    assert!(
        denied.stderr.starts_with("error: DATABASE_URL_INVALID: "),
        "{denied:?}"
    );
    assert!(denied.stderr.contains("\nhint: "), "{denied:?}");
    let both = Ended::of(&mut program(&["status", "--json", "--output", "human"]));
    assert_eq!(both.code, Some(2), "{both:?}");
}

#[test]
fn a_terminal_is_taken_for_a_person_unless_told_otherwise() {
    let stage = Stage::new(Flavor::MariaDb);
    let (seen, code) = Dialogue::start(stage.program(&["status"])).end();
    assert_eq!(code, 0, "{seen}");
    assert!(
        seen.contains("oldest pending report") && !seen.contains('{'),
        "{seen}"
    );
    let (seen, _) = Dialogue::start(stage.program(&["status", "--json"])).end();
    assert!(seen.starts_with("{\"applied\":0"), "{seen}");
}

/// The program, whose readers go away after the first line.
fn abandoned(command: &mut Command) -> Ended {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 1];
    let _ = child.stdout.take().unwrap().read(&mut first);
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::new(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn a_reader_that_goes_away_costs_nothing() {
    let stage = Stage::new(Flavor::MariaDb);
    for ticket in 1..=50 {
        stage.approve(stage.close(ticket));
    }
    let polled = abandoned(&mut stage.program(&["poll-once"]));
    assert_eq!(
        (polled.code, polled.stderr.as_str()),
        (Some(0), ""),
        "{polled:?}"
    );
    assert_eq!(stage.run(&["status"]).summary()["applied"], 50);
    for words in [
        &["doctor", "--output", "human"][..],
        &["status"],
        &["--help"],
        &["migrate", "--print"],
        &["completions", "bash"],
    ] {
        let ended = abandoned(&mut stage.program(words));
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(0), ""),
            "{words:?}: {ended:?}"
        );
    }
}

#[test]
fn a_run_without_anybody_who_reads_goes_on() {
    let stage = Stage::new(Flavor::MariaDb);
    let mut command = stage.program(&["run", "--poll-interval", "50ms"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    stage.approve(stage.close(1));
    stage.wait_for_word("close_1");
    // SAFETY: has no precondition; the process is our child and not waited for yet.
    unsafe { libc::kill(child.id().cast_signed(), libc::SIGTERM) };
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
