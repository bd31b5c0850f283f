//! What a statement finds around it, and that nothing of it is left afterwards.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use crate::pg::subtransaction::{self, Ending};
    use crate::tests::change::{close, text, update};
    use crate::tests::shop::Shop;

    /// A shop whose tickets write down what this expression is while one is updated.
    fn observing(expression: &str) -> Shop {
        let shop = Shop::with_tickets();
        shop.run("CREATE TABLE seen (what text)");
        let body = format!("INSERT INTO seen VALUES ({expression});");
        shop.trigger("BEFORE UPDATE", "tickets", &body);
        shop
    }

    #[pg_test]
    fn the_tenant_is_bound_during_the_statement_and_gone_afterwards() {
        let shop = observing("current_setting('app.tenant', true)");
        shop.set("synapsor.tenant_setting", "app.tenant");
        shop.applied(&close(1).tenant("tenant_id", text("acme")));
        let afterwards = "coalesce(current_setting('app.tenant', true), '')";
        assert_eq!(shop.text(afterwards), "");
        shop.set("app.tenant", "its own");
        shop.applied(&close(3).tenant("tenant_id", text("globex")));
        assert_eq!(shop.rows("seen"), "(acme) (globex)");
        assert_eq!(shop.text(afterwards), "its own");
    }

    #[pg_test]
    fn a_proposal_without_a_tenant_binds_an_empty_one() {
        let shop = observing("'<' || current_setting('app.tenant', true) || '>'");
        shop.set("synapsor.tenant_setting", "app.tenant");
        shop.set("app.tenant", "its own");
        shop.applied(&close(1));
        assert_eq!(shop.rows("seen"), "(<>)");
    }

    #[pg_test]
    fn a_tenant_that_is_a_number_is_bound_as_it_is_written() {
        let shop = Shop::open();
        shop.set("synapsor.tenant_setting", "app.tenant");
        shop.run(
            "CREATE TABLE docs (id int PRIMARY KEY, tenant numeric, seen text);
             INSERT INTO docs VALUES (1, 12345678901234567890);",
        );
        shop.trigger(
            "BEFORE UPDATE",
            "docs",
            "NEW.seen := current_setting('app.tenant');",
        );
        let change = update("docs").key("id", 1).set("seen", text(""));
        shop.applied(&change.tenant("tenant", "12345678901234567890"));
        assert_eq!(shop.text("SELECT seen FROM docs"), "12345678901234567890");
    }

    #[pg_test]
    fn a_setting_that_cannot_be_bound_fails_the_proposal() {
        let shop = Shop::with_tickets();
        for (name, error) in [
            ("no good name", "SQLSTATE 42704: undefined_object"),
            ("DateStyle", "SQLSTATE 22023: invalid_parameter_value"),
        ] {
            shop.set("synapsor.tenant_setting", name);
            let change = close(1).tenant("tenant_id", text("acme"));
            assert_eq!(shop.failed(&change), error);
        }
    }

    #[pg_test]
    fn a_setting_that_cannot_be_bound_is_found_before_any_proposal_is_tried() {
        let shop = Shop::open();
        let check = || {
            shop.with_applier(false, |_, applier| applier.check_settings());
            Ending::Undo(())
        };
        for (name, sqlstate) in [
            ("no good name", "42704"),
            ("work_mem", "22023"),
            ("log_statement", "42501"),
        ] {
            shop.set("synapsor.tenant_setting", name);
            let error = subtransaction::run(check, |_| false).expect_err(name);
            assert_eq!(error.sqlstate, sqlstate, "{name}");
        }
        shop.set("synapsor.tenant_setting", "app.tenant");
        assert!(subtransaction::run(check, |_| false).is_ok());
    }

    #[pg_test]
    fn times_and_intervals_read_the_same_in_every_session() {
        let settings = ["TimeZone", "DateStyle", "IntervalStyle", "row_security"];
        let all = settings.map(|name| format!("current_setting('{name}')"));
        let shop = observing(&all.join(" || ' ' || "));
        let own = ["Asia/Kolkata", "SQL, DMY", "iso_8601", "off"];
        for (name, value) in settings.iter().zip(own) {
            shop.set(name, value);
        }
        shop.applied(&close(1));
        for (name, value) in settings.iter().zip(own) {
            assert_eq!(shop.text(&format!("current_setting('{name}')")), value);
        }
        assert_eq!(shop.rows("seen"), "(\"UTC ISO, MDY postgres on\")");
    }

    #[pg_test]
    fn what_a_trigger_sets_does_not_survive() {
        let shop = Shop::with_tickets();
        shop.trigger(
            "BEFORE UPDATE",
            "tickets",
            "SET work_mem = '77MB'; SET search_path = pg_catalog; SET app.mine = 'x';
             PERFORM set_config('extra_float_digits', '0', false);
             PERFORM set_config('statement_timeout', '1ms', true);",
        );
        let watched =
            "SELECT string_agg(name || '=' || setting, ',' ORDER BY name) FROM pg_settings";
        let before = shop.text(watched);
        shop.applied(&close(1));
        assert_eq!(shop.text(watched), before);
        assert_eq!(
            shop.text("coalesce(current_setting('app.mine', true), '')"),
            ""
        );
        shop.failed(&close(2).set("version", text("x")));
        assert_eq!(shop.text(watched), before);
    }

    #[pg_test]
    fn triggers_find_the_sessions_search_path() {
        let shop = observing("current_setting('search_path')");
        shop.applied(&close(1));
        let path = format!("{}, public", shop.schema);
        assert_eq!(shop.rows("seen"), format!("(\"{path}\")"));
        assert_eq!(shop.text("current_setting('search_path')"), path);
    }

    #[pg_test]
    fn the_target_is_found_whatever_the_search_path() {
        let shop = Shop::with_tickets();
        for path in ["pg_catalog", "", "nowhere, pg_temp"] {
            shop.run(&format!("SELECT set_config('search_path', '{path}', true)"));
            let decision = shop.apply_json(&close(1).json(&shop.schema));
            assert_eq!(decision.affected_rows(), 1, "{path}: {decision:?}");
        }
    }

    #[pg_test]
    fn the_sessions_habits_do_not_change_a_value() {
        let shop = Shop::open();
        shop.run("CREATE TABLE t (id int PRIMARY KEY, names text[], at timestamptz); INSERT INTO t VALUES (1)");
        shop.set("array_nulls", "off");
        let change = update("t").key("id", 1).set("names", "[\"a\", null]");
        shop.applied(&change.set("at", "\"2026-05-27 10:00 EST\""));
        assert_eq!(shop.text("SELECT array_position(names, NULL) FROM t"), "2");
        assert_eq!(shop.text("SELECT at = '2026-05-27 15:00Z' FROM t"), "true");
        assert_eq!(shop.text("current_setting('array_nulls')"), "off");
    }
}
