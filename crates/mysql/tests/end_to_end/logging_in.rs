//! Getting into a database: by every way, with every kind of password, and what is said where there is no way in.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use synapsor_mysql_testbed::Flavor;

use crate::folder::Folder;
use crate::program::Ended;
use crate::stage::Stage;

on_both! {
    a_user_gets_in_over_loopback_and_over_the_socket_at_first_and_later
    a_password_of_special_characters_is_written_percent_encoded
    a_user_without_a_password_gets_in
    who_is_not_let_in_is_told_why_and_asked_for_nothing_else
    an_account_that_is_locked_or_expired_is_told_so
}

/// How `status` ends with this URL.
fn status(stage: &Stage, url: &str) -> Ended {
    Ended::of(&mut command(stage, url))
}

fn command(stage: &Stage, url: &str) -> Command {
    let mut command = stage.program(&["status", "--connect-timeout", "1s"]);
    command.env("SYNAPSOR_DATABASE_URL", url);
    command
}

fn assert_in(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

/// The server has refused, with this number, and there is a hint.
fn assert_denied(ended: &Ended, numbers: &[u16]) {
    let error = ended.error();
    let found = (ended.code, &error["error"]);
    assert_eq!(
        found,
        (Some(77), &"DATABASE_ACCESS_DENIED".into()),
        "{ended:?}"
    );
    let message = ended.message();
    let is_told = numbers
        .iter()
        .any(|number| message.contains(&format!("({number})")));
    assert!(is_told, "{numbers:?}: {message}");
    assert!(error["hint"].is_string(), "{ended:?}");
}

/// Nobody answers as a database does: another try may help.
fn assert_unreachable(ended: &Ended, words: &str) {
    let error = ended.error();
    let found = (ended.code, &error["error"]);
    assert_eq!(
        found,
        (Some(75), &"DATABASE_UNREACHABLE".into()),
        "{ended:?}"
    );
    assert!(ended.message().contains(words), "{words}: {ended:?}");
}

/// An account that has not logged in yet, with the stage's rights.
fn newcomer(stage: &Stage, name: &str, password: &str) -> String {
    let user = format!("{name}_{}", stage.user);
    let quoted = password.replace('\\', "\\\\").replace('\'', "''");
    stage.shop.execute(&format!(
        "CREATE USER '{user}'@'%' IDENTIFIED BY '{quoted}'"
    ));
    stage.shop.execute(&format!(
        "GRANT SELECT ON `{}`.ledger TO '{user}'@'%'",
        stage.ledger()
    ));
    stage
        .shop
        .execute(&format!("GRANT SELECT ON tickets TO '{user}'@'%'"));
    user
}

fn a_user_gets_in_over_loopback_and_over_the_socket_at_first_and_later(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let [tcp, socket, tls] = ["tcp", "socket", "tls"].map(|way| newcomer(&stage, way, "secret"));
    let mut ways = vec![
        stage.shop.url(&tcp, "secret"),
        stage.shop.socket_url(&socket, "secret"),
    ];
    if flavor == Flavor::MySql {
        ways.push(stage.shop.url(&tls, "secret") + "?ssl-mode=required");
    }
    for url in ways {
        // The first time, MySQL knows no hash of the password: it asks for the password itself, encrypted.
        for _ in 0..2 {
            assert_in(&status(&stage, &url));
        }
        let wrong = url.replace("secret", "wrong");
        assert_denied(&status(&stage, &wrong), &[1045, 1698]);
    }
}

fn a_password_of_special_characters_is_written_percent_encoded(flavor: Flavor) {
    let stage = Stage::new(flavor);
    for (n, password) in ["p@ss:w/o?r#d&%+ =;'\"\\", "пароль 🔑", "%41"]
        .iter()
        .enumerate()
    {
        let user = newcomer(&stage, &format!("special_{n}"), password);
        assert_in(&status(&stage, &stage.shop.url(&user, password)));
        assert_in(&status(&stage, &stage.shop.socket_url(&user, password)));
        let truncated = &password[..password.len() - 1 - usize::from(n == 1) * 3];
        assert_denied(&status(&stage, &stage.shop.url(&user, truncated)), &[1045]);
    }
}

fn a_user_without_a_password_gets_in(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let user = newcomer(&stage, "open", "");
    let url = stage.shop.url(&user, "");
    assert_in(&status(&stage, &url));
    assert_in(&status(&stage, &url.replace(":@", "@")));
    assert_denied(&status(&stage, &stage.shop.url(&user, "x")), &[1045]);
}

fn who_is_not_let_in_is_told_why_and_asked_for_nothing_else(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let address = stage.shop.address();
    let (user, password) = (&stage.user, &stage.password);
    let elsewhere = format!("far_{user}");
    stage.shop.execute(&format!(
        "CREATE USER '{elsewhere}'@'10.9.9.9' IDENTIFIED BY 'x'"
    ));
    for url in [stage.shop.url(user, "wrong"), stage.shop.url(user, "")] {
        let ended = status(&stage, &url);
        assert_denied(&ended, &[1045, 1698]);
        assert!(
            !ended.stderr.contains("wrong") && !ended.stderr.contains(password),
            "{ended:?}"
        );
    }
    for nobody in ["nobody", "noone", "", "root", &elsewhere] {
        let ended = status(&stage, &stage.shop.url(nobody, "x"));
        match ended.message().contains("plugin") {
            true => assert_asked_for_another_plugin(&ended),
            false => assert_denied(&ended, &[1045, 1698]),
        }
    }
    // The one may know that a database is not there, the other one may not.
    assert_denied(
        &status(&stage, &address.url(user, password, "nowhere")),
        &[1044],
    );
    assert_denied(
        &status(&stage, &address.socket_url("root", "", "nowhere")),
        &[1049],
    );
}

fn an_account_that_is_locked_or_expired_is_told_so(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let [locked, expired] = ["locked", "expired"].map(|name| newcomer(&stage, name, "x"));
    stage
        .shop
        .execute(&format!("ALTER USER '{locked}'@'%' ACCOUNT LOCK"));
    stage
        .shop
        .execute(&format!("ALTER USER '{expired}'@'%' PASSWORD EXPIRE"));
    let locked = status(&stage, &stage.shop.url(&locked, "x"));
    assert_denied(&locked, &[3118, 4151]);
    assert!(locked.message().contains("LOCKED"), "{locked:?}");
    let expired = status(&stage, &stage.shop.url(&expired, "x"));
    assert_denied(&expired, &[1820, 1862]);
    assert!(
        expired.message().contains("MUST_CHANGE_PASSWORD"),
        "{expired:?}"
    );
}

#[test]
fn a_place_where_nobody_listens_is_unreachable() {
    let stage = Stage::new(Flavor::MariaDb);
    let folder = Folder::new();
    let file = folder.file("file", "");
    for (url, words) in [
        (
            "mysql://u:p@127.0.0.1:1/d".to_owned(),
            "127.0.0.1:1: connection refused",
        ),
        ("mysql://u:p@[::1]:1/d".to_owned(), "::1:1: "),
        (
            "mysql://u:p@localhost:1/d".to_owned(),
            "localhost:1: connection refused",
        ),
        (
            "mysql://u:p@nowhere.invalid/d".to_owned(),
            "the host's name is not known",
        ),
        (
            "mysql://u:p@h/d?socket=/nonexistent.sock".to_owned(),
            "/nonexistent.sock: entity not found",
        ),
        (
            format!("mysql://u:p@h/d?socket={}", file.display()),
            "connection refused",
        ),
    ] {
        assert_unreachable(&status(&stage, &url), words);
    }
}

/// A server that says this to everybody, and then keeps the connection or closes it. Its URL.
fn saying(greeting: &'static [u8], closes: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mysql://u:p@{}/d", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut kept = Vec::new();
        for mut client in listener.incoming().flatten() {
            let _ = client.write_all(greeting);
            if !closes {
                kept.push(client);
            }
        }
    });
    url
}

#[test]
fn what_is_not_mysql_is_unreachable_and_holds_nobody_up() {
    let stage = Stage::new(Flavor::MariaDb);
    let start = Instant::now();
    for (greeting, closes) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"[..],
            true,
        ),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", false),
        (b"", true),
        (b"", false),
        // The head of a greeting of 74 bytes, and none of them.
        (b"\x4a\0\0\0", false),
        (b"\0\0\0\0", false),
    ] {
        for limit in ["30s", "0"] {
            let mut command = command(&stage, &saying(greeting, closes));
            let ended = Ended::of(command.args(["--statement-timeout", limit]));
            assert_unreachable(&ended, "");
        }
    }
    // Twelve, each within the second that it takes to connect at most.
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
    let silent = status(&stage, &saying(b"", false));
    assert_unreachable(&silent, "no answer in time");
}

#[test]
fn a_socket_at_which_nobody_answers_holds_nobody_up() {
    let stage = Stage::new(Flavor::MariaDb);
    let folder = Folder::new();
    let path = folder.file("x", "").with_file_name("socket");
    let _listener = UnixListener::bind(&path).unwrap();
    let url = format!("mysql://u:p@localhost/d?socket={}", path.display());
    assert_unreachable(&status(&stage, &url), "no answer in time");
}

#[test]
fn a_host_that_the_server_does_not_let_in_is_told_so() {
    let stage = Stage::new(Flavor::MariaDb);
    for (number, text) in [
        (
            1130_u16,
            "Host 'h' is not allowed to connect to this MySQL server",
        ),
        (
            1129,
            "Host 'h' is blocked because of many connection errors",
        ),
    ] {
        let mut refusal = vec![u8::try_from(3 + text.len()).unwrap(), 0, 0, 0, 0xff];
        refusal.extend(number.to_le_bytes());
        refusal.extend(text.as_bytes());
        let ended = status(&stage, &saying(refusal.leak(), true));
        assert_denied(&ended, &[number]);
        assert!(ended.message().contains(text), "{ended:?}");
    }
}

#[test]
fn an_account_that_proves_itself_in_a_way_that_is_not_spoken_is_told_so() {
    let stage = Stage::new(Flavor::MySql);
    let user = format!("sha_{}", stage.user);
    let made = format!("CREATE USER '{user}'@'%' IDENTIFIED WITH sha256_password BY 'x'");
    stage.shop.execute(&made);
    assert_asked_for_another_plugin(&status(&stage, &stage.shop.url(&user, "x")));
}

/// What MySQL says of such an account, and of some that there are not.
fn assert_asked_for_another_plugin(ended: &Ended) {
    let error = ended.error();
    let found = (ended.code, &error["error"]);
    assert_eq!(
        found,
        (Some(77), &"DATABASE_ACCESS_DENIED".into()),
        "{ended:?}"
    );
    assert!(
        ended.message().contains("plugin sha256_password"),
        "{ended:?}"
    );
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.contains("caching_sha2_password"), "{ended:?}");
}

#[test]
fn every_hash_of_a_password_that_mysql_has_forgotten_is_made_again() {
    let stage = Stage::new(Flavor::MySql);
    let url = stage.shop.url(&stage.user, &stage.password);
    assert_in(&status(&stage, &url));
    stage.shop.execute("FLUSH PRIVILEGES");
    assert_in(&status(&stage, &url));
}
