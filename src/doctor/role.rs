//! The role that changes are made as.

use pgrx::spi::quote_identifier;

use super::chart::Chart;
use super::desk::Desk;
use super::finding::{Finding, Findings, advice, of_error, trouble, well};
use super::repair;
use crate::apply::ApplyRole;
use crate::error::ExtensionError;
use crate::pg::identity::ActingAs;
use crate::worker::roster;

/// Examines it, and says whom proposals are applied as, where they can be.
pub fn examine(desk: &Desk<'_>, chart: &mut Chart) -> Option<ApplyRole> {
    let mut role = None;
    chart.examine("role", || {
        // Whoever calls: what the caller may, is told by itself.
        let resolved = {
            let _owner = ActingAs::role(desk.ledger.owner());
            ApplyRole::resolve(&desk.settings.applying, &desk.ledger)
        };
        if desk.settings.applying.apply_role.is_some() {
            role = resolved.ok();
        }
        Ok(vec![examine_for_caller(desk)?])
    });
    role
}

fn examine_for_caller(desk: &Desk<'_>) -> Result<Finding, ExtensionError> {
    let settings = &desk.settings.applying;
    if settings.apply_role.is_none() {
        let detail = "APPLY_ROLE_NOT_SET: the worker idles, and calls apply as whoever calls";
        return Ok(trouble(detail, repair::new_apply_role(desk)));
    }
    let error = match ApplyRole::resolve(settings, &desk.ledger) {
        Ok(role) => return Ok(well(format!("changes are made as \"{}\"", role.name))),
        Err(error) => error,
    };
    let hint = match &error {
        ExtensionError::ApplyRoleMissing { role } => {
            format!("CREATE ROLE {};", quote_identifier(role))
        }
        ExtensionError::ApplyRoleNotPermitted { role, caller } => {
            let grant = format!(
                "GRANT {} TO {};",
                quote_identifier(role),
                quote_identifier(caller)
            );
            if roster::worker(roster::find().as_ref()).is_some() {
                let detail = format!(
                    "changes are made as \"{role}\", by the worker; \"{caller}\" can't poll himself"
                );
                return Ok(advice(detail, grant));
            }
            grant
        }
        ExtensionError::ApplyRoleUnsafe { role, why } => make_safe(desk, role, why)?,
        _ => return Ok(of_error(&error)),
    };
    Ok(trouble(error.to_string(), hint))
}

/// What binds the role again. The superuser that every cluster has stays one.
fn make_safe(desk: &Desk<'_>, role: &str, why: &str) -> Result<String, ExtensionError> {
    const BOOTSTRAP: &str = "SELECT rolname::text FROM pg_roles WHERE oid = 10";
    let name = quote_identifier(role);
    if why == "bypasses row security" {
        return Ok(format!("ALTER ROLE {name} NOBYPASSRLS;"));
    }
    if why == "could write the ledger" {
        return take_ledger_away(desk, role);
    }
    let bootstrap = desk.rows::<1>(BOOTSTRAP, &[])?;
    Ok(match bootstrap.iter().any(|[first]| first == role) {
        true => repair::new_apply_role(desk),
        false => format!("ALTER ROLE {name} NOSUPERUSER;"),
    })
}

/// A grant on it, a membership in its owner, or in the role that may write everything.
fn take_ledger_away(desk: &Desk<'_>, role: &str) -> Result<String, ExtensionError> {
    const MEMBERSHIPS: &str = "
        SELECT format('REVOKE %I FROM %I;', m.roleid::regrole::name, $1)
        FROM pg_auth_members m JOIN pg_class c ON c.oid = 'synapsor.ledger'::regclass
        WHERE m.member = (SELECT oid FROM pg_roles WHERE rolname = $1)
          AND (pg_has_role(m.roleid, c.relowner, 'USAGE') OR pg_has_role(m.roleid, 'pg_write_all_data', 'USAGE'))";
    let mut commands = vec![format!(
        "REVOKE ALL ON synapsor.ledger FROM {};",
        quote_identifier(role)
    )];
    let memberships = desk.rows::<1>(MEMBERSHIPS, &[role.into()])?;
    commands.extend(memberships.into_iter().map(|[command]| command));
    Ok(commands.join(" "))
}

/// What keeps a worker from connecting as it, and what lets it.
pub fn connecting(desk: &Desk<'_>) -> Findings {
    let error = match ApplyRole::for_worker(desk.settings.applying.apply_role.as_deref()) {
        Err(error @ ExtensionError::ApplyRoleCannotConnect { .. }) => error,
        _ => return Ok(Vec::new()),
    };
    let role = quote_identifier(desk.apply_role());
    let hint = match error.to_string().contains("log in") {
        true => format!("ALTER ROLE {role} LOGIN;"),
        false => {
            let database = quote_identifier(&desk.database);
            format!("GRANT CONNECT ON DATABASE {database} TO {role};")
        }
    };
    Ok(vec![trouble(error.to_string(), hint)])
}
