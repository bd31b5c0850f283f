//! `generate`: files listed, printed, or written below a folder.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;
use simulated_control_plane::{Endpoint, Fault, Rule};

use crate::desk::Desk;

#[test]
fn the_contract_s_defaults_are_asked_for_or_what_flags_say() {
    let desk = Desk::open();
    for source in ["app_postgres", "app_mysql"] {
        desk.done(&format!("generate {source}"));
        let defaults = json!({ "template": "support-ticket-agent", "namespace": "support" });
        assert_eq!(desk.sent(Endpoint::GenerateSource), defaults);
    }
    desk.done("generate src_1 --template order-agent --namespace shop");
    let said = json!({ "template": "order-agent", "namespace": "shop" });
    assert_eq!(desk.sent(Endpoint::GenerateSource), said);
}

#[test]
fn without_a_folder_programs_get_the_whole_answer_and_people_a_list() {
    let desk = Desk::open();
    let answer = desk.done("generate app_mysql").json();
    assert_eq!(answer["capability"], "support.support_ticket_agent");
    assert_eq!(
        answer["files"][1]["contents"],
        "# support.support_ticket_agent\n"
    );
    let shown = desk.done("generate app_mysql --output human").stdout;
    let row = shown
        .lines()
        .find(|line| line.contains("support/README.md"))
        .unwrap();
    assert!(row.contains("31"), "its size in bytes: {row}");
    assert!(
        shown.contains("support.support_ticket_agent") && !shown.contains("# support"),
        "{shown}"
    );
    assert_eq!(fs::read_dir(desk.home()).unwrap().count(), 0);
}

#[test]
fn files_are_written_below_the_folder_which_is_made() {
    let desk = Desk::open();
    let told = desk.done("generate app_mysql --out some/agent").json();
    let folder = desk.home().join("some/agent/support");
    assert_eq!(
        fs::read_to_string(folder.join("README.md")).unwrap(),
        "# support.support_ticket_agent\n"
    );
    let expected = json!({
        "source_id": "src_2", "capability": "support.support_ticket_agent", "out": "some/agent",
        "files": [{ "path": "support/capability.json", "bytes": 46 }, { "path": "support/README.md", "bytes": 31 }],
    });
    assert_eq!(told, expected);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    let shown = desk
        .done("generate app_mysql --out other --output human")
        .stdout;
    assert!(
        shown.contains("2 file(s) written below other") && shown.contains("support/README.md"),
        "{shown}"
    );
}

#[test]
fn the_folder_itself_may_be_a_link() {
    let desk = Desk::open();
    fs::create_dir(desk.home().join("real")).unwrap();
    symlink("real", desk.home().join("link")).unwrap();
    desk.done("generate app_mysql --out link");
    assert!(desk.home().join("real/support/README.md").is_file());
}

#[test]
fn no_file_is_overwritten_and_none_written_where_one_is_there() {
    let desk = Desk::open();
    let folder = desk.home().join("out/support");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("README.md"), "mine").unwrap();
    let error = desk.run("generate app_mysql --out out").error(69);
    assert_eq!(
        error["message"],
        "FILE_EXISTS: support/README.md is there already"
    );
    assert!(error["hint"].as_str().unwrap().contains("--force"));
    assert_eq!(
        fs::read_to_string(folder.join("README.md")).unwrap(),
        "mine"
    );
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn with_force_files_are_replaced_and_what_they_were_linked_to_stays() {
    let desk = Desk::open();
    let folder = desk.home().join("out/support");
    fs::create_dir_all(&folder).unwrap();
    let mine = desk.home().join("mine");
    fs::write(&mine, "mine").unwrap();
    fs::hard_link(&mine, folder.join("README.md")).unwrap();
    fs::write(
        folder.join("capability.json"),
        "a text that is much longer than the new one, and has to be gone",
    )
    .unwrap();
    desk.done("generate app_mysql --out out --force");
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(read("README.md"), "# support.support_ticket_agent\n");
    assert_eq!(
        read("capability.json"),
        "{\"capability\":\"support.support_ticket_agent\"}\n"
    );
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
}

#[test]
fn force_without_a_folder_is_a_wrong_command_line() {
    let desk = Desk::open();
    assert_eq!(desk.run("generate app_mysql --force").code, 2);
    assert!(desk.simulator.journal().is_empty());
}

#[test]
fn an_answer_without_proper_files_is_refused() {
    let desk = Desk::open();
    for answer in [
        json!({ "capability": "x" }),
        json!({ "files": { "path": "a", "contents": "" } }),
        json!({ "files": [{ "path": "a" }] }),
        json!({ "files": [{ "path": 7, "contents": "" }] }),
        json!({ "files": ["a"] }),
    ] {
        desk.simulator.clear_faults();
        let fault = Fault::body(200, answer.to_string());
        desk.simulator
            .inject(Rule::on(Endpoint::GenerateSource, fault));
        let error = desk.run("generate src_1 --out out").error(69);
        assert_eq!(
            error["error"], "CONTROL_PLANE_UNEXPECTED_ANSWER",
            "{answer}"
        );
    }
    assert!(!desk.home().join("out").exists());
}
