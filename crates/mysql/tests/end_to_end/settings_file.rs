//! The TOML file: what it says wrong, who may read it, and in which order files and variables are looked at.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use simulated_control_plane::{Credential, Options};
use synapsor_mysql_testbed::{Flavor, shared};

use crate::folder::Folder;
use crate::program::{Ended, program};
use crate::stage::Stage;

/// What `status` says of its error with this TOML file.
pub fn told(toml: &str) -> Ended {
    let folder = Folder::new();
    let config = folder.file("settings.toml", toml);
    let ended = Ended::of(program(&["status"]).arg("--config").arg(config));
    assert_eq!(ended.code, Some(78), "{toml}: {ended:?}");
    assert_eq!(ended.stdout, "", "{toml}");
    ended
}

#[test]
fn an_unknown_name_in_the_file_is_an_error_that_names_it() {
    for toml in [
        "pol_interval = \"5s\"",
        "poll_interval = \"5s\"\n[section]\nx = 1",
        "Dry_Run = true",
    ] {
        let error = told(toml);
        assert_eq!(error.error()["error"], "CONFIG_INVALID");
        assert!(
            error.message().contains("there is no setting \""),
            "{error:?}"
        );
    }
}

#[test]
fn a_broken_file_is_an_error_that_names_the_line_and_quotes_nothing() {
    for toml in [
        "dry_run = true\ndatabase_url = \"mysql://u:hunter2@h/d",
        "dry_run = true\ndatabase_url = mysql://u:hunter2@h/d",
        "dry_run = true\nhunter2",
        "dry_run = true\ndry_run = hunter2",
    ] {
        let error = told(toml);
        assert!(
            error.message().contains("line 2: it can't be read as TOML"),
            "{error:?}"
        );
        assert!(!error.stderr.contains("hunter2"), "{error:?}");
    }
    for toml in [
        "database_url = [\"hunter2\"]",
        "database_url = { hunter2 = 1 }",
    ] {
        let error = told(toml);
        assert!(
            error.message().contains("database_url: expected a string"),
            "{error:?}"
        );
        assert!(!error.stderr.contains("hunter2"), "{error:?}");
    }
}

#[test]
fn a_file_that_can_t_be_read_is_an_error_that_names_it() {
    for path in ["/nonexistent/settings.toml", "/"] {
        let ended = Ended::of(&mut program(&["status", "--config", path]));
        assert_eq!(ended.code, Some(78), "{ended:?}");
        assert_eq!(ended.error()["error"], "CONFIG_FILE");
        assert!(ended.message().contains(path), "{ended:?}");
    }
}

#[test]
fn a_file_with_the_database_s_url_has_to_be_private_and_one_without_need_not_be() {
    let folder = Folder::new();
    for (text, code) in [
        (
            "database_url = \"mysql://u:hunter2@localhost/d\"",
            "SECRET_FILE",
        ),
        ("dry_run = true", "DATABASE_URL_MISSING"),
    ] {
        let config = folder.file("settings.toml", text);
        fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
        let ended = Ended::of(program(&["status"]).arg("--config").arg(config));
        assert_eq!(ended.code, Some(78), "{ended:?}");
        assert_eq!(ended.error()["error"], code);
        assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
    }
}

#[test]
fn the_environment_names_the_file_unless_a_flag_does_and_an_empty_variable_says_nothing() {
    let folder = Folder::new();
    let [one, two] =
        ["one", "two"].map(|name| folder.file(name, &format!("ledger_schema = \"{name}\"")));
    let ledger = |command: &mut Command| {
        let printed = Ended::of(command.env("SYNAPSOR_LEDGER_SCHEMA", ""));
        assert_eq!(printed.code, Some(0), "{printed:?}");
        ["one", "two", "synapsor"]
            .into_iter()
            .find(|name| printed.stdout.contains(&format!("`{name}`.`ledger`")))
    };
    let print = || program(&["migrate", "--print"]);
    assert_eq!(ledger(print().env("SYNAPSOR_CONFIG", &one)), Some("one"));
    assert_eq!(
        ledger(
            print()
                .env("SYNAPSOR_CONFIG", &one)
                .arg("--config")
                .arg(&two)
        ),
        Some("two")
    );
    assert_eq!(ledger(print().env("SYNAPSOR_CONFIG", "")), Some("synapsor"));
}

#[test]
fn the_database_s_url_is_that_of_the_first_place_that_says_one() {
    let stage = Stage::new(Flavor::MariaDb);
    let folder = Folder::new();
    let url = |user: &str| {
        format!(
            "mysql://{user}:x@127.0.0.1:{}/",
            stage.shop.address().port()
        )
    };
    let files = ["by_flag", "by_variable", "by_file"].map(|user| folder.file(user, &url(user)));
    let config = folder.file(
        "inline.toml",
        &format!("database_url = {:?}", url("inline")),
    );
    let naming = folder.file(
        "naming.toml",
        &format!("database_url_file = {:?}", files[2]),
    );
    let both = folder.file(
        "both.toml",
        &format!(
            "database_url_file = {:?}\ndatabase_url = {:?}",
            files[2],
            url("inline")
        ),
    );
    let status = || {
        let mut command = program(&["status"]);
        command.arg("--config").arg(&config);
        command
    };
    let as_user = |command: &mut Command| {
        let ended = Ended::of(command);
        assert_eq!(ended.code, Some(77), "{ended:?}");
        let text = ended.message();
        let (_, user) = text.split_once("user '").expect("the user is named");
        user.split_once('\'').unwrap().0.to_owned()
    };
    assert_eq!(as_user(&mut status()), "inline");
    assert_eq!(
        as_user(program(&["status"]).arg("--config").arg(&naming)),
        "by_file"
    );
    assert_eq!(
        as_user(program(&["status"]).arg("--config").arg(&both)),
        "by_file"
    );
    assert_eq!(
        as_user(status().env("SYNAPSOR_DATABASE_URL", url("variable"))),
        "variable"
    );
    let mut named = status();
    named.env("SYNAPSOR_DATABASE_URL_FILE", &files[1]);
    assert_eq!(as_user(&mut named), "by_variable");
    named.env("SYNAPSOR_DATABASE_URL", url("variable"));
    named.arg("--database-url-file").arg(&files[0]);
    assert_eq!(as_user(&mut named), "by_flag");
}

#[test]
fn the_key_is_that_of_the_first_place_that_says_one() {
    let options = Options {
        api_key: "right_key".into(),
        ..Options::default()
    };
    let stage = Stage::with(shared(Flavor::MariaDb), options);
    let folder = Folder::new();
    let [right, wrong] = ["right_key", "wrong_key"].map(|key| folder.file(key, key));
    let config = |file: &PathBuf| folder.file("settings.toml", &format!("api_key_file = {file:?}"));
    let is_right = |command: &mut Command| {
        stage.simulator.clear_journal();
        Ended::of(command);
        stage.simulator.journal()[0].credential == Credential::Matched
    };
    let poll = |file: &PathBuf| {
        let mut command = stage.program(&["poll-once"]);
        command
            .env_remove("SYNAPSOR_API_KEY_FILE")
            .arg("--config")
            .arg(config(file));
        command
    };
    assert!(is_right(&mut poll(&right)), "the file");
    assert!(
        is_right(poll(&wrong).env("SYNAPSOR_API_KEY", "right_key")),
        "the environment"
    );
    let mut named = poll(&wrong);
    named
        .env("SYNAPSOR_API_KEY", "wrong_key")
        .env("SYNAPSOR_API_KEY_FILE", &right);
    assert!(is_right(&mut named), "the environment's file");
    named
        .env("SYNAPSOR_API_KEY_FILE", &wrong)
        .arg("--api-key-file")
        .arg(&right);
    assert!(is_right(&mut named), "the flag's file");
}
