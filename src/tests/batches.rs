//! A batch against the ledger: each proposal is decided once, in the same transaction as its ledger row.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;
    use synapsor_core::judgement::Retry;

    use crate::tests::change::{Change, close, insert, text};
    use crate::tests::shop::Shop;

    fn bump(id: i32) -> Change {
        insert("hits").set("ticket", id)
    }

    /// Tickets, a table that counts applications, and a trigger that fails as long as `down` has a row.
    fn with_hits() -> Shop {
        let shop = Shop::with_tickets();
        shop.run("CREATE TABLE hits (ticket int); CREATE TABLE down (why text);");
        shop.trigger(
            "BEFORE INSERT",
            "hits",
            "IF EXISTS (SELECT FROM down) THEN
                 RAISE EXCEPTION 'down' USING ERRCODE = (SELECT why FROM down); END IF;",
        );
        shop
    }

    const OUTCOME: &str = "status || ' ' || attempts || ' ' || coalesce(report_state, '-')";

    #[pg_test]
    fn each_decision_is_one_row_of_the_ledger() {
        let shop = Shop::with_tickets();
        let guarded = close(1)
            .tenant("tenant_id", text("acme"))
            .conflict("version", 1);
        let list = [
            guarded.id("fine").idempotency_key("key-1"),
            close(2).conflict("version", 7).id("stale"),
            close(2).set("version", text("x")).id("bad"),
        ];
        let results = shop.poll(&list);
        let columns = "concat_ws('|', key, idempotency_key, source_id, target_schema, target_table,
            operation, status, affected_rows, guards, guard_advanced, reason, sqlstate, error,
            attempts, applied_as, report_state, report_attempts)";
        let (s, role) = (&shop.schema, &shop.role);
        assert_eq!(
            shop.ledger("fine", columns),
            format!(
                "{s}/key-1|{s}/key-1|src_1|{s}|tickets|update|applied|1|{{\"tenant\": true, \"conflict\": true, \"primary_key\": true}}|f|1|{role}|pending|0"
            )
        );
        assert_eq!(
            shop.ledger("stale", columns),
            format!(
                "{s}/stale|src_1|{s}|tickets|update|conflict|0|{{\"tenant\": false, \"conflict\": true, \"primary_key\": true}}|CONFLICT_VALUE_CHANGED|1|{role}|pending|0"
            )
        );
        let error = "SQLSTATE 22P02: invalid_text_representation, column version";
        assert_eq!(
            shop.ledger("bad", columns),
            format!(
                "{s}/bad|src_1|{s}|tickets|update|failed|0|{{\"tenant\": false, \"conflict\": false, \"primary_key\": true}}|22P02|{error}|1|{role}|pending|0"
            )
        );
        let statuses: Vec<_> = results
            .iter()
            .map(|r| r["status"].as_str().unwrap())
            .collect();
        assert_eq!(statuses, ["applied", "conflict", "failed"]);
        assert_eq!(results[0]["affected_rows"], 1);
        assert_eq!(results[0]["operation"], "update");
        assert_eq!(results[1]["reason"], "CONFLICT_VALUE_CHANGED");
        assert_eq!(results[2]["error"], error);
    }

    #[pg_test]
    fn a_bad_proposal_among_good_ones_harms_only_itself() {
        let shop = with_hits();
        let mut list: Vec<_> = (0..100).map(|n| bump(n).id(&format!("p{n}"))).collect();
        for n in (0..100).step_by(10) {
            list[n] = list[n].clone().set("nothing", 1);
        }
        let results = shop.poll(&list);
        for (n, result) in results.iter().enumerate() {
            if n % 10 == 0 {
                let error = "SQLSTATE 42703: undefined_column, column nothing";
                assert_eq!(result["error"], error);
            } else {
                assert_eq!(result["status"], "applied");
            }
        }
        assert_eq!(shop.text("SELECT count(*) FROM hits"), "90");
    }

    #[pg_test]
    fn a_final_proposal_is_not_applied_again_and_its_outcome_is_shown() {
        let shop = with_hits();
        shop.poll(&[bump(1)]);
        let results = shop.poll(&[bump(1)]);
        assert_eq!(results[0]["status"], "applied");
        assert_eq!(results[0]["already_decided"], true);
        assert_eq!(results[0]["affected_rows"], 1);
        assert_eq!(shop.rows("hits"), "(1)");
        assert_eq!(shop.ledger("p", OUTCOME), "applied 1 pending");
        shop.run("INSERT INTO down VALUES ('P0001')");
        shop.poll(&[bump(2).id("q")]);
        shop.run("TRUNCATE down");
        let results = shop.poll(&[bump(2).id("q")]);
        assert_eq!(results[0]["status"], "failed");
        assert_eq!(results[0]["error"], "SQLSTATE P0001: raise_exception");
        assert_eq!(shop.rows("hits"), "(1)");
    }

    #[pg_test]
    fn a_final_proposal_listed_again_is_reported_again_unless_that_was_rejected() {
        let shop = with_hits();
        shop.poll(&[bump(1)]);
        let state = |from: &str| {
            shop.run(&format!(
                "UPDATE synapsor.ledger SET report_state = '{from}', next_report_at = NULL WHERE proposal_id = '{}/p'",
                shop.schema
            ));
            let list = [bump(1).json(&shop.schema)];
            let owes = shop.poll_json(&list, Retry::Now, false).owes_reports;
            (
                shop.ledger("p", "report_state || ' ' || (next_report_at IS NOT NULL)"),
                owes,
            )
        };
        assert_eq!(state("delivered"), ("pending true".into(), true));
        assert_eq!(state("rejected"), ("rejected false".into(), false));
    }

    #[pg_test]
    fn a_final_proposal_listed_again_under_another_id_is_reported_under_that() {
        let shop = with_hits();
        shop.poll(&[bump(1).id("k")]);
        shop.run("UPDATE synapsor.ledger SET report_state = 'delivered'");
        shop.poll(&[bump(1).id("other").idempotency_key("k")]);
        let row = "concat_ws(' ', key, idempotency_key, report_state)";
        let expected = format!("{0}/k {0}/k pending", shop.schema);
        assert_eq!(shop.ledger("other", row), expected);
        assert_eq!(shop.rows("hits"), "(1)");
    }

    #[pg_test]
    fn a_passing_failure_is_retried_and_applied_when_it_has_passed() {
        let shop = with_hits();
        shop.run("INSERT INTO down VALUES ('40001')");
        let results = shop.poll(&[bump(1)]);
        assert_eq!(results[0]["status"], "retrying");
        let error = "SQLSTATE 40001: serialization_failure";
        assert_eq!(results[0]["error"], error);
        assert_eq!(shop.ledger("p", OUTCOME), "retrying 1 -");
        assert_eq!(shop.ledger("p", "next_attempt_at > now()"), "true");
        shop.run("TRUNCATE down");
        assert_eq!(shop.poll(&[bump(1)])[0]["status"], "applied");
        let row = "concat_ws('|', status, error, error_detail, sqlstate, next_attempt_at, decided_at IS NOT NULL, report_state)";
        assert_eq!(shop.ledger("p", row), "applied|t|pending");
        assert_eq!(shop.rows("hits"), "(1)");
    }

    fn make_due(shop: &Shop) {
        shop.run(&format!(
            "UPDATE synapsor.ledger SET next_attempt_at = now() - interval '1 s' WHERE proposal_id LIKE '{}/%'",
            shop.schema
        ));
    }

    #[pg_test]
    fn attempts_are_counted_up_to_the_last_which_keeps_its_cause() {
        let shop = with_hits();
        shop.set("synapsor.max_attempts", "3");
        shop.run("INSERT INTO down VALUES ('40001')");
        let list = [bump(1).json(&shop.schema)];
        for attempt in 1..=2 {
            make_due(&shop);
            shop.poll_json(&list, Retry::Due, false);
            assert_eq!(shop.ledger("p", OUTCOME), format!("retrying {attempt} -"));
            assert_eq!(shop.ledger("p", "next_attempt_at > now()"), "true");
        }
        shop.run("UPDATE down SET why = '40P01'");
        make_due(&shop);
        let done = shop.poll_json(&list, Retry::Due, false);
        assert!(done.owes_reports);
        assert_eq!(shop.ledger("p", OUTCOME), "failed 3 pending");
        let error = "SQLSTATE 40P01: deadlock_detected";
        assert_eq!(shop.ledger("p", "error"), error);
        assert_eq!(done.results[0]["error"], error);
    }

    #[pg_test]
    fn a_proposal_that_is_not_due_waits_and_asking_does_not_use_up_attempts() {
        let shop = with_hits();
        shop.set("synapsor.max_attempts", "2");
        shop.run("INSERT INTO down VALUES ('40001')");
        let list = [bump(1).json(&shop.schema)];
        shop.poll_json(&list, Retry::Due, false);
        // However short the random wait was.
        shop.run("UPDATE synapsor.ledger SET next_attempt_at = now() + interval '1 hour' WHERE status = 'retrying'");
        shop.run("TRUNCATE down");
        let done = shop.poll_json(&list, Retry::Due, false);
        assert_eq!(done.results[0]["status"], "retrying");
        assert_eq!(shop.rows("hits"), "NULL");
        shop.run("INSERT INTO down VALUES ('40001')");
        for _ in 0..3 {
            shop.poll_json(&list, Retry::Now, false);
            assert_eq!(shop.ledger("p", OUTCOME), "retrying 1 -");
            assert_eq!(
                shop.ledger("p", "next_attempt_at > now() + interval '59 min'"),
                "true"
            );
        }
    }

    #[pg_test]
    fn the_same_key_with_another_content_is_refused_and_the_ledger_unchanged() {
        let shop = with_hits();
        let first = bump(1).idempotency_key("k");
        shop.poll(std::slice::from_ref(&first));
        let snapshot = format!(
            "SELECT string_agg(l::text, ' ') FROM synapsor.ledger l WHERE key LIKE '{}/%'",
            shop.schema
        );
        let before = shop.text(&snapshot);
        let other = bump(2).idempotency_key("k").id("other");
        let list = [other.json(&shop.schema)];
        let done = shop.poll_json(&list, Retry::Now, false);
        assert_eq!(done.results[0]["status"], "refused");
        assert_eq!(done.results[0]["error"], "WRITEBACK_IDEMPOTENCY_MISMATCH");
        assert!(!done.owes_reports);
        assert_eq!(shop.text(&snapshot), before);
        assert_eq!(shop.rows("hits"), "(1)");
    }

    #[pg_test]
    fn a_retrying_key_with_another_content_is_refused_too() {
        let shop = with_hits();
        shop.run("INSERT INTO down VALUES ('40001')");
        shop.poll(&[bump(1)]);
        shop.run("TRUNCATE down");
        assert_eq!(shop.poll(&[bump(2)])[0]["status"], "refused");
        assert_eq!(shop.ledger("p", OUTCOME), "retrying 1 -");
        assert_eq!(shop.rows("hits"), "NULL");
    }

    #[pg_test]
    fn a_batch_says_whether_it_has_recorded_anything_and_what_failed() {
        let shop = Shop::with_tickets();
        let list = [
            close(1).id("fine").json(&shop.schema),
            close(2).set("nothing", 1).id("bad").json(&shop.schema),
            close(99).id("missing").json(&shop.schema),
        ];
        let poll = |dry_run| {
            let done = shop.poll_json(&list, Retry::Now, dry_run);
            (done.has_recorded, done.owes_reports, done.failed)
        };
        let error = "SQLSTATE 42703: undefined_column, column nothing";
        let failed = vec![(format!("{}/bad", shop.schema), error.to_owned())];
        assert_eq!(poll(true), (false, false, failed.clone()));
        assert_eq!(poll(false), (true, true, failed));
        assert_eq!(poll(false), (false, false, vec![]), "all is decided");
        shop.run("UPDATE synapsor.ledger SET report_state = 'delivered'");
        assert_eq!(poll(true), (false, false, vec![]));
        assert_eq!(poll(false), (true, true, vec![]), "reported once more");
    }

    #[pg_test]
    fn a_dry_run_leaves_nothing() {
        let shop = with_hits();
        let list = [
            bump(1).json(&shop.schema),
            close(99).id("q").json(&shop.schema),
        ];
        let done = shop.poll_json(&list, Retry::Now, true);
        assert_eq!(done.results[0]["status"], "applied");
        assert_eq!(done.results[1]["reason"], "ROW_NOT_FOUND");
        assert!(!done.owes_reports);
        assert_eq!(shop.rows("hits"), "NULL");
        assert_eq!(shop.ledger("p", "key"), "NULL");
        shop.run("INSERT INTO down VALUES ('40001')");
        shop.poll_json(&list, Retry::Now, true);
        assert_eq!(shop.ledger("p", "key"), "NULL");
    }
}
