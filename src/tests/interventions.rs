//! What a person does about one proposal: what it makes of the ledger's row, and what it leaves alone.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;
    use synapsor_core::judgement::Retry;

    use crate::error::ExtensionError;
    use crate::intervention;
    use crate::ledger::Ledger;
    use crate::ledger::intervene::Intervention;
    use crate::tests::change::close;
    use crate::tests::shop::Shop;

    /// A shop whose proposal `p` is in this state: what is set beside what a decision leaves.
    fn shop_with(status: &str, more: &str) -> Shop {
        let shop = Shop::with_tickets();
        let proposal = match status {
            "applied" => close(1),
            "conflict" => close(9),
            _ => close(1).set("nowhere", 1),
        };
        let results = shop.poll(&[proposal]);
        let first = if status == "retrying" {
            "failed"
        } else {
            status
        };
        assert_eq!(results[0]["status"], first, "{results:?}");
        if status == "retrying" {
            shop.run(&format!(
                "UPDATE synapsor.ledger SET status = 'retrying', decided_at = NULL, report_state = NULL, next_report_at = NULL,
                     next_attempt_at = now() + interval '1 hour', error_detail = 'detail' WHERE key = '{}'",
                key(&shop)
            ));
        }
        if !more.is_empty() {
            let own = key(&shop);
            shop.run(&format!(
                "UPDATE synapsor.ledger SET {more} WHERE key = '{own}'"
            ));
        }
        shop
    }

    fn key(shop: &Shop) -> String {
        format!("{}/p", shop.schema)
    }

    fn retry(shop: &Shop) -> Result<Intervention, ExtensionError> {
        Ledger::open().unwrap().retry(&key(shop))
    }

    fn discard(shop: &Shop) -> Result<Intervention, ExtensionError> {
        Ledger::open().unwrap().discard(&key(shop), "why not")
    }

    fn code<T: std::fmt::Debug>(result: Result<T, ExtensionError>) -> String {
        let text = result.expect_err("this has to fail").to_string();
        text.split(':').next().unwrap().to_owned()
    }

    #[pg_test]
    fn a_retry_makes_a_proposal_that_is_being_tried_due_and_counts_no_attempt() {
        let shop = shop_with("retrying", "");
        assert_eq!(retry(&shop).unwrap(), Intervention::TriedAgain);
        let row = "concat_ws('|', status, attempts, next_attempt_at <= clock_timestamp(), report_state, action, acted_by = session_user, acted_at >= now(), action_reason)";
        assert_eq!(shop.ledger("p", row), "retrying|1|t|retry|t|t");
    }

    #[pg_test]
    fn a_retry_sends_the_report_of_a_final_one_again_whatever_became_of_it_but_accepted() {
        for status in ["applied", "conflict", "failed"] {
            for state in ["pending", "rejected", "discarded"] {
                let shop = shop_with(
                    status,
                    &format!("report_state = '{state}', next_report_at = NULL"),
                );
                let outcome = "to_jsonb(l) - ARRAY['report_state', 'next_report_at', 'action', 'acted_by', 'acted_at']";
                let outcome = |shop: &Shop| {
                    shop.text(&format!(
                        "SELECT {outcome} FROM synapsor.ledger l WHERE key = '{}'",
                        key(shop)
                    ))
                };
                let before = outcome(&shop);
                assert_eq!(retry(&shop).unwrap(), Intervention::ReportedAgain);
                let row = "concat_ws('|', report_state, next_report_at <= clock_timestamp(), action, next_attempt_at)";
                assert_eq!(shop.ledger("p", row), "pending|t|retry", "{status} {state}");
                assert_eq!(outcome(&shop), before, "{status} {state}");
                shop.run(&format!(
                    "DELETE FROM synapsor.ledger WHERE key = '{}'",
                    key(&shop)
                ));
                shop.close();
            }
        }
    }

    #[pg_test]
    fn what_was_accepted_or_never_seen_can_t_be_retried_or_discarded_and_stays_as_it_is() {
        let shop = shop_with("applied", "report_state = 'delivered'");
        let row = "to_jsonb(ledger)";
        let before = shop.ledger("p", row);
        assert_eq!(code(retry(&shop)), "NOTHING_TO_RETRY");
        assert_eq!(code(discard(&shop)), "NOTHING_TO_DISCARD");
        assert_eq!(shop.ledger("p", row), before);
        let ledger = Ledger::open().unwrap();
        assert_eq!(code(ledger.retry("no such key")), "LEDGER_KEY_UNKNOWN");
        assert_eq!(
            code(ledger.discard("no such key", "why not")),
            "LEDGER_KEY_UNKNOWN"
        );
    }

    #[pg_test]
    fn a_discarded_proposal_that_was_being_tried_ends_failed_and_is_owed_a_report() {
        let shop = shop_with("retrying", "action = 'retry'");
        assert_eq!(discard(&shop).unwrap(), Intervention::Ended);
        let row = "concat_ws('|', status, error, sqlstate, error_detail, decided_at >= now(), next_attempt_at, report_state,
            next_report_at <= clock_timestamp(), action, acted_by = session_user, acted_at >= now(), action_reason)";
        assert_eq!(
            shop.ledger("p", row),
            "failed|WRITEBACK_DISCARDED|t|pending|t|discard|t|t|why not"
        );
    }

    #[pg_test]
    fn a_report_that_was_discarded_is_out_of_the_outbox_and_the_outcome_stays() {
        for state in ["pending", "rejected"] {
            let shop = shop_with("applied", &format!("report_state = '{state}'"));
            assert_eq!(discard(&shop).unwrap(), Intervention::ReportDiscarded);
            let row = "concat_ws('|', status, affected_rows, report_state, next_report_at, action, action_reason)";
            assert_eq!(
                shop.ledger("p", row),
                "applied|1|discarded|discard|why not",
                "{state}"
            );
            assert_eq!(code(discard(&shop)), "NOTHING_TO_DISCARD");
            shop.run(&format!(
                "DELETE FROM synapsor.ledger WHERE key = '{}'",
                key(&shop)
            ));
            shop.close();
        }
    }

    #[pg_test]
    fn a_final_key_is_never_applied_again_whatever_is_called() {
        let shop = shop_with("applied", "report_state = 'rejected'");
        shop.run("UPDATE tickets SET status = 'reopened' WHERE id = 1");
        retry(&shop).unwrap();
        let listed = || shop.poll_json(&[close(1).json(&shop.schema)], Retry::Now, false);
        assert_eq!(listed().results[0]["already_decided"], true);
        discard(&shop).unwrap();
        let done = listed();
        assert_eq!(done.results[0]["already_decided"], true);
        assert!(!done.owes_reports, "its report is owed to nobody");
        assert_eq!(shop.ledger("p", "report_state"), "discarded");
        let ended = shop_with_ended(&shop);
        assert_eq!(ended[0]["status"], "failed");
        assert_eq!(ended[0]["already_decided"], true);
        assert_eq!(
            shop.text("SELECT status FROM tickets WHERE id = 1"),
            "reopened"
        );
    }

    /// The same for one that was discarded while it was being tried, and that would now be applied.
    fn shop_with_ended(shop: &Shop) -> Vec<serde_json::Value> {
        shop.set("synapsor.lock_timeout", "50ms");
        shop.trigger(
            "BEFORE UPDATE",
            "tickets",
            "IF current_setting('shop.busy', true) = 'yes' THEN RAISE lock_not_available; END IF;",
        );
        shop.set("shop.busy", "yes");
        let proposal = close(2).id("q");
        assert_eq!(
            shop.poll(std::slice::from_ref(&proposal))[0]["status"],
            "retrying"
        );
        let key = format!("{}/q", shop.schema);
        Ledger::open().unwrap().discard(&key, "why not").unwrap();
        shop.set("shop.busy", "no");
        shop.poll(&[proposal])
    }

    #[pg_test]
    fn nothing_is_discarded_without_a_reason_and_a_long_one_is_cut() {
        let shop = shop_with("applied", "report_state = 'rejected'");
        for reason in ["", " \n\t "] {
            assert_eq!(
                code(intervention::discard(&key(&shop), reason)),
                "REASON_MISSING"
            );
        }
        let error = shop.error(&format!("SELECT synapsor_discard('{}', NULL)", key(&shop)));
        assert!(error.starts_with("REASON_MISSING"), "{error}");
        assert_eq!(shop.ledger("p", "report_state"), "rejected");
        intervention::discard(&key(&shop), &"ä".repeat(2_000)).unwrap();
        assert_eq!(shop.ledger("p", "length(action_reason)"), "1000");
        let error = shop.error("SELECT synapsor_retry(NULL)");
        assert!(error.starts_with("LEDGER_KEY_UNKNOWN"), "{error}");
    }

    #[pg_test]
    fn who_acts_is_the_sessions_user_whatever_role_he_has_taken() {
        let shop = shop_with("applied", "report_state = 'rejected'");
        shop.run(&format!(
            "SELECT synapsor_grant_usage('{0}'); SET LOCAL ROLE {0}",
            shop.role
        ));
        let said = shop.text(&format!("SELECT synapsor_retry('{}')", key(&shop)));
        assert_eq!(said, "the report is sent again");
        shop.run("RESET ROLE");
        assert_eq!(shop.ledger("p", "acted_by = session_user"), "true");
    }
}
