//! `generate --out`: an answer that tries to leave its folder.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::{Value, json};
use simulated_control_plane::{Endpoint, Fault, Rule};

use crate::desk::Desk;

/// Lets the control plane generate files with these paths, of which the first is a good one.
fn generate(desk: &Desk, paths: &[&str]) {
    let paths = [&["good.txt"], paths].concat();
    let files: Vec<Value> = paths
        .iter()
        .map(|path| json!({ "path": path, "contents": "planted" }))
        .collect();
    let answer = json!({ "source_id": "src_1", "capability": "x", "files": files });
    desk.simulator.clear_faults();
    desk.simulator.inject(Rule::on(
        Endpoint::GenerateSource,
        Fault::body(200, answer.to_string()),
    ));
}

/// Every file below the program's folder.
fn files(desk: &Desk) -> Vec<String> {
    let listed = Command::new("find")
        .arg(desk.home())
        .args(["!", "-type", "d"])
        .output()
        .unwrap();
    String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_path_that_would_leave_the_folder_is_refused_and_no_file_is_written() {
    let desk = Desk::open();
    let absolute = desk.home().join("planted").to_str().unwrap().to_owned();
    for path in [
        "../planted",
        "a/../../planted",
        "a/b/../../../planted",
        "..",
        ".",
        "./planted",
        "a/./planted",
        "a/..",
        &absolute,
        "//planted",
        "",
        "a//planted",
        "planted/",
        "/",
        "..\\planted",
        "a\\..\\planted",
        "\\planted",
        "C:\\planted",
        "C:planted",
        "c:/planted",
        "pl\0anted",
        "pl\nanted",
        "\u{1b}[2Jplanted",
        "pl\u{9b}anted",
    ] {
        generate(&desk, &[path]);
        for force in ["", "--force"] {
            let ran = desk.run(&format!("generate src_1 --out out {force}"));
            assert_eq!(ran.error(69)["error"], "UNSAFE_PATH", "{path:?}");
            assert!(
                !ran.stderr.trim_end().contains(char::is_control),
                "{:?}",
                ran.stderr
            );
        }
        assert_eq!(files(&desk), [""; 0], "{path:?}");
    }
    assert!(!desk.home().join("out").exists());
}

#[test]
fn a_path_that_is_far_too_long_is_refused() {
    let desk = Desk::open();
    for path in ["x".repeat(256), "x/".repeat(3000) + "x"] {
        generate(&desk, &[&path]);
        let ran = desk.run("generate src_1 --out out");
        assert_eq!(ran.error(69)["error"], "UNSAFE_PATH");
        assert!(ran.stderr.len() < 1000, "{}", ran.stderr);
    }
    assert_eq!(files(&desk), [""; 0]);
}

#[test]
fn a_path_that_is_named_twice_or_is_also_a_folder_is_refused() {
    let desk = Desk::open();
    for paths in [
        &["a", "a"][..],
        &["good.txt"],
        &["a", "a/b"],
        &["a/b/c", "a/b"],
    ] {
        generate(&desk, paths);
        for force in ["", "--force"] {
            let error = desk
                .run(&format!("generate src_1 --out out {force}"))
                .error(69);
            assert_eq!(error["error"], "UNSAFE_PATH", "{paths:?}");
        }
        assert_eq!(files(&desk), [""; 0], "{paths:?}");
    }
}

#[test]
fn a_link_on_the_way_is_never_followed() {
    let desk = Desk::open();
    let outside = tempfile::tempdir().unwrap();
    let out = desk.home().join("out");
    fs::create_dir_all(out.join("deep")).unwrap();
    fs::create_dir(out.join("inside")).unwrap();
    symlink(outside.path(), out.join("folder")).unwrap();
    symlink(outside.path(), out.join("deep/folder")).unwrap();
    symlink("..", out.join("up")).unwrap();
    symlink("inside", out.join("harmless")).unwrap();
    symlink(outside.path().join("new"), out.join("file")).unwrap();
    let before = files(&desk);
    for path in [
        "folder/x",
        "deep/folder/x",
        "up/x",
        "harmless/x",
        "file",
        "folder",
        "file/x",
    ] {
        generate(&desk, &[path]);
        for force in ["", "--force"] {
            let error = desk
                .run(&format!("generate src_1 --out out {force}"))
                .error(69);
            assert_eq!(error["error"], "UNSAFE_PATH", "{path} {force}");
        }
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    assert_eq!(files(&desk), before);
}

#[test]
fn only_ordinary_files_are_replaced() {
    let desk = Desk::open();
    let out = desk.home().join("out");
    fs::create_dir_all(out.join("folder")).unwrap();
    fs::write(out.join("plain"), "mine").unwrap();
    let made = Command::new("mkfifo")
        .arg(out.join("pipe"))
        .status()
        .unwrap();
    assert!(made.success());
    let before = files(&desk);
    for path in ["folder", "pipe", "plain/x"] {
        generate(&desk, &[path]);
        let error = desk.run("generate src_1 --out out --force").error(69);
        assert_eq!(error["error"], "UNSAFE_PATH", "{path}");
    }
    assert_eq!(files(&desk), before);
    assert_eq!(fs::read_to_string(out.join("plain")).unwrap(), "mine");
}

#[test]
fn a_folder_that_is_a_file_is_an_error_and_stays_one() {
    let desk = Desk::open();
    fs::write(desk.home().join("out"), "mine").unwrap();
    let ran = desk.run("generate src_1 --out out");
    assert_eq!(ran.error(75)["error"], "IO");
    assert_eq!(fs::read_to_string(desk.home().join("out")).unwrap(), "mine");
}

#[test]
fn a_list_for_people_shows_such_a_path_harmlessly() {
    let desk = Desk::open();
    generate(&desk, &["../planted", "\u{1b}[2Jx"]);
    let shown = desk.done("generate src_1 --output human").stdout;
    assert!(
        shown.contains("../planted") && !shown.contains('\u{1b}'),
        "{shown:?}"
    );
    assert_eq!(files(&desk), [""; 0]);
}
