//! Neither the API key nor the database's password, nor a row's value, comes out anywhere: whatever is asked, and whatever goes wrong.

use std::net::TcpListener;
use std::process::Command;

use simulated_control_plane::{Endpoint, Fault, Options, Rule};
use synapsor_mysql_testbed::{Flavor, shared};

use crate::folder::Folder;
use crate::program::{Ended, Running, program};
use crate::stage::Stage;

on_both! {
    no_command_shows_a_secret_when_all_is_well
    no_command_shows_a_secret_when_something_fails
    what_the_server_says_of_a_row_stays_in_the_database
}

const KEY: &str = "syn_planted_key_5f21";

/// A value of a row that nobody outside of the database may see.
const ROW: &str = "planted_row_9a17";

fn stage(flavor: Flavor) -> Stage {
    let options = Options {
        api_key: KEY.into(),
        ..Options::default()
    };
    Stage::with(shared(flavor), options)
}

/// Neither secret is in it.
fn assert_clean(stage: &Stage, what: &str, text: &str) {
    for secret in [KEY, &stage.password] {
        assert!(!text.contains(secret), "{what} shows a secret: {text}");
    }
}

/// Runs a command with both formats; neither shows a secret. Gives the exit codes.
fn run_clean(stage: &Stage, words: &[&str], set_up: impl Fn(&mut Command)) -> [Option<i32>; 2] {
    ["json", "human"].map(|format| {
        let mut command = stage.program(words);
        command.args(["--output", format]);
        command
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "full");
        set_up(&mut command);
        let input = stage.close(90).to_string();
        let ended = Ended::with_input(&mut command, &input);
        assert_clean(stage, &format!("{words:?}"), &ended.stdout);
        assert_clean(stage, &format!("{words:?}"), &ended.stderr);
        ended.code
    })
}

/// What the control plane was told and what the ledger holds are clean too.
fn assert_books_clean(stage: &Stage) {
    let ledger = stage
        .shop
        .query_rows(&format!("SELECT * FROM {}.ledger", stage.ledger()));
    assert_clean(stage, "the ledger", &format!("{ledger:?}"));
    for entry in stage.simulator.journal() {
        let body = String::from_utf8_lossy(&entry.body);
        assert_clean(stage, "a request", &body);
        assert_clean(
            stage,
            "a request",
            &format!("{} {} {:?}", entry.path, entry.query, entry.headers),
        );
    }
}

fn no_command_shows_a_secret_when_all_is_well(flavor: Flavor) {
    let stage = stage(flavor);
    for words in [
        &["--help"][..],
        &["run", "--help"],
        &["doctor"],
        &["status"],
        &["build"],
        &["preview"],
        &["migrate", "--print"],
        &["sources", "list"],
    ] {
        for code in run_clean(&stage, words, |_| {}) {
            assert!(matches!(code, Some(0 | 1)), "{words:?}: {code:?}");
        }
    }
    stage.approve(stage.close(1));
    assert_eq!(run_clean(&stage, &["poll-once"], |_| {}), [Some(0); 2]);
    assert_eq!(run_clean(&stage, &["report-once"], |_| {}), [Some(0); 2]);
    stage.approve(stage.close(2));
    let mut run = stage.start_with(&["--output", "human"]);
    stage.wait_for_word("close_2");
    run.terminate();
    assert_clean(&stage, "run", &(run.stdout() + &run.stderr()));
    assert_books_clean(&stage);
}

/// Ways to go wrong: what is set up, and how the commands end that notice.
type Failure = (&'static str, fn(&Stage, &mut Command), i32);

const FAILURES: [Failure; 8] = [
    (
        "wrong password",
        |stage, c| {
            set_url(
                c,
                &stage.shop.url(&stage.user, &format!("{}x", stage.password)),
            )
        },
        77,
    ),
    (
        "unknown database",
        |stage, c| {
            set_url(
                c,
                &stage.shop.address().url("root", &stage.password, "nowhere"),
            )
        },
        77,
    ),
    (
        "a closed port",
        |stage, c| set_url(c, &format!("mysql://u:{}@127.0.0.1:1/d", stage.password)),
        75,
    ),
    (
        "not MySQL",
        |stage, c| {
            set_url(
                c,
                &format!("mysql://u:{}@127.0.0.1:{}/d", stage.password, web_server()),
            )
        },
        75,
    ),
    (
        "no such host",
        |stage, c| {
            set_url(
                c,
                &format!("mysql://u:{}@nowhere.invalid/d", stage.password),
            )
        },
        75,
    ),
    (
        "a certificate that nobody trusts",
        |stage, c| {
            let url = stage.shop.url(&stage.user, &stage.password);
            set_url(c, &format!("{url}?ssl-mode=verify-ca"));
        },
        69,
    ),
    (
        "a URL with / in the password",
        |stage, c| set_url(c, &format!("mysql://u:12/{}@127.0.0.1/d", stage.password)),
        78,
    ),
    (
        "a URL of another scheme",
        |stage, c| set_url(c, &format!("postgres://u:{}@127.0.0.1/d", stage.password)),
        78,
    ),
];

fn set_url(command: &mut Command, url: &str) {
    command.env("SYNAPSOR_DATABASE_URL", url);
}

/// A server that answers everybody as a web server would. Its port.
fn web_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().take(1).flatten() {
            let _ = std::io::Write::write_all(&mut &client, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    port
}

fn no_command_shows_a_secret_when_something_fails(flavor: Flavor) {
    let stage = stage(flavor);
    stage.approve(stage.close(1));
    for (what, set_up, code) in FAILURES {
        for words in [&["status"][..], &["poll-once"], &["preview"]] {
            let codes = run_clean(&stage, words, |command| set_up(&stage, command));
            assert_eq!(codes, [Some(code); 2], "{what}: {words:?}");
        }
        let codes = run_clean(&stage, &["doctor"], |command| set_up(&stage, command));
        assert_eq!(codes, [Some(1); 2], "{what}");
    }
    // The control plane sends back what it was sent.
    for status in [401, 403, 422, 500] {
        let body = format!(
            r#"{{"ok":false,"error":"X_{KEY}","message":"not {KEY}","request_id":"{KEY}"}}"#
        );
        let rule = stage
            .simulator
            .inject(Rule::on_any(Fault::body(status, body)));
        for words in [&["poll-once"][..], &["doctor"], &["sources", "list"]] {
            run_clean(&stage, words, |_| {});
        }
        stage.simulator.withdraw(rule);
    }
    let body = format!(r#"{{"ok":false,"error":"X","message":"not {KEY}"}}"#);
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::body(422, body)));
    assert_eq!(run_clean(&stage, &["poll-once"], |_| {})[0], Some(1));
    assert_eq!(run_clean(&stage, &["status"], |_| {}), [Some(1); 2]);
    assert_books_clean(&stage);
    wrong_keys_are_not_shown(&stage);
}

fn wrong_keys_are_not_shown(stage: &Stage) {
    const WRONG: &str = "syn_wrong_key_77d0";
    let folder = Folder::new();
    for key in [
        WRONG.to_owned(),
        format!("{WRONG} {WRONG}"),
        WRONG.repeat(400),
    ] {
        let file = folder.file("key", &key);
        for words in [&["poll-once"][..], &["doctor"], &["sources", "list"]] {
            let ended = Ended::of(stage.program(words).env("SYNAPSOR_API_KEY_FILE", &file));
            assert_ne!(ended.code, Some(0), "{ended:?}");
            let said = ended.stdout + &ended.stderr;
            assert!(!said.contains(WRONG), "{words:?}: {said}");
        }
    }
}

fn what_the_server_says_of_a_row_stays_in_the_database(flavor: Flavor) {
    let stage = stage(flavor);
    stage.furnish(&format!(
        "CREATE TABLE mails (id int PRIMARY KEY, mail varchar(40) UNIQUE, parent varchar(40), amount int CHECK (amount < 9),
             FOREIGN KEY (parent) REFERENCES mails (mail));
         INSERT INTO mails VALUES (1, '{ROW}', NULL, 1), (2, 'b', '{ROW}', 1);
         CREATE TRIGGER quoting BEFORE UPDATE ON mails FOR EACH ROW IF NEW.amount = 5 THEN
             SET @said = CONCAT('row: ', OLD.mail), NEW.amount = @said; END IF"
    ));
    stage.grant("PROCESS ON *.*");
    let insert = |id: &str| stage.insert("mails").id(id).change("id", 3);
    let change = |id: &str| stage.update("mails").id(id).key("id", 1);
    stage.approve(insert("duplicate").change("mail", ROW));
    stage.approve(insert("orphan").change("parent", format!("{ROW}_x")));
    stage.approve(
        insert("check")
            .change("mail", format!("{ROW}_y"))
            .change("amount", 10),
    );
    stage.approve(change("quoted").change("amount", 5));
    stage.approve(change("too_long").change("parent", ROW.repeat(9)));
    stage.approve(change("referred").change("mail", format!("{ROW}_z")));
    let polled = stage.run(&["poll-once", "--output", "json"]);
    assert_eq!(polled.summary()["failed"], 6, "{polled:?}");
    let mut said = polled.stdout + &polled.stderr;
    for words in [
        &["poll-once"][..],
        &["doctor"],
        &["status"],
        &["report-once"],
    ] {
        for format in ["json", "human"] {
            let ended = Ended::of(stage.program(words).args(["--output", format]));
            said += &(ended.stdout + &ended.stderr);
        }
    }
    assert!(!said.contains(ROW), "{said}");
    for entry in stage.simulator.journal() {
        let body = String::from_utf8_lossy(&entry.body);
        assert!(!body.contains(ROW), "a report shows a row: {body}");
    }
    let detail = stage.ledger_column("duplicate", "error_detail").unwrap();
    assert!(
        detail.contains(ROW),
        "the operator finds it in the ledger: {detail}"
    );
}

#[test]
fn a_running_process_shows_no_secret_that_came_from_a_file() {
    let stage = stage(Flavor::MariaDb);
    let folder = Folder::new();
    let url = folder.file("url", &stage.shop.url(&stage.user, &stage.password));
    let mut command = stage.program(&["run", "--poll-interval", "50ms", "--database-url-file"]);
    command.arg(url).env_remove("SYNAPSOR_DATABASE_URL");
    let mut run = Running::start(&mut command);
    run.wait_for_event("running");
    for file in ["cmdline", "environ"] {
        let bytes = std::fs::read(format!("/proc/{}/{file}", run.pid())).unwrap();
        assert_clean(&stage, file, &String::from_utf8_lossy(&bytes));
    }
    run.terminate();
}

#[test]
fn no_flag_takes_a_secret() {
    for flag in [
        "--api-key=x",
        "--database-url=mysql://u:p@h/d",
        "--password=x",
    ] {
        let ended = Ended::of(&mut program(&["status", flag]));
        assert_eq!(ended.code, Some(2), "{ended:?}");
    }
}
