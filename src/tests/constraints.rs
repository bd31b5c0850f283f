//! Errors of a statement: each named by SQLSTATE, condition and constraint, and harming its own proposal only.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;
    use synapsor_core::outcome::Status;

    use crate::tests::change::{delete, insert, text, update};
    use crate::tests::shop::Shop;

    fn with_constraints() -> Shop {
        let shop = Shop::open();
        shop.run(
            "CREATE TABLE customers (id int PRIMARY KEY);
             CREATE TABLE orders (
                 id int PRIMARY KEY,
                 number text CONSTRAINT orders_number_key UNIQUE,
                 status text NOT NULL DEFAULT 'open' CONSTRAINT status_known CHECK (status <> 'odd'),
                 customer int CONSTRAINT customer_known REFERENCES customers,
                 during int4range,
                 CONSTRAINT no_overlap EXCLUDE USING gist (during WITH &&));
             INSERT INTO customers VALUES (1), (2);
             INSERT INTO orders VALUES (1, 'A', 'open', 1, '[0,10)'), (2, 'B', 'open', 1, '[10,20)');",
        );
        shop
    }

    #[pg_test]
    fn each_kind_of_constraint_is_named() {
        let shop = with_constraints();
        let order = || update("orders").key("id", 2);
        let cases = [
            (
                order().set("number", text("A")),
                "23505: unique_violation, constraint orders_number_key",
            ),
            (
                insert("orders").set("id", 1),
                "23505: unique_violation, constraint orders_pkey",
            ),
            (
                order().set("status", text("odd")),
                "23514: check_violation, constraint status_known",
            ),
            (
                order().set("status", "null"),
                "23502: not_null_violation, column status",
            ),
            (
                order().set("customer", 9),
                "23503: foreign_key_violation, constraint customer_known",
            ),
            (
                order().set("during", text("[5,15)")),
                "23P01: exclusion_violation, constraint no_overlap",
            ),
            (
                delete("customers").key("id", 1),
                "23503: foreign_key_violation, constraint customer_known",
            ),
        ];
        for (change, error) in cases {
            assert_eq!(shop.failed(&change), format!("SQLSTATE {error}"));
            let decision = shop.apply(&change);
            assert_eq!(decision.failure.unwrap().sqlstate.unwrap(), error[..5]);
        }
        shop.applied(&delete("customers").key("id", 2));
    }

    #[pg_test]
    fn a_deferred_constraint_harms_its_own_proposal_only() {
        let shop = with_constraints();
        shop.run(
            "ALTER TABLE orders ALTER CONSTRAINT customer_known DEFERRABLE INITIALLY DEFERRED;
             ALTER TABLE orders DROP CONSTRAINT orders_number_key;
             ALTER TABLE orders ADD CONSTRAINT late_key UNIQUE (number) DEFERRABLE INITIALLY DEFERRED;",
        );
        let order = |id| update("orders").key("id", id);
        let late = [
            (
                order(2).set("customer", 9),
                "23503: foreign_key_violation, constraint customer_known",
            ),
            (
                order(2).set("number", text("A")),
                "23505: unique_violation, constraint late_key",
            ),
        ];
        for (change, error) in late {
            assert_eq!(shop.failed(&change), format!("SQLSTATE {error}"));
            shop.applied(&order(1).set("status", text("paid")));
        }
        shop.run("SET CONSTRAINTS ALL IMMEDIATE");
    }

    #[pg_test]
    fn an_error_in_a_deferred_constraint_trigger_harms_its_own_proposal_only() {
        let shop = with_constraints();
        shop.run("CREATE TABLE journal (id int)");
        shop.run(
            "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 INSERT INTO journal VALUES (NEW.id);
                 IF NEW.status = 'bad' THEN RAISE EXCEPTION 'late' USING ERRCODE = 'ZX001'; END IF;
                 RETURN NULL;
             END $$;
             CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON orders DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION late();",
        );
        let order = |id, status| update("orders").key("id", id).set("status", text(status));
        assert_eq!(shop.failed(&order(1, "bad")), "SQLSTATE ZX001: unknown");
        shop.applied(&order(2, "good"));
        assert_eq!(shop.rows("journal"), "(2)");
    }

    #[pg_test]
    fn a_unique_violation_leaves_no_row_behind() {
        let shop = Shop::open();
        shop.run(
            "CREATE TABLE twins (id int PRIMARY KEY, n int UNIQUE DEFERRABLE);
             CREATE TABLE doubles (id int PRIMARY KEY);
             CREATE FUNCTION twice() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN INSERT INTO doubles VALUES (1), (2), (2); RETURN NULL; END $$;
             CREATE TRIGGER twice AFTER INSERT ON twins FOR EACH ROW EXECUTE FUNCTION twice();",
        );
        let error = shop.failed(&insert("twins").set("id", 1));
        assert_eq!(
            error,
            "SQLSTATE 23505: unique_violation, constraint doubles_pkey"
        );
        assert_eq!(shop.rows("doubles"), "NULL");
        assert_eq!(shop.rows("twins"), "NULL");
        shop.run("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off");
        assert_eq!(
            shop.text("SELECT count(*) FROM doubles WHERE id IN (1, 2)"),
            "0"
        );
    }

    #[pg_test]
    fn a_raise_with_an_sqlstate_of_its_own_is_reported_with_it() {
        let shop = with_constraints();
        shop.trigger(
            "BEFORE UPDATE",
            "orders",
            "RAISE EXCEPTION 'no' USING ERRCODE = 'AB123', CONSTRAINT = 'closed_books', COLUMN = 'status', DATATYPE = 'text';",
        );
        let change = update("orders").key("id", 1).set("status", text("paid"));
        let expected = "SQLSTATE AB123: unknown, constraint closed_books, column status, type text";
        assert_eq!(shop.failed(&change), expected);
    }

    #[pg_test]
    fn a_permission_that_is_missing_is_42501() {
        let shop = with_constraints();
        let denied = "SQLSTATE 42501: insufficient_privilege";
        let change = update("orders").key("id", 1).set("status", text("paid"));
        shop.run(&format!("REVOKE UPDATE ON orders FROM {}", shop.role));
        assert_eq!(shop.failed(&change), denied);
        shop.run(&format!("GRANT UPDATE ON orders TO {}", shop.role));
        shop.run(&format!(
            "REVOKE USAGE ON SCHEMA {} FROM {}",
            shop.schema, shop.role
        ));
        assert_eq!(shop.failed(&change), denied);
    }

    #[pg_test]
    fn what_may_pass_is_retried_and_what_may_not_has_failed() {
        let shop = with_constraints();
        shop.run("CREATE TABLE raised (code text)");
        shop.run(&format!(
            "CREATE FUNCTION raise() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE c text := (SELECT code FROM {}.raised);
             BEGIN RAISE EXCEPTION 'x' USING ERRCODE = c; END $$;
             CREATE TRIGGER raise BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION raise();",
            shop.schema
        ));
        let passing = [
            "40001", "40P01", "55P03", "25006", "53000", "53100", "53200", "53300", "58030",
        ];
        let lasting = [
            "40002", "P0001", "22012", "23505", "42501", "0A000", "XX000", "55000", "55006",
            "28000",
        ];
        let all = passing.map(|code| (code, Status::Retrying));
        for (code, status) in all
            .into_iter()
            .chain(lasting.map(|code| (code, Status::Failed)))
        {
            shop.run(&format!(
                "TRUNCATE raised; INSERT INTO raised VALUES ('{code}')"
            ));
            let change = update("orders").key("id", 1).set("status", text("paid"));
            let decision = shop.apply(&change);
            assert_eq!(decision.status, status, "{code}");
            assert_eq!(decision.failure.unwrap().sqlstate.as_deref(), Some(code));
        }
    }
}
