//! Tables, partitioned tables and automatically updatable views can be written to.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use crate::tests::change::{delete, insert, text, update};
    use crate::tests::shop::Shop;

    fn with_partitions() -> Shop {
        let shop = Shop::open();
        shop.run(
            "CREATE TABLE invoices (id int, region text, total numeric, PRIMARY KEY (id, region))
                 PARTITION BY LIST (region);
             CREATE TABLE invoices_eu PARTITION OF invoices FOR VALUES IN ('eu');
             CREATE TABLE invoices_us PARTITION OF invoices FOR VALUES IN ('us') PARTITION BY RANGE (id);
             CREATE TABLE invoices_us_1 PARTITION OF invoices_us FOR VALUES FROM (0) TO (100);
             INSERT INTO invoices VALUES (1, 'eu', 10), (2, 'us', 20);",
        );
        shop
    }

    #[pg_test]
    fn a_partitioned_table_is_written_like_any_other() {
        let shop = with_partitions();
        shop.applied(&update("invoices").key("id", 2).set("total", "20.50"));
        shop.applied(&insert("invoices").set("id", 3).set("region", text("us")));
        shop.applied(&delete("invoices").key("id", 1).tenant("region", text("eu")));
        assert_eq!(shop.rows("invoices"), "(2,us,20.50) (3,us,)");
        assert_eq!(shop.rows("invoices_us_1"), "(2,us,20.50) (3,us,)");
    }

    #[pg_test]
    fn an_update_may_move_a_row_to_another_partition() {
        let shop = with_partitions();
        let change = update("invoices").key("id", 1).conflict("total", 10);
        shop.applied(&change.set("region", text("us")));
        assert_eq!(shop.rows("invoices_eu"), "NULL");
        assert_eq!(shop.rows("invoices_us_1"), "(1,us,10) (2,us,20)");
    }

    #[pg_test]
    fn a_row_without_a_partition_is_a_check_violation() {
        let shop = with_partitions();
        let change = insert("invoices").set("id", 3).set("region", text("asia"));
        assert_eq!(shop.failed(&change), "SQLSTATE 23514: check_violation");
    }

    #[pg_test]
    fn an_updatable_view_writes_to_its_table() {
        let shop = Shop::with_tickets();
        shop.run(
            "CREATE VIEW acme AS SELECT id AS no, status, version FROM tickets WHERE tenant_id = 'acme'",
        );
        let change = update("acme").key("no", 1).conflict("version", 1);
        assert_eq!(
            shop.applied(&change.clone().set("status", text("closed")))
                .guard_advanced,
            Some(false)
        );
        shop.applied(&insert("acme").set("no", 9));
        shop.applied(&delete("acme").key("no", 2));
        assert_eq!(
            shop.rows("tickets"),
            "(1,acme,closed,1) (3,globex,open,1) (9,acme,open,1)"
        );
        let hidden = update("acme").key("no", 3).set("status", text("x"));
        assert_eq!(shop.conflict(&hidden), "ROW_NOT_FOUND");
    }

    #[pg_test]
    fn a_view_with_check_option_keeps_rows_inside() {
        let shop = Shop::with_tickets();
        shop.run(
            "CREATE VIEW open_tickets AS SELECT * FROM tickets WHERE status = 'open' WITH CHECK OPTION",
        );
        let change = update("open_tickets").key("id", 1);
        let error = shop.failed(&change.clone().set("status", text("closed")));
        assert_eq!(error, "SQLSTATE 44000: with_check_option_violation");
        shop.applied(&change.set("version", 2));
    }

    #[pg_test]
    fn an_update_that_leaves_a_view_without_check_option_is_applied() {
        let shop = Shop::with_tickets();
        shop.run("CREATE VIEW open_tickets AS SELECT * FROM tickets WHERE status = 'open'");
        let change = update("open_tickets").key("id", 1).conflict("version", 1);
        shop.applied(&change.set("status", text("closed")));
        assert_eq!(
            shop.text("SELECT status FROM tickets WHERE id = 1"),
            "closed"
        );
    }

    #[pg_test]
    fn a_column_of_a_view_that_is_computed_cannot_be_written() {
        let shop = Shop::with_tickets();
        shop.run("CREATE VIEW loud AS SELECT id, upper(status) AS status FROM tickets");
        let change = update("loud").key("id", 1).set("status", text("X"));
        assert_eq!(
            shop.failed(&change),
            "SQLSTATE 0A000: feature_not_supported"
        );
    }

    #[pg_test]
    fn generated_columns_cannot_be_written_and_follow_by_themselves() {
        let shop = Shop::open();
        shop.run(
            "CREATE TABLE sums (
                 id int GENERATED ALWAYS AS IDENTITY, n int DEFAULT 5,
                 twice int GENERATED ALWAYS AS (n * 2) STORED);",
        );
        shop.applied(&insert("sums").set("n", 3));
        shop.applied(&update("sums").key("id", 1).set("n", 4));
        assert_eq!(shop.rows("sums"), "(1,4,8)");
        let generated = "SQLSTATE 428C9: generated_always";
        for change in [
            update("sums").key("id", 1).set("twice", 9),
            insert("sums").set("twice", 9),
            insert("sums").set("id", 9),
        ] {
            assert_eq!(shop.failed(&change), generated);
        }
    }

    #[pg_test]
    fn defaults_and_identities_fill_what_an_insert_leaves_out() {
        let shop = Shop::open();
        shop.run(
            "CREATE TABLE notes (
                 id int GENERATED BY DEFAULT AS IDENTITY, body text DEFAULT 'empty',
                 author text DEFAULT current_user, flag bool DEFAULT true);",
        );
        shop.applied(&insert("notes").set("flag", "null"));
        shop.applied(&insert("notes").set("id", 7).set("body", text("x")));
        let (first, second) = (
            format!("(1,empty,{},)", shop.role),
            format!("(7,x,{},t)", shop.role),
        );
        assert_eq!(shop.rows("notes"), format!("{first} {second}"));
    }

    #[pg_test]
    fn an_identity_needs_no_right_of_its_own_on_the_sequence() {
        let shop = Shop::open();
        shop.run("CREATE TABLE serials (id serial, note text)");
        let change = insert("serials").set("note", text("x"));
        assert_eq!(
            shop.failed(&change),
            "SQLSTATE 42501: insufficient_privilege"
        );
        shop.run(&format!(
            "GRANT USAGE ON SEQUENCE serials_id_seq TO {}",
            shop.role
        ));
        shop.applied(&change);
    }

    #[pg_test]
    fn a_row_of_an_inheritance_child_is_written_through_its_parent() {
        let shop = Shop::open();
        shop.run(
            "CREATE TABLE parents (id int, note text);
             CREATE TABLE children (more int) INHERITS (parents);
             INSERT INTO parents VALUES (1, 'p'); INSERT INTO children VALUES (2, 'c', 0);",
        );
        shop.applied(&update("parents").key("id", 2).set("note", text("x")));
        assert_eq!(shop.rows("children"), "(2,x,0)");
        shop.run("INSERT INTO children VALUES (1, 'twin', 0)");
        let twice = update("parents").key("id", 1).set("note", text("x"));
        assert_eq!(shop.failed(&twice), "WRITEBACK_MULTI_ROW_BLOCKED");
        assert_eq!(shop.rows("children"), "(1,twin,0) (2,x,0)");
    }
}
