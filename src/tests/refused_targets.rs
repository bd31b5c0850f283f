//! What is not an ordinary table, or would become something else, is refused.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use crate::tests::change::{Change, delete, insert, text, update};
    use crate::tests::shop::Shop;

    fn all_operations(table: &str) -> [Change; 3] {
        [
            update(table).key("id", 1).set("note", text("x")),
            insert(table).set("id", 2).set("note", text("x")),
            delete(table).key("id", 1),
        ]
    }

    #[track_caller]
    fn refused(shop: &Shop, table: &str, why: &str) {
        for change in all_operations(table) {
            let expected = format!(
                "WRITEBACK_TARGET_UNSUPPORTED: {}.{table} {why}",
                shop.schema
            );
            assert_eq!(shop.failed(&change), expected);
        }
    }

    fn with_foreign_tables() -> Shop {
        let shop = Shop::open();
        let name = &shop.schema;
        shop.run(&format!(
            "CREATE FOREIGN DATA WRAPPER {name};
             CREATE SERVER {name} FOREIGN DATA WRAPPER {name};
             CREATE FOREIGN TABLE far (id int, note text) SERVER {name};
             CREATE TABLE parts (id int, note text) PARTITION BY RANGE (id);
             CREATE TABLE parts_near PARTITION OF parts FOR VALUES FROM (0) TO (10);
             CREATE FOREIGN TABLE parts_far PARTITION OF parts FOR VALUES FROM (10) TO (20) SERVER {name};
             CREATE VIEW far_view AS SELECT * FROM far;"
        ));
        shop
    }

    #[pg_test]
    fn a_foreign_table_is_refused_also_behind_a_partition_or_a_view() {
        let shop = with_foreign_tables();
        let refused = |table: &str, why: &str| {
            for change in all_operations(table) {
                let failure = shop.apply_json(&change.json(&shop.schema)).failure;
                let expected = format!(
                    "WRITEBACK_TARGET_UNSUPPORTED: {}.{table} {why}",
                    shop.schema
                );
                assert_eq!(failure.expect("refused").error, expected);
            }
        };
        let outside = "a foreign table: its changes are not part of this transaction";
        refused("far", &format!("is {outside}"));
        refused("far_view", &format!("leads to {outside}"));
        refused("parts", &format!("leads to {outside}"));
    }

    #[pg_test]
    fn what_is_no_table_is_refused() {
        let shop = Shop::open();
        shop.run(
            "CREATE MATERIALIZED VIEW mat AS SELECT 1 AS id, 'x' AS note;
             CREATE SEQUENCE seq;
             CREATE TYPE pair AS (id int, note text);
             CREATE TABLE t (id int); CREATE INDEX idx ON t (id);",
        );
        for name in ["mat", "seq", "pair", "idx"] {
            refused(&shop, name, "is not a table");
        }
    }

    #[pg_test]
    fn what_does_not_survive_a_crash_is_refused() {
        let shop = Shop::open();
        let unlogged = "is unlogged: a crash would undo what was reported";
        shop.run(
            "CREATE UNLOGGED TABLE fast (id int, note text);
             CREATE VIEW fast_view AS SELECT * FROM fast;
             CREATE TABLE parts (id int, note text) PARTITION BY RANGE (id);
             CREATE UNLOGGED TABLE parts_fast PARTITION OF parts FOR VALUES FROM (0) TO (10);",
        );
        refused(&shop, "fast", unlogged);
        refused(&shop, "fast_view", unlogged);
        refused(&shop, "parts", unlogged);
    }

    #[pg_test]
    fn a_temporary_table_is_refused() {
        let shop = Shop::open();
        shop.run("CREATE TEMP TABLE short (id int, note text); GRANT ALL ON short TO PUBLIC;");
        let schema = shop.text("SELECT pg_my_temp_schema()::regnamespace");
        for schema in [schema.as_str(), "pg_temp"] {
            let change = insert("short").in_schema(schema).set("id", 1);
            let expected = format!("WRITEBACK_TARGET_UNSUPPORTED: {schema}.short is temporary");
            assert_eq!(shop.failed(&change), expected);
        }
    }

    #[pg_test]
    fn a_view_that_is_not_updatable_is_refused() {
        let shop = Shop::with_tickets();
        shop.run(
            "CREATE VIEW counts AS SELECT 1 AS id, count(*)::text AS note FROM tickets;
             CREATE VIEW joined AS SELECT a.id, b.status AS note FROM tickets a JOIN tickets b USING (id);",
        );
        for view in ["counts", "joined"] {
            for change in all_operations(view) {
                let error = shop.failed(&change);
                assert_eq!(error, "SQLSTATE 55000: object_not_in_prerequisite_state");
            }
        }
    }

    #[pg_test]
    fn a_view_with_instead_of_triggers_is_refused() {
        let shop = Shop::with_tickets();
        shop.run("CREATE VIEW desk AS SELECT id, status AS note FROM tickets");
        for event in ["INSERT", "UPDATE", "DELETE"] {
            shop.trigger(&format!("INSTEAD OF {event}"), "desk", "");
        }
        refused(&shop, "desk", "is a view with INSTEAD OF triggers");
    }

    const RULES: &str = "has rules that make the statement another one";

    #[pg_test]
    fn rules_that_replace_the_statement_are_refused() {
        let shop = Shop::open();
        shop.run("CREATE TABLE other (id int); INSERT INTO other VALUES (1);");
        let bodies = [
            "NOTHING",
            "DELETE FROM other",
            "(DELETE FROM other; DELETE FROM other)",
        ];
        for body in bodies {
            shop.run(
                "DROP TABLE IF EXISTS ruled; CREATE TABLE ruled (id int, note text);
                 INSERT INTO ruled VALUES (1, 'x');",
            );
            for event in ["INSERT", "UPDATE", "DELETE"] {
                shop.run(&format!(
                    "CREATE RULE \"on_{event}\" AS ON {event} TO ruled DO INSTEAD {body}"
                ));
            }
            refused(&shop, "ruled", RULES);
        }
        assert_eq!(shop.rows("other"), "(1)");
    }

    #[pg_test]
    fn rules_that_add_a_statement_are_refused() {
        let shop = Shop::open();
        shop.run(
            "CREATE TABLE journal (what text);
             CREATE TABLE ruled (id int, note text); INSERT INTO ruled VALUES (1, 'x');",
        );
        for event in ["INSERT", "UPDATE", "DELETE"] {
            shop.run(&format!(
                "CREATE RULE \"also_{event}\" AS ON {event} TO ruled DO ALSO INSERT INTO journal VALUES ('x')"
            ));
        }
        refused(&shop, "ruled", RULES);
        assert_eq!(shop.rows("journal"), "NULL");
    }

    #[pg_test]
    fn a_view_whose_rules_redirect_is_refused_also_behind_another_view() {
        let shop = Shop::open();
        shop.run(
            "CREATE TABLE base (id int, note text); INSERT INTO base VALUES (1, 'x');
             CREATE TABLE elsewhere (id int, note text); INSERT INTO elsewhere VALUES (1, 'x');
             CREATE VIEW redirected AS SELECT * FROM base;
             CREATE RULE i AS ON INSERT TO redirected DO INSTEAD
                 INSERT INTO elsewhere VALUES (NEW.id, NEW.note) RETURNING *;
             CREATE RULE u AS ON UPDATE TO redirected DO INSTEAD
                 UPDATE elsewhere SET note = NEW.note WHERE id = OLD.id RETURNING *;
             CREATE RULE d AS ON DELETE TO redirected DO INSTEAD
                 DELETE FROM elsewhere WHERE id = OLD.id RETURNING *;
             CREATE VIEW outermost AS SELECT * FROM redirected;",
        );
        for view in ["redirected", "outermost"] {
            refused(&shop, view, RULES);
        }
        assert_eq!(shop.rows("elsewhere"), "(1,x)");
    }

    #[pg_test]
    fn a_disabled_rule_is_no_rule() {
        let shop = Shop::open();
        shop.run(
            "CREATE TABLE ruled (id int, note text);
             CREATE RULE r AS ON INSERT TO ruled DO INSTEAD NOTHING;
             ALTER TABLE ruled DISABLE RULE r;",
        );
        shop.applied(&insert("ruled").set("id", 1));
    }
}
