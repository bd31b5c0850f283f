//! The data of people is planted in rows and in proposals, everything goes wrong with it, and it comes out nowhere: it is in
//! the tables, and in the ledger's own place for what the server said.

use serde_json::{Value, json};
use synapsor_mysql_testbed::Flavor;
use synapsor_testbed::Proposal;

use crate::program::Ended;
use crate::stage::Stage;

on_both! {
    the_data_of_people_comes_out_nowhere
}

/// In every name, address and text that belongs to a person.
const PERSON: &str = "qzPersonqz";

const FURNITURE: &str = "
    CREATE TABLE people (
        id int PRIMARY KEY, mail varchar(60) UNIQUE, tenant varchar(60) NOT NULL, version varchar(60), friend varchar(60),
        age int CHECK (age < 150), born date, mood enum('good', 'bad'), about json, initials varchar(3), photo varbinary(9),
        FOREIGN KEY (friend) REFERENCES people (mail));
    INSERT INTO people (id, mail, tenant, version, friend) VALUES
        (1, 'PERSON_mail_1', 'PERSON_tenant', 'PERSON_version', NULL), (2, 'PERSON_mail_2', 'PERSON_tenant', 'PERSON_version', NULL),
        (3, 'PERSON_mail_3', 'PERSON_tenant', 'PERSON_version', NULL), (4, 'PERSON_mail_4', 'PERSON_tenant', 'PERSON_version', NULL),
        (5, 'PERSON_mail_5', 'PERSON_tenant', 'PERSON_version', NULL), (6, 'PERSON_mail_6', 'PERSON_tenant', 'PERSON_version', 'PERSON_mail_5');
    CREATE TABLE twins (mail varchar(60), n int); INSERT INTO twins VALUES ('PERSON_twin', 1), ('PERSON_twin', 1);
    CREATE TRIGGER quoting BEFORE UPDATE ON people FOR EACH ROW IF NEW.age = 8 THEN
        SET @said = CONCAT('it is ', OLD.mail); SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = @said; END IF";

/// What is done, and how its outcome begins.
type Doing = (&'static str, fn(&Stage, Proposal) -> Proposal, &'static str);

fn person(part: &str) -> String {
    format!("{PERSON}_{part}")
}

fn row(proposal: Proposal, id: i64) -> Proposal {
    proposal.key("id", id).tenant("tenant", person("tenant"))
}

const DOINGS: &[Doing] = &[
    (
        "update",
        |_, p| row(p, 1).change("version", person("new")),
        "applied",
    ),
    (
        "guarded",
        |_, p| {
            row(p, 2)
                .change("age", 20)
                .conflict("version", person("version"))
        },
        "applied",
    ),
    (
        "outdated",
        |_, p| {
            row(p, 3)
                .change("age", 20)
                .conflict("version", person("old"))
        },
        "CONFLICT_VALUE_CHANGED",
    ),
    (
        "nobody",
        |_, p| p.key("mail", person("nobody")).change("age", 20),
        "ROW_NOT_FOUND",
    ),
    (
        "other_tenant",
        |_, p| {
            p.key("id", 1)
                .tenant("tenant", person("other"))
                .change("age", 20)
        },
        "ROW_NOT_FOUND",
    ),
    (
        "no_integer",
        |_, p| row(p, 4).change("age", person("age")),
        "WRITEBACK_VALUE_TYPE_MISMATCH: age",
    ),
    (
        "no_date",
        |_, p| row(p, 4).change("born", person("born")),
        "WRITEBACK_VALUE_TYPE_MISMATCH: born",
    ),
    (
        "no_mood",
        |_, p| row(p, 4).change("mood", person("mood")),
        "WRITEBACK_VALUE_TYPE_MISMATCH: mood",
    ),
    (
        "no_text",
        |_, p| row(p, 4).change("version", json!({ PERSON: 1 })),
        "WRITEBACK_VALUE_TYPE_MISMATCH: version",
    ),
    (
        "no_key",
        |_, p| p.key("id", person("id")).change("age", 20),
        "WRITEBACK_VALUE_TYPE_MISMATCH: id",
    ),
    (
        "too_long",
        |_, p| row(p, 4).change("initials", person("initials")),
        "WRITEBACK_VALUE_NOT_EXACT: initials",
    ),
    (
        "check",
        |_, p| {
            row(p, 4)
                .change("age", 151)
                .change("about", json!({ PERSON: 1 }))
        },
        "SQLSTATE ",
    ),
    (
        "unique",
        |_, p| row(p, 4).change("mail", person("mail_5")),
        "SQLSTATE 23000: ER_DUP_ENTRY",
    ),
    (
        "no_friend",
        |_, p| row(p, 4).change("friend", person("friend")),
        "SQLSTATE 23000",
    ),
    (
        "is_a_friend",
        |_, p| row(p, 5).change("mail", person("moved")),
        "SQLSTATE 23000",
    ),
    (
        "not_null",
        |_, p| p.key("id", 4).change("tenant", Value::Null),
        "SQLSTATE 23000",
    ),
    ("loud", |_, p| row(p, 4).change("age", 8), "SQLSTATE 45000"),
    (
        "twins",
        |_, p| {
            p.field("external_table", "twins")
                .key("mail", person("twin"))
                .change("n", 2)
        },
        "WRITEBACK_MULTI_ROW_BLOCKED",
    ),
    (
        "no_column",
        |_, p| row(p, 4).change("nowhere", person("nowhere")),
        "SQLSTATE 42S22",
    ),
    (
        "own_key",
        |_, p| row(p, 4).change("tenant", person("moved")),
        "WRITEBACK_PROTECTED_COLUMN_CHANGE",
    ),
    (
        "two_tenants",
        |s, _| {
            s.insert("people")
                .change("id", 9)
                .change("tenant", person("a"))
                .tenant("tenant", person("b"))
        },
        "WRITEBACK_TENANT_MISMATCH",
    ),
    (
        "broken",
        |_, p| row(p, 4).field("changes", person("changes")),
        "WRITEBACK_PROPOSAL_INVALID: changes",
    ),
];

/// Lists them all.
fn approve_all(stage: &Stage, whose: &str) {
    for (what, doing, _) in DOINGS {
        let proposal = doing(stage, stage.update("people"));
        stage.approve(proposal.id(&format!("{whose}_{what}")));
    }
}

/// What a command says, in one format, when it is to say all it can.
fn said(stage: &Stage, words: &[&str], format: &str) -> String {
    let mut command = stage.program(words);
    command
        .args(["--output", format])
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "full");
    let ended = Ended::of(&mut command);
    ended.stdout + &ended.stderr
}

/// What the program says while it runs for ever, until it has reported the last of them.
fn said_by_a_run(stage: &Stage, format: &str) -> String {
    approve_all(stage, format);
    let mut run = stage.start_with(&["--output", format]);
    for (what, _, _) in DOINGS {
        stage.wait_for_word(&format!("{format}_{what}"));
    }
    run.terminate();
    run.stdout() + &run.stderr()
}

fn the_data_of_people_comes_out_nowhere(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish(&FURNITURE.replace("PERSON", PERSON));
    approve_all(&stage, "once");
    let polled = stage.run(&["poll-once", "--output", "json"]);
    for (what, _, expected) in DOINGS {
        let outcome = polled.outcome(&format!("once_{what}"));
        assert!(outcome.starts_with(expected), "{what}: {outcome}");
    }
    let mut everything = polled.stdout + &polled.stderr;
    for format in ["json", "human"] {
        everything += &said_by_a_run(&stage, format);
        for words in [
            &["poll-once"][..],
            &["report-once"],
            &["status"],
            &["doctor"],
        ] {
            everything += &said(&stage, words, format);
        }
    }
    everything += &what_was_sent_and_is_kept(&stage);
    let leak = everything.lines().find(|line| line.contains(PERSON));
    assert_eq!(leak, None);
    assert!(
        stage
            .ledger_column("once_unique", "error_detail")
            .unwrap()
            .contains(PERSON),
        "the operator finds it in the ledger"
    );
}

/// Every request, and the ledger without the server's own words.
fn what_was_sent_and_is_kept(stage: &Stage) -> String {
    let mut everything = String::new();
    for entry in stage.simulator.journal() {
        let body = String::from_utf8_lossy(&entry.body).into_owned();
        everything += &format!(
            "{} {} {:?} {body}\n",
            entry.path, entry.query, entry.headers
        );
    }
    let columns = format!(
        "SELECT group_concat('`', column_name, '`') FROM information_schema.columns
         WHERE table_schema = '{}' AND table_name = 'ledger' AND column_name <> 'error_detail'",
        stage.ledger()
    );
    let columns = stage.value(&columns).unwrap();
    let ledger = format!("SELECT {columns} FROM {}.ledger", stage.ledger());
    let rows = stage.shop.query_rows(&ledger);
    assert_eq!(rows.len(), 3 * DOINGS.len());
    everything + &format!("{rows:?}")
}
