//! `disable`: who is asked, and what counts as yes.

use std::io::Write;
use std::process::Stdio;

use serde_json::json;
use simulated_control_plane::{Endpoint, Fault, Rule};

use crate::desk::{Desk, assert_tells_no_secret};
use crate::terminal::Dialogue;

#[test]
fn with_yes_nobody_is_asked() {
    let desk = Desk::open();
    assert_eq!(
        desk.done("disable app_mysql --yes").json()["status"],
        "disabled"
    );
    assert_eq!(desk.sent(Endpoint::DisableSource), json!({}));
    assert!(
        desk.done("disable src_1 -y --output human")
            .stdout
            .contains("disabled")
    );
    assert_eq!(
        desk.done("list --json").stdout.matches("disabled").count(),
        2
    );
}

#[test]
fn without_a_terminal_and_without_yes_nothing_is_asked_or_sent() {
    let desk = Desk::open();
    let error = desk.run("disable app_mysql").error(69);
    assert_eq!(error["error"], "NOT_CONFIRMED");
    assert!(error["hint"].as_str().unwrap().contains("--yes"));
    let mut command = desk.command("disable app_mysql");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // The program may be gone before it is told: what is typed into a pipe does not count anyway.
    let _ = child.stdin.take().unwrap().write_all(b"yes\n");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(69));
    assert!(desk.simulator.journal().is_empty());
}

#[test]
fn on_a_terminal_its_name_its_id_or_yes_confirm() {
    for typed in ["app_mysql", "yes", "YES", "src_2", "  app_mysql "] {
        let desk = Desk::open();
        let mut dialogue = Dialogue::start(desk.command("disable app_mysql"));
        dialogue.wait_for_question();
        assert_eq!(
            desk.simulator.calls(Endpoint::DisableSource),
            0,
            "asked first"
        );
        dialogue.type_line(typed);
        let (seen, code) = dialogue.end();
        assert_eq!(code, 0, "{seen}");
        assert!(
            seen.contains("Disable the source app_mysql (src_2, mysql, active)?"),
            "{seen}"
        );
        assert!(seen.contains("disabled"), "{seen}");
        assert_tells_no_secret(&seen);
        assert_eq!(desk.simulator.calls(Endpoint::DisableSource), 1);
    }
}

#[test]
fn anything_else_that_is_typed_leaves_the_source_alone() {
    let desk = Desk::open();
    for typed in ["", "no", "y", "app_postgres", "disable app_mysql"] {
        let mut dialogue = Dialogue::start(desk.command("disable app_mysql"));
        dialogue.wait_for_question();
        dialogue.type_line(typed);
        let (seen, code) = dialogue.end();
        assert_eq!(code, 69, "{seen}");
        assert!(
            seen.contains("NOT_CONFIRMED") && seen.contains("nothing was disabled"),
            "{seen}"
        );
    }
    let mut dialogue = Dialogue::start(desk.command("disable app_mysql"));
    dialogue.wait_for_question();
    dialogue.type_end();
    assert_eq!(dialogue.end().1, 69);
    assert_eq!(desk.simulator.calls(Endpoint::DisableSource), 0);
}

#[test]
fn a_source_without_a_name_is_not_confirmed_by_an_empty_line() {
    let desk = Desk::open();
    let nameless = json!({ "source_id": "src_2", "name": "" }).to_string();
    desk.simulator
        .inject(Rule::on(Endpoint::ShowSource, Fault::body(200, nameless)));
    let mut dialogue = Dialogue::start(desk.command("disable src_2"));
    dialogue.wait_for_question();
    dialogue.type_line("");
    assert_eq!(dialogue.end().1, 69);
    assert_eq!(desk.simulator.calls(Endpoint::DisableSource), 0);
}

#[test]
fn a_name_that_commands_terminals_is_asked_for_harmlessly() {
    let desk = Desk::open();
    let name = "\u{1b}[2J\u{9b}31mapp\u{202e}";
    let commanding = json!({ "source_id": "src_2", "name": name, "kind": "my\nsql" }).to_string();
    desk.simulator
        .inject(Rule::on(Endpoint::ShowSource, Fault::body(200, commanding)));
    let mut dialogue = Dialogue::start(desk.command("disable src_2 --output human"));
    dialogue.wait_for_question();
    dialogue.type_line("no");
    let (seen, code) = dialogue.end();
    assert_eq!(code, 69);
    assert!(!seen.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{seen:?}");
}

#[test]
fn on_a_terminal_results_are_tables_by_themselves() {
    let desk = Desk::open();
    let (seen, code) = Dialogue::start(desk.command("list")).end();
    assert_eq!(code, 0);
    assert!(seen.contains("STATUS") && !seen.contains('{'), "{seen}");
    let (seen, _) = Dialogue::start(desk.command("list --json")).end();
    assert!(seen.starts_with('{'), "{seen}");
}
