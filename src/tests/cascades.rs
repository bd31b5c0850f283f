//! A delete that foreign keys would widen is blocked, unless the operator allows it.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use crate::tests::change::{Change, delete, update};
    use crate::tests::shop::Shop;

    fn order(id: i32) -> Change {
        delete("orders").key("id", id)
    }

    fn blocked(shop: &Shop) -> String {
        format!("WRITEBACK_CASCADE_BLOCKED: {}.orders", shop.schema)
    }

    /// Orders 1 and 2; order 1 has lines, which react like this when it goes.
    fn with_lines(on_delete: &str) -> Shop {
        let shop = Shop::open();
        shop.run(&format!(
            "CREATE TABLE orders (id int PRIMARY KEY, n int);
             CREATE TABLE lines (id int, \"order\" int DEFAULT 2 REFERENCES orders ON DELETE {on_delete});
             INSERT INTO orders VALUES (1, 0), (2, 0), (3, 0);
             INSERT INTO lines VALUES (1, 1), (2, 1);"
        ));
        shop
    }

    #[pg_test]
    fn a_delete_that_would_spread_is_blocked_and_nothing_changed() {
        for (on_delete, spread) in [
            ("CASCADE", "NULL"),
            ("SET NULL", "(1,) (2,)"),
            ("SET DEFAULT", "(1,2) (2,2)"),
        ] {
            let shop = with_lines(on_delete);
            assert_eq!(shop.failed(&order(1)), blocked(&shop), "{on_delete}");
            assert_eq!(shop.rows("lines"), "(1,1) (2,1)");
            shop.applied(&order(3));
            shop.applied(&update("orders").key("id", 1).set("n", 1));
            shop.set("synapsor.allow_cascade", "on");
            shop.applied(&order(1));
            assert_eq!(shop.rows("lines"), spread, "{on_delete}");
            shop.set("synapsor.allow_cascade", "off");
            shop.close();
        }
    }

    #[pg_test]
    fn a_delete_that_a_foreign_key_forbids_is_its_violation() {
        let violation = "23503: foreign_key_violation";
        // From 18 on, what SQL has for it.
        let restricted = match cfg!(feature = "pg18") {
            true => "23001: restrict_violation",
            false => violation,
        };
        for (on_delete, error) in [
            ("NO ACTION", violation),
            ("NO ACTION DEFERRABLE INITIALLY DEFERRED", violation),
            ("RESTRICT", restricted),
        ] {
            let shop = with_lines(on_delete);
            let expected = format!("SQLSTATE {error}, constraint lines_order_fkey");
            assert_eq!(shop.failed(&order(1)), expected, "{on_delete}");
            shop.applied(&order(3));
            shop.close();
        }
    }

    #[pg_test]
    fn a_deferred_cascade_is_blocked_too() {
        let shop = with_lines("CASCADE DEFERRABLE INITIALLY DEFERRED");
        assert_eq!(shop.failed(&order(1)), blocked(&shop));
        assert_eq!(shop.rows("lines"), "(1,1) (2,1)");
    }

    #[pg_test]
    fn rows_that_the_apply_role_cannot_see_count() {
        let shop = with_lines("CASCADE");
        shop.run(&format!("REVOKE ALL ON lines FROM {}", shop.role));
        assert_eq!(shop.failed(&order(1)), blocked(&shop));
        assert_eq!(shop.rows("lines"), "(1,1) (2,1)");
    }

    #[pg_test]
    fn a_table_that_refers_to_itself_is_watched() {
        let shop = Shop::open();
        shop.run(
            "CREATE TABLE orders (id int PRIMARY KEY, parent int REFERENCES orders ON DELETE CASCADE);
             INSERT INTO orders VALUES (1, NULL), (2, 1), (3, 2), (4, NULL);",
        );
        assert_eq!(shop.failed(&order(1)), blocked(&shop));
        assert_eq!(shop.failed(&order(2)), blocked(&shop));
        shop.applied(&order(4));
        shop.applied(&order(3));
        shop.applied(&order(2));
        assert_eq!(shop.rows("orders"), "(1,)");
    }

    #[pg_test]
    fn partitioned_tables_on_either_side_are_watched() {
        let shop = Shop::open();
        shop.run(
            "CREATE TABLE orders (id int PRIMARY KEY) PARTITION BY RANGE (id);
             CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM (0) TO (10);
             CREATE TABLE lines (id int, \"order\" int REFERENCES orders ON DELETE CASCADE)
                 PARTITION BY RANGE (id);
             CREATE TABLE lines_1 PARTITION OF lines FOR VALUES FROM (0) TO (10);
             INSERT INTO orders VALUES (1), (2); INSERT INTO lines VALUES (1, 1);",
        );
        assert_eq!(shop.failed(&order(1)), blocked(&shop));
        shop.applied(&order(2));
        let part = delete("orders_1").key("id", 1);
        assert!(shop.failed(&part).starts_with("WRITEBACK_CASCADE_BLOCKED"));
        assert_eq!(shop.rows("lines"), "(1,1)");
    }

    #[pg_test]
    fn a_delete_through_a_view_is_watched() {
        let shop = with_lines("CASCADE");
        shop.run("CREATE VIEW all_orders AS SELECT * FROM orders");
        let change = |id| delete("all_orders").key("id", id);
        let expected = format!("WRITEBACK_CASCADE_BLOCKED: {}.all_orders", shop.schema);
        assert_eq!(shop.failed(&change(1)), expected);
        shop.applied(&change(3));
    }

    #[pg_test]
    fn changes_earlier_in_the_transaction_do_not_count() {
        let shop = with_lines("CASCADE");
        shop.run("UPDATE lines SET id = id + 1; DELETE FROM lines;");
        shop.applied(&order(1));
    }

    #[pg_test]
    fn an_update_that_would_spread_is_blocked_and_nothing_changed() {
        for on_update in ["CASCADE", "SET NULL", "SET DEFAULT"] {
            let shop = Shop::open();
            shop.run(&format!(
                "CREATE TABLE orders (id int PRIMARY KEY, code int UNIQUE, n int);
                 CREATE TABLE lines (id int, code int DEFAULT 2 REFERENCES orders (code) ON UPDATE {on_update});
                 INSERT INTO orders VALUES (1, 1, 0), (2, 2, 0);
                 INSERT INTO lines VALUES (1, 1), (2, 1);"
            ));
            let recode = update("orders").key("id", 1).set("code", 7);
            assert_eq!(shop.failed(&recode), blocked(&shop), "{on_update}");
            assert_eq!(shop.rows("lines"), "(1,1) (2,1)");
            shop.applied(&update("orders").key("id", 1).set("n", 1));
            shop.run("DELETE FROM lines");
            shop.applied(&recode);
            shop.close();
        }
    }

    #[pg_test]
    fn an_update_of_other_columns_is_not_blamed_for_what_a_trigger_does() {
        let shop = with_lines("CASCADE");
        shop.run("ALTER TABLE lines DROP CONSTRAINT lines_order_fkey");
        shop.run(
            "ALTER TABLE lines ADD FOREIGN KEY (\"order\") REFERENCES orders ON UPDATE CASCADE",
        );
        shop.trigger("AFTER UPDATE", "orders", "UPDATE lines SET id = id + 10;");
        shop.applied(&update("orders").key("id", 1).set("n", 1));
        assert_eq!(shop.rows("lines"), "(11,1) (12,1)");
    }
}
