//! A guard compares with its type's own equality, or the proposal fails.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use crate::tests::change::{Change, delete, insert, text, update};
    use crate::tests::shop::Shop;

    /// A table with a column of each type, and in the same schema an `=` for this type that is always true.
    fn with_hostile_equality(type_name: &str, path: &str) -> Shop {
        let shop = Shop::open();
        shop.run(&format!(
            "CREATE TABLE ledgers (id int PRIMARY KEY, v varchar(9), t text, n int, note text);
             INSERT INTO ledgers VALUES (1, 'a', 'a', 1, 'x'), (2, 'b', 'b', 2, 'x');
             CREATE FUNCTION yes({type_name}, {type_name}) RETURNS bool LANGUAGE sql AS 'SELECT true';
             CREATE OPERATOR = (LEFTARG = {type_name}, RIGHTARG = {type_name}, FUNCTION = yes);
             SET LOCAL search_path = {};",
            path.replace("SHOP", &shop.schema)
        ));
        shop
    }

    #[track_caller]
    fn all_refused(shop: &Shop, column: &str, value: &str) {
        let shadowed = format!("WRITEBACK_OPERATOR_SHADOWED: {column}");
        let change = |operation: fn(&str) -> Change| operation("ledgers");
        let note = |change: Change| change.set("note", text("y"));
        let changes = [
            note(change(update).key(column, value)),
            change(delete).key(column, value),
        ];
        let rows = || {
            shop.text(&format!(
                "SELECT string_agg(l::text, ' ') FROM {}.ledgers l",
                shop.schema
            ))
        };
        let before = rows();
        for change in changes {
            let decision = shop.apply_json(&change.json(&shop.schema));
            assert_eq!(decision.failure.expect("refused").error, shadowed);
        }
        assert_eq!(rows(), before);
    }

    #[pg_test]
    fn an_equality_that_comes_before_the_types_own_is_refused() {
        for (type_name, column, value) in [
            ("text", "t", "\"zzz\""),
            ("int", "n", "77"),
            ("varchar", "v", "\"zzz\""),
        ] {
            let shop = with_hostile_equality(type_name, "SHOP, pg_catalog");
            all_refused(&shop, column, value);
            shop.close();
        }
    }

    #[pg_test]
    fn an_equality_that_fits_better_than_the_types_own_is_refused() {
        let shop = with_hostile_equality("varchar", "pg_catalog, SHOP");
        all_refused(&shop, "v", "\"zzz\"");
    }

    #[pg_test]
    fn guards_of_tenant_and_conflict_are_held_to_the_same() {
        let shop = with_hostile_equality("varchar", "SHOP, public");
        let change = update("ledgers").key("id", 1).set("note", text("y"));
        let shadowed = "WRITEBACK_OPERATOR_SHADOWED: v";
        let guarded = change.clone().tenant("v", text("zzz"));
        assert_eq!(shop.failed(&guarded), shadowed);
        let guarded = change.conflict("v", text("zzz"));
        assert_eq!(shop.failed(&guarded), shadowed);
    }

    #[pg_test]
    fn an_equality_for_a_domain_or_the_type_below_it_is_refused() {
        for type_name in ["code", "varchar"] {
            let shop = Shop::open();
            shop.run(&format!(
                "CREATE DOMAIN code AS varchar(9);
                 CREATE TABLE codes (id int PRIMARY KEY, c code, note text);
                 INSERT INTO codes VALUES (1, 'a', 'x');
                 CREATE FUNCTION yes({type_name}, {type_name}) RETURNS bool LANGUAGE sql AS 'SELECT true';
                 CREATE OPERATOR = (LEFTARG = {type_name}, RIGHTARG = {type_name}, FUNCTION = yes);"
            ));
            let error = shop.failed(&delete("codes").key("c", text("zzz")));
            assert_eq!(error, "WRITEBACK_OPERATOR_SHADOWED: c", "{type_name}");
            shop.close();
        }
    }

    #[pg_test]
    fn an_equality_out_of_the_way_harms_nothing() {
        let shop = with_hostile_equality("varchar", "public");
        let change = update("ledgers").key("id", 1).conflict("v", text("a"));
        let decision = shop.apply_json(&change.set("note", text("y")).json(&shop.schema));
        assert_eq!(decision.affected_rows(), 1);
    }

    #[pg_test]
    fn a_column_that_is_only_written_is_not_compared() {
        let shop = with_hostile_equality("varchar", "SHOP, public");
        shop.applied(&update("ledgers").key("id", 1).set("v", text("c")));
        shop.applied(&insert("ledgers").set("id", 3).set("v", text("d")));
    }

    #[pg_test]
    fn the_tenant_of_an_insert_is_compared_only_where_a_trigger_could_change_it() {
        let shop = Shop::open();
        shop.run(
            "CREATE DOMAIN tenant AS text;
             CREATE TABLE seen (what text);
             CREATE TABLE t (id int, tenant tenant);
             CREATE FUNCTION never(tenant, tenant) RETURNS boolean LANGUAGE sql AS
                 $$ INSERT INTO seen VALUES ('run'); SELECT false $$;
             CREATE OPERATOR = (LEFTARG = tenant, RIGHTARG = tenant, FUNCTION = never);",
        );
        let change = insert("t").set("id", 1).tenant("tenant", text("acme"));
        shop.applied(&change);
        shop.trigger("BEFORE INSERT", "t", "");
        assert_eq!(shop.failed(&change), "WRITEBACK_OPERATOR_SHADOWED: tenant");
        assert_eq!(shop.rows("seen"), "NULL");
    }
}
