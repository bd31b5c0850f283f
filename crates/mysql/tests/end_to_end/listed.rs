//! What is listed: proposals that are not ours, ids and keys of every kind.

use serde_json::{Value, json};
use simulated_control_plane::Status;
use synapsor_mysql_testbed::{Flavor, wait_for};

use crate::program::PATIENCE;
use crate::stage::Stage;

on_both! {
    what_is_not_ours_is_left_alone
    what_has_no_usable_id_is_shown_and_harms_no_other
    what_stays_listed_without_a_usable_id_is_logged_once
    a_thousand_elements_without_a_usable_id_are_logged_and_no_more
    keys_that_only_look_alike_are_different_keys
    a_key_of_1024_bytes_is_kept_and_a_longer_one_is_refused
}

/// Everything in the ledger.
fn decided(stage: &Stage) -> i64 {
    stage.number(&format!("SELECT count(*) FROM `{}`.ledger", stage.ledger()))
}

fn what_is_not_ours_is_left_alone(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let fields = [
        ("source_kind", json!("postgres")),
        ("source_kind", json!("MySQL")),
        ("source_kind", Value::Null),
        ("source_id", json!("src_2")),
        ("source_id", json!("SRC_1")),
        ("source_id", json!(1)),
        ("status", json!("pending_review")),
        ("status", json!("Approved")),
        ("status", json!(true)),
    ];
    for (n, (field, value)) in fields.iter().enumerate() {
        let id = format!("other_{n}");
        let proposal = stage.close(1).id(&id).field(field, value.clone());
        // As an element of which nothing is known: a control plane that filters nothing.
        stage.simulator.add_raw(proposal.to_string(), Some(&id));
    }
    stage.approve(stage.close(2));
    let polled = stage.poll();
    assert_eq!(polled.code, Some(0), "nobody has to look");
    for (n, (field, value)) in fields.iter().enumerate() {
        let result = polled.result(&format!("other_{n}"));
        assert_eq!(result["status"], "skipped", "{field} {value}");
        assert_eq!(result["reason"], format!("not ours: {field}"));
        assert_eq!(stage.word(&format!("other_{n}")), None);
    }
    assert_eq!(polled.outcome("close_2"), "applied");
    assert_eq!(decided(&stage), 1);
    assert_eq!(
        stage.number("SELECT count(*) FROM tickets WHERE status = 'closed'"),
        1
    );
}

/// Elements that nobody can report: proposals with every kind of bad id, and what is no proposal at all.
fn unusable(stage: &Stage) -> Vec<String> {
    let long = "x".repeat(1025);
    let ids = [
        json!(7),
        json!(""),
        json!("."),
        json!(".."),
        json!("a\nb"),
        json!("a\u{0}b"),
        json!(long),
        Value::Null,
        json!({}),
    ];
    let bad = |id: Value| stage.close(1).field("proposal_id", id).to_string();
    let mut elements: Vec<_> = ids.into_iter().map(bad).collect();
    // Whose they are, they say; what they are, nobody can read.
    elements.push(r#"{"source_kind":"mysql","proposal_id":"\ud800"}"#.to_owned());
    elements.push(r#"{"source_kind":"mysql"}"#.to_owned());
    elements
}

fn what_has_no_usable_id_is_shown_and_harms_no_other(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let elements = unusable(&stage);
    for element in &elements {
        stage.simulator.add_raw(element.clone(), None);
    }
    stage.approve(stage.close(2));
    let polled = stage.poll();
    let lines = polled.lines();
    let shown: Vec<_> = lines
        .iter()
        .filter(|line| line.get("proposal_id") == Some(&Value::Null))
        .collect();
    assert_eq!(shown.len(), elements.len(), "{polled:?}");
    for result in shown {
        assert_eq!(result["status"], "failed");
        assert!(
            result["error"]
                .as_str()
                .unwrap()
                .starts_with("WRITEBACK_PROPOSAL_INVALID"),
            "{result}"
        );
    }
    assert_eq!(polled.outcome("close_2"), "applied");
    assert_eq!(decided(&stage), 1, "what can't be reported is not decided");
    assert_eq!(stage.word("close_2"), Some(Status::Applied));
    assert!(stage.simulator.breaches().is_empty());
}

fn what_stays_listed_without_a_usable_id_is_logged_once(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage
        .simulator
        .add_raw(stage.close(1).field("proposal_id", 7).to_string(), None);
    let mut running = stage.start();
    let lists = || {
        stage
            .simulator
            .calls(simulated_control_plane::Endpoint::List)
    };
    wait_for("some polls", PATIENCE, || lists() > 5);
    assert_eq!(running.terminate().0, Some(0));
    let said = running.stderr();
    assert_eq!(said.matches("has no usable id").count(), 1, "{said}");
}

fn a_thousand_elements_without_a_usable_id_are_logged_and_no_more(flavor: Flavor) {
    let stage = Stage::new(flavor);
    for n in 0..1_010 {
        let element = stage.close(n).field("proposal_id", n);
        stage.simulator.add_raw(element.to_string(), None);
    }
    let polled = stage.run(&["poll-once", "--max-proposals", "2000"]);
    assert_eq!(polled.summary()["failed"], 1_010, "all are shown");
    assert_eq!(polled.stderr.matches("has no usable id").count(), 1_000);
}

fn keys_that_only_look_alike_are_different_keys(flavor: Flavor) {
    let stage = Stage::new(flavor);
    stage.furnish("CREATE TABLE notes (id int AUTO_INCREMENT PRIMARY KEY, said text)");
    let keys = [
        "key",
        "KEY",
        "key ",
        " key",
        "kéy",
        "ke\u{301}y",
        "k\u{ad}ey",
        "ｋｅｙ",
        "straße",
        "strasse",
        "😀",
        "😁",
        "\u{feff}key",
    ];
    for (n, key) in keys.iter().enumerate() {
        let insert = stage
            .insert("notes")
            .id(&format!("note_{n}"))
            .change("said", *key);
        stage.approve(insert.idempotency_key(key));
        // The same without a key of its own: its id is its key.
        stage.approve(
            stage
                .insert("notes")
                .id(&format!("id {key}"))
                .change("said", "x"),
        );
    }
    assert_eq!(stage.poll().summary()["applied"], 2 * keys.len());
    assert_eq!(stage.poll().summary()["count"], 0, "all were reported");
    assert_eq!(
        stage.number("SELECT count(*) FROM notes"),
        2 * keys.len() as i64
    );
    for (n, key) in keys.iter().enumerate() {
        assert_eq!(
            stage.ledger_column(&format!("note_{n}"), "key").as_deref(),
            Some(*key)
        );
    }
}

fn a_key_of_1024_bytes_is_kept_and_a_longer_one_is_refused(flavor: Flavor) {
    let stage = Stage::new(flavor);
    let [longest, emoji] = ["k".repeat(1024), "😀".repeat(256)];
    for (ticket, key) in [(1, &longest), (2, &emoji)] {
        stage.approve(stage.close(ticket).idempotency_key(key));
        stage.approve(
            stage
                .close(ticket + 2)
                .id(&format!("{}{ticket}", &key[..1020])),
        );
    }
    // Nothing is known of an element that is no proposal, so that its report needs no key.
    let too_long = stage
        .close(5)
        .id("too_long")
        .idempotency_key(&format!("{longest}k"));
    stage
        .simulator
        .add_raw(too_long.to_string(), Some("too_long"));
    let polled = stage.poll();
    assert_eq!(polled.summary()["applied"], 4, "{polled:?}");
    assert_eq!(
        polled.outcome("too_long"),
        "WRITEBACK_PROPOSAL_INVALID: idempotency_key"
    );
    assert_eq!(
        stage.report("too_long")["error"],
        "WRITEBACK_PROPOSAL_INVALID: idempotency_key"
    );
    for (id, key) in [("close_1", &longest), ("close_2", &emoji)] {
        assert_eq!(stage.ledger_column(id, "key").as_ref(), Some(key));
        assert_eq!(stage.report(id)["idempotency_key"], **key);
    }
}
