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
    fn what_a_trigger_does_to_tables_that_refer_to_others_is_no_spread() {
        let shop = with_lines("CASCADE");
        shop.run(
            "CREATE TABLE carts (id int PRIMARY KEY);
             CREATE TABLE items (id int, cart int REFERENCES carts ON DELETE CASCADE);
             INSERT INTO carts VALUES (1); INSERT INTO items VALUES (1, 1), (2, 1);",
        );
        shop.trigger("AFTER DELETE", "orders", "DELETE FROM carts;");
        shop.applied(&order(3));
        assert_eq!(shop.rows("items"), "NULL");
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

    /// Orders whose column `code` lines refer to, ON UPDATE CASCADE, and a proposal that changes that column in a way
    /// that does not show in its own column names.
    fn hidden_change(definition: &str, change: &Change) {
        let shop = Shop::open();
        shop.run(
            "CREATE TABLE orders (id int PRIMARY KEY, name text, code text UNIQUE, v int);
             INSERT INTO orders VALUES (1, 'a', 'A', 1);",
        );
        shop.run(definition);
        shop.run(
            "CREATE TABLE lines (id int, code text REFERENCES orders (code) ON UPDATE CASCADE);
             INSERT INTO lines SELECT 1, code FROM orders;",
        );
        let before = shop.rows("lines");
        assert!(
            shop.failed(change)
                .starts_with("WRITEBACK_CASCADE_BLOCKED: "),
            "{definition}"
        );
        assert_eq!(shop.rows("lines"), before);
        shop.close();
    }

    #[pg_test]
    fn an_update_that_spreads_by_way_of_a_trigger_or_a_generated_column_is_blocked() {
        let rename = update("orders").key("id", 1).set("name", "\"b\"");
        hidden_change(
            "CREATE FUNCTION recode() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN NEW.code := upper(NEW.name); RETURN NEW; END';
             CREATE TRIGGER recode BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION recode()",
            &rename,
        );
        hidden_change(
            "ALTER TABLE orders DROP code;
             ALTER TABLE orders ADD code text GENERATED ALWAYS AS (upper(name)) STORED UNIQUE",
            &rename,
        );
    }

    #[pg_test]
    fn an_update_that_spreads_through_a_view_named_like_its_table_is_blocked() {
        let shop = Shop::open();
        shop.run(&format!(
            "CREATE SCHEMA {0}_base;
             CREATE TABLE {0}_base.orders (id int PRIMARY KEY, code int UNIQUE);
             CREATE VIEW orders AS SELECT id, code AS label FROM {0}_base.orders;
             CREATE TABLE lines (id int, code int REFERENCES {0}_base.orders (code) ON UPDATE CASCADE);
             INSERT INTO orders VALUES (1, 1); INSERT INTO lines VALUES (1, 1);",
            shop.schema
        ));
        let recode = update("orders").key("id", 1).set("label", 7);
        assert_eq!(shop.failed(&recode), blocked(&shop));
        assert_eq!(shop.rows("lines"), "(1,1)");
    }

    #[pg_test]
    fn an_advance_that_would_spread_is_blocked() {
        let shop = Shop::open();
        shop.run(
            "CREATE TABLE orders (id int PRIMARY KEY, n int, v int, UNIQUE (id, v));
             CREATE TABLE lines (id int, v int, FOREIGN KEY (id, v) REFERENCES orders (id, v) ON UPDATE CASCADE);
             INSERT INTO orders VALUES (1, 0, 1); INSERT INTO lines VALUES (1, 1);",
        );
        let change = update("orders").key("id", 1).set("n", 1).conflict("v", 1);
        shop.set("synapsor.advance_guard", "on");
        assert_eq!(shop.failed(&change), blocked(&shop));
        shop.set("synapsor.advance_guard", "off");
        shop.applied(&change);
    }

    #[pg_test]
    fn an_advance_of_a_table_that_refers_to_itself_is_not_taken_for_a_spread() {
        let shop = Shop::open();
        shop.run(
            "CREATE TABLE orders (id int PRIMARY KEY, code int UNIQUE, v int,
                                  parent int REFERENCES orders (code) ON UPDATE CASCADE);
             INSERT INTO orders VALUES (1, 1, 1);",
        );
        shop.set("synapsor.advance_guard", "on");
        shop.applied(
            &update("orders")
                .key("id", 1)
                .set("code", 7)
                .conflict("v", 1),
        );
        assert_eq!(shop.rows("orders"), "(1,7,2,)");
    }

    #[pg_test]
    fn an_advance_that_wrote_nothing_hides_no_row_of_a_spread() {
        let shop = Shop::open();
        shop.run(
            "CREATE TABLE orders (id int PRIMARY KEY, code int UNIQUE, v text,
                                  parent int REFERENCES orders (code) ON UPDATE CASCADE);
             INSERT INTO orders VALUES (1, 1, 'a', NULL), (2, 2, 'a', 1);",
        );
        shop.set("synapsor.advance_guard", "on");
        let recode = update("orders")
            .key("id", 1)
            .set("code", 7)
            .conflict("v", "\"a\"");
        assert_eq!(shop.failed(&recode), blocked(&shop));
    }
}
