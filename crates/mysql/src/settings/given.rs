//! What the environment and a TOML file say of the settings, and which values a setting can have.

use std::env;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use clap::{Args, Command};
use serde::Deserialize;
use synapsor_core::dialect::Dialect;
use synapsor_core::identifier;
use toml::{Table, Value};

use super::layer::Layer;
use super::secret::SecretText;
use super::units::{Count, Time};
use crate::error::Error;

/// What the environment variables of settings begin with.
const PREFIX: &str = "SYNAPSOR_";

/// The shortest time between two polls.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

/// What the environment says. An empty variable says nothing.
///
/// # Errors
/// `CONFIG_INVALID: SYNAPSOR_<NAME>: <form>`
pub fn by_environment() -> Result<Layer, Error> {
    let mut table = Table::new();
    for name in names() {
        let variable = format!("{PREFIX}{}", name.to_ascii_uppercase());
        let Some(text) = env::var_os(&variable).filter(|text| !text.is_empty()) else {
            continue;
        };
        let text = text
            .into_string()
            .map_err(|_| invalid(&variable, "it is not UTF-8 text"))?;
        let value = Value::String(text);
        check_value(&name, &value).map_err(|why| invalid(&variable, &why))?;
        table.insert(name, value);
    }
    read(table).map_err(|why| invalid("the environment", &why))
}

/// Variables of the environment that look like settings and are none: a misspelt one would be passed over without a word.
pub fn unknown_variables() -> Vec<String> {
    /// What is read elsewhere: the key itself, the file, what the `sources` commands fall back to, what development sets.
    const OTHERS: [&str; 6] = [
        "API_KEY",
        "CONFIG",
        "DATABASE_ID",
        "RUN",
        "CRASH_POINTS",
        "DEFECT",
    ];
    let known = names();
    let is_known = |name: &str| {
        let setting = name.to_ascii_lowercase();
        OTHERS.contains(&name) || known.contains(&setting) && name == setting.to_ascii_uppercase()
    };
    let variables = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let unknown = variables.filter(|variable| {
        let name = variable.strip_prefix(PREFIX);
        name.is_some_and(|name| !is_known(name))
    });
    unknown.collect()
}

/// What a TOML file says. One that holds a connection's URL has to be private.
///
/// # Errors
/// `CONFIG_FILE`, `CONFIG_INVALID: <path>: <setting>: <form>`, `SECRET_FILE`
pub fn by_file(path: &Path) -> Result<Layer, Error> {
    let place = path.display().to_string();
    let text = fs::read_to_string(path)
        .map_err(|error| Error::ConfigFile(format!("{place}: {}", error.kind())))?;
    // The library's own message would quote the line, which may hold a password.
    let table: Table = toml::from_str(&text).map_err(|error: toml::de::Error| {
        let place = format!("{place}, line {}", line(&text, &error));
        invalid(&place, "it can't be read as TOML")
    })?;
    let known = names();
    for (name, value) in &table {
        if !known.contains(name) {
            return Err(invalid(&place, &format!("there is no setting {name:?}")));
        }
        check_value(name, value).map_err(|why| invalid(&place, &format!("{name}: {why}")))?;
    }
    let layer = read(table).map_err(|why| invalid(&place, &why))?;
    if layer.database_url.is_some() {
        SecretText::read_file(path)?;
    }
    Ok(layer)
}

/// Looks whether each value is one that its setting can have. Its form is right, as it has been read.
///
/// # Errors
/// The setting's name, and what it must be.
pub fn check(layer: &Layer) -> Result<(), (&'static str, String)> {
    count("max_proposals", layer.max_proposals, 1..=1_000_000)?;
    count("batch_size", layer.batch_size, 1..=10_000)?;
    count("report_concurrency", layer.report_concurrency, 1..=1024)?;
    count("max_attempts", layer.max_attempts, 1..=1000)?;
    let is_rare = |Time(interval): Time| interval >= SHORTEST_INTERVAL;
    let is_limit = |Time(limit): Time| !limit.is_zero();
    let is_name = |name: &String| name.is_empty() || identifier::is_safe(name, Dialect::MySql);
    for (name, is_good, wanted) in [
        (
            "poll_interval",
            layer.poll_interval.is_none_or(is_rare),
            "must be at least 10ms",
        ),
        (
            "request_timeout",
            layer.request_timeout.is_none_or(is_limit),
            "must be more than 0",
        ),
        (
            "connect_timeout",
            layer.connect_timeout.is_none_or(is_limit),
            "must be more than 0",
        ),
        (
            "ledger_schema",
            layer.ledger_schema.as_ref().is_none_or(is_name),
            "must be a plain name of letters, digits and _",
        ),
        (
            "tenant_setting",
            layer.tenant_setting.as_deref().is_none_or(is_variable),
            "must be a name of letters, digits, _ and .",
        ),
    ] {
        if !is_good {
            return Err((name, wanted.to_owned()));
        }
    }
    Ok(())
}

fn count(
    name: &'static str,
    count: Option<Count>,
    possible: RangeInclusive<usize>,
) -> Result<(), (&'static str, String)> {
    if count.is_none_or(|Count(count)| possible.contains(&count)) {
        return Ok(());
    }
    let (least, most) = possible.into_inner();
    Err((name, format!("must be from {least} to {most}")))
}

fn is_variable(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'.';
    name.len() <= 64 && name.bytes().all(is_plain)
}

/// The names of all settings.
fn names() -> Vec<String> {
    let flags = Layer::augment_args(Command::new(""));
    let flags = flags.get_arguments().map(|flag| flag.get_id().to_string());
    flags.chain(["database_url".to_owned()]).collect()
}

/// Whether a setting can have this value, by itself; else what it wants.
fn check_value(name: &str, value: &Value) -> Result<(), String> {
    let layer = read(Table::from_iter([(name.to_owned(), value.clone())]))?;
    check(&layer).map_err(|(_, wanted)| wanted)
}

/// Reads values. Of an error, only the form that is wanted, which its text ends with: before that, it quotes the value.
fn read(table: Table) -> Result<Layer, String> {
    Layer::deserialize(table).map_err(|error| {
        let form = error.message().rsplit_once("expected ");
        let form = form.map_or("another form", |(_, form)| form.trim());
        format!("expected {form}")
    })
}

/// The line that an error is at.
fn line(text: &str, error: &toml::de::Error) -> usize {
    let before = error.span().and_then(|span| text.get(..span.start));
    before.map_or(1, |before| before.matches('\n').count() + 1)
}

fn invalid(place: &str, why: &str) -> Error {
    Error::ConfigInvalid(format!("{place}: {why}"))
}
