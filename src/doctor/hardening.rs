//! What makes an installation harder to misuse: the checklist of SECURITY.md.

use super::chart::Chart;
use super::desk::Desk;
use super::finding::{Finding, Findings, advice, trouble, unknown, well};
use super::repair;

/// What the role can do beyond its grants on columns. Each row: what is wrong, and what repairs it.
const BEYOND: &str = "
    SELECT format('role %I has an attribute that it does not need: %s', rolname, attribute),
           format('ALTER ROLE %I NO%s;', rolname, attribute)
    FROM pg_roles, LATERAL (VALUES (rolcreaterole, 'CREATEROLE'), (rolcreatedb, 'CREATEDB'),
                                   (rolreplication, 'REPLICATION')) AS a (has_it, attribute)
    WHERE rolname = $1 AND has_it
    UNION ALL
    SELECT format('role %I is a member of %I, and has its rights', $1, m.roleid::regrole::name),
           format('REVOKE %I FROM %I;', m.roleid::regrole::name, $1)
    FROM pg_auth_members m WHERE m.member = (SELECT oid FROM pg_roles WHERE rolname = $1)
    UNION ALL
    SELECT format('role %I owns something: an owner can drop policies and constraints', $1),
           format('REASSIGN OWNED BY %I TO %I;', $1, pg_get_userbyid(d.datdba))
    FROM pg_database d
    WHERE d.datname = current_database() AND EXISTS (
        SELECT FROM pg_shdepend s WHERE s.refclassid = 'pg_authid'::regclass AND s.deptype = 'o'
          AND s.dbid IN (0, d.oid) AND s.refobjid = (SELECT oid FROM pg_roles WHERE rolname = $1))
    UNION ALL
    SELECT format('role %I has %s on the whole of %I.%I, and not only on columns of it', $1, rights, n.nspname, c.relname),
           format('REVOKE %s ON %I.%I FROM %I;', rights, n.nspname, c.relname, $1)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
         LATERAL (SELECT string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) AS rights
                  FROM aclexplode(c.relacl) a
                  WHERE a.grantee = (SELECT oid FROM pg_roles WHERE rolname = $1)
                    AND a.privilege_type IN ('UPDATE', 'TRUNCATE', 'TRIGGER', 'REFERENCES')) AS whole
    WHERE c.relkind IN ('r', 'p', 'v') AND rights IS NOT NULL";

/// With one, somebody could come in from outside as the role.
const PASSWORD: &str = "
    SELECT format('role %I has a password: somebody could come in from outside with it', rolname),
           format('ALTER ROLE %I PASSWORD NULL;', rolname)
    FROM pg_authid WHERE rolname = $1 AND rolpassword IS NOT NULL";

/// A function that fits a call better than one of ours would run with the caller's rights.
const OPEN_SCHEMA: &str = "
    SELECT format('everybody can create functions in schema %I, beside the extension''s', n.nspname),
           format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC;', n.nspname)
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'synapsor_writeback' AND has_schema_privilege('public', n.oid, 'CREATE')";

/// Postgres's messages in it can quote rows.
const READERS: &str = "
    SELECT DISTINCT format('%s has rights on the ledger, whose error_detail can quote rows', g.name),
           format('REVOKE ALL ON synapsor.ledger FROM %s;', g.name)
    FROM pg_class c
         CROSS JOIN LATERAL (
             SELECT a.grantee FROM aclexplode(c.relacl) a
             UNION SELECT a.grantee FROM pg_attribute t, aclexplode(t.attacl) a WHERE t.attrelid = c.oid) AS r
         CROSS JOIN LATERAL (
             SELECT CASE r.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r.grantee)) END) AS g (name)
    WHERE c.oid = 'synapsor.ledger'::regclass AND r.grantee <> c.relowner";

/// Examines it.
pub fn examine(desk: &Desk<'_>, chart: &mut Chart) {
    chart.examine("role rights", || role_rights(desk));
    chart.examine("schema", || {
        let found = found_by(desk, OPEN_SCHEMA, false)?;
        Ok(or_well(
            found,
            "only trusted roles can create functions beside the extension's",
        ))
    });
    chart.examine("ledger", || found_by(desk, READERS, false));
    chart.examine("guards", || guards(desk));
}

fn role_rights(desk: &Desk<'_>) -> Findings {
    // Of a superuser, no more needs to be said.
    const EXISTS: &str = "SELECT rolname::text FROM pg_roles WHERE rolname = $1 AND NOT rolsuper";
    if desk
        .rows::<1>(EXISTS, &[desk.apply_role().into()])?
        .is_empty()
    {
        return Ok(vec![unknown("not examined: see role")]);
    }
    let mut found = found_by(desk, BEYOND, true)?;
    found.extend(found_by(desk, PASSWORD, true)?);
    Ok(or_well(
        found,
        "the apply role can do nothing but what it is granted on columns",
    ))
}

/// The rows of a query as troubles.
fn found_by(desk: &Desk<'_>, query: &str, is_about_role: bool) -> Findings {
    let role = [desk.apply_role().into()];
    let arguments = if is_about_role { &role[..] } else { &[] };
    let rows = desk.rows::<2>(query, arguments)?;
    Ok(rows
        .into_iter()
        .map(|[detail, hint]| trouble(detail, hint))
        .collect())
}

fn or_well(mut found: Vec<Finding>, detail: &str) -> Vec<Finding> {
    if found.is_empty() {
        found.push(well(detail));
    }
    found
}

/// What is a choice is only advised: tables without tenants or versions can't have these guards.
fn guards(desk: &Desk<'_>) -> Findings {
    let (applying, wire) = (&desk.settings.applying, &desk.settings.control_plane);
    let mut found = Vec::new();
    if wire.allow_insecure_http {
        let detail = "synapsor.allow_insecure_http is on: key and proposals may travel unprotected";
        let repair = repair::set(desk, "synapsor.allow_insecure_http", "off");
        found.push(trouble(detail, repair));
    }
    for (is_off, name, better, meaning) in [
        (
            !applying.policy.require_tenant_guard,
            "synapsor.require_tenant_guard",
            "on",
            "a proposal without a tenant guard is applied as well",
        ),
        (
            !applying.policy.require_conflict_guard,
            "synapsor.require_conflict_guard",
            "on",
            "a proposal without a conflict guard is applied as well",
        ),
        (
            applying.allow_cascade,
            "synapsor.allow_cascade",
            "off",
            "a delete may take other rows along",
        ),
    ] {
        if is_off {
            found.push(advice(meaning, repair::set(desk, name, better)));
        }
    }
    Ok(or_well(
        found,
        "both guards are required, and nothing spreads",
    ))
}
