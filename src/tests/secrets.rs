//! What is reported names codes and names, never a value; what Postgres said in full stays in the database.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use crate::tests::change::{Change, insert, text, update};
    use crate::tests::shop::Shop;

    const SECRET: &str = "hunter2";

    fn with_secrets() -> Shop {
        let shop = Shop::open();
        shop.run(
            "CREATE DOMAIN code AS text CONSTRAINT code_short CHECK (length(VALUE) < 3);
             CREATE TABLE accounts (
                 id int PRIMARY KEY,
                 secret text UNIQUE CHECK (secret <> 'hunter2!'),
                 n int NOT NULL DEFAULT 0, day date, code code, doc jsonb, tags int[]);
             INSERT INTO accounts VALUES (1, 'hunter2'), (2, 'other');",
        );
        shop
    }

    fn set(column: &str, value: &str) -> Change {
        update("accounts").key("id", 2).set(column, text(value))
    }

    #[pg_test]
    fn a_reported_error_never_contains_a_value_and_the_detail_does() {
        let shop = with_secrets();
        let failing = [
            set("secret", SECRET),
            set("secret", "hunter2!"),
            set("n", SECRET),
            set("day", SECRET),
            set("tags", SECRET),
            update("accounts").key("id", text(SECRET)).set("n", 1),
            update("accounts").key("id", 1).set("n", "null"),
            insert("accounts").set("id", 9).set("secret", text(SECRET)),
        ];
        for change in failing {
            let failure = shop.apply(&change).failure.expect("it fails");
            assert!(failure.error.starts_with("SQLSTATE 2"), "{failure:?}");
            assert!(!failure.error.contains(SECRET), "{failure:?}");
            let detail = failure.detail.expect("Postgres's words");
            assert!(detail.contains(SECRET), "{detail}");
        }
        let error = shop.failed(&set("code", SECRET));
        let named = "constraint code_short, column code, type code";
        assert_eq!(error, format!("SQLSTATE 23514: check_violation, {named}"));
    }

    #[pg_test]
    fn a_triggers_message_stays_in_the_database() {
        let shop = with_secrets();
        shop.trigger(
            "BEFORE UPDATE",
            "accounts",
            "RAISE EXCEPTION 'row %', OLD.secret USING DETAIL = OLD::text, HINT = OLD.secret;",
        );
        let change = update("accounts").key("id", 1).set("n", 1);
        let failure = shop.apply(&change).failure.expect("it fails");
        assert_eq!(failure.error, "SQLSTATE P0001: raise_exception");
        assert_eq!(failure.detail.unwrap(), "row hunter2\n(1,hunter2,0,,,,)");
    }

    #[pg_test]
    fn what_a_trigger_gives_out_for_a_name_must_look_like_one() {
        let shop = with_secrets();
        let long = "x".repeat(65);
        for name in ["two\nlines", "", &long] {
            shop.run("DROP TABLE IF EXISTS loud; CREATE TABLE loud (id int)");
            shop.trigger(
                "BEFORE INSERT",
                "loud",
                &format!("RAISE EXCEPTION 'x' USING CONSTRAINT = '{name}', COLUMN = '{name}';"),
            );
            let error = shop.failed(&insert("loud").set("id", 1));
            assert_eq!(error, "SQLSTATE P0001: raise_exception");
        }
    }

    #[pg_test]
    fn a_refused_value_is_not_quoted() {
        let shop = with_secrets();
        let change = update("accounts").key("id", 2);
        let object = format!("{{\"x\": \"{SECRET}\"}}");
        let error = shop.failed(&change.clone().set("n", &object));
        assert_eq!(error, "WRITEBACK_VALUE_TYPE_MISMATCH: n");
        let error = shop.failed(&change.set("tags", format!("[{object}]")));
        assert_eq!(error, "WRITEBACK_VALUE_TYPE_MISMATCH: tags");
    }

    #[pg_test]
    fn the_ledger_keeps_both_and_the_result_of_a_poll_only_the_first() {
        let shop = with_secrets();
        let results = shop.poll(&[set("secret", SECRET)]);
        let error = "SQLSTATE 23505: unique_violation, constraint accounts_secret_key";
        assert_eq!(results[0]["error"], error);
        assert!(!results[0].to_string().contains(SECRET));
        assert_eq!(shop.ledger("p", "error"), error);
        let detail = shop.ledger("p", "error_detail");
        assert!(
            detail.ends_with("\nKey (secret)=(hunter2) already exists."),
            "{detail}"
        );
        let elsewhere = "SELECT count(*) FROM synapsor.ledger l WHERE to_jsonb(l) - 'error_detail' @? '$.** ? (@ like_regex \"hunter2\")'";
        assert_eq!(shop.text(elsewhere), "0");
    }
}
