//! Text arrives as it was approved, every character, or not at all.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use crate::tests::change::{delete, text, update};
    use crate::tests::shop::Shop;

    const MISMATCH: &str = "WRITEBACK_VALUE_TYPE_MISMATCH: v";
    const NOT_EXACT: &str = "WRITEBACK_VALUE_NOT_EXACT: v";
    const TOO_LONG: &str = "SQLSTATE 22001: string_data_right_truncation, column v";

    #[pg_test]
    fn every_character_of_a_text_arrives() {
        let shop = Shop::open();
        let odd = "it's \"quoted\" C:\\dir $1 ? {NULL} %s \u{1f600}\n\t\u{301}\u{feff}\u{10ffff} ";
        for type_name in ["text", "varchar", "varchar(200)"] {
            shop.column(type_name)
                .keeps(text(odd), odd)
                .keeps(text(""), "")
                .keeps(text("NULL"), "NULL");
        }
        let escaped = shop.column("text");
        escaped.keeps(r#""\ud83d\ude00\u00e9\/""#, "\u{1f600}\u{e9}/");
    }

    #[pg_test]
    fn a_text_column_takes_numbers_and_truth_as_they_are_written() {
        let shop = Shop::open();
        shop.column("text")
            .keeps("1.10", "1.10")
            .keeps("12345678901234567890", "12345678901234567890")
            .keeps("true", "true")
            .refuses("{\"a\": 1}", MISMATCH)
            .refuses("[\"a\"]", MISMATCH);
    }

    #[pg_test]
    fn a_zero_character_and_a_lone_surrogate_are_refused() {
        let shop = Shop::open();
        let zero = "SQLSTATE 22021: character_not_in_repertoire, column v";
        for type_name in ["text", "varchar(9)", "name", "bytea", "int"] {
            shop.column(type_name)
                .refuses(r#""a\u0000b""#, zero)
                .refuses(r#""a\ud800b""#, MISMATCH);
        }
        shop.column("text[]")
            .refuses(r#"["a\u0000b"]"#, zero)
            .refuses(r#"["\udc00"]"#, MISMATCH);
    }

    #[pg_test]
    fn text_that_is_too_long_is_refused_and_never_cut() {
        let shop = Shop::open();
        shop.column("varchar(3)")
            .keeps(text("ab\u{1f600}"), "ab\u{1f600}")
            .refuses(text("abcd"), TOO_LONG)
            .refuses(text("abc "), NOT_EXACT);
        shop.column("char(3)").refuses(text("abcd"), TOO_LONG);
        shop.column("name")
            .keeps(text(&"n".repeat(63)), &"n".repeat(63))
            .refuses(text(&"n".repeat(64)), NOT_EXACT);
        shop.column("\"char\"")
            .keeps(text("a"), "a")
            .refuses(text("ab"), NOT_EXACT)
            .refuses(text("\\400"), NOT_EXACT)
            .refuses(text("\\9ab"), NOT_EXACT);
        shop.column("bit(4)").refuses(
            text("10101"),
            "SQLSTATE 22026: string_data_length_mismatch, column v",
        );
        shop.column("bit varying(4)")
            .refuses(text("10101"), TOO_LONG);
    }

    #[pg_test]
    fn a_guard_of_a_type_that_would_cut_it_finds_no_other_row() {
        let shop = Shop::open();
        let kept = "n".repeat(63);
        shop.run(&format!(
            "CREATE TABLE names (n name PRIMARY KEY, c \"char\"); INSERT INTO names VALUES ('{kept}', 'a')"
        ));
        let longer = shop.failed(&delete("names").key("n", text(&"n".repeat(64))));
        assert_eq!(longer, "WRITEBACK_VALUE_NOT_EXACT: n");
        let change = delete("names").key("n", text(&kept));
        let longer = shop.failed(&change.conflict("c", text("ab")));
        assert_eq!(longer, "WRITEBACK_VALUE_NOT_EXACT: c");
    }

    #[pg_test]
    fn nothing_is_cut_in_an_array_however_it_is_written() {
        let shop = Shop::open();
        let long = "n".repeat(64);
        shop.column("name[]")
            .keeps(text("{n,NULL}"), "{n,NULL}")
            .refuses(text(&format!("{{n,{long}}}")), NOT_EXACT)
            .refuses(format!("[[\"n\"],[\"{long}\"]]"), NOT_EXACT);
        shop.column("\"char\"[]").refuses(text("{ab}"), NOT_EXACT);
        shop.column("varchar(3)[]")
            .refuses(text("{\"abc \"}"), NOT_EXACT)
            .refuses("[\"abc \"]", NOT_EXACT);
    }

    #[pg_test]
    fn blanks_count_as_the_type_counts_them() {
        let shop = Shop::open();
        shop.column("char(3)").keeps(text("a"), "a");
        shop.run(
            "CREATE TABLE pads (id int PRIMARY KEY, c char(3), t text);
             INSERT INTO pads VALUES (1, 'a', 'a');",
        );
        let change = update("pads").key("id", 1);
        let by_text = change.clone().set("c", text("b")).conflict("t", text("a "));
        assert_eq!(shop.conflict(&by_text), "CONFLICT_VALUE_CHANGED");
        shop.applied(&change.set("t", text("b")).conflict("c", text("a ")));
    }

    #[pg_test]
    fn truth_bytes_bits_and_ids_arrive() {
        let shop = Shop::open();
        shop.column("boolean")
            .keeps("true", "true")
            .keeps("false", "false")
            .keeps(text("t"), "true")
            .refuses(2, "SQLSTATE 22P02: invalid_text_representation, column v");
        shop.column("bytea")
            .keeps(r#""\\x00ff27""#, "\\x00ff27")
            .keeps(text(""), "\\x");
        shop.column("bit(4)").keeps(text("1010"), "1010");
        shop.column("bit varying(9)").keeps(text("10101"), "10101");
        shop.column("uuid").keeps(
            text("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"),
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        );
    }

    #[pg_test]
    fn network_addresses_arrive() {
        let shop = Shop::open();
        let malformed = "SQLSTATE 22P02: invalid_text_representation, column v";
        shop.column("inet").keeps(text("10.0.0.1/8"), "10.0.0.1/8");
        shop.column("cidr")
            .keeps(text("2001:db8::/32"), "2001:db8::/32")
            .refuses(text("10.0.0.1/8"), malformed);
        shop.column("macaddr")
            .keeps(text("08-00-2B-01-02-03"), "08:00:2b:01:02:03");
    }

    #[pg_test]
    fn citext_arrives_and_compares_in_its_own_way() {
        let shop = Shop::open();
        shop.run(&format!("CREATE EXTENSION citext SCHEMA {}", shop.schema));
        shop.column("citext").keeps(text("MiXed"), "MiXed");
        shop.run("INSERT INTO things VALUES (7, 'MiXed')");
        shop.applied(&delete("things").key("id", 7).conflict("v", text("mixed")));
    }
}
