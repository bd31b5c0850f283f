//! What a setting can be: its forms in all three places, and what is said of a wrong value.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use synapsor_mysql_testbed::Flavor;

use crate::folder::Folder;
use crate::help;
use crate::program::{Ended, program};
use crate::settings_file::told;
use crate::stage::Stage;

/// The settings that the design names and that make sense outside of Postgres.
const DESIGNED: &str = "base_url api_key_file source_name source_id project_id poll_interval max_proposals dry_run batch_size
    report_concurrency request_timeout connect_timeout lock_timeout statement_timeout max_attempts max_response_size
    tenant_setting require_tenant_guard require_conflict_guard advance_guard allow_cascade ca_file ledger_retention";

/// A value that a setting can't have, and words of the form that it wants.
fn wrong(value_name: &str) -> Option<(&'static str, &'static str)> {
    match value_name {
        "TIME" => Some(("soonish", "a length of time: 500ms, 5s, 10min, 90days")),
        "SIZE" => Some(("hugeish", "a number of bytes: 64MB, 512KiB")),
        "N" => Some(("manyish", "a whole number")),
        "ON|OFF" => Some(("maybeish", "on or off")),
        _ => None,
    }
}

#[test]
fn every_setting_of_the_design_is_a_flag_a_variable_and_a_line_of_the_file() {
    let settings = help::settings();
    for designed in DESIGNED.split_whitespace() {
        let setting = settings.iter().find(|setting| setting.name == designed);
        assert!(setting.is_some(), "--help does not name {designed}");
    }
    for setting in &settings {
        // No setting can be a list: the name is known if the value is what is complained of.
        let error = told(&format!("{} = [1]", setting.name));
        let complaint = format!("{}: expected ", setting.name);
        assert!(error.message().contains(&complaint), "{error:?}");
        let not_text = OsStr::from_bytes(b"\xff");
        let ended = Ended::of(program(&["status"]).env(setting.variable(), not_text));
        assert_eq!(ended.code, Some(78), "{ended:?}");
        assert!(ended.message().contains(&setting.variable()), "{ended:?}");
    }
}

#[test]
fn a_wrong_value_names_the_setting_and_the_form_and_is_not_repeated_from_file_and_environment() {
    for setting in help::settings() {
        let Some((value, form)) = wrong(&setting.value) else {
            continue;
        };
        let flag = Ended::of(program(&["status"]).arg(format!("{}={value}", setting.flag())));
        assert_eq!((flag.code, flag.stdout.as_str()), (Some(2), ""), "{flag:?}");
        for part in [&setting.flag(), form] {
            assert!(flag.stderr.contains(part), "{part}: {flag:?}");
        }
        let variable = Ended::of(program(&["status"]).env(setting.variable(), value));
        assert_eq!(variable.code, Some(78), "{variable:?}");
        let in_file = told(&format!("{} = {value:?}", setting.name));
        for (error, name) in [(variable, setting.variable()), (in_file, setting.name)] {
            assert_eq!(error.error()["error"], "CONFIG_INVALID");
            assert!(
                error
                    .message()
                    .contains(&format!("{name}: expected {form}")),
                "{error:?}"
            );
            assert!(!error.message().contains(value), "{error:?}");
        }
    }
}

#[test]
fn a_value_out_of_range_names_the_setting_and_the_range() {
    for (name, value, range) in [
        ("poll_interval", "9ms", "must be at least 10ms"),
        ("request_timeout", "0", "must be more than 0"),
        ("connect_timeout", "0s", "must be more than 0"),
        ("max_proposals", "0", "must be from 1 to 1000000"),
        ("batch_size", "10001", "must be from 1 to 10000"),
        ("report_concurrency", "1025", "must be from 1 to 1024"),
        ("max_attempts", "0", "must be from 1 to 1000"),
        (
            "ledger_schema",
            "a`b",
            "must be a plain name of letters, digits and _",
        ),
        (
            "tenant_setting",
            "a`b",
            "must be a name of letters, digits, _ and .",
        ),
    ] {
        let flag = format!("--{}", name.replace('_', "-"));
        let ended = Ended::of(program(&["status"]).arg(format!("{flag}={value}")));
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(
            ended.stderr.contains(&format!("{flag} {range}")),
            "{ended:?}"
        );
        let variable = format!("SYNAPSOR_{}", name.to_uppercase());
        let ended = Ended::of(program(&["status"]).env(&variable, value));
        assert_eq!(ended.code, Some(78), "{ended:?}");
        assert!(
            ended.message().contains(&format!("{variable}: {range}")),
            "{ended:?}"
        );
        let error = told(&format!("{name} = {value:?}"));
        assert!(
            error.message().contains(&format!("{name}: {range}")),
            "{error:?}"
        );
    }
}

#[test]
fn a_switch_is_on_or_off_in_many_words() {
    let stage = Stage::new(Flavor::MariaDb);
    let is_dry = |command: &mut Command| {
        let polled = Ended::of(command);
        assert_eq!(polled.code, Some(0), "{polled:?}");
        polled.summary()["dry_run"].as_bool().unwrap()
    };
    assert!(is_dry(&mut stage.program(&["poll-once", "--dry-run"])));
    for (word, is_on) in [
        ("on", true),
        ("TRUE", true),
        ("yes", true),
        ("1", true),
        ("off", false),
        ("False", false),
        ("no", false),
        ("0", false),
    ] {
        assert_eq!(
            is_dry(&mut stage.program(&["poll-once", "--dry-run", word])),
            is_on,
            "{word}"
        );
        let mut command = stage.program(&["poll-once"]);
        assert_eq!(
            is_dry(command.env("SYNAPSOR_DRY_RUN", word)),
            is_on,
            "{word}"
        );
    }
    let folder = Folder::new();
    for (value, is_on) in [
        ("true", true),
        ("false", false),
        ("\"on\"", true),
        ("1", true),
        ("0", false),
    ] {
        let config = folder.file("settings.toml", &format!("dry_run = {value}"));
        let mut command = stage.program(&["poll-once"]);
        assert_eq!(
            is_dry(command.arg("--config").arg(config)),
            is_on,
            "{value}"
        );
    }
}

#[test]
fn a_plain_number_is_milliseconds_and_bytes_in_all_three_places() {
    let stage = Stage::new(Flavor::MariaDb);
    let folder = Folder::new();
    let config = folder.file("settings.toml", "max_response_size = 5\npoll_interval = 20");
    let in_file = Ended::of(stage.program(&["poll-once"]).arg("--config").arg(config));
    let variable = Ended::of(
        stage
            .program(&["poll-once"])
            .env("SYNAPSOR_MAX_RESPONSE_SIZE", "5"),
    );
    let flag = stage.run(&["poll-once", "--max-response-size", "5"]);
    for polled in [in_file, variable, flag] {
        assert_eq!(polled.code, Some(69), "{polled:?}");
    }
    let config = folder.file("settings.toml", "poll_interval = 9");
    let ended = Ended::of(program(&["status"]).arg("--config").arg(config));
    assert!(ended.message().contains("at least 10ms"), "{ended:?}");
}

#[test]
fn an_environment_variable_that_is_no_setting_is_told() {
    let stage = Stage::new(Flavor::MariaDb);
    let quiet = Ended::of(stage.program(&["status"]).env("SYNAPSOR_DRY_RUN", "on"));
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""));
    for misspelt in ["SYNAPSOR_DRYRUN", "SYNAPSOR_dry_run"] {
        let told = Ended::of(stage.program(&["status"]).env(misspelt, "on"));
        assert_eq!(told.code, Some(0), "{told:?}");
        assert!(told.stderr.contains(misspelt), "{told:?}");
    }
}
