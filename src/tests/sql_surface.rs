//! What the extension puts into a database: functions, settings, and who may use them.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use crate::tests::shop::Shop;

    /// The extension's functions; those of the tests do not count.
    const FUNCTIONS: &str =
        "pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass
        JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
            AND d.deptype = 'e' AND e.extname = 'synapsor_writeback'
        WHERE p.pronamespace <> 'tests'::regnamespace";

    /// Relations, with their columns, of the extension's schema.
    const RELATIONS: &str =
        "pg_class c WHERE c.relnamespace = 'synapsor'::regnamespace AND c.relkind IN ('r', 'v')";

    #[pg_test]
    fn every_function_and_relation_is_there_and_has_a_comment() {
        let shop = Shop::open();
        let names = shop.text(&format!("SELECT count(*) > 4 FROM {FUNCTIONS}"));
        assert_eq!(names, "true");
        let silent = format!(
            "SELECT string_agg(p.oid::regprocedure::text, ' ') FROM {FUNCTIONS} AND obj_description(p.oid, 'pg_proc') IS NULL"
        );
        assert_eq!(shop.text(&silent), "NULL");
        let silent = format!(
            "SELECT string_agg(c.relname, ' ') FROM {RELATIONS} AND obj_description(c.oid, 'pg_class') IS NULL"
        );
        assert_eq!(shop.text(&silent), "NULL");
        let columns = "SELECT string_agg(attname, ' ') FROM pg_attribute
            WHERE attrelid IN ('synapsor.ledger'::regclass, 'synapsor.capture'::regclass) AND attnum > 0 AND col_description(attrelid, attnum) IS NULL";
        assert_eq!(shop.text(columns), "NULL");
    }

    #[pg_test]
    fn nothing_is_open_to_public() {
        let shop = Shop::open();
        let open = format!(
            "SELECT string_agg(p.oid::regprocedure::text, ' ') FROM {FUNCTIONS}
             AND has_function_privilege('{}', p.oid, 'EXECUTE')",
            shop.role
        );
        assert_eq!(shop.text(&open), "NULL");
        let open = format!(
            "SELECT string_agg(c.relname, ' ') FROM {RELATIONS}
             AND has_any_column_privilege('{}', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')",
            shop.role
        );
        assert_eq!(shop.text(&open), "NULL");
        let schema = format!(
            "has_schema_privilege('{}', 'synapsor', 'USAGE, CREATE')",
            shop.role
        );
        assert_eq!(shop.text(&schema), "false");
    }

    #[pg_test]
    fn grant_usage_hands_over_functions_and_views_and_no_table() {
        let shop = Shop::open();
        shop.run(&format!("SELECT synapsor_grant_usage('{}')", shop.role));
        let may = |what: &str| shop.text(&what.replace("ROLE", &format!("'{}'", shop.role)));
        for function in [
            "synapsor_poll_once(boolean)",
            "synapsor_report_once()",
            "synapsor_poll()",
            "synapsor_build(json, text)",
            "synapsor_retry(text)",
            "synapsor_discard(text, text)",
            "synapsor_doctor()",
            "synapsor_preview(json)",
            "synapsor_explain(text)",
            "synapsor_sources()",
            "synapsor_source_show(text)",
            "synapsor_source_test(text)",
            "synapsor_source_inspect(text, text[])",
            "synapsor_source_doctor(text, text[])",
            "synapsor_grants(regclass, text[], text[], text, text, text[], name)",
        ] {
            assert_eq!(
                may(&format!(
                    "has_function_privilege(ROLE, '{function}', 'EXECUTE')"
                )),
                "true"
            );
        }
        let grant = "has_function_privilege(ROLE, 'synapsor_grant_usage(name)', 'EXECUTE')";
        assert_eq!(may(grant), "false");
        for view in ["pending_reports", "rejected_reports", "recent", "metrics"] {
            assert_eq!(
                may(&format!(
                    "has_table_privilege(ROLE, 'synapsor.{view}', 'SELECT')"
                )),
                "true"
            );
            let write = format!(
                "has_table_privilege(ROLE, 'synapsor.{view}', 'INSERT, UPDATE, DELETE, TRUNCATE')"
            );
            assert_eq!(may(&write), "false");
        }
        let ledger = "has_any_column_privilege(ROLE, 'synapsor.ledger', 'SELECT, INSERT, UPDATE, REFERENCES')";
        assert_eq!(may(ledger), "false");
        let capture = "has_any_column_privilege(ROLE, 'synapsor.capture', 'SELECT, INSERT, UPDATE, REFERENCES')
            OR has_function_privilege(ROLE, 'synapsor_revert_proposal(text)', 'EXECUTE')";
        assert_eq!(may(capture), "false");
        shop.run(&format!("SET LOCAL ROLE {}", shop.role));
        shop.run("SELECT * FROM synapsor.recent, synapsor.metrics, synapsor.pending_reports, synapsor.rejected_reports");
        shop.run("RESET ROLE");
    }

    #[pg_test]
    fn grant_capture_hands_over_what_was_captured_and_no_more() {
        let shop = Shop::open();
        shop.run(&format!("SELECT synapsor_grant_capture('{}')", shop.role));
        let may = |what: &str| shop.text(&what.replace("ROLE", &format!("'{}'", shop.role)));
        let may_read = "has_table_privilege(ROLE, 'synapsor.capture', 'SELECT')
            AND has_function_privilege(ROLE, 'synapsor_revert_proposal(text)', 'EXECUTE')";
        assert_eq!(may(may_read), "true");
        let write =
            "has_table_privilege(ROLE, 'synapsor.capture', 'INSERT, UPDATE, DELETE, TRUNCATE')";
        assert_eq!(may(write), "false");
        let ledger = "has_any_column_privilege(ROLE, 'synapsor.ledger', 'SELECT')";
        assert_eq!(may(ledger), "false");
        shop.run(&format!("SET LOCAL ROLE {}", shop.role));
        shop.run("SELECT * FROM synapsor.capture");
        let error = shop.error("SELECT synapsor_revert_proposal('no such key')");
        assert!(error.starts_with("LEDGER_KEY_UNKNOWN"), "{error}");
        shop.run("RESET ROLE");
    }

    /// Name, default and unit of every setting of the design.
    const SETTINGS: &str = "
        synapsor.advance_guard|off|
        synapsor.allow_cascade|off|
        synapsor.allow_insecure_http|off|
        synapsor.api_key_file||
        synapsor.apply_role||
        synapsor.base_url|https://synapsor.ai|
        synapsor.batch_size|100|
        synapsor.ca_file||
        synapsor.capture|off|
        synapsor.connect_timeout|10000|ms
        synapsor.databases||
        synapsor.dry_run|off|
        synapsor.ledger_retention|129600|min
        synapsor.lock_timeout|5000|ms
        synapsor.max_attempts|10|
        synapsor.max_proposals|1000|
        synapsor.max_response_size|65536|kB
        synapsor.poll_interval|5000|ms
        synapsor.project_id||
        synapsor.report_concurrency|64|
        synapsor.request_timeout|30000|ms
        synapsor.require_conflict_guard|off|
        synapsor.require_tenant_guard|off|
        synapsor.source_id||
        synapsor.source_name||
        synapsor.statement_timeout|30000|ms
        synapsor.tenant_setting||";

    #[pg_test]
    fn every_setting_has_the_designs_default_and_is_a_superusers() {
        let shop = Shop::open();
        let settings = |column: &str| {
            shop.text(&format!(
                "SELECT string_agg(concat_ws('|', name, {column}, coalesce(unit, '')), E'\\n' ORDER BY name)
                 FROM pg_settings WHERE name LIKE 'synapsor.%'"
            ))
        };
        let expected: Vec<_> = SETTINGS.trim().lines().map(str::trim).collect();
        assert_eq!(settings("boot_val").lines().collect::<Vec<_>>(), expected);
        shop.set("synapsor.apply_role", "");
        assert_eq!(settings("setting").lines().collect::<Vec<_>>(), expected);
        let contexts = "SELECT string_agg(DISTINCT context, ' ') FROM pg_settings WHERE name LIKE 'synapsor.%'";
        assert_eq!(shop.text(contexts), "superuser");
        let described =
            "SELECT bool_and(short_desc ~ '\\.$') FROM pg_settings WHERE name LIKE 'synapsor.%'";
        assert_eq!(shop.text(described), "true");
    }

    #[pg_test(error = "permission denied to set parameter \"synapsor.base_url\"")]
    fn an_ordinary_user_cannot_redirect_the_key() {
        let shop = Shop::open();
        shop.run(&format!("SET LOCAL ROLE {}", shop.role));
        shop.run("SET LOCAL synapsor.base_url = 'http://elsewhere'");
    }

    #[pg_test]
    fn the_pollers_interval_has_a_least_value() {
        let shop = Shop::open();
        shop.set("synapsor.poll_interval", "10ms");
        let least = "SELECT min_val FROM pg_settings WHERE name = 'synapsor.poll_interval'";
        assert_eq!(shop.text(least), "10");
    }
}
