//! The files that hold a secret: the API key's and the database URL's. Private, regular, small; else a clear error, at once.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use synapsor_mysql_testbed::Flavor;

use crate::folder::Folder;
use crate::program::{Ended, Running};
use crate::stage::Stage;

/// The two kinds of file: which setting names it, and which code speaks of it.
const KINDS: [&str; 2] = ["SYNAPSOR_API_KEY_FILE", "SYNAPSOR_DATABASE_URL_FILE"];

/// A poll with this as one of the two files.
fn poll(stage: &Stage, variable: &str, path: &Path) -> Ended {
    let start = Instant::now();
    let ended = Ended::of(&mut command(stage, variable, path));
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "it waited for {path:?}"
    );
    ended
}

fn command(stage: &Stage, variable: &str, path: &Path) -> Command {
    let mut command = stage.program(&["poll-once"]);
    if variable == KINDS[1] {
        command.env_remove("SYNAPSOR_DATABASE_URL");
    }
    command.env(variable, path);
    command
}

/// What the file would hold if it were good.
fn content(stage: &Stage, variable: &str) -> String {
    if variable == KINDS[1] {
        stage.shop.url(&stage.user, &stage.password)
    } else {
        "syn_simulated_key".to_owned()
    }
}

/// The poll is refused for the file's sake, with these words.
fn assert_refused(stage: &Stage, path: &Path, words: &str) {
    for variable in KINDS {
        let ended = poll(stage, variable, path);
        assert_eq!(ended.code, Some(78), "{path:?}: {ended:?}");
        let message = ended.message();
        assert!(message.contains(words), "{path:?}: {message}");
        assert!(ended.error()["hint"].is_string(), "{ended:?}");
        assert!(
            !ended.stderr.contains(&content(stage, variable)),
            "{ended:?}"
        );
    }
}

#[test]
fn a_good_file_may_have_white_space_around_and_a_link_to_it() {
    let stage = Stage::new(Flavor::MariaDb);
    let folder = Folder::new();
    for variable in KINDS {
        let file = folder.file(
            variable,
            &format!("\n  {}\r\n\n", content(&stage, variable)),
        );
        let link = file.with_extension("link");
        symlink(&file, &link).unwrap();
        for path in [file, link] {
            let ended = poll(&stage, variable, &path);
            assert_eq!(ended.code, Some(0), "{ended:?}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_or_not_a_file_is_refused_at_once() {
    let stage = Stage::new(Flavor::MariaDb);
    let folder = Folder::new();
    let home = folder.file("x", "").parent().unwrap().to_owned();
    assert_refused(&stage, &home.join("missing"), "does not exist");
    assert_refused(&stage, &home, "is not a regular file");
    assert_refused(&stage, Path::new("/dev/zero"), "is not a regular file");
    let pipe = home.join("pipe");
    let made = Command::new("mkfifo")
        .arg("-m")
        .arg("600")
        .arg(&pipe)
        .status();
    assert!(made.unwrap().success());
    assert_refused(&stage, &pipe, "is not a regular file");
}

#[test]
fn a_file_that_others_have_a_right_on_is_refused() {
    let stage = Stage::new(Flavor::MariaDb);
    let folder = Folder::new();
    for mode in [0o604, 0o644, 0o620, 0o660, 0o601] {
        for variable in KINDS {
            let file = folder.file(variable, &content(&stage, variable));
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            let ended = poll(&stage, variable, &file);
            assert_eq!(ended.code, Some(78), "{mode:o}: {ended:?}");
            assert!(
                ended.message().contains("0600 or less"),
                "{mode:o}: {ended:?}"
            );
        }
    }
}

#[test]
fn a_file_without_a_secret_in_it_is_refused() {
    let stage = Stage::new(Flavor::MariaDb);
    let folder = Folder::new();
    for text in ["", " \n\t\n"] {
        let file = folder.file("empty", text);
        let key = poll(&stage, KINDS[0], &file);
        assert_eq!(key.error()["error"], "API_KEY_EMPTY", "{key:?}");
        let url = poll(&stage, KINDS[1], &file);
        assert_eq!(url.error()["error"], "DATABASE_URL_INVALID", "{url:?}");
        assert_eq!([key.code, url.code], [Some(78); 2]);
    }
    let file = folder.file("large", &"x".repeat(70_000));
    for variable in KINDS {
        let ended = poll(&stage, variable, &file);
        assert_eq!(ended.code, Some(78), "{ended:?}");
        assert!(ended.stderr.len() < 1_000, "{ended:?}");
        let message = ended.message();
        assert!(
            message.contains("too large") || message.contains("more than a key"),
            "{message}"
        );
    }
}

/// Whose file it is can only be tried by those who may give files away.
#[test]
fn a_file_of_somebody_else_is_refused() {
    // SAFETY: has no precondition.
    let is_root = unsafe { libc::geteuid() } == 0;
    let stage = Stage::new(Flavor::MariaDb);
    let folder = Folder::new();
    for variable in KINDS {
        let file = folder.file(variable, &content(&stage, variable));
        let path = if is_root {
            chown(&file, Some(65_534), None).unwrap();
            file
        } else {
            // Root's, and open to others.
            Path::new("/etc/passwd").to_owned()
        };
        let ended = poll(&stage, variable, &path);
        assert_eq!(ended.code, Some(78), "{ended:?}");
        let words = if is_root {
            "must belong to"
        } else {
            "0600 or less"
        };
        assert!(ended.message().contains(words), "{ended:?}");
    }
}

#[test]
fn a_key_file_that_goes_bad_while_it_runs_stops_the_polls_and_not_the_program() {
    let stage = Stage::new(Flavor::MariaDb);
    let folder = Folder::new();
    let key = folder.file("key", "syn_simulated_key");
    let mut command = stage.program(&["run", "--poll-interval", "50ms"]);
    let mut run = Running::start(command.env("SYNAPSOR_API_KEY_FILE", &key));
    run.wait_for_event("running");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    run.signal(libc::SIGHUP);
    run.wait_for_event("API_KEY_FILE_EXPOSED");
    assert!(run.is_running());
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    stage.approve(stage.close(1));
    run.signal(libc::SIGHUP);
    stage.wait_for_word("close_1");
    assert_eq!(run.terminate().0, Some(0));
}
