//! `list`, `show`, `test`, `inspect`, `doctor`: what is asked, and what is shown of the answer.

use serde_json::{Value, json};
use simulated_control_plane::{Endpoint, Fault, Options, Rule, Source};

use crate::desk::Desk;

/// An answer with everything in it that a terminal would obey, or that hides what is written.
const COMMANDING: &str = "{\"source_id\":\"src_1\",\"na\u{9b}me\":\"\\u001b[2Jx\u{7f}\u{202e}y\",\
    \"tables\":[{\"na\u{9b}me\":\"\\u0007\u{9b}31m\"}]}";

fn is_commanding(c: char) -> bool {
    c.is_control() && c != '\n' || matches!(c, '\u{202a}'..='\u{202e}')
}

#[test]
fn the_list_is_one_source_a_line_for_programs() {
    let desk = Desk::open();
    let ran = desk.done("list");
    let sources: Vec<Value> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(sources.len(), 4);
    let second =
        json!({ "source_id": "src_2", "name": "app_mysql", "kind": "mysql", "status": "active" });
    assert_eq!(sources[1], second);
    assert_eq!(desk.done("list --json").stdout, ran.stdout);
}

#[test]
fn the_list_is_a_table_for_people() {
    let ran = Desk::open().done("list --output human");
    let heading = ran
        .stdout
        .lines()
        .find(|line| line.contains("NAME"))
        .unwrap();
    let row = ran
        .stdout
        .lines()
        .find(|line| line.contains("app_mysql"))
        .unwrap();
    for (title, value) in [("ID", "src_2"), ("KIND", "mysql"), ("STATUS", "active")] {
        assert_eq!(heading.find(title), row.rfind(value), "{}", ran.stdout);
    }
}

#[test]
fn an_empty_list_is_no_line_for_programs_and_a_sentence_for_people() {
    let desk = Desk::empty(Options::default());
    assert_eq!(desk.done("list").stdout, "");
    assert!(
        desk.done("list --output human")
            .stdout
            .contains("sources create")
    );
}

#[test]
fn the_list_is_of_the_project_that_flag_or_environment_name() {
    let desk = Desk::open();
    assert_eq!(
        desk.done("list --project-id prj_1").stdout.lines().count(),
        2
    );
    let mut command = desk.command("list");
    let ran = crate::desk::Ran::of(command.env("SYNAPSOR_PROJECT_ID", "prj_1"));
    assert_eq!(ran.stdout.lines().count(), 2);
    let journal = desk.simulator.journal();
    assert!(
        journal
            .iter()
            .all(|entry| entry.query == "project_id=prj_1")
    );
}

#[test]
fn a_list_of_many_pages_is_whole() {
    let desk = Desk::empty(Options {
        max_page: 2,
        ..Options::default()
    });
    for number in 0..5 {
        let (id, name) = (format!("src_{number}"), format!("app_{number}"));
        desk.simulator.add_source(Source::new(id, name));
    }
    assert_eq!(desk.done("list").stdout.lines().count(), 5);
    assert_eq!(desk.simulator.calls(Endpoint::ListSources), 3);
    assert_eq!(desk.done("show app_4").json()["source_id"], "src_4");
}

#[test]
fn an_id_is_used_as_it_is_and_a_name_is_looked_up() {
    let desk = Desk::open();
    assert_eq!(desk.done("show src_2").json()["name"], "app_mysql");
    assert_eq!(desk.simulator.calls(Endpoint::ListSources), 0);
    assert_eq!(desk.done("show app_postgres").json()["source_id"], "src_1");
    assert_eq!(desk.simulator.calls(Endpoint::ListSources), 1);
    assert_eq!(
        desk.done("show --project-id prj_1 app_mysql").json()["source_id"],
        "src_2"
    );
}

#[test]
fn an_id_may_hold_anything() {
    let desk = Desk::open();
    desk.simulator
        .add_source(Source::new("src_a/../b?c", "odd"));
    assert_eq!(desk.done("show odd").json()["source_id"], "src_a/../b?c");
    assert_eq!(desk.done("show src_a/../b?c").json()["name"], "odd");
}

#[test]
fn a_source_is_shown_whole_to_people_too() {
    let shown = Desk::open().done("show src_1 --output human").stdout;
    for part in [
        "source_id",
        "src_1",
        "app_postgres",
        "connection.ssl_mode",
        "require",
        "read-only",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[test]
fn a_source_of_either_kind_is_tested() {
    let desk = Desk::open();
    assert_eq!(
        desk.done("test app_postgres").json()["server_version"],
        "17.0"
    );
    assert_eq!(
        desk.done("test app_mysql").json()["server_version"],
        "8.4.0"
    );
    assert_eq!(desk.sent(Endpoint::TestSource), json!({}));
    let shown = desk.done("test src_2 --output human").stdout;
    assert!(
        shown.contains("status") && shown.contains("connected"),
        "{shown}"
    );
}

#[test]
fn a_postgres_source_is_inspected_by_schemas_and_a_mysql_source_by_its_database() {
    let desk = Desk::open();
    let answer = desk
        .done("inspect app_postgres --schema public --schema billing")
        .json();
    assert_eq!(answer["tables"][1]["schema"], "billing");
    let expected = json!({ "schemas": ["public", "billing"], "include_views": true });
    assert_eq!(desk.sent(Endpoint::InspectSource), expected);
    assert_eq!(
        desk.done("inspect app_mysql --database shop").json()["source_id"],
        "src_2"
    );
    let expected = json!({ "database": "shop", "include_views": true });
    assert_eq!(desk.sent(Endpoint::InspectSource), expected);
    assert_eq!(
        desk.simulator.calls(Endpoint::ShowSource),
        0,
        "the flags say enough"
    );
}

#[test]
fn tables_and_their_columns_are_shown_to_people() {
    let shown = Desk::open()
        .done("inspect src_2 --database shop --output human")
        .stdout;
    for part in [
        "tables:",
        "SCHEMA",
        "COLUMNS",
        "tickets",
        "id bigint, tenant_id text",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[test]
fn a_source_of_either_kind_is_examined() {
    let desk = Desk::open();
    assert_eq!(
        desk.done("doctor src_1 --schema public").json()["checks"][0]["ok"],
        true
    );
    assert_eq!(
        desk.sent(Endpoint::DoctorSource),
        json!({ "schemas": ["public"] })
    );
    let shown = desk
        .done("doctor app_mysql --database shop --output human")
        .stdout;
    assert_eq!(
        desk.sent(Endpoint::DoctorSource),
        json!({ "database": "shop" })
    );
    for part in ["checks:", "read_only", "the role may not write", "yes"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[test]
fn a_check_that_fails_ends_the_doctor_with_1() {
    let desk = Desk::open();
    let answer = json!({ "ok": true, "checks": [
        { "name": "connection", "ok": true }, { "name": "read_only", "ok": false, "detail": "it may write" },
    ] });
    desk.simulator.inject(Rule::on(
        Endpoint::DoctorSource,
        Fault::body(200, answer.to_string()),
    ));
    let ran = desk.run("doctor src_1 --schema public");
    assert_eq!((ran.code, ran.json()), (1, answer));
    let ran = desk.run("doctor src_1 --schema public --output human");
    assert!(
        ran.code == 1 && ran.stdout.contains("it may write"),
        "{}",
        ran.stdout
    );
}

#[test]
fn without_schema_or_database_the_source_s_kind_says_which_of_them_is_missing() {
    let desk = Desk::open();
    for command in ["inspect", "doctor"] {
        let error = desk.run(&format!("{command} app_postgres")).error(78);
        assert_eq!(error["error"], "SCHEMA_REQUIRED");
        let error = desk.run(&format!("{command} app_mysql")).error(78);
        assert_eq!(error["error"], "DATABASE_REQUIRED");
    }
    desk.simulator.add_source(Source {
        kind: "oracle".to_owned(),
        ..Source::new("src_9", "other")
    });
    assert_eq!(
        desk.run("inspect other").error(78)["error"],
        "SOURCE_KIND_UNKNOWN"
    );
    assert_eq!(desk.simulator.calls(Endpoint::InspectSource), 0);
    assert_eq!(desk.simulator.calls(Endpoint::DoctorSource), 0);
}

#[test]
fn numbers_come_through_as_the_server_wrote_them() {
    let desk = Desk::open();
    let answer = r#"{"rows":123456789012345678901234567890,"ratio":1.10}"#;
    desk.simulator
        .inject(Rule::on(Endpoint::TestSource, Fault::body(200, answer)));
    assert_eq!(desk.done("test src_1").stdout.trim_end(), answer);
}

#[test]
fn what_would_command_a_terminal_never_reaches_it_and_programs_lose_nothing() {
    let desk = Desk::open();
    desk.simulator
        .inject(Rule::on(Endpoint::ShowSource, Fault::body(200, COMMANDING)));
    let list = format!("{{\"sources\":[{COMMANDING}]}}");
    desk.simulator
        .inject(Rule::on(Endpoint::ListSources, Fault::body(200, list)));
    let said: Value = serde_json::from_str(COMMANDING).unwrap();
    for words in ["show src_1", "list"] {
        let human = desk.done(&format!("{words} --output human")).stdout;
        assert!(!human.contains(is_commanding), "{human:?}");
        let ran = desk.done(&format!("{words} --json"));
        assert!(!ran.stdout.contains(is_commanding), "{:?}", ran.stdout);
        assert_eq!(ran.json(), said);
    }
}
