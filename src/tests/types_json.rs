//! JSON columns take any JSON value as it is.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use crate::tests::change::update;
    use crate::tests::shop::Shop;

    const NO_EQUALITY: &str = "SQLSTATE 42883: undefined_function";

    #[pg_test]
    fn a_json_column_keeps_the_text_of_any_json_value() {
        let shop = Shop::open();
        let json = shop.column("json").without_guard(NO_EQUALITY);
        for text in [
            r#"{"b": 1,  "a": [1.10, null], "b": {"c": "d"}}"#,
            "[1, [2, []], {}]",
            r#""a string""#,
            "123456789012345678901234567890.10",
            "1.10",
            "true",
            r#""it's \"x\" \\ \u00e9 \u0000 \ud800""#,
        ] {
            json.keeps(text, text);
        }
    }

    #[pg_test]
    fn a_jsonb_column_keeps_any_json_value_exactly() {
        let shop = Shop::open();
        let jsonb = shop.column("jsonb");
        jsonb
            .keeps(
                r#"{"b": 1,  "a": [1.10, null]}"#,
                r#"{"a": [1.10, null], "b": 1}"#,
            )
            .keeps("[1, [2, []], {}]", "[1, [2, []], {}]")
            .keeps("\"a string\"", "\"a string\"")
            .keeps("\"{}\"", "\"{}\"")
            .keeps("\"null\"", "\"null\"")
            .keeps("1.10", "1.10")
            .keeps("false", "false");
        let long = "123456789012345678901234567890.123456789012345678901234567890";
        jsonb.keeps(long, long);
    }

    #[pg_test]
    fn a_json_string_stays_a_json_string() {
        let shop = Shop::open();
        for type_name in ["json", "jsonb"] {
            shop.column(type_name);
            shop.run("INSERT INTO things VALUES (1, NULL)");
            shop.applied(&update("things").key("id", 1).set("v", r#""{\"a\": 1}""#));
            let kept = format!("SELECT {type_name}_typeof(v) FROM things");
            assert_eq!(shop.text(&kept), "string");
        }
    }

    #[pg_test]
    fn text_that_jsonb_cannot_hold_is_refused() {
        let shop = Shop::open();
        shop.column("jsonb")
            .refuses(
                r#""\u0000""#,
                "SQLSTATE 22P05: untranslatable_character, column v",
            )
            .refuses(
                r#"{"a": "\ud800"}"#,
                "SQLSTATE 22P02: invalid_text_representation, column v",
            );
    }

    #[pg_test]
    fn a_domain_over_json_takes_any_json_value() {
        let shop = Shop::open();
        shop.run("CREATE DOMAIN settings AS jsonb CHECK (VALUE ? 'theme')");
        shop.column("settings")
            .keeps(r#"{"theme": "dark"}"#, r#"{"theme": "dark"}"#)
            .refuses(
                "{}",
                "SQLSTATE 23514: check_violation, constraint settings_check, column v, type settings",
            );
    }

    #[pg_test]
    fn json_null_is_sql_null() {
        let shop = Shop::open();
        for type_name in ["json", "jsonb"] {
            shop.column(type_name);
            shop.run("INSERT INTO things VALUES (1, '{}')");
            shop.applied(&update("things").key("id", 1).set("v", "null"));
            assert_eq!(shop.text("SELECT v IS NULL FROM things"), "true");
        }
    }
}
