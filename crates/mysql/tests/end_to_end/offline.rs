//! What needs neither database nor control plane: build, completions, help, and a wrong command line.

use std::process::Command;

use serde_json::json;

use crate::folder::Folder;
use crate::program::{Ended, program};

#[test]
fn build_needs_no_settings_and_prints_statement_and_parameters() {
    let proposal = json!({
        "proposal_id": "p", "source_kind": "mysql", "external_schema": "shop", "external_table": "tickets",
        "changes": { "status": "closed", "amount": 12.50 }, "primary_key": { "id": 18446744073709551615_u64 },
        "allowed_columns": ["status", "amount", "id"],
    });
    let mut command = program(&["build"]);
    let built = Ended::with_input(&mut command, &proposal.to_string());
    let wanted = json!({
        "sql": "UPDATE `shop`.`tickets` SET `status` = ?, `amount` = ? WHERE `id` = ?",
        "params": ["closed", 12.50, 18446744073709551615_u64], "operation": "update", "expected_row_count": 1,
    });
    assert_eq!(
        (built.code, built.summary()),
        (Some(0), wanted),
        "{built:?}"
    );
    let built = Ended::with_input(
        &mut program(&["build", "--kind", "postgres"]),
        &proposal.to_string(),
    );
    let sql = built.summary()["sql"].as_str().unwrap().to_owned();
    assert!(
        sql.starts_with("UPDATE \"shop\".\"tickets\" SET \"status\" = $1"),
        "{sql}"
    );
}

#[test]
fn a_proposal_that_can_t_be_built_is_refused_with_its_code() {
    let refused = |words: &[&str], input: &str| {
        let ended = Ended::with_input(&mut program(words), input);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(69), ""),
            "{ended:?}"
        );
        ended.error()["error"].as_str().unwrap().to_owned()
    };
    for (input, code) in [
        ("", "INPUT_INVALID"),
        (" \n", "INPUT_INVALID"),
        ("{", "WRITEBACK_PROPOSAL_INVALID"),
        ("[]", "WRITEBACK_PROPOSAL_INVALID"),
        ("nonsense", "WRITEBACK_PROPOSAL_INVALID"),
        ("{} {}", "WRITEBACK_PROPOSAL_INVALID"),
        ("{\"source_kind\":\"oracle\"}", "UNSUPPORTED_WRITEBACK_KIND"),
        ("{\"source_kind\":\"mysql\"}", "WRITEBACK_TABLE_REQUIRED"),
    ] {
        assert_eq!(refused(&["build"], input), code, "{input}");
    }
    assert_eq!(
        refused(&["build", "--kind", "oracle"], "{}"),
        "UNSUPPORTED_WRITEBACK_KIND"
    );
}

#[test]
fn what_is_not_text_is_refused_on_the_standard_input() {
    let folder = Folder::new();
    let file = folder.file("input", "");
    std::fs::write(&file, b"{\"proposal_id\": \"\xff\"}").unwrap();
    let output = program(&["build"])
        .stdin(std::fs::File::open(file).unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&output.stderr).contains("INPUT_INVALID"));
}

#[test]
fn completions_are_scripts_and_need_no_settings() {
    let script = |shell: &str| {
        let mut command = program(&["completions", shell]);
        let ended = Ended::of(command.env("SYNAPSOR_CONFIG", "/nonexistent"));
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(0), ""),
            "{ended:?}"
        );
        for word in [
            "poll-once",
            "--database-url-file",
            "sources",
            "migrate",
            "synapsor-writeback-mysql",
        ] {
            let word = if shell == "fish" {
                word.trim_start_matches("--")
            } else {
                word
            };
            assert!(ended.stdout.contains(word), "{shell} does not know {word}");
        }
        ended.stdout
    };
    let bash = script("bash");
    let checked = Ended::with_input(Command::new("bash").arg("-n"), &bash);
    assert_eq!(
        (checked.code, checked.stderr.as_str()),
        (Some(0), ""),
        "{checked:?}"
    );
    assert!(script("zsh").starts_with("#compdef synapsor-writeback-mysql"));
    let fish = script("fish");
    assert!(
        fish.lines()
            .filter(|line| line.starts_with("complete -c "))
            .count()
            > 50
    );
    let unknown = Ended::of(&mut program(&["completions", "cmd"]));
    assert_eq!(unknown.code, Some(2));
}

#[test]
fn what_is_not_a_command_line_ends_with_2_and_help_with_0() {
    for words in [
        &[][..],
        &["polonce"],
        &["run", "now"],
        &["poll-once", "--no-such-flag"],
        &["migrate", "--account"],
    ] {
        let ended = Ended::of(&mut program(words));
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(2), ""),
            "{words:?}: {ended:?}"
        );
        assert!(!ended.stderr.is_empty());
    }
    for words in [
        &["--help"][..],
        &["--version"],
        &["run", "--help"],
        &["poll-once", "-h"],
        &["report-once", "--help"],
        &["doctor", "--help"],
        &["migrate", "--help"],
        &["build", "--help"],
        &["preview", "--help"],
        &["status", "--help"],
        &["sources", "--help"],
        &["completions", "--help"],
    ] {
        let ended = Ended::of(&mut program(words));
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(0), ""),
            "{words:?}: {ended:?}"
        );
        assert!(ended.stdout.len() > 10, "{ended:?}");
    }
}

#[test]
fn the_help_fits_a_narrow_terminal_and_says_what_the_exit_codes_mean() {
    let help = Ended::of(program(&["--help"]).env("COLUMNS", "80")).stdout;
    for code in ["0 done", "1 done", "2 wrong", "69 ", "75 ", "77 ", "78 "] {
        assert!(help.contains(code), "{code}");
    }
    let long = help.lines().find(|line| line.chars().count() > 100);
    assert_eq!(long, None);
}
