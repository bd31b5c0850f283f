//! Lists as they come: repeated, unreadable, hostile, long.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;
    use synapsor_core::judgement::Retry;

    use crate::tests::change::{Change, insert};
    use crate::tests::shop::Shop;

    fn bump(id: i32) -> Change {
        insert("hits").set("ticket", id)
    }

    fn with_hits() -> Shop {
        let shop = Shop::open();
        shop.run("CREATE TABLE hits (ticket int)");
        shop
    }

    #[pg_test]
    fn the_same_proposal_twice_in_one_list_is_applied_once() {
        let shop = with_hits();
        let results = shop.poll(&[bump(1), bump(1)]);
        assert_eq!(results[0]["status"], "applied");
        assert_eq!(results[1]["status"], "applied");
        assert_eq!(results[1]["already_decided"], true);
        assert_eq!(shop.rows("hits"), "(1)");
        let rows = format!(
            "SELECT count(*) FROM synapsor.ledger WHERE key LIKE '{}/%'",
            shop.schema
        );
        assert_eq!(shop.text(&rows), "1");
    }

    #[pg_test]
    fn the_same_key_with_two_ids_is_applied_once() {
        let shop = with_hits();
        let one = bump(1).idempotency_key("k").id("one");
        let two = bump(1).idempotency_key("k").id("two");
        let results = shop.poll(&[one, two]);
        assert_eq!(results[1]["proposal_id"], format!("{}/two", shop.schema));
        assert_eq!(results[1]["status"], "applied");
        assert_eq!(shop.rows("hits"), "(1)");
        assert_eq!(shop.ledger("one", "status"), "applied");
    }

    #[pg_test]
    fn the_same_key_with_two_contents_in_one_list_applies_the_first() {
        let shop = with_hits();
        let results = shop.poll(&[bump(1), bump(2)]);
        assert_eq!(results[0]["status"], "applied");
        assert_eq!(results[1]["error"], "WRITEBACK_IDEMPOTENCY_MISMATCH");
        assert_eq!(shop.rows("hits"), "(1)");
    }

    #[pg_test]
    fn a_retrying_proposal_listed_twice_is_tried_once() {
        let shop = with_hits();
        shop.trigger(
            "BEFORE INSERT",
            "hits",
            "RAISE EXCEPTION 'x' USING ERRCODE = '40001';",
        );
        let list = [bump(1).json(&shop.schema), bump(1).json(&shop.schema)];
        let done = shop.poll_json(&list, Retry::Due, false);
        assert_eq!(done.results[1]["status"], "retrying");
        assert_eq!(shop.ledger("p", "attempts"), "1");
    }

    #[pg_test]
    fn a_retrying_proposal_listed_twice_is_recorded_even_when_somebody_asks() {
        let shop = with_hits();
        shop.trigger(
            "BEFORE INSERT",
            "hits",
            "RAISE EXCEPTION 'x' USING ERRCODE = '40001';",
        );
        let results = shop.poll(&[bump(1), bump(1)]);
        assert_eq!(results[1]["status"], "retrying");
        assert_eq!(shop.ledger("p", "attempts"), "1");
    }

    #[pg_test]
    fn unreadable_proposals_are_recorded_with_their_code() {
        let shop = with_hits();
        let id = |n: i32| format!("\"proposal_id\": \"{}/{n}\"", shop.schema);
        let list = [
            format!("{{{}, \"changes\": 7}}", id(0)),
            format!("{{{}, \"a\": 1, \"a\": 2}}", id(1)),
            format!("{{{}, \"external_table\": \"t\"}}", id(2)),
            format!("{{{}, \"operation\": \"DROP TABLE\"}}", id(3)),
            bump(1).id("4").json(&shop.schema),
        ];
        let done = shop.poll_json(&list, Retry::Now, false);
        let errors = [
            "WRITEBACK_PROPOSAL_INVALID: changes",
            "WRITEBACK_PROPOSAL_INVALID",
            "WRITEBACK_TABLE_REQUIRED: proposal must include external_schema and external_table",
            "UNSUPPORTED_WRITEBACK_OPERATION: drop table",
        ];
        for (n, error) in errors.into_iter().enumerate() {
            assert_eq!(done.results[n]["error"], error);
            assert_eq!(
                shop.ledger(&n.to_string(), "status || ': ' || error"),
                format!("failed: {error}")
            );
        }
        assert_eq!(shop.ledger("4", "status"), "applied");
    }

    #[pg_test]
    fn what_has_no_usable_id_is_shown_and_not_recorded() {
        let shop = with_hits();
        let list = [
            "7".to_owned(),
            "{\"proposal_id\": \"\"}".to_owned(),
            "{}".to_owned(),
        ];
        let before = shop.text("SELECT count(*) FROM synapsor.ledger");
        let done = shop.poll_json(&list, Retry::Now, false);
        for result in &done.results {
            assert!(result["proposal_id"].is_null());
            assert_eq!(result["status"], "failed");
        }
        assert_eq!(done.results[0]["error"], "WRITEBACK_PROPOSAL_INVALID");
        assert_eq!(
            done.results[1]["error"],
            "WRITEBACK_PROPOSAL_INVALID: proposal_id"
        );
        assert!(!done.owes_reports);
        assert_eq!(shop.text("SELECT count(*) FROM synapsor.ledger"), before);
    }

    #[pg_test]
    fn what_is_not_ours_is_left_alone() {
        let shop = with_hits();
        let list = [
            "\"source_kind\": \"mysql\"",
            "\"source_id\": \"src_2\"",
            "\"status\": \"rejected\"",
        ]
        .map(|field| {
            bump(1)
                .json(&shop.schema)
                .replacen('{', &format!("{{{field}, "), 1)
        });
        let done = shop.poll_json(&list, Retry::Now, false);
        let reasons = [
            "not ours: source_kind",
            "not ours: source_id",
            "not ours: status",
        ];
        for (result, reason) in done.results.iter().zip(reasons) {
            assert_eq!(result["status"], "skipped");
            assert_eq!(result["reason"], reason);
        }
        assert!(!done.owes_reports);
        assert_eq!(shop.rows("hits"), "NULL");
        assert_eq!(shop.ledger("p", "key"), "NULL");
    }

    #[pg_test]
    fn huge_and_unstorable_names_are_recorded() {
        let shop = with_hits();
        let huge = "x".repeat(1_000_000);
        let hostile = [
            insert(&huge).set("a", 1).id("huge-table"),
            insert("hits").set(&huge, 1).id("huge-column"),
            insert(r"a\u0000b").set("a", 1).id("zero-table"),
            insert("hits").set(r"a\u0000b\n", 1).id("zero-column"),
            insert("hits; DROP TABLE hits").set("a", 1).id("sql"),
            insert("hits")
                .in_schema(r"\ud83d\ude00")
                .set("a", 1)
                .id("emoji"),
            bump(1).id("fine"),
        ];
        let results = shop.poll(&hostile);
        assert_eq!(results.len(), 7);
        for id in [
            "huge-table",
            "huge-column",
            "zero-table",
            "zero-column",
            "sql",
            "emoji",
        ] {
            let error = shop.ledger(id, "error");
            assert!(error.starts_with("UNSAFE_IDENTIFIER: "), "{error}");
            assert!(error.chars().count() <= 501, "{}", error.len());
            assert!(!error.chars().any(char::is_control));
        }
        assert_eq!(shop.ledger("huge-table", "length(target_table)"), "4000");
        assert_eq!(shop.ledger("zero-table", "target_table"), "a\u{fffd}b");
        assert_eq!(shop.ledger("fine", "status"), "applied");
    }

    #[pg_test]
    fn ten_thousand_elements_with_duplicates_are_each_applied_once() {
        let shop = with_hits();
        let list: Vec<_> = (0..10_000)
            .map(|n| {
                bump(n % 2_500)
                    .id(&format!("p{}", n % 2_500))
                    .json(&shop.schema)
            })
            .collect();
        let done = shop.poll_json(&list, Retry::Now, false);
        assert_eq!(done.results.len(), 10_000);
        assert!(
            done.results
                .iter()
                .all(|result| result["status"] == "applied")
        );
        let once = "SELECT count(*) || ' ' || count(DISTINCT ticket) FROM hits";
        assert_eq!(shop.text(once), "2500 2500");
        let rows = format!(
            "SELECT count(*) FROM synapsor.ledger WHERE key LIKE '{}/%'",
            shop.schema
        );
        assert_eq!(shop.text(&rows), "2500");
    }
}
