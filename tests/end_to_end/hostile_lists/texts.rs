//! What a JSON text can be: deep, wide, ambiguous, not Unicode, with numbers that no machine has.

use super::list::HostileList;
use crate::stage::Stage;

/// An update of ticket 60 with these fields besides, as JSON text.
fn element(id: &str, fields: &str) -> String {
    let head = r#""source_id":"src_1","status":"approved","external_schema":"public","external_table":"tickets""#;
    let allowed = r#""allowed_columns":["id","status","STATUS","amount","real","exact","é","e\u0301","status\u0000"]"#;
    format!(r#"{{"proposal_id":"{id}",{head},"primary_key":{{"id":60}},{allowed},{fields}}}"#)
}

fn change(id: &str, changes: &str) -> String {
    element(id, &format!(r#""changes":{{{changes}}}"#))
}

/// A value that is nested this deeply.
fn nested(levels: usize) -> String {
    "[".repeat(levels) + &"]".repeat(levels)
}

/// Members of an object, as many as these.
fn members(count: usize) -> String {
    let members: Vec<_> = (0..count).map(|n| format!(r#""k{n}":1"#)).collect();
    members.join(",")
}

const INVALID: &str = "WRITEBACK_PROPOSAL_INVALID";
const INVALID_CHANGES: &str = "WRITEBACK_PROPOSAL_INVALID: changes";

#[test]
fn a_text_that_is_deep_wide_or_ambiguous_fails_alone() {
    let stage = Stage::new();
    let mut list = HostileList::new(&stage);
    let deep = nested(10_000);
    let cases = [
        (
            "a_million_columns",
            change("a_million_columns", &members(1_000_000)),
            INVALID_CHANGES,
        ),
        (
            "a_million_fields",
            element("a_million_fields", &members(1_000_000)),
            INVALID,
        ),
        (
            "deep",
            change("deep", &format!(r#""status":{deep}"#)),
            INVALID_CHANGES,
        ),
        (
            "deep_tenant",
            element("deep_tenant", &format!(r#""tenant_id":{deep}"#)),
            "WRITEBACK_PROPOSAL_INVALID: tenant_id",
        ),
        (
            "twice",
            element(
                "twice",
                r#""changes":{"status":"x"},"changes":{"status":"y"}"#,
            ),
            INVALID,
        ),
        (
            "twice_escaped",
            element(
                "twice_escaped",
                r#""changes":{"status":"x"},"\u0063hanges":{}"#,
            ),
            INVALID,
        ),
        (
            "column_twice",
            change("column_twice", r#""status":"x","st\u0061tus":"y""#),
            INVALID_CHANGES,
        ),
        (
            "other_case",
            change("other_case", r#""status":"x","STATUS":"y""#),
            "SQLSTATE 42703: undefined_column, column STATUS",
        ),
        (
            "composed",
            change("composed", r#""é":"x""#),
            "UNSAFE_IDENTIFIER: é",
        ),
        (
            "decomposed",
            change("decomposed", r#""e\u0301":"x""#),
            "UNSAFE_IDENTIFIER: e\u{301}",
        ),
        (
            "zero_byte",
            change("zero_byte", r#""status":"a\u0000b""#),
            "SQLSTATE 22021: character_not_in_repertoire, column status",
        ),
        (
            "zero_column",
            change("zero_column", r#""status\u0000":"x""#),
            "UNSAFE_IDENTIFIER: status?",
        ),
        (
            "half_a_character",
            change("half_a_character", r#""status":"\ud800""#),
            "WRITEBACK_VALUE_TYPE_MISMATCH: status",
        ),
        (
            "half_a_column",
            change("half_a_column", r#""\udc00":"x""#),
            INVALID_CHANGES,
        ),
        (
            "half_a_field",
            element("half_a_field", r#""changes":{"status":"x"},"\ud800":1"#),
            INVALID,
        ),
    ];
    for (id, text, outcome) in cases {
        list.add(id, text, outcome);
    }
    let mut not_utf8 = change("not_utf8", r#""status":"~""#).into_bytes();
    let byte = not_utf8.iter_mut().find(|byte| **byte == b'~');
    *byte.unwrap() = 0xff;
    list.add(
        "not_utf8",
        not_utf8,
        "WRITEBACK_PROPOSAL_INVALID: not valid UTF-8",
    );
    list.add_nameless(nested(10_000), INVALID);
    list.add_nameless(format!("{{{}}}", members(1_000_000)), INVALID);
    list.poll(&mut stage.operator());
    assert_untouched(&stage);
}

/// Ticket 60 is as it was.
fn assert_untouched(stage: &Stage) {
    let rows = stage.database.rows("SELECT * FROM tickets WHERE id = 60");
    assert_eq!(rows, ["60|acme|open|1|10.00"]);
}

#[test]
fn what_is_beside_the_point_is_passed_over_however_large_or_deep() {
    let stage = Stage::new();
    let mut list = HostileList::new(&stage);
    let closing =
        |id: &str, more: &str| element(id, &format!(r#""changes":{{"status":"closed"}},{more}"#));
    let cases = [
        ("wide", members(90_000)),
        ("deep", format!(r#""later":{}"#, nested(10_000))),
        // Only the exact names mean something.
        (
            "cases",
            r#""Status":"rejected","CHANGES":{"status":"x"},"ſtatus":1,"status ":1"#.to_owned(),
        ),
    ];
    for (id, more) in cases {
        list.add(id, closing(id, &more), "applied");
    }
    list.poll(&mut stage.operator());
    assert_eq!(stage.tickets("closed"), 4);
}

const OUT_OF_RANGE: &str = "SQLSTATE 22003: numeric_value_out_of_range, column real";

#[test]
fn a_number_arrives_exactly_or_not_at_all() {
    let stage = Stage::new();
    stage.database.execute(
        "ALTER TABLE tickets ADD exact numeric, ADD real float8; GRANT UPDATE (exact, real) ON tickets TO writer",
    );
    let digits = "7".repeat(100_000);
    let mut list = HostileList::new(&stage);
    let cases = [
        ("huge_real", r#""real":1e400"#, OUT_OF_RANGE),
        ("tiny_real", r#""real":1e-400"#, OUT_OF_RANGE),
        ("many_digits", &format!(r#""exact":{digits}"#), "applied"),
        (
            "too_many_digits",
            &format!(r#""exact":{}"#, digits.repeat(2)),
            "SQLSTATE 22003: numeric_value_out_of_range, column exact",
        ),
        (
            "no_money",
            r#""amount":1e400"#,
            "SQLSTATE 22003: numeric_value_out_of_range, column amount",
        ),
        (
            "less_money",
            r#""amount":1e-400"#,
            "WRITEBACK_VALUE_NOT_EXACT: amount",
        ),
        ("minus_zero", r#""real":-0.0,"amount":-0"#, "applied"),
    ];
    for (id, changes, outcome) in cases {
        list.add(id, change(id, changes), outcome);
    }
    list.poll(&mut stage.operator());
    let row = stage.database.rows(&format!(
        "SELECT exact = '{digits}', real, amount FROM tickets WHERE id = 60"
    ));
    assert_eq!(row, ["t|-0|0.00"]);
}
