//! `doctor`: examines everything that write-back needs, and says what to do about each trouble. It changes nothing and shows no secret.

use serde_json::json;
use synapsor_core::builder;
use synapsor_core::control_plane::Fetched;
use synapsor_core::listed::Listed;
use synapsor_core::proposal::Proposal;

use super::Context;
use crate::apply::Applier;
use crate::control_plane::ControlPlane;
use crate::database::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::table;
use crate::target::{Targets, Unfit};

/// Proposals whose targets are looked at.
const LOOKED_AT: usize = 100;

/// The largest difference between this machine's clock and the database's that is no trouble, in seconds.
const CLOCK_TOLERANCE: i64 = 5;

/// One thing that was examined.
struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
    hint: String,
}

/// Prints `{check_name, ok, detail, hint}` for each thing; attention is called for when one is not well.
pub fn run(context: &Context<'_>) -> Result<Exit, Error> {
    let mut checks = Vec::new();
    let fetched = examine_control_plane(context, &mut checks);
    examine_database(context, &mut checks, fetched.as_ref());
    for check in &checks {
        context.output.emit(&json!({
            "check_name": check.name, "ok": check.ok, "detail": check.detail, "hint": check.hint,
        }));
    }
    let row = |check: &Check| {
        let mark = if check.ok { "ok" } else { "TROUBLE" };
        vec![
            check.name.into(),
            mark.into(),
            check.detail.clone(),
            check.hint.clone(),
        ]
    };
    context.output.say(&table::of(
        &["check", "", "detail", "what to do"],
        checks.iter().map(row),
    ));
    Ok(Exit::unless(checks.iter().any(|check| !check.ok)))
}

fn well(name: &'static str, detail: impl Into<String>) -> Check {
    Check {
        name,
        ok: true,
        detail: detail.into(),
        hint: String::new(),
    }
}

fn trouble(name: &'static str, error: &Error) -> Check {
    Check {
        name,
        ok: false,
        detail: error.to_string(),
        hint: error.hint().unwrap_or_default(),
    }
}

fn unwell(name: &'static str, detail: impl Into<String>, hint: &str) -> Check {
    Check {
        name,
        ok: false,
        detail: detail.into(),
        hint: hint.to_owned(),
    }
}

fn examine_control_plane(context: &Context<'_>, checks: &mut Vec<Check>) -> Option<Fetched> {
    let settings = &context.settings.control_plane;
    let control_plane = match ControlPlane::open(settings) {
        Ok(control_plane) => control_plane,
        Err(error) => {
            checks.push(trouble("control plane settings", &error));
            return None;
        }
    };
    checks.push(well("control plane settings", settings.base_url.clone()));
    let mut control_plane = control_plane;
    match control_plane.fetch(LOOKED_AT) {
        Ok(fetched) => {
            let listed = match fetched.proposals.len() {
                0 => "no proposal listed, so no target is examined".to_owned(),
                count if count < LOOKED_AT => format!("{count} proposals listed"),
                _ => format!("{LOOKED_AT} proposals or more listed, the first of them examined"),
            };
            let detail = format!("source {}, {listed}", fetched.source_id);
            checks.push(well("control plane and source", detail));
            Some(fetched)
        }
        Err(error) => {
            checks.push(trouble("control plane and source", &error));
            None
        }
    }
}

fn examine_database(context: &Context<'_>, checks: &mut Vec<Check>, fetched: Option<&Fetched>) {
    let database = match context.database() {
        Ok(database) => database,
        Err(error) => return checks.push(trouble("database settings", &error)),
    };
    let address = database.address();
    let mode = address.ssl_mode().as_str();
    checks.push(well(
        "database settings",
        format!("{}, ssl-mode {mode}", address.place()),
    ));
    let mut session = match database.connect() {
        Ok(session) => session,
        Err(error) => return checks.push(trouble("database connection", &error.into())),
    };
    let detail = format!("{} as {}", session.version(), session.user());
    checks.push(well("database connection", detail));
    for check in [writable, durable, clock] {
        let check = check(&mut session);
        checks.push(check.unwrap_or_else(|error| trouble("database", &error)));
    }
    let ledger = context.ledger();
    let rows = ledger
        .require(&mut session)
        .and_then(|()| Ok(ledger.require_rights(&mut session)?))
        .and_then(|()| ledger_rows(context, &mut session));
    checks.push(rows.unwrap_or_else(|error| trouble("ledger", &error)));
    for proposal in fetched.into_iter().flat_map(|fetched| &fetched.proposals) {
        if let Listed::Proposal(proposal) = proposal
            && let Some(check) = target(context, &mut session, proposal)
            && !checks.iter().any(|c| c.detail == check.detail)
        {
            checks.push(check);
        }
    }
}

fn writable(session: &mut Session) -> Result<Check, Error> {
    let is_read_only = session
        .variable("read_only")?
        .is_some_and(|value| value != "OFF");
    Ok(if is_read_only {
        let hint = "It is a replica, or set read-only: name the primary in the database's URL. Until then, proposals stay approved.";
        unwell("writable", "the server is read-only", hint)
    } else {
        well("writable", "the server takes writes")
    })
}

/// What was reported must not be forgotten by a crash of the server's machine.
fn durable(session: &mut Session) -> Result<Check, Error> {
    let flush = session
        .variable("innodb_flush_log_at_trx_commit")?
        .unwrap_or_default();
    let has_binlog = session.variable("log_bin")?.as_deref() == Some("ON");
    let sync = session.variable("sync_binlog")?.unwrap_or_default();
    // After a crash, the binary log decides which transactions were committed.
    if flush == "1" && has_binlog && sync != "1" {
        return Ok(unwell(
            "durable",
            format!(
                "sync_binlog = {sync}: a crash of the machine can take back what was reported as applied"
            ),
            "SET GLOBAL sync_binlog = 1, and the same in the server's configuration.",
        ));
    }
    Ok(if flush == "1" {
        well("durable", "innodb_flush_log_at_trx_commit = 1")
    } else {
        unwell(
            "durable",
            format!(
                "innodb_flush_log_at_trx_commit = {flush}: a crash of the machine can forget what was reported as applied"
            ),
            "SET GLOBAL innodb_flush_log_at_trx_commit = 1, and the same in the server's configuration.",
        )
    })
}

fn clock(session: &mut Session) -> Result<Check, Error> {
    let theirs: Option<(i64,)> = session.one("SELECT UNIX_TIMESTAMP()", ())?;
    let theirs = theirs.map_or(0, |(seconds,)| seconds);
    let difference = jiff::Timestamp::now().as_second() - theirs;
    let detail = format!("this machine and the database differ by {difference} s");
    Ok(if difference.abs() <= CLOCK_TOLERANCE {
        well("clock", detail)
    } else {
        unwell("clock", detail, "Let both machines keep their time by NTP.")
    })
}

fn ledger_rows(context: &Context<'_>, session: &mut Session) -> Result<Check, Error> {
    let totals = context.ledger().totals(session)?;
    let detail = format!(
        "{} applied, {} conflicts, {} failed, {} retrying; {} reports pending, {} rejected",
        totals.applied,
        totals.conflicts,
        totals.failed,
        totals.retrying,
        totals.pending_reports,
        totals.rejected_reports
    );
    Ok(if totals.rejected_reports > 0 {
        let schema = &context.settings.ledger_schema;
        let hint = format!("Compare: SELECT * FROM `{schema}`.rejected_reports;");
        unwell("ledger", detail, &hint)
    } else {
        well("ledger", detail)
    })
}

/// Whether a listed proposal's target can be written to at all.
fn target(context: &Context<'_>, session: &mut Session, proposal: &Proposal) -> Option<Check> {
    let statement = builder::build(proposal).ok()?;
    let name = format!("{}.{}", statement.schema, statement.table);
    let mut applier = Applier {
        settings: &context.settings.applying,
        ledger_schema: &context.settings.ledger_schema,
        targets: &mut Targets::default(),
    };
    Some(match applier.examine(session, statement) {
        Ok(()) => well("target", name),
        Err(Unfit::Failed(failure)) => {
            let detail = format!("{name}: {}", failure.error);
            let hint = "Such proposals would end as failed; what to do, the error's name says.";
            unwell("target", detail, hint)
        }
        Err(Unfit::Database(error)) => {
            let check = trouble("target", &error.into());
            let hint = format!(
                "GRANT what its proposals do: SELECT, INSERT, DELETE, UPDATE (columns) ON {name} TO '…'@'…'."
            );
            Check {
                detail: format!("{name}: {}", check.detail),
                hint,
                ..check
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_has_words_and_a_hint() {
        let check = trouble("x", &Error::ApiKeyMissing);
        assert!(!check.ok && check.detail.starts_with("API_KEY_MISSING") && !check.hint.is_empty());
    }
}
