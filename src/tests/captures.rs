//! What is captured of changes, and the proposals that take them back.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;
    use serde_json::Value;
    use synapsor_core::judgement::Retry;

    use crate::error::ExtensionError;
    use crate::revert;
    use crate::tests::change::{Change, close, delete, insert, text, update};
    use crate::tests::shop::Shop;

    fn shop() -> Shop {
        let shop = Shop::with_tickets();
        shop.set("synapsor.capture", "on");
        shop
    }

    /// Applies a change that must succeed, as proposal `p`.
    #[track_caller]
    fn applied(shop: &Shop, change: Change) {
        let results = shop.poll(&[change]);
        assert_eq!(results[0]["status"], "applied", "{results:?}");
    }

    fn captured(shop: &Shop, expression: &str) -> String {
        shop.text(&format!(
            "SELECT {expression} FROM synapsor.capture WHERE key = '{}/p'",
            shop.schema
        ))
    }

    fn revert(shop: &Shop) -> Result<Value, ExtensionError> {
        revert::proposal(&format!("{}/p", shop.schema))
    }

    fn code(result: Result<Value, ExtensionError>) -> String {
        let text = result.expect_err("this has to fail").to_string();
        text.split(':').next().unwrap().to_owned()
    }

    /// Has the control plane's part done to what takes the change back, and applies it; returns its result.
    #[track_caller]
    fn take_back(shop: &Shop) -> Value {
        let made = shop.text(&format!(
            "SELECT synapsor_revert_proposal('{}/p')",
            shop.schema
        ));
        let mut proposal: Value = serde_json::from_str(&made).unwrap();
        assert!(proposal.get("proposal_id").is_none(), "{proposal}");
        assert_eq!(proposal["reverts"], format!("{}/p", shop.schema));
        proposal["proposal_id"] = format!("{}/back", shop.schema).into();
        let done = shop.poll_json(&[proposal.to_string()], Retry::Now, false);
        done.results[0].clone()
    }

    #[pg_test]
    fn nothing_is_captured_where_the_setting_is_off() {
        let shop = shop();
        shop.set("synapsor.capture", "off");
        applied(&shop, close(1));
        assert_eq!(captured(&shop, "key"), "NULL");
        assert_eq!(code(revert(&shop)), "REVERT_NOT_CAPTURED");
    }

    #[pg_test]
    fn an_update_is_taken_back_under_the_guards_that_it_had() {
        let shop = shop();
        shop.trigger(
            "BEFORE UPDATE",
            "tickets",
            "NEW.version := OLD.version + 1;",
        );
        let before = shop.rows("tickets");
        let change = close(1).tenant("tenant_id", text("acme"));
        applied(&shop, change.conflict("version", 1));
        assert_eq!(
            captured(
                &shop,
                "concat_ws('|', before ->> 'status', before ->> 'version', after ->> 'status', after ->> 'version')"
            ),
            "open|1|closed|2"
        );
        let proposal = revert(&shop).unwrap();
        assert_eq!(
            proposal["changes"],
            serde_json::json!({ "status": "open" }),
            "{proposal}"
        );
        assert_eq!(proposal["conflict"], serde_json::json!({ "version": "2" }));
        assert_eq!(proposal["tenant_id"], "acme");
        let result = take_back(&shop);
        assert_eq!(result["status"], "applied", "{result}");
        assert_eq!(
            result["guards"],
            serde_json::json!({ "primary_key": true, "tenant": true, "conflict": true })
        );
        shop.run(
            "ALTER TABLE tickets DISABLE TRIGGER USER; UPDATE tickets SET version = 1 WHERE id = 1",
        );
        assert_eq!(shop.rows("tickets"), before);
    }

    #[pg_test]
    fn what_was_changed_again_since_is_not_taken_back() {
        let shop = shop();
        applied(&shop, close(1).conflict("version", 1));
        shop.run("UPDATE tickets SET version = 7 WHERE id = 1");
        assert_eq!(take_back(&shop)["reason"], "CONFLICT_VALUE_CHANGED");
    }

    #[pg_test]
    fn an_insert_is_taken_back_by_the_key_that_it_was_given() {
        let shop = shop();
        shop.run("CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text, version int DEFAULT 5)");
        applied(
            &shop,
            insert("notes")
                .set("note", text("one"))
                .conflict("version", 1),
        );
        assert_eq!(
            captured(&shop, "concat_ws('|', primary_key, before, after)"),
            r#"{"id": "1"}|{"note": "one", "version": "5", "id": "1"}"#
        );
        let proposal = revert(&shop).unwrap();
        assert_eq!(proposal["operation"], "delete");
        assert_eq!(proposal["conflict"], serde_json::json!({ "version": "5" }));
        let result = take_back(&shop);
        assert_eq!(result["status"], "applied", "{result}");
        assert_eq!(shop.rows("notes"), "NULL");
    }

    #[pg_test]
    fn an_insert_without_a_primary_key_is_applied_and_can_t_be_taken_back() {
        let shop = shop();
        shop.run("CREATE TABLE notes (note text)");
        applied(&shop, insert("notes").set("note", text("one")));
        assert_eq!(captured(&shop, "primary_key"), "NULL");
        assert_eq!(code(revert(&shop)), "REVERT_KEY_UNKNOWN");
    }

    #[pg_test]
    fn under_row_security_an_insert_that_the_role_may_not_see_is_applied_all_the_same() {
        let shop = shop();
        shop.run(
            "CREATE TABLE notes (id int PRIMARY KEY, note text);
             ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
             CREATE POLICY blind ON notes FOR INSERT WITH CHECK (true);",
        );
        applied(&shop, insert("notes").set("id", 1).set("note", text("one")));
        assert_eq!(captured(&shop, "primary_key"), r#"{"id": 1}"#);
        assert_eq!(shop.rows("notes"), "(1,one)");
    }

    /// A value of every kind, most of them such as a cast or a float would spoil. (A json is the same JSON then, not the same
    /// spelling, as the proposal is jsonb: this one is spelled as it comes back.)
    const EVERYTHING: &str = r#"
        CREATE TYPE mood AS ENUM ('so so', 'good');
        CREATE TYPE pair AS (a int, b text);
        CREATE DOMAIN doc AS jsonb;
        CREATE TABLE everything (
            id int PRIMARY KEY, small smallint, big bigint, exact numeric, half real, float double precision, flag boolean,
            padded char(5), words text, raw bytea, day date, clock time, at timestamp, zoned timestamptz, span interval, uid uuid,
            net inet, cash money, mood mood, pair pair, list text[], grid int[][], floats float8[], range int4range, doc jsonb, spelled json,
            domain doc, docs jsonb[], nothing text, twice int GENERATED ALWAYS AS (small * 2) STORED, "odd Name" text, r text);
        INSERT INTO everything VALUES (1, -7, 9223372036854775807, 12345678901234567890.123456789000, 0.1, 0.1::float8 + 0.2, true,
            'ab', E'a "b"\\ \n ä', '\x00ff', '2024-02-29', '23:59:59.999999', '2024-02-29 12:00:00.000001', '2024-02-29 12:00:00.000001+02',
            '1 mon -3 days 04:05:06.7', '6f1b9c1e-7a70-4d58-9b50-4a3f1f6c2f0e', '10.0.0.0/8', 12.34, 'so so', ROW(NULL, 'x,"y"'),
            ARRAY['a,b', NULL, '"q"', ''], '{{1,2},{3,4}}', ARRAY[0.1::float8 + 0.2, 'NaN'], '[1,5)',
            '{"n": 12345678901234567890.10, "s": "x"}', '{"a":[1000,null],"b":1}', '[1, "two"]', ARRAY['{"a": 1}'::jsonb, NULL], NULL);
    "#;

    #[pg_test]
    fn a_deleted_row_comes_back_exactly_whatever_its_types() {
        let shop = shop();
        shop.run(EVERYTHING);
        shop.run(r#"ALTER TABLE everything DROP COLUMN "odd Name"; UPDATE everything SET r = 'a name that SQL of ours uses'"#);
        shop.run("SET LOCAL extra_float_digits = -5; SET LOCAL DateStyle = 'German'; SET LOCAL IntervalStyle = 'sql_standard'");
        let exactly = "SET LOCAL extra_float_digits = 1";
        shop.run(exactly);
        let before = shop.rows("everything");
        shop.run("SET LOCAL extra_float_digits = -5");
        applied(&shop, delete("everything").key("id", 1));
        assert_eq!(shop.rows("everything"), "NULL");
        assert_eq!(captured(&shop, "left_out"), "{}");
        let result = take_back(&shop);
        assert_eq!(result["status"], "applied", "{result}");
        shop.run(exactly);
        assert_eq!(shop.rows("everything"), before);
    }

    #[pg_test]
    fn an_updated_value_of_every_type_comes_back_exactly() {
        let shop = shop();
        shop.run(EVERYTHING);
        let before = shop.rows("everything");
        let columns = shop.text(
            "SELECT string_agg(attname, ' ') FROM pg_attribute WHERE attrelid = 'everything'::regclass
             AND attnum > 1 AND attgenerated = '' AND attname NOT LIKE 'odd%' AND NOT attisdropped",
        );
        let mut change = update("everything").key("id", 1);
        for column in columns.split(' ') {
            change = change.set(column, "null");
        }
        applied(&shop, change);
        assert_ne!(shop.rows("everything"), before);
        let result = take_back(&shop);
        assert_eq!(result["status"], "applied", "{result}");
        assert_eq!(shop.rows("everything"), before);
    }

    #[pg_test]
    fn what_the_apply_role_may_not_read_is_not_captured_and_named() {
        let shop = shop();
        shop.run(&format!(
            "CREATE TABLE people (id int PRIMARY KEY, name text, secret text);
             INSERT INTO people VALUES (1, 'a', 'hush'), (2, 'b', 'hush');
             REVOKE ALL ON people FROM {0};
             GRANT SELECT (id, name), UPDATE (name, secret), DELETE ON people TO {0}",
            shop.role
        ));
        applied(&shop, delete("people").key("id", 1));
        let error = revert(&shop).unwrap_err().to_string();
        assert_eq!(
            error,
            "REVERT_INCOMPLETE: the values of some columns were not kept: secret: the apply role has no right to read it"
        );
        let all = captured(&shop, "to_jsonb(capture)");
        assert!(!all.contains("hush") && all.contains("secret"), "{all}");
        let change = update("people").id("q").key("id", 2);
        applied(&shop, change.set("secret", text("x")));
        let q = format!("{}/q", shop.schema);
        assert_eq!(code(revert::proposal(&q)), "REVERT_INCOMPLETE");
    }

    #[pg_test]
    fn what_no_proposal_could_write_is_not_pretended_to_be_taken_back() {
        let shop = shop();
        shop.run(
            "CREATE TABLE ids (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text); INSERT INTO ids (note) VALUES ('x');
             CREATE TABLE docs (id int PRIMARY KEY, doc jsonb); INSERT INTO docs VALUES (1, 'null');
             CREATE TABLE zeros (id int PRIMARY KEY, doc json); INSERT INTO zeros VALUES (1, '{\"a\": \"\\u0000\"}')",
        );
        for (table, expected) in [
            ("ids", "REVERT_INCOMPLETE"),
            ("docs", "REVERT_INCOMPLETE"),
            ("zeros", "REVERT_NOT_EXACT"),
        ] {
            applied(&shop, delete(table).id(table).key("id", 1));
            let key = format!("{}/{table}", shop.schema);
            assert_eq!(code(revert::proposal(&key)), expected, "{table}");
        }
    }

    #[pg_test]
    fn what_was_not_applied_or_never_seen_can_t_be_taken_back() {
        let shop = shop();
        assert_eq!(shop.poll(&[close(9)])[0]["status"], "conflict");
        assert_eq!(code(revert(&shop)), "REVERT_NOT_APPLIED");
        assert_eq!(captured(&shop, "key"), "NULL");
        assert_eq!(code(revert::proposal("no such key")), "LEDGER_KEY_UNKNOWN");
    }

    #[pg_test]
    fn a_type_whose_own_code_fails_keeps_no_change_from_being_made() {
        let shop = shop();
        shop.run(&format!(
            "CREATE FUNCTION grumble(text) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
             CREATE TABLE wide (id int PRIMARY KEY, a text, b text);
             INSERT INTO wide VALUES (2, 'a', 'b');
             CREATE VIEW rude AS SELECT id, a, CASE WHEN id = 2 AND grumble(a) THEN b END AS b FROM wide;
             GRANT ALL ON rude TO {}",
            shop.role
        ));
        applied(&shop, delete("rude").id("rude").key("id", 2));
        assert_eq!(shop.text("SELECT count(*) FROM wide WHERE id = 2"), "0");
        let rude = format!("{}/rude", shop.schema);
        assert_eq!(code(revert::proposal(&rude)), "REVERT_NOT_CAPTURED");
    }

    #[pg_test]
    fn what_was_captured_goes_with_the_ledgers_row() {
        let shop = shop();
        applied(&shop, close(1));
        assert_eq!(captured(&shop, "count(*)"), "1");
        shop.run("DELETE FROM synapsor.ledger");
        assert_eq!(captured(&shop, "count(*)"), "0");
    }

    #[pg_test]
    fn a_batch_is_captured_each_by_its_key_and_a_dry_run_not_at_all() {
        let shop = shop();
        let list = [1, 2].map(|n| close(n).id(&format!("p{n}")).json(&shop.schema));
        shop.poll_json(&list, Retry::Now, true);
        let own = format!("key LIKE '{}/%'", shop.schema);
        let count = format!("SELECT count(*) FROM synapsor.capture WHERE {own}");
        assert_eq!(shop.text(&count), "0");
        shop.poll_json(&list, Retry::Now, false);
        let keys = format!(
            "SELECT string_agg(primary_key ->> 'id', ' ' ORDER BY key) FROM synapsor.capture WHERE {own}"
        );
        assert_eq!(shop.text(&keys), "1 2");
    }
}
