//! Time limits end one proposal; a cancel ends everything.

#[pgrx::pg_schema]
mod tests {
    use std::time::{Duration, Instant};

    use pgrx::prelude::*;
    use synapsor_core::outcome::Status;

    use crate::apply::Decision;
    use crate::pg::error::PgError;
    use crate::pg::subtransaction::{self, Ending};
    use crate::tests::change::{Change, close};
    use crate::tests::shop::Shop;

    /// Applies a proposal where an error that ends everything is caught after all.
    fn apply_inside(shop: &Shop, change: &Change) -> Result<Decision, PgError> {
        subtransaction::run(|| Ending::Undo(shop.apply(change)), |_| true)
    }

    #[pg_test]
    fn a_statement_that_takes_too_long_is_retried_and_the_next_one_applies() {
        let shop = Shop::with_tickets();
        shop.trigger(
            "BEFORE UPDATE",
            "tickets",
            "IF NEW.id = 1 THEN PERFORM pg_sleep(30); END IF;",
        );
        shop.set("synapsor.statement_timeout", "50ms");
        let start = Instant::now();
        let decision = shop.apply(&close(1));
        assert_eq!(decision.status, Status::Retrying, "{decision:?}");
        let failure = decision.failure.unwrap();
        assert_eq!(failure.error, "SQLSTATE 57014: query_canceled");
        let why = "synapsor.statement_timeout (50 ms) ran out";
        assert_eq!(failure.detail.as_deref(), Some(why));
        assert!(start.elapsed() < Duration::from_secs(5));
        shop.applied(&close(2));
    }

    #[pg_test]
    fn a_limit_that_a_trigger_swallows_still_ends_the_proposal() {
        let shop = Shop::with_tickets();
        shop.trigger(
            "BEFORE UPDATE",
            "tickets",
            "BEGIN PERFORM pg_sleep(30); EXCEPTION WHEN query_canceled THEN RAISE 'hidden'; END;",
        );
        shop.set("synapsor.statement_timeout", "50ms");
        assert_eq!(shop.failed(&close(1)), "SQLSTATE P0001: raise_exception");
        shop.without_triggers("tickets");
        shop.applied(&close(1));
    }

    #[pg_test]
    fn a_trigger_that_goes_on_after_the_limit_has_gained_nothing() {
        let shop = Shop::with_tickets();
        shop.trigger(
            "BEFORE UPDATE",
            "tickets",
            "BEGIN PERFORM pg_sleep(30); EXCEPTION WHEN query_canceled THEN NULL; END;",
        );
        shop.set("synapsor.statement_timeout", "50ms");
        let decision = shop.apply(&close(1));
        assert_eq!(decision.status, Status::Retrying, "{decision:?}");
        assert_eq!(decision.failure.unwrap().sqlstate.unwrap(), "57014");
        shop.without_triggers("tickets");
        shop.applied(&close(1));
    }

    #[pg_test]
    fn a_limit_of_zero_is_none() {
        let shop = Shop::with_tickets();
        shop.trigger("BEFORE UPDATE", "tickets", "PERFORM pg_sleep(0.1);");
        shop.set("synapsor.statement_timeout", "0");
        shop.applied(&close(1));
    }

    #[pg_test]
    fn a_limit_that_was_not_reached_leaves_no_alarm_behind() {
        let shop = Shop::with_tickets();
        shop.set("synapsor.statement_timeout", "100ms");
        shop.applied(&close(1));
        shop.run("SELECT pg_sleep(0.3)");
        shop.set("synapsor.statement_timeout", "0");
        shop.applied(&close(2));
    }

    #[pg_test]
    fn a_cancel_is_never_swallowed() {
        let shop = Shop::with_tickets();
        shop.trigger(
            "BEFORE UPDATE",
            "tickets",
            "PERFORM pg_cancel_backend(pg_backend_pid()); PERFORM pg_sleep(30);",
        );
        shop.run(&format!("GRANT pg_signal_backend TO {}", shop.role));
        shop.run(&format!(
            "ALTER FUNCTION {}() SECURITY DEFINER",
            shop.text("SELECT max(tgname) FROM pg_trigger WHERE tgrelid = 'tickets'::regclass")
        ));
        let before = shop.rows("tickets");
        let error = apply_inside(&shop, &close(1)).expect_err("the cancel comes through");
        assert_eq!(error.sqlstate, "57014");
        assert_eq!(shop.rows("tickets"), before);
        shop.without_triggers("tickets");
        shop.applied(&close(1));
    }

    #[pg_test]
    fn an_error_that_only_borrows_a_cancels_code_harms_its_own_proposal_only() {
        let shop = Shop::with_tickets();
        for code in ["57014", "57P01", "57P02", "57P03"] {
            let raise = format!("RAISE EXCEPTION 'x' USING ERRCODE = '{code}';");
            shop.trigger("BEFORE UPDATE", "tickets", &raise);
            let decision = shop.apply(&close(1));
            assert_eq!(decision.status, Status::Retrying, "{decision:?}");
            assert_eq!(decision.failure.unwrap().sqlstate.unwrap(), code);
            shop.without_triggers("tickets");
        }
        shop.applied(&close(1));
    }

    #[pg_test]
    fn the_limits_hold_for_the_statement_and_not_for_the_session() {
        let shop = Shop::with_tickets();
        shop.run("CREATE TABLE seen (what text); SET LOCAL lock_timeout = '7s'");
        shop.trigger(
            "BEFORE UPDATE",
            "tickets",
            "INSERT INTO seen VALUES (current_setting('lock_timeout'));",
        );
        shop.set("synapsor.lock_timeout", "1234ms");
        shop.applied(&close(1));
        assert_eq!(shop.rows("seen"), "(1234ms)");
        assert_eq!(shop.text("current_setting('lock_timeout')"), "7s");
    }
}
