//! Who applies, and what he may do.

use synapsor_testbed::{Cluster, ClusterOptions};

use super::Ward;
use crate::stage::statuses;

impl Ward {
    /// With an apply role of its own, which has no right yet.
    fn with_own_role() -> (Self, String) {
        let ward = Ward::open();
        let role = format!("Agent of {}", ward.0.database.name());
        ward.execute(&format!("CREATE ROLE \"{role}\""));
        ward.set("apply_role", &role);
        (ward, role)
    }
}

#[test]
fn no_role_is_named_and_the_hint_makes_one() {
    // The name that it gets is the cluster's.
    let cluster = Cluster::start(ClusterOptions::default());
    let ward = Ward::on(&cluster);
    ward.set("apply_role", "");
    let hint = ward.healed("role", "APPLY_ROLE_NOT_SET");
    assert!(hint.starts_with("CREATE ROLE "), "{hint}");
    ward.healed("grants", "lacks on public.tickets");
}

#[test]
fn a_missing_role_is_named_and_made_by_the_hint() {
    let ward = Ward::open();
    let role = format!("gone_{}", ward.0.database.name());
    ward.set("apply_role", &role);
    let hint = ward.healed("role", "APPLY_ROLE_MISSING");
    assert_eq!(hint, format!("CREATE ROLE {role};"));
}

#[test]
fn a_superuser_is_named_and_made_an_ordinary_role_by_the_hint() {
    let (ward, role) = Ward::with_own_role();
    ward.execute(&format!("ALTER ROLE \"{role}\" SUPERUSER"));
    let hint = ward.healed("role", "is a superuser");
    assert_eq!(hint, format!("ALTER ROLE \"{role}\" NOSUPERUSER;"));
    ward.execute(&format!("ALTER ROLE \"{role}\" BYPASSRLS"));
    ward.healed("role", "bypasses row security");
    ward.execute(&format!(
        "GRANT UPDATE (status) ON synapsor.ledger TO \"{role}\""
    ));
    ward.run(&ward.row("role").hint);
    ward.is_well("role");
    ward.is_well("ledger");
}

#[test]
fn the_cluster_s_own_superuser_is_replaced_by_a_role_of_its_own() {
    let cluster = Cluster::start(ClusterOptions::default());
    let ward = Ward::on(&cluster);
    ward.execute("CREATE ROLE writeback SUPERUSER");
    ward.set("apply_role", "postgres");
    ward.healed("role", "is a superuser");
    assert_ne!(ward.row("role").detail, "changes are made as \"postgres\"");
}

#[test]
fn no_grant_is_named_and_given_by_the_hint_and_the_proposal_is_applied_then() {
    let (ward, role) = Ward::with_own_role();
    let hint = ward.healed("grants", "lacks on public.tickets");
    let grants = format!(
        "GRANT SELECT (id, tenant_id, version), UPDATE (status) ON public.tickets TO \"{role}\";"
    );
    assert!(hint.ends_with(&grants), "{hint}");
    ward.execute(&format!("GRANT \"{role}\" TO ops"));
    assert_eq!(statuses(&ward.0.poll()), ["applied"]);
    ward.is_well("grants");
}

#[test]
fn a_missing_column_grant_is_named_by_its_column_and_given_by_the_hint() {
    let (ward, role) = Ward::with_own_role();
    ward.execute(&format!(
        "GRANT SELECT (id, tenant_id), UPDATE (status) ON tickets TO \"{role}\""
    ));
    let row = ward.row("grants");
    let detail = format!("role \"{role}\" lacks on public.tickets: SELECT (version)");
    assert_eq!(row.detail, detail);
    ward.healed("grants", "SELECT (version)");
}

#[test]
fn a_refusal_that_the_ledger_alone_tells_of_is_named_until_one_is_applied() {
    let (ward, role) = Ward::with_own_role();
    ward.execute(&format!(
        "GRANT SELECT (id, tenant_id), UPDATE (status) ON tickets TO \"{role}\"; GRANT \"{role}\" TO ops"
    ));
    assert_eq!(statuses(&ward.0.poll()), ["failed"]);
    ward.0.wait_for_reports();
    ward.diagnosed(
        "grants",
        "lacked a right on public.tickets for the last UPDATE",
    );
    ward.execute(&format!("GRANT SELECT (version) ON tickets TO \"{role}\""));
    ward.0.approve_closing(2..=2);
    // Of what is listed, more is known.
    ward.is_well("grants");
    assert_eq!(statuses(&ward.0.poll()), ["applied"]);
    ward.0.wait_for_reports();
    ward.is_well("grants");
}

#[test]
fn a_right_that_was_taken_away_is_named_also_where_only_the_ledger_tells_of_the_table() {
    let (ward, role) = Ward::with_own_role();
    ward.run(&ward.row("grants").hint);
    ward.execute(&format!("GRANT \"{role}\" TO ops"));
    assert_eq!(statuses(&ward.0.poll()), ["applied"]);
    ward.0.wait_for_reports();
    ward.execute(&format!("REVOKE ALL ON tickets FROM \"{role}\""));
    let hint = ward.diagnosed("grants", "no right to UPDATE on public.tickets");
    assert!(hint.contains("synapsor_grants('public.tickets'"), "{hint}");
}

#[test]
fn a_caller_who_may_not_become_the_role_is_told_so() {
    let (ward, role) = Ward::with_own_role();
    let rows = super::ask(&mut ward.0.operator().0);
    let row = super::worst(&rows, "role");
    assert!(row.detail.contains("APPLY_ROLE_NOT_PERMITTED"), "{row:?}");
    assert_eq!(row.hint, format!("GRANT \"{role}\" TO ops;"));
    ward.run(&row.hint);
    let rows = super::ask(&mut ward.0.operator().0);
    assert_eq!(super::worst(&rows, "role").ok, Some(true));
}

#[test]
fn a_caller_who_leaves_it_to_the_worker_is_only_advised() {
    let (ward, role) = Ward::with_own_role();
    ward.execute(&format!("ALTER ROLE \"{role}\" LOGIN"));
    ward.run(&ward.row("grants").hint);
    ward.0.start_worker();
    ward.0.wait_for_applied(1);
    let rows = super::ask(&mut ward.0.operator().0);
    let row = super::worst(&rows, "role");
    assert_eq!(row.ok, Some(true), "{row:?}");
    assert_eq!(row.hint, format!("GRANT \"{role}\" TO ops;"));
    assert_eq!(super::worst(&rows, "grants").ok, Some(true));
}
