//! The guards: key, tenant, conflict. What they do not match is not touched.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;
    use synapsor_core::outcome::Guards;

    use crate::tests::change::{close, delete, insert, text, update};
    use crate::tests::shop::Shop;

    #[pg_test]
    fn the_row_that_all_guards_match_is_changed_and_no_other() {
        let shop = Shop::with_tickets();
        let change = close(1).tenant("tenant_id", text("acme"));
        shop.applied(&change.conflict("version", 1));
        let expected = "(1,acme,closed,1) (2,acme,open,1) (3,globex,open,1)";
        assert_eq!(shop.rows("tickets"), expected);
    }

    #[pg_test]
    fn a_stale_proposal_is_a_conflict_and_the_row_untouched() {
        let shop = Shop::with_tickets();
        shop.run("UPDATE tickets SET version = 2, status = 'reopened' WHERE id = 1");
        let reason = shop.conflict(&close(1).conflict("version", 1));
        assert_eq!(reason, "CONFLICT_VALUE_CHANGED");
        let stale = delete("tickets").key("id", 1).conflict("version", 1);
        assert_eq!(shop.conflict(&stale), "CONFLICT_VALUE_CHANGED");
        let row = shop.text("SELECT t FROM tickets t WHERE id = 1");
        assert_eq!(row, "(1,acme,reopened,2)");
    }

    #[pg_test]
    fn a_null_conflict_value_matches_a_null_row_and_no_other() {
        let shop = Shop::with_tickets();
        let guarded = |id| close(id).conflict("version", "null");
        assert_eq!(shop.conflict(&guarded(1)), "CONFLICT_VALUE_CHANGED");
        shop.run("UPDATE tickets SET version = NULL WHERE id = 1");
        let stale = shop.conflict(&close(1).conflict("version", 1));
        assert_eq!(stale, "CONFLICT_VALUE_CHANGED");
        assert_eq!(shop.applied(&guarded(1)).guard_advanced, Some(false));
        let gone = delete("tickets").key("id", 1).conflict("version", "null");
        shop.applied(&gone);
    }

    #[pg_test]
    fn a_missing_row_is_row_not_found() {
        let shop = Shop::with_tickets();
        assert_eq!(shop.conflict(&close(99)), "ROW_NOT_FOUND");
        assert_eq!(
            shop.conflict(&close(99).conflict("version", 1)),
            "ROW_NOT_FOUND"
        );
        assert_eq!(
            shop.conflict(&delete("tickets").key("id", 99)),
            "ROW_NOT_FOUND"
        );
    }

    #[pg_test]
    fn another_tenants_row_is_row_not_found() {
        let shop = Shop::with_tickets();
        let before = shop.rows("tickets");
        for change in [close(3), delete("tickets").key("id", 3)] {
            let change = change.tenant("tenant_id", text("acme"));
            assert_eq!(shop.conflict(&change), "ROW_NOT_FOUND");
            let change = change.conflict("version", 1);
            assert_eq!(shop.conflict(&change), "ROW_NOT_FOUND");
        }
        assert_eq!(shop.rows("tickets"), before);
    }

    #[pg_test]
    fn a_tenant_is_compared_exactly() {
        let shop = Shop::with_tickets();
        for tenant in ["ACME", "acme ", "acme%", "acm", ""] {
            let change = close(1).tenant("tenant_id", text(tenant));
            assert_eq!(shop.conflict(&change), "ROW_NOT_FOUND", "{tenant:?}");
        }
        let truth = shop.conflict(&close(1).tenant("tenant_id", "true"));
        assert_eq!(truth, "ROW_NOT_FOUND");
    }

    #[pg_test]
    fn an_insert_gets_the_tenant_and_cannot_name_another() {
        let shop = Shop::with_tickets();
        let ticket = |id| {
            insert("tickets")
                .set("id", id)
                .tenant("tenant_id", text("globex"))
        };
        shop.applied(&ticket(4));
        shop.applied(&ticket(5).set("tenant_id", text("globex")));
        let other = ticket(6).set("tenant_id", text("acme"));
        assert_eq!(shop.failed(&other), "WRITEBACK_TENANT_MISMATCH: tenant_id");
        let tenants = "SELECT string_agg(tenant_id, ' ') FROM tickets WHERE id > 3";
        assert_eq!(shop.text(tenants), "globex globex");
    }

    #[pg_test]
    fn more_than_one_row_is_blocked_and_nothing_changed() {
        let shop = Shop::open();
        shop.run(
            "CREATE TABLE loose (id int, note text);
             INSERT INTO loose VALUES (1, 'a'), (1, 'b'), (2, 'c');",
        );
        let before = shop.rows("loose");
        let blocked = "WRITEBACK_MULTI_ROW_BLOCKED";
        let change = update("loose").key("id", 1).set("note", text("x"));
        assert_eq!(shop.failed(&change), blocked);
        assert_eq!(shop.failed(&delete("loose").key("id", 1)), blocked);
        assert_eq!(shop.rows("loose"), before);
        shop.applied(&delete("loose").key("id", 1).conflict("note", text("b")));
        assert_eq!(shop.rows("loose"), "(1,a) (2,c)");
    }

    #[pg_test]
    fn writing_the_same_value_again_is_one_row() {
        let shop = Shop::with_tickets();
        let same = update("tickets").key("id", 1).set("status", text("open"));
        shop.applied(&same);
    }

    #[pg_test]
    fn a_decision_says_which_guards_its_statement_carried() {
        let shop = Shop::with_tickets();
        let guards = |primary_key, tenant, conflict| Guards {
            primary_key,
            tenant,
            conflict,
        };
        let decision = shop.applied(&close(1));
        assert_eq!(decision.guards, guards(true, false, false));
        assert_eq!(decision.guard_advanced, None);
        let change = close(1).tenant("tenant_id", text("acme"));
        let change = change.conflict("version", 1);
        assert_eq!(shop.applied(&change).guards, guards(true, true, true));
        let change = insert("tickets")
            .set("id", 7)
            .tenant("tenant_id", text("acme"));
        assert_eq!(shop.applied(&change).guards, guards(false, true, false));
        let stale = close(1).conflict("version", 7);
        assert_eq!(shop.apply(&stale).guards, guards(true, false, true));
        let failing = close(1).set("version", text("x"));
        let decision = shop.apply(&failing.conflict("tenant_id", text("acme")));
        assert!(decision.failure.is_some());
        assert_eq!(decision.guards, guards(true, false, true));
    }

    #[pg_test]
    fn an_update_by_a_unique_key_that_is_not_the_primary_key_is_one_row() {
        let shop = Shop::open();
        shop.run(
            "CREATE TABLE users (id int PRIMARY KEY, email text UNIQUE, name text);
             INSERT INTO users VALUES (1, 'a@x', 'A'), (2, 'b@x', 'B');",
        );
        let change = update("users").key("email", text("a@x"));
        shop.applied(&change.set("name", text("Ann")));
        assert_eq!(shop.rows("users"), "(1,a@x,Ann) (2,b@x,B)");
    }

    #[pg_test]
    fn a_guard_is_compared_as_it_is_and_not_rounded_to_fit() {
        let shop = Shop::open();
        shop.run(
            "CREATE TABLE t (id int PRIMARY KEY, price numeric(10,2), n int); INSERT INTO t VALUES (1, 1.01);",
        );
        let change = |price| {
            update("t")
                .key("id", 1)
                .set("n", 1)
                .conflict("price", price)
        };
        assert_eq!(shop.conflict(&change("1.006")), "CONFLICT_VALUE_CHANGED");
        shop.applied(&change("1.01"));
    }

    #[pg_test]
    fn a_guard_of_a_domain_is_not_rounded_to_fit() {
        let shop = Shop::open();
        shop.run(
            "CREATE DOMAIN price AS numeric(10,2);
             CREATE TABLE t (id int PRIMARY KEY, price price, n int); INSERT INTO t VALUES (1, 1.01);",
        );
        let change = |price| {
            update("t")
                .key("id", 1)
                .set("n", 1)
                .conflict("price", price)
        };
        assert_eq!(
            shop.failed(&change("1.006")),
            "WRITEBACK_VALUE_NOT_EXACT: price"
        );
        shop.applied(&change("1.01"));
    }
}
