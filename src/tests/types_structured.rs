//! Arrays, ranges, composites, enums and domains.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;
    use synapsor_core::outcome::Status;

    use crate::tests::change::{delete, text, update};
    use crate::tests::shop::Shop;

    const MISMATCH: &str = "WRITEBACK_VALUE_TYPE_MISMATCH: v";
    const NOT_EXACT: &str = "WRITEBACK_VALUE_NOT_EXACT: v";
    const MALFORMED: &str = "SQLSTATE 22P02: invalid_text_representation, column v";
    const SHADOWED: &str = "WRITEBACK_OPERATOR_SHADOWED: v";

    #[pg_test]
    fn an_enum_takes_its_labels_alone() {
        let shop = Shop::open();
        shop.run("CREATE TYPE mood AS ENUM ('sad', 'very happy')");
        shop.column("mood")
            .keeps(text("very happy"), "very happy")
            .refuses(text("Sad"), MALFORMED);
        shop.column("mood[]")
            .keeps(r#"["sad", "very happy"]"#, "{sad,\"very happy\"}");
    }

    #[pg_test]
    fn a_domain_takes_what_its_checks_allow() {
        let shop = Shop::open();
        shop.run(
            "CREATE DOMAIN percentage AS numeric(5,2) CONSTRAINT in_percent CHECK (VALUE <= 100);
             CREATE DOMAIN required AS text NOT NULL;",
        );
        shop.column("percentage")
            .keeps("99.5", "99.50")
            .refuses("99.555", "WRITEBACK_VALUE_NOT_EXACT: v")
            .refuses(
                "100.01",
                "SQLSTATE 23514: check_violation, constraint in_percent, column v, type percentage",
            );
        shop.run("CREATE TABLE notes (id int PRIMARY KEY, n required)");
        let change = crate::tests::change::insert("notes")
            .set("id", 1)
            .set("n", "null");
        let error = "SQLSTATE 23502: not_null_violation, column n, type required";
        assert_eq!(shop.failed(&change), error);
    }

    #[pg_test]
    fn arrays_arrive_with_nulls_quotes_and_backslashes() {
        let shop = Shop::open();
        shop.column("int[]")
            .keeps("[1, -2, null]", "{1,-2,NULL}")
            .keeps("[]", "{}")
            .keeps("[[1, 2], [3, 4]]", "{{1,2},{3,4}}")
            .keeps(text("{5,6}"), "{5,6}")
            .keeps(text("[0:1]={5,6}"), "[0:1]={5,6}")
            .refuses("[1, \"x\"]", MALFORMED)
            .refuses("[[1], [2, 3]]", MALFORMED)
            .refuses("[[]]", MISMATCH)
            .refuses("[[1], []]", MISMATCH)
            .refuses("{\"a\": 1}", MISMATCH)
            .refuses("7", MISMATCH)
            .refuses("[{}]", MISMATCH);
        shop.column("text[]")
            .keeps(
                r#"["a \"b\"", "c\\d", "", "NULL", null, "x,y", "{z}", " s "]"#,
                r#"{"a \"b\"","c\\d","","NULL",NULL,"x,y","{z}"," s "}"#,
            )
            .keeps("[1, true]", "{1,true}");
    }

    #[pg_test]
    fn arrays_of_structured_elements_arrive() {
        let shop = Shop::open();
        shop.column("timestamptz[]").keeps(
            r#"["2026-05-27T10:00:00.123456Z"]"#,
            r#"{"2026-05-27 10:00:00.123456+00"}"#,
        );
        shop.column("jsonb[]").keeps(
            r#"[{"a": [1]}, "s", 1.10, [2, 3], null]"#,
            r#"{"{\"a\": [1]}","\"s\"",1.10,"[2, 3]",NULL}"#,
        );
        shop.column("box[]").without_guard(SHADOWED).keeps(
            r#"["(1,1),(0,0)", "(3,3),(2,2)"]"#,
            "{(1,1),(0,0);(3,3),(2,2)}",
        );
        shop.column("numeric(5,2)[]")
            .keeps("[1.5]", "{1.50}")
            .refuses("[1.555]", "WRITEBACK_VALUE_NOT_EXACT: v");
    }

    #[pg_test]
    fn domains_over_arrays_and_arrays_of_domains_arrive() {
        let shop = Shop::open();
        shop.run(
            "CREATE DOMAIN pair AS int[] CONSTRAINT two CHECK (cardinality(VALUE) = 2);
             CREATE DOMAIN small AS int CONSTRAINT small CHECK (VALUE < 10);
             CREATE DOMAIN document AS jsonb;",
        );
        shop.column("pair").keeps("[1, 2]", "{1,2}").refuses(
            "[1]",
            "SQLSTATE 23514: check_violation, constraint two, column v, type pair",
        );
        shop.column("small[]").keeps("[1, 9]", "{1,9}").refuses(
            "[10]",
            "SQLSTATE 23514: check_violation, constraint small, column v, type small",
        );
        shop.run("CREATE DOMAIN price AS numeric(5,2); CREATE DOMAIN code AS varchar(3)");
        shop.column("price[]")
            .keeps("[1.5, null]", "{1.50,NULL}")
            .refuses("[1.5, 1.555]", NOT_EXACT)
            .refuses(text("{{1.5},{1.555}}"), NOT_EXACT);
        shop.column("code[]").refuses("[\"abc \"]", NOT_EXACT);
        shop.column("document[]")
            .keeps(r#"[{"a": 1}, [2]]"#, r#"{"{\"a\": 1}",[2]}"#);
    }

    #[pg_test]
    fn vectors_of_numbers_are_written_with_spaces() {
        let shop = Shop::open();
        shop.run("CREATE TYPE index_key AS (columns int2vector, classes oidvector)");
        shop.column("int2vector")
            .keeps(text("1 -2 3"), "1 -2 3")
            .refuses(text("{1,2}"), MALFORMED)
            .refuses("[1, 2]", MISMATCH);
        shop.column("oidvector")
            .keeps(text(" 1 2  4294967295 "), "1 2 4294967295")
            .keeps(text(""), "")
            .refuses(text("1 -2"), NOT_EXACT)
            .refuses(text("1-2"), NOT_EXACT);
        shop.column("int2vector[]")
            .keeps("[\"1 2 3\", null]", "{\"1 2 3\",NULL}");
        shop.column("index_key")
            .keeps(text("(1 2,3 4)"), "(\"1 2\",\"3 4\")")
            .refuses(text("(1 2,3 -4)"), NOT_EXACT);
        shop.column("index_key[]")
            .keeps("[\"(1 2,3 4)\"]", r#"{"(\"1 2\",\"3 4\")"}"#);
    }

    #[pg_test]
    fn a_large_array_arrives() {
        let shop = Shop::open();
        shop.run(
            "CREATE TABLE samples (id int PRIMARY KEY, v int[]); INSERT INTO samples VALUES (1)",
        );
        let numbers: Vec<_> = (0..300_000).map(|n: i32| n.to_string()).collect();
        let numbers = format!("{{{}}}", numbers.join(","));
        shop.applied(&update("samples").key("id", 1).set("v", text(&numbers)));
        let sum = shop.text("SELECT sum(n) FROM samples, unnest(v) n");
        assert_eq!(sum, "44999850000");
    }

    #[pg_test]
    fn a_large_array_can_be_cancelled_while_its_elements_are_looked_at() {
        let shop = Shop::open();
        shop.run("CREATE TABLE visits (id int PRIMARY KEY, v timestamp[]); INSERT INTO visits VALUES (1)");
        let moments = format!("{{{}}}", ["2026-05-27T10:00:00Z"; 200_000].join(","));
        let change = update("visits").key("id", 1).set("v", text(&moments));
        // What comes before the value is known by then, and takes no time.
        shop.applied(&update("visits").key("id", 1).set("v", text("{}")));
        shop.set("synapsor.statement_timeout", "10ms");
        let decision = shop.apply(&change);
        assert_eq!(decision.status, Status::Retrying, "{decision:?}");
        let error = decision.failure.expect("a failure has a text").error;
        // Without the column, it would have ended only after all of them.
        assert_eq!(error, "SQLSTATE 57014: query_canceled, column v");
    }

    #[pg_test]
    fn ranges_arrive() {
        let shop = Shop::open();
        shop.column("int4range")
            .keeps(text("[1,5)"), "[1,5)")
            .keeps(text("[1,5]"), "[1,6)")
            .keeps(text("empty"), "empty")
            .refuses(text("[5,1)"), "SQLSTATE 22000: data_exception, column v")
            .refuses("[1, 5]", MISMATCH);
        shop.column("int4multirange")
            .keeps(text("{[1,3),[5,7)}"), "{[1,3),[5,7)}");
        shop.column("tstzrange").keeps(
            text("[2026-01-01T00:00:00Z,)"),
            "[\"2026-01-01 00:00:00+00\",)",
        );
    }

    #[pg_test]
    fn a_composite_takes_its_text_form_and_no_object() {
        let shop = Shop::open();
        shop.run("CREATE TYPE address AS (street text, no int)");
        shop.column("address")
            .keeps(text("(\"Main St\",7)"), "(\"Main St\",7)")
            .refuses(r#"{"street": "Main St", "no": 7}"#, MISMATCH)
            .refuses(r#"["Main St", 7]"#, MISMATCH);
    }

    #[pg_test]
    fn a_composite_s_fields_are_kept_as_exactly_as_columns() {
        let shop = Shop::open();
        shop.run(
            "CREATE TYPE parcel AS (label varchar(3), gone int, weight numeric(5,2), sent timestamp, tags name[]);
             ALTER TYPE parcel DROP ATTRIBUTE gone;",
        );
        let long = "n".repeat(64);
        shop.column("parcel")
            .keeps(
                text(r#" ("a""\\",1.5,"2026-05-27T10:00:00Z","{n,\"a,b\"}") "#),
                r#"("a""\\",1.50,"2026-05-27 10:00:00","{n,""a,b""}")"#,
            )
            .keeps(text("(,,,)"), "(,,,)")
            .refuses(text("(a,1.005,,)"), NOT_EXACT)
            .refuses(text("(\"abc \",,,)"), NOT_EXACT)
            .refuses(text("(,,2026-05-27T10:00:00+05:00,)"), NOT_EXACT)
            .refuses(text(&format!("(,,,{{{long}}})")), NOT_EXACT);
        shop.column("parcel[]")
            .keeps("[\"(a,1.5,,)\"]", "{\"(a,1.50,,)\"}")
            .refuses("[\"(a,1.5,,)\", \"(a,1.005,,)\"]", NOT_EXACT);
        shop.run("CREATE TABLE parcels (id int PRIMARY KEY, v parcel); INSERT INTO parcels VALUES (1, '(a,1.01,,)')");
        let change = delete("parcels").key("id", 1);
        let other = change.conflict("v", text("(a,1.005,,)"));
        assert_eq!(shop.failed(&other), NOT_EXACT);
    }

    #[pg_test]
    fn types_without_an_equality_of_their_own_can_be_written_and_not_guarded() {
        let shop = Shop::open();
        let undefined = "SQLSTATE 42883: undefined_function";
        shop.column("xml")
            .without_guard(undefined)
            .keeps(text("<a>1</a>"), "<a>1</a>");
        shop.column("point")
            .without_guard(undefined)
            .keeps(text("(1,2)"), "(1,2)");
        shop.column("box")
            .without_guard(SHADOWED)
            .keeps(text("(1,1),(0,0)"), "(1,1),(0,0)");
        shop.column("tsvector")
            .keeps(text("'a':1 'b':2"), "'a':1 'b':2");
    }
}
