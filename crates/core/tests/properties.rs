//! What holds for every JSON text and every proposal: no panic, no identifier outside the rule, no value in the SQL.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use synapsor_core::builder::{Statement, build, build_as, operation};
use synapsor_core::digest;
use synapsor_core::json::Columns;
use synapsor_core::listed::{Listed, Ours};
use synapsor_core::proposal::{Proposal, is_usable_id};
use synapsor_core::refusal::{Code, Refusal};

/// Names outside the rule.
const HOSTILE: &[&str] = &[
    "",
    "a b",
    "a\"b",
    "a`b",
    "a;--",
    "1a",
    "a.b",
    "a$1",
    "é",
    "ａ",
    "a\0",
    "a\n",
    "\u{202e}a",
    "\"; DROP TABLE t; --",
    "$serde_json::private::Number",
];

const KINDS: &[&str] = &["postgres", "mysql", "", "oracle"];

const OPERATIONS: &[&str] = &[
    "update", "insert", "delete", "UPDATE", "Insert", "Delete", "update", "insert", "delete",
    "merge", "",
];

/// Names within the rule, at its edges, and outside it.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        120 => "[A-Za-z_][A-Za-z0-9_]{0,12}",
        4 => "[A-Za-z_][A-Za-z0-9_]{61,65}",
        2 => select(HOSTILE).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

/// JSON values of every kind; the strings look like SQL.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "VALUE[ \"'`;$?-]{0,6}[0-9]{3}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name(), inner, 0..4)
                .prop_map(|map| map.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

fn columns() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec((name(), value()), 0..5).prop_map(|pairs| pairs.into_iter().collect())
}

/// A field that is there, and sometimes of the wrong type or missing.
fn field<S: Strategy<Value = Value> + 'static>(right: S) -> impl Strategy<Value = Option<Value>> {
    let wrong_types = vec![
        Value::Null,
        json!(7),
        json!(true),
        json!([]),
        json!({}),
        json!(["x"]),
    ];
    prop_oneof![
        40 => right.prop_map(Some),
        1 => select(wrong_types).prop_map(Some),
        1 => Just(None),
    ]
}

/// Proposals in every state between good and absurd. Mostly, the columns in use are allowed.
fn proposal() -> impl Strategy<Value = Value> {
    let text = || name().prop_map(Value::from);
    (
        field(text()),
        field(text()),
        field(select(KINDS).prop_map(Value::from)),
        field(select(OPERATIONS).prop_map(Value::from)),
        field(columns().prop_map(Value::from)),
        field(columns().prop_map(Value::from)),
        field(text()),
        field(value()),
        (field(text()), value()),
        any::<prop::sample::Index>(),
    )
        .prop_map(
            |(
                schema,
                table,
                kind,
                operation,
                changes,
                key,
                tenant,
                tenant_id,
                conflict,
                leave_out,
            )| {
                let (conflict_column, conflict_value) = conflict;
                let mut allowed: Vec<String> = [&changes, &key]
                    .into_iter()
                    .filter_map(|columns| columns.as_ref()?.as_object())
                    .flat_map(|columns| columns.keys().cloned())
                    .collect();
                for column in [&tenant, &conflict_column] {
                    allowed.extend(column.as_ref().and_then(Value::as_str).map(str::to_owned));
                }
                if leave_out.index(8) == 0 && !allowed.is_empty() {
                    allowed.remove(leave_out.index(allowed.len()));
                }
                let conflict = conflict_column.as_ref().and_then(Value::as_str);
                let conflict = conflict.map(|column| json!({ column: conflict_value }));
                let fields = [
                    ("external_schema", schema),
                    ("external_table", table),
                    ("source_kind", kind),
                    ("operation", operation),
                    ("changes", changes),
                    ("primary_key", key),
                    ("tenant_column", tenant),
                    ("tenant_id", tenant_id),
                    ("conflict_column", conflict_column),
                    ("conflict", conflict),
                    ("allowed_columns", Some(allowed.into())),
                ];
                let present = fields
                    .into_iter()
                    .filter_map(|(name, value)| Some((name.to_owned(), value?)));
                present.collect::<Map<_, _>>().into()
            },
        )
}

/// The statement without its quoted names, and those names. What remains is ours alone.
fn taken_apart(statement: &Statement<'_>) -> (String, Vec<String>) {
    let parts: Vec<_> = statement.sql.split(statement.dialect.quote()).collect();
    assert!(parts.len() % 2 == 1, "quotes pair up: {}", statement.sql);
    let frame = parts.iter().step_by(2).copied().collect();
    let names = parts
        .iter()
        .skip(1)
        .step_by(2)
        .map(|name| (*name).to_owned())
        .collect();
    (frame, names)
}

/// True for a text of our own making: keywords, punctuation, placeholders.
fn is_frame(frame: &str) -> bool {
    let words = [
        "UPDATE", "SET", "WHERE", "AND", "INSERT", "INTO", "VALUES", "DELETE", "FROM", "IS", "NULL",
    ];
    let is_ours = |word: &str| {
        words.contains(&word)
            || word == "?"
            || word
                .strip_prefix('$')
                .is_some_and(|n| n.parse::<usize>().is_ok())
    };
    frame
        .split([' ', '.', ',', '(', ')', '='])
        .filter(|word| !word.is_empty())
        .all(is_ours)
}

fn placeholders(statement: &Statement<'_>, frame: &str) -> Vec<usize> {
    match statement.dialect.quote() {
        '`' => (1..=frame.matches('?').count()).collect(),
        _ => frame
            .split('$')
            .skip(1)
            .map(|rest| {
                rest.split(|c: char| !c.is_ascii_digit())
                    .next()
                    .unwrap()
                    .parse()
                    .unwrap()
            })
            .collect(),
    }
}

fn check_statement(statement: &Statement<'_>) {
    let (frame, names) = taken_apart(statement);
    assert!(is_frame(&frame), "{}", statement.sql);
    for name in &names {
        let mut bytes = name.bytes();
        assert!(
            bytes
                .next()
                .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_'),
            "{name:?}"
        );
        assert!(
            bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_'),
            "{name:?}"
        );
        assert!(
            name.len() <= statement.dialect.longest_identifier(),
            "{name}"
        );
    }
    let expected: Vec<_> = (1..=statement.params.len()).collect();
    assert_eq!(
        placeholders(statement, &frame),
        expected,
        "{}",
        statement.sql
    );
}

/// The Postgres text in MySQL's dialect.
fn translated(sql: &str) -> String {
    let mut out = String::new();
    let mut rest = sql.replace('"', "`");
    while let Some((before, after)) = rest.clone().split_once('$') {
        out.push_str(before);
        out.push('?');
        rest = after
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .to_owned();
    }
    out + &rest
}

fn is_about_length(refusal: &Refusal) -> bool {
    let culprit = refusal.culprit.as_deref().unwrap_or_default();
    refusal.code == Code::UnsafeIdentifier && culprit.len() == 64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_text_makes_a_reader_panic(text in any::<String>()) {
        let _ = Proposal::parse(&text);
        let _ = Columns::parse(&text);
        let _ = is_usable_id(&text);
    }

    #[test]
    fn no_json_makes_anything_panic(json in prop_oneof![value(), proposal()], intact: bool) {
        let text = json.to_string();
        let raw = serde_json::from_str(&text).unwrap();
        for kind in ["postgres", "mysql"] {
            let ours = Ours { kind, source_id: Some("src_1".into()) };
            if let Listed::Proposal(proposal) = Listed::read(raw, &ours, intact) {
                let _ = build(&proposal);
            }
        }
        if let Ok(proposal) = Proposal::parse(&text) {
            let _ = (build(&proposal), operation(&proposal), digest::of_proposal(&proposal));
        }
    }

    #[test]
    fn a_statement_is_our_text_safe_names_and_as_many_placeholders_as_parameters(json in proposal()) {
        let Ok(proposal) = Proposal::parse(&json.to_string()) else { return Ok(()) };
        for kind in ["postgres", "mysql"] {
            if let Ok(statement) = build_as(&proposal, kind) {
                check_statement(&statement);
                if let Some((sql, params)) = statement.row_lookup() {
                    let lookup = sql.replacen("SELECT 1 FROM", "DELETE FROM", 1);
                    check_statement(&Statement { sql: lookup, params, ..statement.clone() });
                }
            }
        }
    }

    #[test]
    fn no_value_changes_the_text_of_a_statement(json in proposal(), other in value()) {
        prop_assume!(!other.is_null());
        let mut changed = json.clone();
        if let Some(changes) = changed["changes"].as_object_mut() {
            changes.values_mut().for_each(|value| *value = other.clone());
        }
        let (Ok(one), Ok(two)) = (Proposal::parse(&json.to_string()), Proposal::parse(&changed.to_string())) else {
            return Ok(());
        };
        if let (Ok(one), Ok(two)) = (build(&one), build(&two)) {
            prop_assert_eq!(one.sql, two.sql);
        }
    }

    #[test]
    fn the_dialects_agree_on_everything_but_quoting_placeholders_and_length(json in proposal()) {
        let Ok(proposal) = Proposal::parse(&json.to_string()) else { return Ok(()) };
        match (build_as(&proposal, "postgres"), build_as(&proposal, "mysql")) {
            (Ok(postgres), Ok(mysql)) => {
                prop_assert_eq!(&translated(&postgres.sql), &mysql.sql);
                prop_assert_eq!(postgres.guards, mysql.guards);
                prop_assert_eq!(postgres.operation, mysql.operation);
                prop_assert_eq!(postgres.null_conflict_column, mysql.null_conflict_column);
                let params = |statement: &Statement<'_>| -> Vec<_> {
                    let params = statement.params.iter();
                    params.map(|p| (p.column.to_owned(), p.value.text().to_owned(), p.role)).collect()
                };
                prop_assert_eq!(params(&postgres), params(&mysql));
            }
            (Err(postgres), _) if is_about_length(&postgres) => {}
            (Err(postgres), Err(mysql)) => prop_assert_eq!(postgres, mysql),
            (postgres, mysql) => prop_assert!(false, "{:?} {:?}", postgres.err(), mysql.err()),
        }
    }

    #[test]
    fn a_refusal_names_a_field_a_column_or_a_word_and_never_a_value(json in proposal()) {
        // Many of the values that are written or compared begin so; no name, kind or operation does.
        let values_only = json.to_string().replace("VALUE", "PLANTED");
        let Ok(proposal) = Proposal::parse(&values_only) else { return Ok(()) };
        if let Err(refusal) = build(&proposal) {
            prop_assert!(!refusal.to_string().contains("PLANTED"), "{}", refusal);
        }
    }
}
