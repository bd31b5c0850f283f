//! Where we are stricter than the published worker, on purpose (contract section 4): each case that the builder, or
//! what stands before it, decides.

#![allow(clippy::unwrap_used)]

use serde_json::value::RawValue;
use serde_json::{Value, json};
use synapsor_core::builder::{EXPECTED_ROW_COUNT, Role, build, build_as};
use synapsor_core::listed::{Listed, Ours};
use synapsor_core::outcome::{Guards, Policy};
use synapsor_core::proposal::Proposal;

/// An update with every guard, with some of its fields replaced; `null` takes one away.
fn proposal_with(fields: Value) -> Proposal {
    let mut proposal = json!({
        "proposal_id": "p", "external_schema": "public", "external_table": "tickets",
        "operation": "update", "changes": { "status": "closed" },
        "primary_key": { "id": 7 }, "tenant_column": "tenant", "tenant_id": "acme",
        "conflict_column": "version", "conflict": { "version": 3 },
        "allowed_columns": ["id", "tenant", "version", "status"],
    });
    for (name, value) in fields.as_object().unwrap() {
        proposal[name] = value.clone();
    }
    Proposal::parse(&proposal.to_string()).unwrap()
}

fn error(fields: Value) -> String {
    build(&proposal_with(fields)).unwrap_err().to_string()
}

fn sql(fields: Value) -> String {
    build(&proposal_with(fields)).unwrap().sql
}

#[test]
fn a_conflict_value_of_null_is_compared_with_is_null() {
    let proposal = proposal_with(json!({ "conflict": { "version": null } }));
    let statement = build(&proposal).unwrap();
    assert_eq!(
        statement.sql,
        r#"UPDATE "public"."tickets" SET "status" = $1 WHERE "id" = $2 AND "tenant" = $3 AND "version" IS NULL"#
    );
    assert_eq!(statement.params.len(), 3);
    assert!(statement.guards.conflict);
    assert_eq!(statement.conflict_column(), Some("version"));
}

#[test]
fn a_tenant_column_needs_a_tenant() {
    for operation in ["update", "delete", "insert"] {
        let fields = json!({ "operation": operation, "tenant_id": null });
        assert_eq!(error(fields), "WRITEBACK_TENANT_REQUIRED", "{operation}");
    }
    let named =
        json!({ "operation": "insert", "tenant_id": null, "changes": { "tenant": "acme" } });
    assert_eq!(error(named), "WRITEBACK_TENANT_REQUIRED");
}

#[test]
fn a_key_value_of_null_matches_nothing_and_is_refused() {
    for operation in ["update", "delete"] {
        let one = json!({ "operation": operation, "primary_key": { "id": null } });
        assert_eq!(error(one), "WRITEBACK_PRIMARY_KEY_REQUIRED: id");
        let fields = json!({ "operation": operation, "primary_key": { "id": 7, "version": null } });
        assert_eq!(error(fields), "WRITEBACK_PRIMARY_KEY_REQUIRED: version");
    }
}

#[test]
fn an_insert_can_t_name_another_tenant() {
    let insert =
        |tenant: Value| json!({ "operation": "insert", "changes": { "id": 8, "tenant": tenant } });
    for other in [
        json!("globex"),
        json!("ACME"),
        json!(null),
        json!(1),
        json!(["acme"]),
    ] {
        assert_eq!(error(insert(other)), "WRITEBACK_TENANT_MISMATCH: tenant");
    }
    assert_eq!(
        sql(insert(json!("acme"))),
        r#"INSERT INTO "public"."tickets" ("id", "tenant") VALUES ($1, $2)"#
    );
}

#[test]
fn a_name_that_the_server_would_cut_is_refused() {
    for (kind, longest) in [("postgres", 63), ("mysql", 64)] {
        for place in [
            "external_schema",
            "external_table",
            "changes",
            "primary_key",
            "tenant_column",
            "conflict_column",
        ] {
            let outcome = |length: usize| {
                let name = "x".repeat(length);
                let value = match place {
                    "changes" | "primary_key" => json!({ &name: 1 }),
                    _ => json!(name),
                };
                let allowed = ["id", "tenant", "version", "status", &name];
                let fields = json!({ place: value, "allowed_columns": allowed, "conflict": { "version": 3, &name: 3 } });
                let proposal = proposal_with(fields);
                build_as(&proposal, kind)
                    .map(|_| ())
                    .map_err(|refusal| refusal.to_string())
            };
            assert_eq!(outcome(longest), Ok(()), "{kind} {place}");
            let refused = format!("UNSAFE_IDENTIFIER: {}", "x".repeat(longest + 1));
            assert_eq!(outcome(longest + 1), Err(refused), "{kind} {place}");
        }
    }
}

#[test]
fn a_field_of_the_wrong_json_type_is_refused_and_not_coerced() {
    let wrong = [
        ("proposal_id", "7"),
        ("idempotency_key", "{}"),
        ("source_kind", "true"),
        ("external_schema", "[\"public\"]"),
        ("external_table", "1"),
        ("operation", "[]"),
        ("changes", "\"status\""),
        ("primary_key", "7"),
        ("tenant_column", "{}"),
        ("conflict_column", "0"),
        ("conflict", "[3]"),
        ("allowed_columns", "\"status\""),
        ("allowed_columns", "{}"),
    ];
    for (field, value) in wrong {
        let refusal = Proposal::parse(&format!("{{\"{field}\":{value}}}")).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            format!("WRITEBACK_PROPOSAL_INVALID: {field}")
        );
    }
}

#[test]
fn a_guard_left_out_shows_and_the_operator_may_refuse_it() {
    let without = |fields: Value| proposal_with(fields);
    let all = Guards {
        primary_key: true,
        tenant: true,
        conflict: true,
    };
    let strict = Policy {
        require_tenant_guard: true,
        require_conflict_guard: true,
    };
    let cases = [
        (json!({}), all, None),
        (
            json!({ "tenant_column": null }),
            Guards {
                tenant: false,
                ..all
            },
            Some("WRITEBACK_TENANT_GUARD_REQUIRED"),
        ),
        (
            json!({ "conflict": {} }),
            Guards {
                conflict: false,
                ..all
            },
            Some("WRITEBACK_CONFLICT_GUARD_REQUIRED"),
        ),
        (
            json!({ "conflict_column": null }),
            Guards {
                conflict: false,
                ..all
            },
            Some("WRITEBACK_CONFLICT_GUARD_REQUIRED"),
        ),
        (
            json!({ "operation": "insert" }),
            Guards {
                tenant: true,
                ..Guards::default()
            },
            None,
        ),
    ];
    for (fields, guards, refusal) in cases {
        let proposal = without(fields.clone());
        let statement = build(&proposal).unwrap();
        assert_eq!(statement.guards, guards, "{fields}");
        assert_eq!(Policy::default().check(&statement), Ok(()), "{fields}");
        let refused = strict
            .check(&statement)
            .err()
            .map(|refusal| refusal.to_string());
        assert_eq!(refused.as_deref(), refusal, "{fields}");
    }
}

#[test]
fn one_bad_proposal_in_the_list_fails_alone() {
    let list = r#"[{"proposal_id":"a","external_schema":"s","external_table":"t"},
        {"proposal_id":"b","changes":[1]},{"proposal_id":"c"}]"#;
    let elements: Vec<&RawValue> = serde_json::from_str(list).unwrap();
    let ours = Ours {
        kind: "postgres",
        source_id: None,
    };
    let readable = |raw: &&RawValue| matches!(Listed::read(raw, &ours, true), Listed::Proposal(_));
    assert_eq!(
        elements.iter().map(readable).collect::<Vec<_>>(),
        [true, false, true]
    );
}

#[test]
fn one_row_is_expected_always() {
    assert_eq!(EXPECTED_ROW_COUNT, 1);
}

#[test]
fn numbers_of_any_size_keep_every_digit() {
    let text = r#"{"external_schema":"s","external_table":"t","allowed_columns":["id","a","b"],
        "primary_key":{"id":9007199254740993},
        "changes":{"a":0.1000000000000000000000000000000000000001,"b":1e400}}"#;
    let proposal = Proposal::parse(text).unwrap();
    let statement = build(&proposal).unwrap();
    let params: Vec<_> = statement
        .params
        .iter()
        .map(|param| (param.role, param.value.text()))
        .collect();
    let expected = [
        (Role::Written, "0.1000000000000000000000000000000000000001"),
        (Role::Written, "1e400"),
        (Role::Key, "9007199254740993"),
    ];
    assert_eq!(params, expected);
}
