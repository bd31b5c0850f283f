//! `synapsor_grants()`: the grants that it writes down are enough, and none of them can be left out.

#[pgrx::pg_schema]
mod tests {
    use pgrx::Spi;
    use pgrx::prelude::*;

    use crate::apply::Decision;
    use crate::tests::change::{Change, close, delete, insert, text};
    use crate::tests::shop::Shop;

    const DENIED: &str = "SQLSTATE 42501: insufficient_privilege";

    /// Tickets with a serial number, on which the role has no right.
    fn without_rights() -> Shop {
        let shop = Shop::open();
        shop.run(&format!(
            "CREATE TABLE tickets (
                 id int PRIMARY KEY, number serial, tenant_id text, status text, version int, \"Amount\" numeric);
             INSERT INTO tickets SELECT n, n, 'acme', 'open', 1 FROM generate_series(1, 9) n;
             REVOKE ALL ON tickets FROM {0};
             REVOKE ALL ON SCHEMA {1} FROM {0}",
            shop.role, shop.schema
        ));
        shop
    }

    /// What `synapsor_grants('tickets', …)` returns.
    fn grants(arguments: &str) -> Vec<String> {
        let query = format!("SELECT synapsor_grants('tickets', {arguments})");
        Spi::connect(|client| {
            let rows = client.select(&query, None, &[]).unwrap();
            rows.map(|row| row.get::<String>(1).unwrap().unwrap())
                .collect()
        })
    }

    /// One for each operation, with every guard that it can have.
    fn changes() -> [Change; 3] {
        let guarded = |change: Change| change.tenant("tenant_id", text("acme"));
        [
            guarded(close(1)).conflict("version", 1),
            guarded(insert("tickets").set("id", 77)),
            guarded(delete("tickets").key("id", 2)).conflict("version", 1),
        ]
    }

    /// The error of the first of these that is not applied.
    fn first_failure(shop: &Shop, changes: &[Change]) -> Option<String> {
        let decisions = changes.iter().map(|change| shop.apply(change));
        decisions
            .filter_map(|decision: Decision| decision.failure)
            .map(|failure| failure.error)
            .next()
    }

    #[pg_test]
    fn the_statements_name_the_role_the_columns_and_nothing_else() {
        let shop = without_rights();
        let (role, schema) = (&shop.role, &shop.schema);
        let all = "'{status,Amount}', '{update,insert,delete}', 'tenant_id', 'version'";
        let usage = format!("GRANT USAGE ON SCHEMA {schema} TO {role};");
        let statements = [
            usage.clone(),
            format!(
                "GRANT SELECT (id, tenant_id, version), UPDATE (status, \"Amount\"), \
                 INSERT (status, \"Amount\", tenant_id), DELETE ON {schema}.tickets TO {role};"
            ),
            format!("GRANT USAGE ON SEQUENCE {schema}.tickets_number_seq TO {role};"),
        ];
        assert_eq!(grants(all), statements);
        let update = [
            usage,
            format!("GRANT SELECT (id), UPDATE (status) ON {schema}.tickets TO {role};"),
        ];
        assert_eq!(grants("'{status}'"), update);
        assert_eq!(grants("'{status,id}', key_columns => '{id}'"), update);
    }

    #[pg_test]
    fn they_are_enough_and_none_can_be_left_out() {
        let shop = without_rights();
        let all = "'{status,id}', '{update,insert,delete}', 'tenant_id', 'version'";
        let statements = grants(all);
        assert_eq!(
            first_failure(&shop, &changes()).as_deref(),
            Some(DENIED),
            "no right"
        );
        for left_out in &statements {
            let others = statements.iter().filter(|other| *other != left_out);
            others.for_each(|statement| shop.run(statement));
            assert_eq!(
                first_failure(&shop, &changes()).as_deref(),
                Some(DENIED),
                "{left_out}"
            );
            let taken_back = statements
                .iter()
                .map(|s| s.replace("GRANT", "REVOKE").replace(" TO ", " FROM "));
            taken_back.for_each(|statement| shop.run(&statement));
        }
        statements.iter().for_each(|statement| shop.run(statement));
        assert_eq!(first_failure(&shop, &changes()), None);
    }

    #[pg_test]
    fn each_column_of_them_is_needed() {
        let shop = without_rights();
        let all = "'{status,id}', '{update,insert,delete}', 'tenant_id', 'version'";
        grants(all).iter().for_each(|statement| shop.run(statement));
        for right in [
            "SELECT (id)",
            "SELECT (tenant_id)",
            "SELECT (version)",
            "UPDATE (status)",
            "INSERT (id)",
            "INSERT (tenant_id)",
            "DELETE",
        ] {
            shop.run(&format!("REVOKE {right} ON tickets FROM {}", shop.role));
            let failure = changes().iter().find_map(|change| {
                let undone = shop.apply_undone(change);
                undone.failure.map(|failure| failure.error)
            });
            assert_eq!(failure.as_deref(), Some(DENIED), "{right}");
            shop.run(&format!("GRANT {right} ON tickets TO {}", shop.role));
        }
    }

    #[pg_test]
    fn a_guard_that_is_advanced_is_written_too() {
        let shop = without_rights();
        shop.set("synapsor.advance_guard", "on");
        let statements = grants("'{status}', conflict_column => 'version'");
        let table = format!(
            "GRANT SELECT (id, version), UPDATE (status, version) ON {}.tickets TO {};",
            shop.schema, shop.role
        );
        assert_eq!(statements[1], table);
        statements.iter().for_each(|statement| shop.run(statement));
        shop.applied(&close(1).conflict("version", 1));
    }

    #[pg_test]
    fn what_can_t_be_granted_is_told_with_what_to_do() {
        let shop = without_rights();
        shop.run("CREATE TABLE keyless (a int)");
        for (call, error) in [
            ("'pg_class', '{relname}'", "WRITEBACK_TARGET_UNSUPPORTED"),
            (
                "'synapsor.ledger', '{status}'",
                "WRITEBACK_TARGET_UNSUPPORTED",
            ),
            ("'tickets_pkey', '{id}'", "WRITEBACK_TARGET_UNSUPPORTED"),
            ("'tickets', '{nothing}'", "column \"nothing\" of"),
            ("'tickets', '{ctid}'", "column \"ctid\" of"),
            (
                "'tickets', '{status}', '{merge}'",
                "UNSUPPORTED_WRITEBACK_OPERATION",
            ),
            (
                "'tickets', '{status}', '{}'",
                "UNSUPPORTED_WRITEBACK_OPERATION",
            ),
            ("'keyless', '{a}'", "WRITEBACK_PRIMARY_KEY_REQUIRED"),
            ("'tickets', '{id}'", "WRITEBACK_UPDATE_VALUES_REQUIRED"),
            (
                "'tickets', NULL, '{insert}'",
                "WRITEBACK_INSERT_VALUES_REQUIRED",
            ),
        ] {
            let said = shop.error(&format!("SELECT synapsor_grants({call})"));
            assert!(said.starts_with(error), "{call}: {said}");
        }
        shop.set("synapsor.apply_role", "");
        let said = shop.error("SELECT synapsor_grants('tickets', '{status}')");
        assert!(said.starts_with("APPLY_ROLE_NOT_SET"), "{said}");
    }
}
