//! The ledger and its outbox.

#[pgrx::pg_schema]
mod tests {
    use std::time::Duration;

    use pgrx::prelude::*;
    use synapsor_core::ledger::{Again, Row};
    use synapsor_core::outbox::{Mark, Sent, Which};
    use synapsor_core::outcome::{Guards, Status};

    use crate::error::ExtensionError;
    use crate::ledger::outbox::{MARK, Walk};
    use crate::ledger::{Ledger, Planned};
    use crate::pg::guc_scope::GucScope;
    use crate::tests::shop::Shop;

    fn row(shop: &Shop, id: &str, status: Status) -> Row {
        Row {
            key: format!("{}/{id}", shop.schema),
            proposal_id: format!("{}/{id}", shop.schema),
            idempotency_key: None,
            digest: "d".into(),
            source_id: None,
            target_schema: None,
            target_table: None,
            operation: Some("update".into()),
            status,
            affected_rows: i64::from(status == Status::Applied),
            guards: Guards::default(),
            guard_advanced: None,
            reason: None,
            sqlstate: None,
            error: None,
            error_detail: None,
            attempts: 1,
            applied_as: shop.role.clone(),
            next_attempt_in: (status == Status::Retrying).then_some(60.0),
        }
    }

    #[pg_test]
    fn a_final_row_never_changes_its_outcome() {
        let shop = Shop::open();
        let ledger = Ledger::open().unwrap();
        for status in [Status::Applied, Status::Conflict, Status::Failed] {
            let id = status.as_str();
            ledger.record(&[row(&shop, id, status)]).unwrap();
            for other in [Status::Applied, Status::Failed, Status::Retrying] {
                let result = ledger.record(&[row(&shop, id, other)]);
                assert!(matches!(result, Err(ExtensionError::LedgerChanged)));
            }
            assert_eq!(shop.ledger(id, "status"), id);
        }
    }

    #[pg_test]
    fn a_retrying_row_becomes_final_and_keeps_when_it_was_first_seen() {
        let shop = Shop::open();
        let ledger = Ledger::open().unwrap();
        ledger.record(&[row(&shop, "p", Status::Retrying)]).unwrap();
        let first_seen = shop.ledger("p", "first_seen_at");
        let waits = "next_attempt_at - first_seen_at = interval '60 s'";
        assert_eq!(shop.ledger("p", waits), "true");
        ledger.record(&[row(&shop, "p", Status::Applied)]).unwrap();
        let later = "status || ' ' || (decided_at > first_seen_at) || ' ' || report_state";
        assert_eq!(shop.ledger("p", later), "applied true pending");
        assert_eq!(shop.ledger("p", "first_seen_at"), first_seen);
    }

    #[pg_test]
    fn a_row_that_is_decided_says_nothing_any_more_of_the_tries_before() {
        let shop = Shop::open();
        let ledger = Ledger::open().unwrap();
        let first = Row {
            reason: Some("r".into()),
            sqlstate: Some("40001".into()),
            error: Some("e".into()),
            error_detail: Some("d".into()),
            ..row(&shop, "p", Status::Retrying)
        };
        let last = |id| Row {
            proposal_id: "another".into(),
            idempotency_key: Some("k".into()),
            guards: Guards {
                primary_key: true,
                tenant: true,
                conflict: true,
            },
            guard_advanced: Some(true),
            attempts: 2,
            applied_as: "somebody".into(),
            ..row(&shop, id, Status::Applied)
        };
        for rows in [&[first][..], &[last("p"), last("untried")]] {
            ledger.record(rows).unwrap();
        }
        let content = |id: &str| {
            shop.text(&format!(
                "SELECT to_jsonb(l) - ARRAY['key', 'first_seen_at'] FROM synapsor.ledger l WHERE key = '{}/{id}'",
                shop.schema
            ))
        };
        assert_eq!(content("p"), content("untried"));
    }

    #[pg_test]
    fn a_report_that_this_transaction_itself_decided_is_not_sent() {
        let shop = Shop::open();
        let ledger = Ledger::open().unwrap();
        ledger.record(&[row(&shop, "p", Status::Applied)]).unwrap();
        assert!(ledger.owes_reports(Which::All, &Walk::default()).unwrap());
        let owed = ledger
            .take_owed(Which::All, 10, &mut Walk::default())
            .unwrap();
        let own = |key: &str| key.starts_with(&shop.schema);
        assert!(!owed.iter().any(|owed| own(&owed.key)));
    }

    fn mark(shop: &Shop, id: &str, state: Sent) -> Mark {
        Mark {
            key: format!("{}/{id}", shop.schema),
            proposal_id: format!("{}/{id}", shop.schema),
            state,
        }
    }

    /// Three reports were sent, each with another answer.
    fn with_answers(shop: &Shop, ledger: &Ledger) -> [Mark; 3] {
        let ids = ["sent", "refused", "later"];
        let rows = ids.map(|id| row(shop, id, Status::Applied));
        ledger.record(&rows).unwrap();
        let refused = Sent::Rejected {
            error: "HTTP 409".into(),
        };
        let later = Sent::Pending {
            again_in: 60.0,
            error: "HTTP 500".into(),
        };
        let marks = [
            mark(shop, "sent", Sent::Delivered),
            mark(shop, "refused", refused),
            mark(shop, "later", later),
        ];
        ledger.mark(&marks).unwrap();
        marks
    }

    #[pg_test]
    fn a_report_is_owed_until_it_was_accepted_or_refused_and_due_when_its_time_has_come() {
        let shop = Shop::open();
        let ledger = Ledger::open().unwrap();
        let owes = || {
            [Which::All, Which::Due]
                .map(|which| ledger.owes_reports(which, &Walk::default()).unwrap())
        };
        assert_eq!(owes(), [false, false]);
        assert_eq!(ledger.count_pending_reports().unwrap(), 0);
        let rows = ["p", "q"].map(|id| row(&shop, id, Status::Applied));
        ledger.record(&rows).unwrap();
        assert_eq!(owes(), [true, true]);
        assert_eq!(ledger.count_pending_reports().unwrap(), 2);
        let marks = ["p", "q"].map(|id| mark(&shop, id, Sent::Delivered));
        ledger.mark(&marks).unwrap();
        assert_eq!(owes(), [false, false]);
        with_answers(&shop, &ledger);
        assert_eq!(owes(), [true, false]);
        assert_eq!(ledger.count_pending_reports().unwrap(), 1);
    }

    #[pg_test]
    fn an_accepted_report_is_due_again_ever_more_seldom_and_no_other_is() {
        let shop = Shop::open();
        let ledger = Ledger::open().unwrap();
        ledger.record(&[row(&shop, "p", Status::Applied)]).unwrap();
        let key = format!("{}/p", shop.schema);
        let is_due = |state: &str, attempts: i32, seconds_ago: i32| {
            shop.run(&format!(
                "UPDATE synapsor.ledger SET report_state = '{state}', report_attempts = {attempts},
                     reported_at = clock_timestamp() - interval '{seconds_ago} s' WHERE key = '{key}'"
            ));
            let known = ledger.look_up(std::slice::from_ref(&key)).unwrap();
            known[&key].is_report_due
        };
        for (attempts, wait) in [(1, 2), (3, 8), (7, 128), (9, 300), (100, 300)] {
            let delivered = |ago| is_due("delivered", attempts, ago);
            assert!(!delivered(wait - 1), "after {attempts} attempts");
            assert!(delivered(wait), "after {attempts} attempts");
        }
        assert!(!is_due("pending", 1, 3_600));
        assert!(!is_due("rejected", 1, 3_600));
    }

    #[pg_test]
    fn what_became_of_a_report_is_written_down() {
        let shop = Shop::open();
        let ledger = Ledger::open().unwrap();
        let marks = with_answers(&shop, &ledger);
        let row = "concat_ws('|', report_state, report_attempts, report_error, reported_at IS NOT NULL, next_report_at > now())";
        assert_eq!(shop.ledger("sent", row), "delivered|1|t");
        assert_eq!(shop.ledger("refused", row), "rejected|1|HTTP 409|f");
        assert_eq!(shop.ledger("later", row), "pending|1|HTTP 500|f|t");
        ledger.mark(&marks).unwrap();
        assert_eq!(shop.ledger("sent", row), "delivered|1|t");
        assert_eq!(shop.ledger("later", row), "pending|2|HTTP 500|f|t");
    }

    #[pg_test]
    fn an_accepted_report_is_put_back_into_the_outbox_and_no_other_is_touched() {
        let shop = Shop::open();
        let ledger = Ledger::open().unwrap();
        let again = with_answers(&shop, &ledger).map(|mark| Again {
            key: mark.key,
            proposal_id: mark.proposal_id,
            idempotency_key: None,
        });
        ledger.report_again(&again).unwrap();
        let row = "concat_ws('|', report_state, next_report_at > now() + interval '59 s')";
        assert_eq!(shop.ledger("sent", row), "pending|f");
        assert_eq!(shop.ledger("refused", row), "rejected");
        assert_eq!(shop.ledger("later", row), "pending|t");
    }

    #[pg_test]
    fn a_mark_about_another_proposal_with_the_same_key_is_left_out() {
        let shop = Shop::open();
        let ledger = Ledger::open().unwrap();
        ledger.record(&[row(&shop, "p", Status::Applied)]).unwrap();
        let mark = Mark {
            key: format!("{}/p", shop.schema),
            proposal_id: "another".into(),
            state: Sent::Delivered,
        };
        ledger.mark(&[mark]).unwrap();
        assert_eq!(shop.ledger("p", "report_state"), "pending");
    }

    #[pg_test]
    fn pruning_takes_old_delivered_rows_and_no_others() {
        let shop = Shop::open();
        let ledger = Ledger::open().unwrap();
        let ids = ["old", "fresh", "owed", "refused"];
        let rows = ids.map(|id| row(&shop, id, Status::Applied));
        ledger.record(&rows).unwrap();
        ledger
            .record(&[row(&shop, "trying", Status::Retrying)])
            .unwrap();
        let own = format!("proposal_id LIKE '{}/%'", shop.schema);
        shop.run(&format!(
            "UPDATE synapsor.ledger SET decided_at = now() - interval '91 days' WHERE {own} AND status <> 'retrying';
             UPDATE synapsor.ledger SET first_seen_at = now() - interval '91 days' WHERE {own};
             UPDATE synapsor.ledger SET reported_at = now() - interval '91 days' WHERE {own};
             UPDATE synapsor.ledger SET reported_at = now() - interval '1 day' WHERE {own} AND key LIKE '%/fresh';
             UPDATE synapsor.ledger SET report_state = 'delivered', next_report_at = NULL
             WHERE {own} AND (key LIKE '%/old' OR key LIKE '%/fresh');
             UPDATE synapsor.ledger SET report_state = 'rejected' WHERE {own} AND key LIKE '%/refused';"
        ));
        ledger.prune(Duration::from_secs(90 * 86_400)).unwrap();
        let left = format!(
            "SELECT string_agg(split_part(key, '/', 2), ' ' ORDER BY key) FROM synapsor.ledger WHERE {own}"
        );
        assert_eq!(shop.text(&left), "fresh owed refused trying");
    }

    #[pg_test]
    fn the_ledger_is_found_and_written_whatever_the_search_path_holds() {
        let shop = Shop::open();
        shop.run(
            "CREATE TABLE ledger (key text);
             CREATE FUNCTION no(text, text) RETURNS bool LANGUAGE sql AS 'SELECT false';
             CREATE OPERATOR = (LEFTARG = text, RIGHTARG = text, FUNCTION = no);",
        );
        shop.run(&format!(
            "SET LOCAL search_path = {}, pg_catalog",
            shop.schema
        ));
        let ledger = Ledger::open().unwrap();
        ledger.record(&[row(&shop, "p", Status::Applied)]).unwrap();
        let known = ledger.look_up(&[format!("{}/p", shop.schema)]).unwrap();
        assert_eq!(known.len(), 1);
    }

    #[pg_test]
    fn the_ledgers_owner_is_whom_its_table_belongs_to() {
        let shop = Shop::open();
        shop.run(&format!(
            "ALTER TABLE synapsor.ledger OWNER TO {}",
            shop.role
        ));
        let role = shop.value(&format!("'{}'::regrole::oid", shop.role));
        assert_eq!(Some(Ledger::open().unwrap().owner()), role);
    }

    #[pg_test]
    fn a_process_that_waits_for_nothing_is_held_up_by_nothing() {
        let ledger = Ledger::open().unwrap();
        assert_eq!(ledger.what_holds_up(std::process::id() as i32), None);
    }

    #[pg_test]
    fn the_totals_count_the_rows_of_each_kind() {
        let shop = Shop::open();
        let ledger = Ledger::open().unwrap();
        let kinds = ["applied", "conflict", "failed", "retrying"];
        for (count, kind) in (1..).zip(kinds) {
            let status = Status::parse(kind).unwrap();
            let rows: Vec<_> = (0..count)
                .map(|n| row(&shop, &format!("{kind}{n}"), status))
                .collect();
            ledger.record(&rows).unwrap();
        }
        shop.run(
            "UPDATE synapsor.ledger SET decided_at = '2019-01-01Z', report_state = 'rejected' WHERE key LIKE '%/applied0';
             UPDATE synapsor.ledger SET decided_at = '2020-01-01Z' WHERE key LIKE '%/failed0';",
        );
        let totals = ledger.totals().unwrap();
        assert_eq!((totals.applied, totals.conflicts), (1, 2));
        assert_eq!((totals.failed, totals.retrying), (3, 4));
        assert_eq!((totals.pending_reports, totals.rejected_reports), (5, 1));
        let oldest = shop.value("'2020-01-01Z'::timestamptz");
        assert_eq!(totals.oldest_pending_report, oldest);
    }

    #[pg_test]
    fn the_views_show_what_is_owed_what_happened_and_how_much() {
        let shop = Shop::open();
        let ledger = Ledger::open().unwrap();
        ledger.record(&[row(&shop, "p", Status::Applied)]).unwrap();
        ledger.record(&[row(&shop, "q", Status::Retrying)]).unwrap();
        let own = format!("WHERE proposal_id LIKE '{}/%'", shop.schema);
        let pending = format!(
            "SELECT string_agg(status || ' ' || report_attempts, ',') FROM synapsor.pending_reports {own}"
        );
        assert_eq!(shop.text(&pending), "applied 0");
        let recent = format!(
            "SELECT string_agg(status || ' ' || coalesce(report, '-'), ',') FROM synapsor.recent {own}"
        );
        assert_eq!(shop.text(&recent), "retrying -,applied pending");
        let metrics = "SELECT string_agg(concat_ws(' ', labels->>'status', value), ',') FROM synapsor.metrics
            WHERE name = 'synapsor_writeback_proposals' AND labels->>'status' IN ('applied', 'retrying')";
        let counts = "SELECT 'applied ' || count(*) FILTER (WHERE status = 'applied')
            || ',retrying ' || count(*) FILTER (WHERE status = 'retrying') FROM synapsor.ledger";
        assert_eq!(shop.text(metrics), shop.text(counts));
    }

    /// Whatever the planner knows of the ledger, which it learned when the ledger was another one.
    #[pg_test]
    fn a_mark_looks_each_row_up_by_its_key_and_never_all_that_is_pending() {
        let rows = "INSERT INTO synapsor.ledger (key, proposal_id, proposal_digest, status, affected_rows, guards, applied_as,
                        first_seen_at, decided_at, report_state, next_report_at)
                    SELECT 'plan/' || n, 'p', 'd', 'applied', 1, '{}', 'r', now(), now(), 'pending', now() FROM generate_series(1, $1) n";
        for count in [0_i64, 3, 10_000] {
            Spi::run_with_args(rows, &[count.into()]).unwrap();
            Spi::run("ANALYZE synapsor.ledger").unwrap();
            let plan = plan_of_marks();
            assert!(plan.contains("Tid Scan on ledger"), "{count}: {plan}");
            let looks_up = plan.contains("Index Scan using ledger_pkey")
                && plan.contains("Index Cond: (key = m.key)");
            assert!(
                looks_up && !plan.contains("ledger_pending_reports"),
                "{count}: {plan}"
            );
            Spi::run("DELETE FROM synapsor.ledger WHERE key LIKE 'plan/%'").unwrap();
        }
    }

    fn plan_of_marks() -> String {
        let scope = GucScope::open();
        scope.set("search_path", "pg_catalog, pg_temp");
        Planned::Once.within(&scope);
        let types = "text[], text[], text[], text[], float8[]";
        Spi::run(&format!("PREPARE marks ({types}) AS {MARK}")).unwrap();
        let plan = Spi::connect(|spi| {
            let arguments = "'{a}', '{b}', '{delivered}', '{null}', '{null}'";
            let lines = spi.select(&format!("EXPLAIN EXECUTE marks ({arguments})"), None, &[]);
            let lines = lines
                .unwrap()
                .map(|row| row.get::<String>(1).unwrap().unwrap());
            lines.collect::<Vec<_>>().join("\n")
        });
        Spi::run("DEALLOCATE marks").unwrap();
        plan
    }
}
