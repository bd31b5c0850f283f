//! Values arrive exactly, through HTTP, JSON and the types' own input functions.

use synapsor_testbed::{Proposal, exact};

use crate::stage::{Stage, statuses};

const EVERYTHING: &str = "
    CREATE TYPE mood AS ENUM ('calm', 'in a hurry');
    CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%');
    CREATE TABLE everything (
        id numeric(20) PRIMARY KEY, price numeric, amount numeric(40, 10), big bigint, at timestamptz,
        local timestamp, day date, uid uuid, yes boolean, mood mood, mail email, words text[], grid int[],
        none text[], period int4range, an_object json, b_object jsonb, an_array json, b_array jsonb,
        a_string json, b_string jsonb, a_number json, b_number jsonb, bytes bytea, nothing text, said text);
    GRANT SELECT, INSERT, UPDATE, DELETE ON everything TO writer;
";

/// A column, its value in the proposal as JSON text, and Postgres's text of it afterwards.
const VALUES: &[(&str, &str, &str)] = &[
    ("id", "12345678901234567890", "12345678901234567890"),
    (
        "price",
        "123456789012345.678901234567890",
        "123456789012345.678901234567890",
    ),
    (
        "amount",
        r#""123456789012345678901234567890.1""#,
        "123456789012345678901234567890.1000000000",
    ),
    ("big", "9223372036854775807", "9223372036854775807"),
    (
        "at",
        r#""2026-02-28T23:59:59.123456+02:00""#,
        "2026-02-28 21:59:59.123456+00",
    ),
    (
        "local",
        r#""2026-02-28T23:59:59.000001""#,
        "2026-02-28 23:59:59.000001",
    ),
    ("day", r#""2024-02-29""#, "2024-02-29"),
    (
        "uid",
        r#""A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11""#,
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    ),
    ("yes", "true", "t"),
    ("mood", r#""in a hurry""#, "in a hurry"),
    ("mail", r#""a@example.org""#, "a@example.org"),
    (
        "words",
        r#"["a \"b\"", null, "NULL", "", "c,d"]"#,
        r#"{"a \"b\"",NULL,"NULL","","c,d"}"#,
    ),
    ("grid", "[[1,2],[3,4]]", "{{1,2},{3,4}}"),
    ("none", "[]", "{}"),
    ("period", r#""[1,10)""#, "[1,10)"),
    (
        "an_object",
        r#"{"b":1.10,"a":[1.50]}"#,
        r#"{"b":1.10,"a":[1.50]}"#,
    ),
    (
        "b_object",
        r#"{"b":1.10,"a":[]}"#,
        r#"{"a": [], "b": 1.10}"#,
    ),
    ("an_array", "[1,{}]", "[1,{}]"),
    ("b_array", r#"[1,"x"]"#, r#"[1, "x"]"#),
    ("a_string", r#""text""#, r#""text""#),
    (
        "b_string",
        r#""{\"not\": \"an object\"}""#,
        r#""{\"not\": \"an object\"}""#,
    ),
    (
        "a_number",
        "12345678901234567890.10",
        "12345678901234567890.10",
    ),
    (
        "b_number",
        "12345678901234567890.10",
        "12345678901234567890.10",
    ),
    ("bytes", r#""\\x00ff10""#, r"\x00ff10"),
    ("nothing", "null", ""),
    (
        "said",
        r#""it's $1 \\ \u00e9 \ud83d\ude80\n""#,
        "it's $1 \\ é 🚀\n",
    ),
];

/// What a row of the table holds, as text.
fn kept(stage: &Stage, id: &str) -> Vec<String> {
    let columns: Vec<_> = VALUES.iter().map(|(column, ..)| *column).collect();
    let query = format!(
        "SELECT {} FROM everything WHERE id = {id}",
        columns.join(", ")
    );
    let mut session = stage.database.connect();
    session.batch_execute("SET TimeZone = 'UTC'").unwrap();
    let messages = session.simple_query(&query).unwrap();
    let row = messages.iter().find_map(|message| match message {
        postgres::SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let row = row.expect("the row is there");
    (0..row.len())
        .map(|n| row.get(n).unwrap_or_default().to_owned())
        .collect()
}

fn expected() -> Vec<&'static str> {
    VALUES.iter().map(|(_, _, kept)| *kept).collect()
}

#[test]
fn an_insert_keeps_every_type_of_value_exactly() {
    let stage = Stage::new();
    stage.database.execute(EVERYTHING);
    let insert = VALUES.iter().fold(
        Proposal::insert("everything"),
        |proposal, (column, json, _)| proposal.change(column, exact(json)),
    );
    stage.approve(insert);
    assert_eq!(statuses(&stage.poll()), ["applied"]);
    assert_eq!(kept(&stage, "12345678901234567890"), expected());
    assert!(
        stage
            .database
            .value::<bool>("SELECT nothing IS NULL FROM everything")
    );
}

#[test]
fn an_update_keeps_every_type_of_value_exactly_and_finds_its_row_by_a_20_digit_key() {
    let stage = Stage::new();
    stage.database.execute(EVERYTHING);
    stage.database.execute(
        "INSERT INTO everything (id, nothing) VALUES (12345678901234567890, 'x'), (12345678901234567891, 'x')",
    );
    let key = Proposal::update("everything").key("id", exact("12345678901234567890"));
    let update = VALUES[1..].iter().fold(key, |proposal, (column, json, _)| {
        proposal.change(column, exact(json))
    });
    stage.approve(update);
    assert_eq!(statuses(&stage.poll()), ["applied"]);
    assert_eq!(kept(&stage, "12345678901234567890"), expected());
    let neighbour = "SELECT nothing FROM everything WHERE id = 12345678901234567891";
    assert_eq!(stage.database.value::<String>(neighbour), "x");
}

#[test]
fn guards_tell_values_apart_that_differ_in_the_last_digit() {
    let stage = Stage::new();
    stage.database.execute(EVERYTHING);
    stage.database.execute(
        "INSERT INTO everything (id, price, at)
         VALUES (1, 0.100000000000000000000000000001, '2026-01-01 00:00:00.000001+00')",
    );
    let update = |id: &str| {
        Proposal::update("everything")
            .id(id)
            .key("id", 1)
            .change("said", id)
    };
    let stale = exact("0.100000000000000000000000000002");
    let fresh = exact("0.100000000000000000000000000001");
    stage.approve(update("stale price").conflict("price", stale));
    stage.approve(update("stale time").conflict("at", "2026-01-01T00:00:00.000002Z"));
    stage.approve(update("fresh price").conflict("price", fresh));
    stage.approve(update("fresh time").conflict("at", "2026-01-01T00:00:00.000001Z"));
    assert_eq!(
        statuses(&stage.poll()),
        ["conflict", "conflict", "applied", "applied"]
    );
}

#[test]
fn a_conflict_value_of_null_matches_a_null_row_alone() {
    let stage = Stage::new();
    stage
        .database
        .execute("UPDATE tickets SET amount = NULL WHERE id = 1");
    let proposal = |id: i64| {
        Proposal::update("tickets")
            .id(&id.to_string())
            .key("id", id)
            .change("status", "closed")
            .conflict("amount", exact("null"))
    };
    stage.approve(proposal(1));
    stage.approve(proposal(2));
    assert_eq!(statuses(&stage.poll()), ["applied", "conflict"]);
    assert_eq!(stage.tickets("closed"), 1);
}
