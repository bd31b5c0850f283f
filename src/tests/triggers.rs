//! What triggers do to a row while it is written.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use crate::tests::change::{close, delete, insert, text, update};
    use crate::tests::shop::Shop;

    #[pg_test]
    fn a_trigger_that_keeps_the_statement_from_its_row_makes_a_conflict() {
        let shop = Shop::with_tickets();
        shop.trigger(
            "BEFORE UPDATE OR INSERT OR DELETE",
            "tickets",
            "RETURN NULL;",
        );
        let changes = [
            close(1),
            close(1).conflict("version", 1),
            close(1).tenant("tenant_id", text("acme")),
            delete("tickets").key("id", 1),
            insert("tickets").set("id", 9),
        ];
        for change in changes {
            assert_eq!(shop.conflict(&change), "ROW_NOT_CHANGED");
        }
        assert_eq!(shop.conflict(&close(99)), "ROW_NOT_FOUND");
        let stale = close(1).conflict("version", 7);
        assert_eq!(shop.conflict(&stale), "CONFLICT_VALUE_CHANGED");
        shop.run("ALTER TABLE tickets DISABLE TRIGGER USER; UPDATE tickets SET version = NULL WHERE id = 1;");
        shop.run("ALTER TABLE tickets ENABLE TRIGGER USER");
        let guarded = close(1).conflict("version", "null");
        assert_eq!(shop.conflict(&guarded), "ROW_NOT_CHANGED");
    }

    #[pg_test]
    fn a_trigger_that_gives_the_row_another_key_or_tenant_is_undone() {
        let shop = Shop::with_tickets();
        let changed = format!("WRITEBACK_GUARDED_COLUMN_CHANGED: {}.tickets", shop.schema);
        let change = close(1).tenant("tenant_id", text("acme"));
        for body in ["NEW.tenant_id := 'globex';", "NEW.id := 77;"] {
            shop.trigger("BEFORE UPDATE", "tickets", body);
            assert_eq!(shop.failed(&change), changed);
            shop.without_triggers("tickets");
        }
        shop.applied(&change);
    }

    /// A trigger that writes the updated row once more, when `RETURNING` has seen it already.
    fn write_again(shop: &Shop, assignment: &str) {
        let body = format!(
            "IF pg_trigger_depth() = 1 THEN UPDATE tickets SET {assignment} WHERE id = NEW.id; END IF;"
        );
        shop.trigger("AFTER UPDATE", "tickets", &body);
    }

    #[pg_test]
    fn a_trigger_that_gives_the_row_another_key_or_tenant_afterwards_is_undone() {
        let shop = Shop::with_tickets();
        let changed = format!("WRITEBACK_GUARDED_COLUMN_CHANGED: {}.tickets", shop.schema);
        let change = close(1).tenant("tenant_id", text("acme"));
        for track_counts in ["on", "off"] {
            shop.set("track_counts", track_counts);
            for assignment in ["tenant_id = 'globex'", "id = 77"] {
                write_again(&shop, assignment);
                assert_eq!(shop.failed(&change), changed, "{assignment}");
                shop.without_triggers("tickets");
            }
            write_again(&shop, "version = version + 1");
            shop.applied(&change);
            shop.without_triggers("tickets");
            shop.applied(&change);
        }
        assert_eq!(shop.text("SELECT version FROM tickets WHERE id = 1"), "3");
    }

    #[pg_test]
    fn what_a_trigger_writes_elsewhere_stays_or_goes_with_the_proposal() {
        let shop = Shop::with_tickets();
        shop.run("CREATE TABLE journal (line text)");
        shop.trigger(
            "AFTER UPDATE",
            "tickets",
            "INSERT INTO journal VALUES (NEW.id || NEW.status); ASSERT NEW.status <> 'bad';",
        );
        shop.applied(&close(1));
        shop.failed(&update("tickets").key("id", 1).set("status", text("bad")));
        shop.applied(&close(2));
        assert_eq!(shop.rows("journal"), "(1closed) (2closed)");
    }

    #[pg_test]
    fn a_notice_harms_nothing() {
        let shop = Shop::with_tickets();
        shop.trigger(
            "BEFORE UPDATE",
            "tickets",
            "RAISE NOTICE 'a %', 'notice'; RAISE WARNING 'w' USING ERRCODE = '23505', CONSTRAINT = 'c';",
        );
        shop.applied(&close(1));
        let error = shop.failed(&update("tickets").key("id", 1).set("status", "null"));
        assert_eq!(error, "SQLSTATE 23502: not_null_violation, column status");
    }

    #[pg_test]
    fn a_trigger_that_gives_a_new_row_another_tenant_is_undone_where_the_role_may_look() {
        let shop = Shop::with_tickets();
        shop.trigger("BEFORE INSERT", "tickets", "NEW.tenant_id := 'globex';");
        let changed = format!("WRITEBACK_GUARDED_COLUMN_CHANGED: {}.tickets", shop.schema);
        let appended = insert("tickets")
            .set("id", 9)
            .tenant("tenant_id", text("acme"));
        let named = appended.clone().set("tenant_id", text("acme"));
        for change in [&appended, &named] {
            assert_eq!(shop.failed(change), changed);
        }
        shop.run(&format!("REVOKE SELECT ON tickets FROM {}", shop.role));
        shop.applied(&appended);
    }

    #[pg_test]
    fn a_new_rows_tenant_that_cannot_be_compared_is_in_no_triggers_way() {
        let shop = Shop::open();
        shop.run("CREATE TABLE notes (tenant json)");
        shop.trigger("BEFORE INSERT", "notes", "");
        shop.applied(&insert("notes").tenant("tenant", text("acme")));
        assert_eq!(shop.text("SELECT tenant FROM notes"), "\"acme\"");
    }

    #[pg_test]
    fn an_error_that_a_trigger_raises_again_keeps_its_own_code() {
        let shop = Shop::with_tickets();
        shop.run("CREATE TABLE audit (id int PRIMARY KEY); INSERT INTO audit VALUES (1)");
        shop.trigger(
            "BEFORE UPDATE",
            "tickets",
            "BEGIN RAISE EXCEPTION 'no closing on sundays';
             EXCEPTION WHEN OTHERS THEN
                 BEGIN INSERT INTO audit VALUES (1); EXCEPTION WHEN OTHERS THEN NULL; END;
                 RAISE;
             END;",
        );
        assert_eq!(shop.failed(&close(1)), "SQLSTATE P0001: raise_exception");
    }
}
