//! `create`: what is sent, and that its secret is seen nowhere.

use std::process::Command;

use serde_json::json;
use simulated_control_plane::{Endpoint, Fault, HeaderName, HeaderValue, Options, Rule};

use crate::desk::{Desk, PASSWORD, Ran, URL};

fn creation(desk: &Desk, words: &str) -> Command {
    let mut command = desk.command(&format!("create {words}"));
    command
        .env("APP_URL", URL)
        .env("SYNAPSOR_PROJECT_ID", "prj_7")
        .env("SYNAPSOR_DATABASE_ID", "db_7");
    command
}

fn created(desk: &Desk, words: &str) -> Ran {
    let ran = Ran::of(&mut creation(desk, words));
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (0, ""),
        "{words}: {}",
        ran.stdout
    );
    assert!(desk.simulator.breaches().is_empty());
    ran
}

#[test]
fn a_source_of_either_kind_is_created_with_the_contract_s_defaults() {
    for (kind, name) in [("postgres", "app_postgres"), ("mysql", "app_mysql")] {
        let desk = Desk::empty(Options::default());
        let ran = created(&desk, &format!("--kind {kind} --url env:APP_URL"));
        assert_eq!(ran.json()["source_id"], "src_1");
        let expected = json!({
            "project_id": "prj_7", "database_id": "db_7", "kind": kind, "name": name,
            "connection": { "url": URL, "ssl_mode": "require" }, "mode": "read-only",
        });
        assert_eq!(desk.sent(Endpoint::CreateSource), expected);
    }
}

#[test]
fn what_flags_say_counts_more_than_defaults_and_environment() {
    let desk = Desk::empty(Options::default());
    let words = "--kind mysql --url env:APP_URL --name crm --ssl-mode verify-full --mode read-write \
                 --project-id prj_1 --database-id db_1";
    let shown = created(&desk, &format!("{words} --output human")).stdout;
    assert!(shown.contains("src_1") && shown.contains("crm"), "{shown}");
    let expected = json!({
        "project_id": "prj_1", "database_id": "db_1", "kind": "mysql", "name": "crm",
        "connection": { "url": URL, "ssl_mode": "verify-full" }, "mode": "read-write",
    });
    assert_eq!(desk.sent(Endpoint::CreateSource), expected);
}

#[test]
fn a_secret_as_itself_is_refused_unsent_and_not_quoted() {
    let desk = Desk::empty(Options::default());
    for url in [URL, "env:APP-URL", "env:", "APP_URL", "env:APP_URL:"] {
        let ran = Ran::of(&mut creation(&desk, &format!("--kind mysql --url {url}")));
        let error = ran.error(78);
        assert_eq!(error["error"], "SECRET_ENV_REQUIRED");
        assert!(error["hint"].as_str().unwrap().contains("env:NAME"));
        assert!(!ran.stderr.contains("APP"), "{}", ran.stderr);
        let human = Ran::of(&mut creation(
            &desk,
            &format!("--kind mysql --output human --url {url}"),
        ));
        assert_eq!((human.code, human.stderr.contains("hint: ")), (78, true));
    }
    assert!(desk.simulator.journal().is_empty());
}

#[test]
fn a_url_without_its_flag_or_behind_a_wrong_one_is_not_quoted_either() {
    let desk = Desk::empty(Options::default());
    for (words, code) in [
        ("--kind mysql --url env:APP_URL ", 78),
        ("--kind mysql ", 2),
        ("--kind mysql --url env:APP_URL --database-url ", 2),
        ("--kind mysql --url env:APP_URL --database-url=", 2),
        ("--kind mysql --url env:APP_URL --connection=", 2),
    ] {
        let ran = Ran::of(&mut creation(&desk, &format!("{words}{URL}")));
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (code, ""),
            "{words}: {}",
            ran.stderr
        );
    }
    assert!(desk.simulator.journal().is_empty());
}

#[test]
fn a_secret_that_is_unset_or_empty_is_asked_for_by_name() {
    let desk = Desk::empty(Options::default());
    let mut unset = creation(&desk, "--kind mysql --url env:APP_URL");
    let error = Ran::of(unset.env_remove("APP_URL")).error(78);
    assert_eq!(error["message"], "SECRET_ENV_REQUIRED: APP_URL is not set");
    let mut empty = creation(&desk, "--kind mysql --url env:APP_URL");
    assert_eq!(Ran::of(empty.env("APP_URL", "")).error(78), error);
    assert!(desk.simulator.journal().is_empty());
}

#[test]
fn project_and_database_are_required_before_anything_is_sent() {
    let desk = Desk::empty(Options::default());
    for (variable, code) in [
        ("SYNAPSOR_PROJECT_ID", "PROJECT_REQUIRED"),
        ("SYNAPSOR_DATABASE_ID", "DATABASE_ID_REQUIRED"),
    ] {
        let mut unset = creation(&desk, "--kind mysql --url env:APP_URL");
        let error = Ran::of(unset.env_remove(variable)).error(78);
        assert_eq!(error["error"], code);
        assert!(error["message"].as_str().unwrap().contains(variable));
        let mut empty = creation(&desk, "--kind mysql --url env:APP_URL");
        assert_eq!(Ran::of(empty.env(variable, "")).error(78), error);
    }
    assert!(desk.simulator.journal().is_empty());
}

#[test]
fn a_missing_or_wrong_flag_is_a_wrong_command_line() {
    let desk = Desk::empty(Options::default());
    for words in [
        "--url env:APP_URL",
        "--kind mysql",
        "--kind oracle --url env:APP_URL",
        "--kind mysql --url env:APP_URL --name=",
        "--kind mysql --url",
    ] {
        let ran = Ran::of(&mut creation(&desk, words));
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{words}");
        assert!(ran.stderr.contains("--help"), "{}", ran.stderr);
    }
    assert!(desk.simulator.journal().is_empty());
}

#[test]
fn a_name_that_is_taken_is_refused_with_the_server_s_code() {
    let desk = Desk::empty(Options::default());
    created(&desk, "--kind mysql --url env:APP_URL");
    let error = Ran::of(&mut creation(&desk, "--kind mysql --url env:APP_URL")).error(69);
    assert_eq!(error["error"], "SOURCE_NAME_TAKEN");
}

#[test]
fn a_server_that_sends_the_secret_back_is_not_repeated() {
    let desk = Desk::empty(Options::default());
    let told = json!({
        "source_id": "src_1", "name": "app_mysql", "connection": { "url": URL, "password": PASSWORD },
        "note": format!("connected with {PASSWORD}"),
    });
    desk.simulator
        .inject(Rule::on_any(Fault::body(201, told.to_string())));
    for output in ["json", "human"] {
        let ran = created(
            &desk,
            &format!("--kind mysql --url env:APP_URL --output {output}"),
        );
        assert!(
            ran.stdout.contains("src_1") && ran.stdout.contains("app_mysql"),
            "{}",
            ran.stdout
        );
    }
    let words = "--kind mysql --url env:APP_URL";
    let headers = || {
        Fault::default().header(
            HeaderName::from_static("x-request-id"),
            HeaderValue::from_static(PASSWORD),
        )
    };
    let message = format!("no route to {URL} with {PASSWORD}");
    for body in [
        json!({ "ok": false, "error_code": "CONNECTION_FAILED", "message": message }),
        json!({ "error": PASSWORD, "error_description": message, "request_id": URL }),
        json!({ "errors": [{ "code": PASSWORD, "message": message }] }),
    ] {
        desk.simulator.clear_faults();
        desk.simulator.inject(Rule::on_any(
            Fault::body(422, body.to_string()).and(headers()),
        ));
        let ran = Ran::of(&mut creation(&desk, words));
        assert!(
            ran.error(69)["message"]
                .as_str()
                .unwrap()
                .contains("HTTP 422"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn where_no_answer_came_the_hint_is_to_look_before_asking_again() {
    let desk = Desk::empty(Options::default());
    desk.simulator
        .inject(Rule::on(Endpoint::CreateSource, Fault::answer_lost()));
    let error = Ran::of(&mut creation(&desk, "--kind mysql --url env:APP_URL")).error(75);
    assert!(
        error["hint"].as_str().unwrap().contains("sources list"),
        "{error}"
    );
    assert_eq!(desk.simulator.calls(Endpoint::CreateSource), 1);
    assert_eq!(desk.done("list").stdout.lines().count(), 1);
}
