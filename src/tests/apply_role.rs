//! Changes are made as the apply role, and Postgres's own rules for that role hold.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use crate::apply::ApplyRole;
    use crate::ledger::Ledger;
    use crate::settings::Settings;
    use crate::tests::change::{Change, close, delete, insert, text, update};
    use crate::tests::shop::Shop;

    const DENIED: &str = "SQLSTATE 42501: insufficient_privilege";

    /// What the settings say of the role.
    fn resolve() -> Result<String, String> {
        let ledger = Ledger::open().unwrap();
        ApplyRole::resolve(&Settings::now().unwrap().applying, &ledger)
            .map(|role| role.name)
            .map_err(|error| error.to_string())
    }

    #[pg_test]
    fn a_trigger_sees_the_apply_role_and_the_session_is_as_before() {
        let shop = Shop::with_tickets();
        shop.run("CREATE TABLE seen (who text)");
        shop.trigger(
            "BEFORE UPDATE",
            "tickets",
            "INSERT INTO seen VALUES (current_user);",
        );
        let caller = shop.text("current_user");
        shop.applied(&close(1));
        shop.failed(&close(2).set("version", text("x")));
        assert_eq!(shop.rows("seen"), format!("({})", shop.role));
        assert_eq!(shop.text("current_user"), caller);
        assert_eq!(shop.text("session_user"), caller);
    }

    #[pg_test]
    fn a_trigger_cannot_become_anybody_else() {
        let shop = Shop::with_tickets();
        let caller = shop.text("current_user");
        let attempts = [
            "RESET ROLE".to_owned(),
            "SET ROLE NONE".to_owned(),
            format!("SET ROLE {caller}"),
            format!("SET LOCAL ROLE {caller}"),
            "RESET SESSION AUTHORIZATION".to_owned(),
            format!("SET SESSION AUTHORIZATION {caller}"),
            format!("PERFORM set_config('role', '{caller}', false)"),
            "PERFORM set_config('session_authorization', 'x', true)".to_owned(),
        ];
        for attempt in attempts {
            shop.run("DROP TRIGGER IF EXISTS step_up ON tickets");
            shop.run(&format!(
                "CREATE OR REPLACE FUNCTION step_up() RETURNS trigger LANGUAGE plpgsql AS
                     $$ BEGIN {attempt}; RETURN NEW; END $$;
                 CREATE TRIGGER step_up BEFORE UPDATE ON tickets FOR EACH ROW EXECUTE FUNCTION step_up();"
            ));
            let error = shop.failed(&close(1));
            assert_eq!(error, DENIED, "{attempt}");
            assert_eq!(shop.text("current_user"), caller);
        }
    }

    #[pg_test]
    fn an_attempt_that_a_trigger_hides_does_not_leak() {
        let shop = Shop::with_tickets();
        shop.run("CREATE TABLE seen (who text)");
        shop.trigger(
            "BEFORE UPDATE",
            "tickets",
            "BEGIN RESET ROLE; EXCEPTION WHEN OTHERS THEN NULL; END;
             INSERT INTO seen VALUES (current_user);",
        );
        let caller = shop.text("current_user");
        shop.applied(&close(1));
        assert_eq!(shop.rows("seen"), format!("({})", shop.role));
        assert_eq!(shop.text("current_user"), caller);
    }

    #[pg_test]
    fn column_grants_say_what_may_be_written() {
        let shop = Shop::with_tickets();
        shop.run(&format!(
            "REVOKE ALL ON tickets FROM {0};
             GRANT SELECT (id, tenant_id, version), UPDATE (status), INSERT (id, tenant_id) ON tickets TO {0};",
            shop.role
        ));
        let guarded = close(1).tenant("tenant_id", text("acme"));
        shop.applied(&guarded.conflict("version", 1));
        let change = update("tickets").key("id", 1);
        assert_eq!(shop.failed(&change.clone().set("version", 2)), DENIED);
        let unreadable = change.set("status", text("x"));
        let unreadable = unreadable.tenant("status", text("closed"));
        assert!(
            shop.failed(&unreadable)
                .starts_with("WRITEBACK_PROTECTED_COLUMN_CHANGE")
        );
        let ticket = insert("tickets")
            .set("id", 9)
            .set("tenant_id", text("acme"));
        shop.applied(&ticket);
        let ticket = insert("tickets").set("id", 10).set("status", text("x"));
        assert_eq!(shop.failed(&ticket), DENIED);
        assert_eq!(shop.failed(&delete("tickets").key("id", 1)), DENIED);
    }

    fn with_row_security(for_owner: bool) -> Shop {
        let shop = Shop::with_tickets();
        shop.run(
            "ALTER TABLE tickets ENABLE ROW LEVEL SECURITY;
             CREATE POLICY own ON tickets USING (tenant_id = current_setting('app.tenant', true));",
        );
        if for_owner {
            shop.run(&format!(
                "ALTER TABLE tickets FORCE ROW LEVEL SECURITY; ALTER TABLE tickets OWNER TO {};",
                shop.role
            ));
        }
        shop.set("synapsor.tenant_setting", "app.tenant");
        shop
    }

    #[pg_test]
    fn row_security_holds_and_sees_the_proposals_tenant() {
        for for_owner in [false, true] {
            let shop = with_row_security(for_owner);
            let acme = |change: Change| change.tenant("tenant_id", text("acme"));
            shop.applied(&acme(close(1)));
            assert_eq!(shop.conflict(&acme(close(3))), "ROW_NOT_FOUND");
            assert_eq!(shop.conflict(&close(1)), "ROW_NOT_FOUND");
            let smuggled = acme(insert("tickets").set("id", 9));
            shop.applied(&smuggled);
            let smuggled = insert("tickets")
                .set("id", 10)
                .set("tenant_id", text("acme"));
            assert_eq!(shop.failed(&smuggled), DENIED);
            shop.close();
        }
    }

    #[pg_test]
    fn row_security_cannot_be_turned_off_by_the_session() {
        let shop = with_row_security(false);
        shop.set("row_security", "off");
        let change = close(1).tenant("tenant_id", text("acme"));
        shop.applied(&change);
        assert_eq!(shop.conflict(&close(1)), "ROW_NOT_FOUND");
    }

    #[pg_test]
    fn unsafe_roles_are_refused() {
        let shop = Shop::open();
        let unsafe_because = |role: &str, why: &str| {
            Err(format!(
                "APPLY_ROLE_UNSAFE: proposals are not applied as \"{role}\", which {why}"
            ))
        };
        assert_eq!(resolve(), Ok(shop.role.clone()));
        shop.run(&format!("ALTER ROLE {} BYPASSRLS", shop.role));
        assert_eq!(
            resolve(),
            unsafe_because(&shop.role, "bypasses row security")
        );
        shop.run(&format!("ALTER ROLE {} NOBYPASSRLS SUPERUSER", shop.role));
        assert_eq!(resolve(), unsafe_because(&shop.role, "is a superuser"));
        let caller = shop.text("current_user");
        shop.set("synapsor.apply_role", "");
        assert_eq!(resolve(), unsafe_because(&caller, "is a superuser"));
        shop.set("synapsor.apply_role", "nobody_at_all");
        assert_eq!(
            resolve(),
            Err("APPLY_ROLE_MISSING: role \"nobody_at_all\" does not exist".into())
        );
    }

    #[pg_test]
    fn the_owner_of_the_ledger_is_refused() {
        let shop = Shop::open();
        shop.run(&format!(
            "ALTER TABLE synapsor.ledger OWNER TO {}",
            shop.role
        ));
        let why = format!(
            "APPLY_ROLE_UNSAFE: proposals are not applied as \"{}\", which could write the ledger",
            shop.role
        );
        assert_eq!(resolve(), Err(why));
    }

    #[pg_test]
    fn a_caller_applies_as_himself_or_as_a_role_that_he_may_become() {
        let shop = Shop::open();
        let caller = format!("caller_{}", shop.role);
        shop.run(&format!("CREATE ROLE {caller}; SET LOCAL ROLE {caller};"));
        let refused = format!(
            "APPLY_ROLE_NOT_PERMITTED: role \"{caller}\" may not become \"{}\"",
            shop.role
        );
        assert_eq!(resolve(), Err(refused));
        shop.run(&format!(
            "RESET ROLE; GRANT {} TO {caller}; SET LOCAL ROLE {caller};",
            shop.role
        ));
        assert_eq!(resolve(), Ok(shop.role.clone()));
        shop.run("RESET ROLE");
        shop.set("synapsor.apply_role", "");
        shop.run(&format!("SET LOCAL ROLE {caller}"));
        assert_eq!(resolve(), Ok(caller));
    }

    #[pg_test]
    fn the_apply_role_cannot_write_the_ledger() {
        let shop = Shop::with_tickets();
        shop.trigger(
            "BEFORE UPDATE",
            "tickets",
            "UPDATE synapsor.ledger SET status = 'applied';",
        );
        assert_eq!(shop.failed(&close(1)), DENIED);
        let ledger = update("ledger").in_schema("synapsor").key("key", text("x"));
        assert_eq!(shop.failed(&ledger.set("status", text("applied"))), DENIED);
    }

    #[pg_test]
    fn row_security_that_does_not_bind_an_owner_is_not_taken_for_a_guard() {
        let shop = Shop::with_tickets();
        shop.run(&format!(
            "ALTER TABLE tickets ENABLE ROW LEVEL SECURITY;
             CREATE POLICY own ON tickets USING (tenant_id = 'acme');
             ALTER TABLE tickets OWNER TO {}",
            shop.role
        ));
        for change in [
            close(3),
            delete("tickets").key("id", 3),
            insert("tickets").set("id", 9),
        ] {
            assert_eq!(shop.failed(&change), "WRITEBACK_ROW_SECURITY_BYPASSED");
        }
        shop.run("ALTER TABLE tickets FORCE ROW LEVEL SECURITY");
        assert_eq!(shop.conflict(&close(3)), "ROW_NOT_FOUND");
        shop.applied(&close(1));
    }

    #[pg_test]
    fn a_role_that_could_write_the_ledger_is_refused() {
        let shop = Shop::with_tickets();
        let refused = format!(
            "APPLY_ROLE_UNSAFE: proposals are not applied as \"{}\", which could write the ledger",
            shop.role
        );
        for right in [
            "DELETE ON synapsor.ledger",
            "UPDATE (status) ON synapsor.ledger",
            "pg_write_all_data",
        ] {
            shop.run(&format!("GRANT {right} TO {}", shop.role));
            assert_eq!(resolve().unwrap_err(), refused, "{right}");
            shop.run(&format!("REVOKE {right} FROM {}", shop.role));
            resolve().unwrap();
        }
    }
}
