//! What was set: the settings themselves, the key and its file, and whom to trust.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use pgrx::spi::quote_identifier;
use synapsor_core::api_key::ApiKeyError;
use synapsor_core::control_plane::BaseUrl;

use super::chart::Chart;
use super::desk::Desk;
use super::finding::{Finding, Findings, of_error, trouble, unknown, well};
use super::repair;
use crate::control_plane::ControlPlane;
use crate::error::ExtensionError;
use crate::pg::guc_scope::GucScope;
use crate::settings;

/// Examines it; `true` when the settings are fit to look at rows with.
pub fn examine(
    desk: &Desk<'_>,
    control_plane: &Result<ControlPlane, ExtensionError>,
    chart: &mut Chart,
) -> bool {
    chart.examine("settings", || settings_are_good(desk));
    let mut can_bind_tenant = false;
    chart.examine("settings", || {
        let found = tenant_setting(desk)?;
        can_bind_tenant = found.is_empty();
        Ok(found)
    });
    chart.examine("key file", || Ok(vec![key_file(desk, control_plane)]));
    chart.examine("key place", || key_place(desk));
    match control_plane {
        Err(error @ (ExtensionError::CaFile(_) | ExtensionError::Client(_))) => {
            chart.add("TLS", [of_error(error)]);
        }
        Err(error @ ExtensionError::Thread(_)) => chart.add("reachability", [of_error(error)]),
        _ => {}
    }
    can_bind_tenant
}

fn settings_are_good(desk: &Desk<'_>) -> Findings {
    const MISSING: &str = "
        SELECT name FROM unnest($1::text[]) AS name
        WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name)";
    let settings = &desk.settings.control_plane;
    let mut findings = Vec::new();
    if let Err(error) = BaseUrl::parse(&settings.base_url, settings.allow_insecure_http) {
        let repair = repair::set(desk, "synapsor.base_url", "https://synapsor.ai");
        findings.push(trouble(error.to_string(), repair));
    }
    if desk.settings.dry_run {
        let detail =
            "synapsor.dry_run is on: proposals are tried and undone, and nothing is reported";
        let repair = repair::set(desk, "synapsor.dry_run", "off");
        findings.push(trouble(detail, repair));
    }
    let Some(names) = settings::databases() else {
        let detail = "synapsor.databases is not a list of names separated by commas";
        let list = quote_identifier(&desk.database);
        findings.push(trouble(
            detail,
            repair::set(desk, "synapsor.databases", &list),
        ));
        return Ok(findings);
    };
    for [name] in desk.rows(MISSING, &[names.clone().into()])? {
        let others = names.iter().filter(|other| **other != name);
        let list: Vec<String> = others.map(quote_identifier).collect();
        let detail = format!("synapsor.databases names \"{name}\", which does not exist");
        let repair = repair::set(desk, "synapsor.databases", &list.join(", "));
        findings.push(trouble(detail, repair));
    }
    if findings.is_empty() {
        findings.push(well(format!("the control plane is {}", settings.base_url)));
    }
    Ok(findings)
}

/// Raises Postgres's error for a name that can't be set.
fn tenant_setting(desk: &Desk<'_>) -> Findings {
    if let Some(name) = &desk.settings.applying.tenant_setting {
        let is_a_name = name.contains('.') && name.split('.').all(|part| !part.is_empty());
        if !is_a_name {
            let detail = format!("synapsor.tenant_setting is {name}, which has no dot in it");
            let repair = repair::set(desk, "synapsor.tenant_setting", "app.tenant_id");
            return Ok(vec![trouble(detail, repair)]);
        }
        GucScope::open().set(name, "");
    }
    Ok(Vec::new())
}

fn key_file(desk: &Desk<'_>, control_plane: &Result<ControlPlane, ExtensionError>) -> Finding {
    let file = desk.settings.control_plane.api_key_file.as_deref();
    match (control_plane, file) {
        (Err(error @ ExtensionError::ApiKeyMissing), _) => {
            let file = beside_the_data().join("synapsor.key");
            let file = file.to_string_lossy();
            let repair = repair::set(desk, "synapsor.api_key_file", &file);
            trouble(error.to_string(), format!("{}\n{repair}", write_key(&file)))
        }
        (Err(ExtensionError::ApiKey(error)), Some(file)) => {
            trouble(format!("{error} ({file})"), mend_key_file(error, file))
        }
        (Err(error @ ExtensionError::ApiKey(_)), None) => of_error(error),
        (_, Some(file)) => well(file),
        (_, None) => well("the key is in the server's environment, SYNAPSOR_API_KEY"),
    }
}

/// The line that writes the key into a file, and takes it from its input.
pub fn write_key(file: &str) -> String {
    let (owner, file) = (own_uid(), repair::shell_word(file));
    repair::shell(&format!(
        "install -o {owner} -m 0600 /dev/stdin {file}   # type the key, then Ctrl-D"
    ))
}

fn mend_key_file(error: &ApiKeyError, file: &str) -> String {
    let is_roots = fs::metadata(file).is_ok_and(|found| found.uid() == 0) && own_uid() != 0;
    let word = repair::shell_word(file);
    match error {
        ApiKeyError::FileExposed if is_roots => repair::shell(&format!("chmod 0640 {word}")),
        ApiKeyError::FileExposed => repair::shell(&format!("chmod 0600 {word}")),
        ApiKeyError::FileOwner | ApiKeyError::FileUnreadable(_) => {
            let owner = own_uid();
            repair::shell(&format!("chown {owner} {word} && chmod 0600 {word}"))
        }
        _ => write_key(file),
    }
}

/// A copy of the data directory must not take the key along.
fn key_place(desk: &Desk<'_>) -> Findings {
    let Some(file) = desk.settings.control_plane.api_key_file.as_deref() else {
        return Ok(vec![well("the key is in no file")]);
    };
    // What links lead to counts.
    let Ok(place) = fs::canonicalize(file) else {
        return Ok(vec![unknown("the key file can't be looked at")]);
    };
    let data = data_directory();
    if !place.starts_with(&data) {
        return Ok(vec![well("the key lies outside of the data directory")]);
    }
    let away = beside_the_data().join(place.file_name().unwrap_or_default());
    let away = away.to_string_lossy();
    let words = (
        repair::shell_word(&place.to_string_lossy()),
        repair::shell_word(&away),
    );
    let move_it = repair::shell(&format!("mv {} {}", words.0, words.1));
    let repair = repair::set(desk, "synapsor.api_key_file", &away);
    Ok(vec![trouble(
        "the key lies in the data directory: a backup or a copy of the files takes it along, and then writes as this database does",
        format!("{move_it}\n{repair}"),
    )])
}

fn data_directory() -> PathBuf {
    let path = crate::pg::process::data_directory();
    fs::canonicalize(&path).unwrap_or(path)
}

fn beside_the_data() -> PathBuf {
    let data = data_directory();
    data.parent().map_or(data.clone(), Path::to_path_buf)
}

fn own_uid() -> u32 {
    crate::pg::process::own_uid()
}
