//! The control plane: can it be reached, is it trusted, does it take the key, does it know our source, and what time is it there?

use pgrx::spi::quote_literal;
use serde_json::Value;
use synapsor_core::api_key::ApiKey;
use synapsor_core::control_plane::{
    Cause, Checkup, Client, ControlPlaneError, Source, SourceError,
};
use synapsor_core::listed::Listed;
use synapsor_core::proposal::Proposal;

use super::chart::Chart;
use super::desk::Desk;
use super::finding::{Finding, of_error, trouble, unknown, well};
use super::{configuration, repair};
use crate::control_plane::ControlPlane;
use crate::error::ExtensionError;

/// Proposals whose targets are looked at.
const LOOKED_AT: usize = 100;

/// How far two clocks may be apart, in seconds.
const TOLERANCE: i64 = 60;

/// What else is worth knowing of it.
#[derive(Default)]
pub struct Connection {
    /// Approved proposals of ours that are listed.
    pub proposals: Vec<Proposal>,
}

impl Connection {
    /// Asks it, and examines the answers.
    pub fn examine(desk: &Desk<'_>, control_plane: &ControlPlane, chart: &mut Chart) -> Self {
        let ours = match control_plane.our_source() {
            Ok(ours) => ours,
            Err(error) => {
                no_source(desk, control_plane, &error, chart);
                return Connection::default();
            }
        };
        let look = move |client: &Client, key: &ApiKey| client.check_up(key, &ours, LOOKED_AT);
        let Some(checkup) = ask(control_plane, chart, look) else {
            return Connection::default();
        };
        match &checkup.listed {
            Err(SourceError::ControlPlane(error)) => failed_call(desk, error, chart),
            _ => {
                works(desk, chart);
                chart.add("source", [source(desk, control_plane, &checkup)]);
                chart.add("clock", [clock(checkup.clock_ahead)]);
            }
        }
        let listed = checkup.listed.map(|(_, listed)| listed).unwrap_or_default();
        let ours = listed.into_iter().filter_map(|element| match element {
            Listed::Proposal(proposal) => Some(*proposal),
            _ => None,
        });
        Connection {
            proposals: ours.collect(),
        }
    }
}

/// Asks, within the time that the doctor has for it.
fn ask<T: Send + 'static>(
    control_plane: &ControlPlane,
    chart: &mut Chart,
    look: impl FnOnce(&Client, &ApiKey) -> T + Send + 'static,
) -> Option<T> {
    let mut answer = None;
    chart.examine("reachability", || {
        answer = Some(control_plane.ask(look)?);
        Ok(Vec::new())
    });
    answer
}

/// Nobody said which source we are: the control plane may know of one only.
fn no_source(
    desk: &Desk<'_>,
    control_plane: &ControlPlane,
    error: &ExtensionError,
    chart: &mut Chart,
) {
    let project = desk.settings.control_plane.project_id.clone();
    let look = move |client: &Client, key: &ApiKey| client.list_sources(key, project.as_deref());
    let hint = match ask(control_plane, chart, look) {
        Some(Ok(sources)) => {
            works(desk, chart);
            which_source(desk, control_plane, &sources)
        }
        Some(Err(error)) => {
            failed_call(desk, &error, chart);
            repair::set(desk, "synapsor.source_id", "src_…")
        }
        None => repair::set(desk, "synapsor.source_id", "src_…"),
    };
    chart.add("source", [trouble(error.to_string(), hint)]);
}

fn works(desk: &Desk<'_>, chart: &mut Chart) {
    chart.add("TLS", [wire(desk)]);
    let reached = format!("{} answers", desk.settings.control_plane.base_url);
    chart.add("reachability", [well(reached)]);
    chart.add("authentication", [well("the key is accepted")]);
}

fn wire(desk: &Desk<'_>) -> Finding {
    match desk.settings.control_plane.base_url.starts_with("https:") {
        true => well("the certificate is trusted, and the wire encrypted"),
        false => well("plain http: nothing is encrypted"),
    }
}

/// How far a call got tells what is wrong.
fn failed_call(desk: &Desk<'_>, error: &ControlPlaneError, chart: &mut Chart) {
    let told = of_error(&ExtensionError::ControlPlane(error.clone()));
    match error.cause() {
        Cause::Tls(_) => {
            let hint = match desk.settings.control_plane.ca_file {
                None => format!(
                    "{} With an authority of your own: {}",
                    told.hint,
                    repair::set(desk, "synapsor.ca_file", "/path/of/its/ca.pem")
                ),
                Some(_) => told.hint.clone(),
            };
            chart.add("TLS", [Finding { hint, ..told }]);
        }
        Cause::Unauthorized | Cause::Forbidden => {
            chart.add("TLS", [wire(desk)]);
            let reached = format!("{} answers", desk.settings.control_plane.base_url);
            chart.add("reachability", [well(reached)]);
            chart.add("authentication", [refused(desk, error.cause(), told)]);
        }
        _ => chart.add("reachability", [told]),
    }
}

/// A key that is not accepted is to be replaced.
fn refused(desk: &Desk<'_>, cause: Cause, told: Finding) -> Finding {
    match (&desk.settings.control_plane.api_key_file, cause) {
        (Some(file), Cause::Unauthorized) => Finding {
            hint: configuration::write_key(file),
            ..told
        },
        _ => told,
    }
}

/// An empty list can also mean a source that is not there.
fn source(desk: &Desk<'_>, control_plane: &ControlPlane, checkup: &Checkup) -> Finding {
    let (id, listed) = match &checkup.listed {
        Ok((id, listed)) => (id, listed),
        Err(error) => {
            let hint = which_source(desk, control_plane, &checkup.sources);
            return trouble(error.to_string(), hint);
        }
    };
    let count = listed
        .iter()
        .filter(|element| !matches!(element, Listed::NotOurs { .. }))
        .count();
    let waiting = format!("source {id}; approved proposals that wait: {count}");
    match &checkup.source {
        Some(Err(error)) if error.status() == Some(404) && count == 0 => {
            let detail = format!("SOURCE_NOT_FOUND: the control plane has no source {id}");
            trouble(detail, which_source(desk, control_plane, &checkup.sources))
        }
        Some(Err(error)) => well(format!(
            "{waiting} (the source itself is not shown: {})",
            error.code()
        )),
        Some(Ok(whole)) => {
            let shown = control_plane.shown(whole).unwrap_or_default();
            portrait(id, &shown).unwrap_or_else(|| well(waiting))
        }
        None => well(waiting),
    }
}

/// What the source says of itself that keeps it from having proposals for us.
fn portrait(id: &str, whole: &Value) -> Option<Finding> {
    let says = |field: &str| whole.get(field).and_then(Value::as_str);
    if says("status") == Some("disabled") {
        let detail = format!("source {id} is disabled in Synapsor: nothing is approved for it");
        let hint =
            "Enable it in Synapsor, or set synapsor.source_id to the one that took its place.";
        return Some(trouble(detail, hint));
    }
    let kind = says("kind").filter(|kind| *kind != "postgres")?;
    let detail = format!("source {id} is of the kind {kind}: its proposals are left alone here");
    let hint = "Set synapsor.source_id to the Postgres source that this database is.";
    Some(trouble(detail, hint))
}

/// The command, where there is only one that we can be; else the choice.
fn which_source(desk: &Desk<'_>, control_plane: &ControlPlane, sources: &[Source]) -> String {
    let kind = |source: &&Source| source.kind.as_deref() == Some("postgres");
    let candidates: Vec<_> = sources.iter().filter(kind).collect();
    let shown =
        |text: &Option<String>| control_plane.text_shown(text.as_deref().unwrap_or_default());
    match candidates.as_slice() {
        [only] => repair::set(desk, "synapsor.source_id", &shown(&only.source_id)),
        [] => "The key sees no Postgres source: create one in Synapsor, or check synapsor.project_id and the key.".to_owned(),
        several => {
            let names = several.iter().take(10).map(|source| {
                format!("{} ({})", quote_literal(shown(&source.source_id)), shown(&source.name))
            });
            let names: Vec<_> = names.collect();
            let set = repair::set(desk, "synapsor.source_id", "…");
            format!("{set} -- with one of: {}", names.join(", "))
        }
    }
}

fn clock(ahead: Option<i64>) -> Finding {
    let Some(ahead) = ahead else {
        return unknown("the control plane does not say what time it is there");
    };
    let by = ahead.unsigned_abs();
    let which = if ahead < 0 { "ahead of" } else { "behind" };
    let detail = format!("this server's clock is {by} s {which} the control plane's");
    if ahead.abs() > TOLERANCE {
        trouble(detail, repair::shell("timedatectl set-ntp true"))
    } else {
        well(detail)
    }
}
