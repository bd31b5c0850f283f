//! What is left for later is done before the proposal ends, as the apply role: nothing of it remains for the commit,
//! where it would run as the caller.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use crate::tests::change::close;
    use crate::tests::shop::Shop;

    /// A constraint trigger on tickets, deferred, which runs this.
    fn with_late_trigger(body: &str) -> Shop {
        let shop = Shop::with_tickets();
        shop.run(&format!(
            "CREATE TABLE seen (who text);
             CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$;
             CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON tickets DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION late();"
        ));
        shop
    }

    #[pg_test]
    fn a_deferred_trigger_runs_as_the_apply_role_before_the_proposal_ends() {
        let shop = with_late_trigger("INSERT INTO seen VALUES (current_user);");
        shop.applied(&close(1));
        assert_eq!(shop.rows("seen"), format!("({})", shop.role));
    }

    #[pg_test]
    fn constraints_are_immediate_for_every_proposal_alike() {
        let shop = Shop::with_tickets();
        shop.run(
            "CREATE TABLE heads (id int PRIMARY KEY);
             CREATE TABLE lines (head int REFERENCES heads DEFERRABLE INITIALLY DEFERRED);",
        );
        shop.trigger(
            "AFTER UPDATE",
            "tickets",
            "INSERT INTO lines VALUES (NEW.id); INSERT INTO heads VALUES (NEW.id);",
        );
        for id in [1, 2] {
            let error = shop.failed(&close(id));
            let violated = "SQLSTATE 23503: foreign_key_violation, constraint lines_head_fkey";
            assert_eq!(error, violated);
        }
    }

    #[pg_test]
    fn a_trigger_leaves_nothing_to_a_caller_that_is_another_role() {
        let attempts = [
            "SET CONSTRAINTS ALL DEFERRED; UPDATE tickets SET version = 7 WHERE id = 2;",
            "EXECUTE 'DECLARE later CURSOR WITH HOLD FOR SELECT current_user';",
            "CREATE TEMP TABLE tickets (id int);",
            "CREATE TEMP VIEW seen AS SELECT current_user;",
            "EXECUTE 'PREPARE later AS SELECT current_user';",
            "LISTEN later;",
        ];
        for attempt in attempts {
            let shop = with_late_trigger("INSERT INTO seen VALUES (current_user);");
            shop.trigger("BEFORE UPDATE OF status", "tickets", attempt);
            let error = shop.failed(&close(1));
            let denied = "SQLSTATE 42501: insufficient_privilege";
            assert_eq!(error, denied, "{attempt}");
            shop.run("SET CONSTRAINTS ALL IMMEDIATE");
            assert_eq!(shop.rows("seen"), "NULL");
            shop.close();
        }
    }

    #[pg_test]
    fn a_late_trigger_cannot_put_its_work_off_until_the_commit() {
        let shop = with_late_trigger(
            "INSERT INTO seen VALUES (current_user);
             SET CONSTRAINTS ALL DEFERRED;
             UPDATE tickets SET version = version + 1 WHERE id = NEW.id;",
        );
        let error = shop.failed(&close(1));
        assert_eq!(error, "SQLSTATE 42501: insufficient_privilege");
        shop.run("SET CONSTRAINTS ALL IMMEDIATE");
        assert_eq!(shop.rows("seen"), "NULL");
    }

    #[pg_test]
    fn a_session_that_only_became_the_apply_role_is_restricted_like_any_other() {
        let shop = Shop::with_tickets();
        let leave = "CREATE TEMP TABLE scratch AS SELECT NEW.id; DROP TABLE scratch;";
        shop.trigger("BEFORE UPDATE", "tickets", leave);
        for (become_it, leave_it) in [
            ("SET LOCAL ROLE", "RESET ROLE"),
            (
                "SET LOCAL SESSION AUTHORIZATION",
                "RESET SESSION AUTHORIZATION",
            ),
        ] {
            shop.run(&format!("{become_it} {}", shop.role));
            let error = shop.failed(&close(1));
            assert_eq!(
                error, "SQLSTATE 42501: insufficient_privilege",
                "{become_it}"
            );
            shop.run(leave_it);
        }
    }
}
