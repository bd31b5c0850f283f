//! The builder as the program's `build` command: text and parameters of the published worker's 300 cases, and errors as scripts see them.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::program::{Ended, program};

/// What the program ends with when something is refused for good.
const REFUSED: i32 = 69;

#[derive(serde::Deserialize)]
struct Case {
    proposal: Box<RawValue>,
    expect: Value,
}

fn cases() -> Vec<Case> {
    let text = include_str!("../../../core/tests/vectors/builder.json");
    serde_json::from_str(text).unwrap()
}

/// Runs `build`, without a setting and without a connection.
fn build(arguments: &[&str], proposal: &str) -> Ended {
    let mut command = program(&["build"]);
    Ended::with_input(command.args(arguments), proposal)
}

/// Holds what was printed, and the exit code, against a case.
fn require(built: &Ended, expect: &Value, text: &str) {
    let Some(error) = expect["error"].as_str() else {
        assert_eq!(built.code, Some(0), "{text}: {built:?}");
        assert_eq!(&built.summary(), expect, "{text}");
        assert_eq!(built.stderr, "", "{text}");
        return;
    };
    let told = built.error();
    assert_eq!(built.code, Some(REFUSED), "{text}: {built:?}");
    assert_eq!(told["message"], error, "{text}");
    assert_eq!(told["error"], error.split(':').next().unwrap(), "{text}");
    assert_eq!(told["exit"], REFUSED, "{text}");
    assert_eq!(built.stdout, "", "{text}");
}

#[test]
fn all_300_cases_come_out_of_the_program_as_the_published_worker_has_them() {
    let cases = cases();
    assert_eq!(cases.len(), 300);
    for case in &cases {
        let text = case.proposal.get();
        require(&build(&[], text), &case.expect, text);
    }
    let of_mysql = |case: &&Case| case.proposal.get().contains(r#""source_kind":"mysql""#);
    assert_eq!(cases.iter().filter(of_mysql).count(), 62);
}

#[test]
fn a_kind_that_is_named_counts_more_than_the_proposal_s_own() {
    for case in cases() {
        let mut proposal: Value = serde_json::from_str(case.proposal.get()).unwrap();
        if proposal["source_kind"] != "mysql" {
            continue;
        }
        for kind in [Value::Null, "postgres".into(), "oracle".into()] {
            proposal["source_kind"] = kind;
            let text = proposal.to_string();
            require(&build(&["--kind", "mysql"], &text), &case.expect, &text);
        }
    }
}

#[test]
fn a_kind_that_is_not_known_is_refused_and_names_itself() {
    let proposal = r#"{"external_schema":"s","external_table":"t","changes":{"a":1},"operation":"insert","allowed_columns":["a"]}"#;
    let refused = build(&["--kind", "sqlite"], proposal);
    assert_eq!(refused.code, Some(REFUSED));
    assert_eq!(
        refused.error()["message"],
        "UNSUPPORTED_WRITEBACK_KIND: sqlite"
    );
    let built = build(&["--kind", "postgres"], proposal);
    assert_eq!(
        built.summary()["sql"],
        r#"INSERT INTO "s"."t" ("a") VALUES ($1)"#
    );
}

#[test]
fn numbers_of_any_size_come_out_digit_for_digit() {
    let proposal = r#"{"source_kind":"mysql","external_schema":"s","external_table":"t","operation":"insert","changes":
        {"a":18446744073709551615,"b":12345678901234567890123456789012345.123456789012345678901234567890,"c":1.10,"d":1e+2},
        "allowed_columns":["a","b","c","d"]}"#;
    let built = build(&[], proposal);
    let expected = r#""params":[18446744073709551615,12345678901234567890123456789012345.123456789012345678901234567890,1.10,1e+2]"#;
    assert!(built.stdout.contains(expected), "{}", built.stdout);
}

#[test]
fn what_is_no_proposal_is_refused_and_never_shown() {
    for (text, error) in [
        ("", "INPUT_INVALID"),
        (" \n", "INPUT_INVALID"),
        ("hunter2", "WRITEBACK_PROPOSAL_INVALID"),
        ("[\"hunter2\"]", "WRITEBACK_PROPOSAL_INVALID"),
        (
            "{\"proposal_id\":\"hunter2\",",
            "WRITEBACK_PROPOSAL_INVALID",
        ),
        ("{\"changes\":\"hunter2\"}", "WRITEBACK_PROPOSAL_INVALID"),
    ] {
        let refused = build(&[], text);
        assert_eq!(refused.code, Some(REFUSED), "{text}: {refused:?}");
        assert_eq!(refused.error()["error"], error, "{text}");
        assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
    }
}
