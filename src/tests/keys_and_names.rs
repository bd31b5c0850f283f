//! Names of any spelling, and keys of any type.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use crate::tests::change::{delete, insert, text, update};
    use crate::tests::shop::Shop;

    #[pg_test]
    fn mixed_case_and_reserved_names_are_taken_literally() {
        let shop = Shop::open();
        let billing = format!("Billing_{}", shop.schema);
        shop.run(&format!(
            "CREATE SCHEMA \"{billing}\";
             GRANT USAGE ON SCHEMA \"{billing}\" TO {role};
             CREATE TABLE \"{billing}\".\"Order\"
                 (\"select\" int, \"user\" text, \"camelCase\" text, camelcase text, PRIMARY KEY (\"select\"));
             GRANT ALL ON \"{billing}\".\"Order\" TO {role};",
            role = shop.role,
        ));
        let rows = format!("SELECT string_agg(o::text, ' ') FROM \"{billing}\".\"Order\" o");
        let order = insert("Order").in_schema(&billing).set("select", 1);
        shop.applied(&order.set("user", text("ann")).set("camelcase", text("x")));
        let order = update("Order").in_schema(&billing).key("select", 1);
        let guarded = order
            .tenant("user", text("ann"))
            .conflict("camelcase", text("x"));
        shop.applied(&guarded.clone().set("camelCase", text("C")));
        assert_eq!(shop.text(&rows), "(1,ann,C,x)");
        let other = guarded.clone().set("CamelCase", 1);
        let undefined = "SQLSTATE 42703: undefined_column, column CamelCase";
        assert_eq!(shop.failed(&other), undefined);
        let order = delete("Order").in_schema(&billing);
        shop.applied(&order.key("select", 1).conflict("camelCase", text("C")));
        assert_eq!(shop.text(&rows), "NULL");
    }

    #[pg_test]
    fn a_name_is_never_looked_up_elsewhere() {
        let shop = Shop::with_tickets();
        let undefined = |what: &str| format!("SQLSTATE 42P01: undefined_table, table {what}");
        let schema = shop.schema.clone();
        let change = |table: &str| update(table).key("id", 1).set("status", text("x"));
        let wrong = shop.failed(&change("Tickets"));
        assert_eq!(wrong, undefined(&format!("{schema}.Tickets")));
        let wrong = shop.failed(&change("tickets").in_schema("public"));
        assert_eq!(wrong, undefined("public.tickets"));
        let wrong = shop.failed(&change("tickets").in_schema("nowhere"));
        assert_eq!(wrong, undefined("nowhere.tickets"));
    }

    #[pg_test]
    fn system_and_missing_columns_are_undefined() {
        let shop = Shop::with_tickets();
        for column in ["ctid", "xmin", "tableoid", "priority"] {
            let undefined = format!("SQLSTATE 42703: undefined_column, column {column}");
            let change = update("tickets").set("status", text("x"));
            assert_eq!(shop.failed(&change.clone().key(column, 1)), undefined);
            let guarded = change.key("id", 1).conflict(column, 1);
            assert_eq!(shop.failed(&guarded), undefined);
        }
    }

    #[pg_test]
    fn a_composite_key_names_one_row() {
        let shop = Shop::open();
        shop.run(
            "CREATE TABLE lines (order_no text, line int, qty int, PRIMARY KEY (order_no, line));
             INSERT INTO lines VALUES ('A-1', 1, 5), ('A-1', 2, 5), ('A-2', 1, 5);",
        );
        let line = update("lines").key("line", 2).key("order_no", text("A-1"));
        shop.applied(&line.set("qty", 7));
        let line = delete("lines").key("order_no", text("A-2"));
        shop.applied(&line.key("line", 1));
        assert_eq!(shop.rows("lines"), "(A-1,1,5) (A-1,2,7)");
        let part = delete("lines").key("order_no", text("A-1"));
        assert_eq!(shop.failed(&part), "WRITEBACK_MULTI_ROW_BLOCKED");
    }

    #[pg_test]
    fn a_key_may_have_any_type_with_an_equality() {
        let shop = Shop::open();
        let keys = [
            (
                "uuid",
                text("A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11").to_string(),
            ),
            ("text", text("o'Neil \"\\ \u{1f600}").to_string()),
            (
                "timestamptz",
                text("2026-05-27T12:00:00.123456+02:00").to_string(),
            ),
            ("numeric", "123456789012345678901234567890.10".to_owned()),
            ("bigint", "9007199254740993".to_owned()),
            ("varchar(9)", text("x").to_string()),
            ("bytea", r#""\\x00ff""#.to_owned()),
            ("date", text("2026-05-27").to_string()),
            ("inet", text("10.0.0.1").to_string()),
            ("int[]", "[1, 2]".to_owned()),
            ("jsonb", r#"{"b": 1, "a": 2}"#.to_owned()),
        ];
        for (type_name, key) in keys {
            shop.run(&format!(
                "DROP TABLE IF EXISTS keyed; CREATE TABLE keyed (k {type_name} PRIMARY KEY, n int)"
            ));
            shop.applied(&insert("keyed").set("k", &key).set("n", 1));
            shop.applied(&update("keyed").key("k", &key).set("n", 2));
            assert_eq!(shop.text("SELECT n FROM keyed"), "2", "{type_name}");
            shop.applied(&delete("keyed").key("k", &key).conflict("n", 2));
            assert_eq!(shop.text("SELECT count(*) FROM keyed"), "0", "{type_name}");
        }
    }

    #[pg_test]
    fn a_key_that_is_no_value_of_its_type_names_the_column() {
        let shop = Shop::with_tickets();
        let change = delete("tickets");
        let malformed = "SQLSTATE 22P02: invalid_text_representation, column id";
        assert_eq!(
            shop.failed(&change.clone().key("id", text("1 OR true"))),
            malformed
        );
        let mismatch = "WRITEBACK_VALUE_TYPE_MISMATCH: id";
        assert_eq!(shop.failed(&change.key("id", "[1]")), mismatch);
    }
}
