//! What stands between a proposal and its row.

use synapsor_testbed::Proposal;

use super::Ward;
use crate::stage::statuses;

/// A trigger that eats every update, in words that do not show it.
const SECRETIVE: &str = "
    CREATE FUNCTION eat() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE nothing record; BEGIN RETURN nothing; END $$;
    CREATE TRIGGER \"eats it\" BEFORE UPDATE ON tickets FOR EACH ROW EXECUTE FUNCTION eat();
";

#[test]
fn a_key_without_an_index_is_named_and_gets_one_by_the_hint() {
    let ward = Ward::open();
    ward.execute("ALTER TABLE tickets DROP CONSTRAINT tickets_pkey");
    let hint = ward.healed("keys", "public.tickets has no unique index on the key (id)");
    assert_eq!(
        hint,
        "CREATE UNIQUE INDEX CONCURRENTLY ON public.tickets (id);"
    );
}

#[test]
fn an_index_that_does_not_fit_the_key_is_none() {
    let ward = Ward::open();
    ward.execute(
        "ALTER TABLE tickets DROP CONSTRAINT tickets_pkey;
         CREATE UNIQUE INDEX ON tickets (id, version);
         CREATE UNIQUE INDEX ON tickets (id) WHERE status = 'open';
         CREATE UNIQUE INDEX ON tickets ((id + 0));",
    );
    ward.healed("keys", "no unique index on the key (id)");
}

#[test]
fn row_security_that_waits_for_the_tenant_is_named_and_gets_it_by_the_hint() {
    let ward = Ward::open();
    ward.execute(
        "ALTER TABLE tickets ENABLE ROW LEVEL SECURITY;
         CREATE POLICY tenants ON tickets USING (tenant_id = current_setting('app.tenant_id', true))",
    );
    let hint = ward.healed("row security", "hides rows that proposals name");
    assert!(
        hint.contains("SET synapsor.tenant_setting = 'app.tenant_id'"),
        "{hint}"
    );
    assert_eq!(statuses(&ward.0.poll()), ["applied"]);
}

#[test]
fn row_security_without_a_policy_is_named_and_the_hint_lets_the_apply_role_through() {
    let ward = Ward::open();
    ward.execute("ALTER TABLE tickets ENABLE ROW LEVEL SECURITY");
    let hint = ward.healed("row security", "no policy lets role \"writer\" update");
    assert!(
        hint.starts_with("CREATE POLICY synapsor_writeback ON public.tickets TO writer"),
        "{hint}"
    );
    assert_eq!(statuses(&ward.0.poll()), ["applied"]);
}

#[test]
fn a_policy_that_hides_the_row_for_another_reason_is_named_and_joined_by_another_one() {
    let ward = Ward::open();
    ward.execute(
        "ALTER TABLE tickets ENABLE ROW LEVEL SECURITY;
         CREATE POLICY late ON tickets USING (id > 50)",
    );
    ward.healed("row security", "hides rows that proposals name");
    assert_eq!(statuses(&ward.0.poll()), ["applied"]);
}

#[test]
fn a_policy_that_shows_rows_and_does_not_let_them_be_changed_is_named_once_it_has() {
    let ward = Ward::open();
    ward.execute(
        "ALTER TABLE tickets ENABLE ROW LEVEL SECURITY;
         CREATE POLICY seen ON tickets FOR SELECT USING (true);
         CREATE POLICY changed ON tickets FOR UPDATE USING (id > 50);",
    );
    assert_eq!(statuses(&ward.0.poll()), ["conflict"]);
    ward.healed("row security", "does not let it be changed");
    ward.0.approve_closing(2..=2);
    let answer = ward.0.poll();
    assert_eq!(statuses(&answer).last(), Some(&"applied"));
}

#[test]
fn a_restrictive_policy_is_named_since_none_that_is_added_helps_against_it() {
    let ward = Ward::open();
    ward.execute(
        "ALTER TABLE tickets ENABLE ROW LEVEL SECURITY;
         CREATE POLICY all_of_it ON tickets USING (true);
         CREATE POLICY \"few of it\" ON tickets AS RESTRICTIVE USING (id > 50)",
    );
    let hint = ward.diagnosed("row security", "hides rows that proposals name");
    assert!(hint.contains("\"few of it\""), "{hint}");
}

#[test]
fn a_trigger_that_eats_the_update_is_named_and_disabled_by_the_hint() {
    let ward = Ward::open();
    ward.execute(SECRETIVE);
    assert_eq!(statuses(&ward.0.poll()), ["conflict"]);
    let hint = ward.healed(
        "triggers",
        "was eaten (ROW_NOT_CHANGED): trigger \"eats it\"",
    );
    assert_eq!(
        hint,
        "ALTER TABLE public.tickets DISABLE TRIGGER \"eats it\";"
    );
    ward.0.approve_closing(2..=2);
    let answer = ward.0.poll();
    assert_eq!(statuses(&answer).last(), Some(&"applied"));
}

#[test]
fn a_trigger_that_looks_as_if_it_would_is_named_before_it_has_and_not_once_updates_work() {
    let ward = Ward::open();
    ward.execute(
        "CREATE FUNCTION eat() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN IF NEW.amount = 13 THEN RETURN  NULL; END IF; RETURN NEW; END $$;
         CREATE TRIGGER eats BEFORE UPDATE ON tickets FOR EACH ROW EXECUTE FUNCTION eat()",
    );
    ward.diagnosed("triggers", "trigger eats can return null");
    assert_eq!(statuses(&ward.0.poll()), ["applied"]);
    ward.is_well("triggers");
}

#[test]
fn a_foreign_table_is_named() {
    let ward = Ward::open();
    ward.execute(
        "CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER far FOREIGN DATA WRAPPER nowhere;
         CREATE FOREIGN TABLE orders (id bigint, status text) SERVER far;
         GRANT SELECT (id), UPDATE (status) ON orders TO writer",
    );
    let proposal = Proposal::update("orders").id("wrp_far").key("id", 1);
    ward.0.approve(proposal.change("status", "sent"));
    ward.diagnosed("targets", "public.orders is a foreign table");
    ward.execute(
        "DROP FOREIGN TABLE orders; CREATE TABLE orders (id bigint PRIMARY KEY, status text);
         GRANT SELECT (id), UPDATE (status) ON orders TO writer",
    );
    ward.is_well("targets");
}

#[test]
fn a_table_that_is_not_there_one_that_a_crash_would_empty_and_a_column_that_is_not_there_are_named()
{
    let ward = Ward::open();
    ward.execute("ALTER TABLE tickets SET UNLOGGED");
    let hint = ward.healed("targets", "public.tickets is unlogged");
    assert_eq!(hint, "ALTER TABLE public.tickets SET LOGGED;");
    ward.execute("ALTER TABLE tickets RENAME status TO state");
    ward.diagnosed("grants", "public.tickets has no column status");
    ward.execute("DROP TABLE tickets");
    ward.diagnosed("targets", "public.tickets does not exist");
}

#[test]
fn a_table_that_was_dropped_since_is_not_in_use() {
    let ward = Ward::open();
    assert_eq!(statuses(&ward.0.poll()), ["applied"]);
    ward.0.wait_for_reports();
    ward.execute("DROP TABLE tickets");
    for check in ["targets", "grants", "keys", "triggers", "row security"] {
        ward.is_well(check);
    }
}
