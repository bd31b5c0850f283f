//! `synapsor_build()`: the builder, through SQL.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use crate::pg::error::PgError;
    use crate::pg::subtransaction::{self, Ending};
    use crate::tests::change::{text, update};

    #[derive(serde::Deserialize)]
    struct Case {
        proposal: Box<RawValue>,
        expect: Value,
    }

    /// A text of Postgres ends where there would be a zero character.
    fn until_zero(mut expect: Value) -> Value {
        if let Some(error) = expect["error"].as_str() {
            expect["error"] = error.split('\0').next().into();
        }
        expect
    }

    fn build(proposal: &str, kind: Option<&str>) -> Result<Value, PgError> {
        let work = || {
            let rows = "SELECT json_agg(b)::text FROM synapsor_build($1::json, $2) b";
            let built = Spi::get_one_with_args::<String>(rows, &[proposal.into(), kind.into()]);
            Ending::Undo(built.unwrap().unwrap())
        };
        subtransaction::run(work, |_| false).map(|rows| {
            let mut rows: Vec<Value> = serde_json::from_str(&rows).unwrap();
            assert_eq!(rows.len(), 1);
            rows.remove(0)
        })
    }

    #[pg_test]
    fn all_300_cases_come_out_as_the_published_worker_has_them() {
        let vectors = include_str!("../../crates/core/tests/vectors/builder.json");
        let cases: Vec<Case> = serde_json::from_str(vectors).unwrap();
        assert_eq!(cases.len(), 300);
        for case in cases {
            let proposal = case.proposal.get();
            let built = build(proposal, None).unwrap_or_else(|error| {
                assert_eq!(error.sqlstate, "22023");
                json!({ "error": error.message })
            });
            assert_eq!(built, until_zero(case.expect), "{proposal}");
        }
    }

    #[pg_test]
    fn a_kind_that_is_given_comes_before_the_proposals_own() {
        let proposal = update("t").key("id", 1).set("a", text("x")).json("s");
        let sql = |kind| build(&proposal, kind).unwrap()["sql"].clone();
        assert_eq!(sql(None), r#"UPDATE "s"."t" SET "a" = $1 WHERE "id" = $2"#);
        assert_eq!(sql(Some("postgres")), sql(None));
        assert_eq!(
            sql(Some("mysql")),
            "UPDATE `s`.`t` SET `a` = ? WHERE `id` = ?"
        );
        let error = build(&proposal, Some("oracle")).expect_err("unknown");
        assert_eq!(error.message, "UNSUPPORTED_WRITEBACK_KIND: oracle");
    }

    #[pg_test]
    fn parameters_keep_their_text() {
        let long = "123456789012345678901234567890.10";
        let doc = r#"{"b": 1.0, "a": [1e400, "\u00e9"], "b2": null}"#;
        let proposal = update("t").key("id", long).set("doc", doc).json("s");
        let params = "SELECT params::text FROM synapsor_build($1::json)";
        let params = Spi::get_one_with_args::<String>(params, &[proposal.as_str().into()]);
        assert_eq!(params.unwrap().unwrap(), format!("[{doc}, {long}]"));
    }

    #[pg_test]
    fn what_is_no_proposal_is_an_error_with_a_code() {
        for (proposal, message) in [
            ("null", "WRITEBACK_PROPOSAL_INVALID"),
            ("[]", "WRITEBACK_PROPOSAL_INVALID"),
            (
                r#"{"changes": {"a": 1, "a": 2}}"#,
                "WRITEBACK_PROPOSAL_INVALID: changes",
            ),
        ] {
            assert_eq!(build(proposal, None).expect_err("refused").message, message);
        }
    }
}
