//! Whether the conflict column moved on, and who moves it.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use crate::tests::change::{close, delete, text, update};
    use crate::tests::shop::Shop;

    const VERSION: &str = "SELECT version FROM tickets WHERE id = 1";

    #[pg_test]
    fn a_trigger_that_moves_the_version_on_is_seen() {
        let shop = Shop::with_tickets();
        let guarded = close(1).conflict("version", 1);
        assert_eq!(shop.applied(&guarded).guard_advanced, Some(false));
        shop.trigger(
            "BEFORE UPDATE",
            "tickets",
            "NEW.version := OLD.version + 1;",
        );
        assert_eq!(shop.applied(&guarded).guard_advanced, Some(true));
        assert_eq!(shop.text(VERSION), "2");
        assert_eq!(shop.conflict(&guarded), "CONFLICT_VALUE_CHANGED");
    }

    #[pg_test]
    fn a_trigger_that_empties_or_fills_the_version_has_moved_it() {
        let shop = Shop::with_tickets();
        shop.trigger(
            "BEFORE UPDATE",
            "tickets",
            "NEW.version := CASE WHEN OLD.version IS NULL THEN 1 END;",
        );
        let emptied = shop.applied(&close(1).conflict("version", 1));
        assert_eq!(
            (emptied.guard_advanced, shop.text(VERSION).as_str()),
            (Some(true), "NULL")
        );
        let filled = shop.applied(&close(1).conflict("version", "null"));
        assert_eq!(
            (filled.guard_advanced, shop.text(VERSION).as_str()),
            (Some(true), "1")
        );
    }

    #[pg_test]
    fn advance_guard_adds_one_so_that_the_same_reading_applies_once() {
        let shop = Shop::with_tickets();
        shop.set("synapsor.advance_guard", "on");
        let guarded = close(1).tenant("tenant_id", text("acme"));
        let guarded = guarded.conflict("version", 1);
        assert_eq!(shop.applied(&guarded).guard_advanced, Some(true));
        let expected = "(1,acme,closed,2) (2,acme,open,1) (3,globex,open,1)";
        assert_eq!(shop.rows("tickets"), expected);
        assert_eq!(shop.conflict(&guarded), "CONFLICT_VALUE_CHANGED");
        assert_eq!(shop.applied(&close(2)).guard_advanced, None);
    }

    #[pg_test]
    fn advance_guard_serves_every_kind_of_number() {
        let shop = Shop::open();
        shop.set("synapsor.advance_guard", "on");
        let types = [
            ("smallint", "7", "8"),
            ("bigint", "9007199254740993", "9007199254740994"),
            ("numeric", "1.50", "2.50"),
        ];
        for (type_name, before, after) in types {
            shop.run(&format!(
                "DROP TABLE IF EXISTS counted;
                 CREATE TABLE counted (id int PRIMARY KEY, n int, v {type_name});
                 INSERT INTO counted VALUES (1, 0, {before});"
            ));
            let change = update("counted").key("id", 1).set("n", 1);
            let decision = shop.applied(&change.conflict("v", before));
            assert_eq!(decision.guard_advanced, Some(true), "{type_name}");
            assert_eq!(shop.text("SELECT v FROM counted"), after);
        }
    }

    #[pg_test]
    fn advance_guard_sets_a_time_to_now() {
        let shop = Shop::open();
        shop.set("synapsor.advance_guard", "on");
        for type_name in ["timestamptz", "timestamp"] {
            shop.run(&format!(
                "DROP TABLE IF EXISTS timed;
                 CREATE TABLE timed (id int PRIMARY KEY, n int, v {type_name});
                 INSERT INTO timed VALUES (1, 0, '2020-01-01 00:00:00+00'), (2, 0, NULL);
                 SET LOCAL TimeZone = 'UTC';"
            ));
            let change = |id| update("timed").key("id", id).set("n", 1);
            let guarded = change(1).conflict("v", text("2020-01-01T00:00:00Z"));
            assert_eq!(shop.applied(&guarded).guard_advanced, Some(true));
            let guarded = change(2).conflict("v", "null");
            assert_eq!(shop.applied(&guarded).guard_advanced, Some(true));
            let fresh = "SELECT bool_and(v > now() AND v <= clock_timestamp()) FROM timed";
            assert_eq!(shop.text(fresh), "true", "{type_name}");
        }
    }

    #[pg_test]
    fn advance_guard_leaves_what_a_trigger_moved_already() {
        let shop = Shop::with_tickets();
        shop.set("synapsor.advance_guard", "on");
        shop.trigger(
            "BEFORE UPDATE",
            "tickets",
            "NEW.version := OLD.version + 1;",
        );
        let decision = shop.applied(&close(1).conflict("version", 1));
        assert_eq!(decision.guard_advanced, Some(true));
        assert_eq!(shop.text(VERSION), "2");
    }

    #[pg_test]
    fn a_guard_that_cannot_be_advanced_is_applied_and_says_so() {
        let shop = Shop::with_tickets();
        shop.set("synapsor.advance_guard", "on");
        let guarded = update("tickets").key("id", 1).set("version", 7);
        let decision = shop.applied(&guarded.conflict("status", text("open")));
        assert_eq!(decision.guard_advanced, Some(false));
    }

    #[pg_test]
    fn advancing_past_the_types_limit_undoes_the_update() {
        let shop = Shop::with_tickets();
        shop.set("synapsor.advance_guard", "on");
        shop.run("UPDATE tickets SET version = 2147483647 WHERE id = 1");
        let error = shop.failed(&close(1).conflict("version", i32::MAX));
        assert_eq!(error, "SQLSTATE 22003: numeric_value_out_of_range");
    }

    #[pg_test]
    fn a_delete_has_no_guard_to_advance() {
        let shop = Shop::with_tickets();
        shop.set("synapsor.advance_guard", "on");
        let change = delete("tickets").key("id", 1).conflict("version", 1);
        assert_eq!(shop.applied(&change).guard_advanced, None);
    }

    #[pg_test]
    fn advancing_needs_the_right_to_write_the_column() {
        let shop = Shop::with_tickets();
        shop.run(&format!(
            "REVOKE UPDATE ON tickets FROM {0}; GRANT UPDATE (status) ON tickets TO {0};",
            shop.role
        ));
        let guarded = close(1).conflict("version", 1);
        shop.applied(&guarded);
        shop.set("synapsor.advance_guard", "on");
        let error = shop.failed(&guarded);
        assert_eq!(error, "SQLSTATE 42501: insufficient_privilege");
    }

    #[pg_test]
    fn advance_guard_serves_a_domain() {
        let shop = Shop::with_tickets();
        shop.run("CREATE DOMAIN revision AS int; ALTER TABLE tickets ALTER version TYPE revision");
        shop.set("synapsor.advance_guard", "on");
        let guarded = close(1).conflict("version", 1);
        assert_eq!(shop.applied(&guarded).guard_advanced, Some(true));
        assert_eq!(shop.text(VERSION), "2");
    }

    #[pg_test]
    fn a_row_that_its_own_update_put_out_of_reach_is_applied_and_says_that_it_did_not_advance() {
        let shop = Shop::with_tickets();
        shop.set("synapsor.advance_guard", "on");
        shop.run(
            "ALTER TABLE tickets ENABLE ROW LEVEL SECURITY;
             CREATE POLICY all_are_seen ON tickets FOR SELECT USING (true);
             CREATE POLICY open_ones_change ON tickets FOR UPDATE USING (status = 'open') WITH CHECK (true);",
        );
        let guarded = close(1).conflict("version", 1);
        assert_eq!(shop.applied(&guarded).guard_advanced, Some(false));
        assert_eq!(shop.text(VERSION), "1");
    }

    #[pg_test]
    fn an_advance_that_a_trigger_makes_null_has_moved_the_guard() {
        let shop = Shop::with_tickets();
        shop.set("synapsor.advance_guard", "on");
        let body = "IF OLD.status = 'closed' THEN NEW.version := NULL; END IF;";
        shop.trigger("BEFORE UPDATE", "tickets", body);
        let guarded = close(1).conflict("version", 1);
        assert_eq!(shop.applied(&guarded).guard_advanced, Some(true));
        assert_eq!(shop.text(VERSION), "NULL");
    }

    #[pg_test]
    fn a_guard_that_ends_up_as_it_was_has_not_advanced() {
        let shop = Shop::with_tickets();
        shop.set("synapsor.advance_guard", "on");
        shop.trigger("BEFORE UPDATE", "tickets", "NEW.version := OLD.version;");
        let guarded = close(1).conflict("version", 1);
        assert_eq!(shop.applied(&guarded).guard_advanced, Some(false));
        assert_eq!(shop.text(VERSION), "1");
    }
}
