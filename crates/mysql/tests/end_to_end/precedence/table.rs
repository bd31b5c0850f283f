//! Each setting: three values, and what is seen of each.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Setting, Trial, look};

const TRUE: [&str; 3] = ["true", "false", "true"];
const ON: [&str; 3] = ["on", "off", "on"];
const REFUSED: [&str; 3] = ["failed", "applied", "failed"];

fn setting<V: Into<String>>(
    name: &'static str,
    values: [V; 3],
    seen: [&'static str; 3],
    look: fn(&Trial<'_>) -> String,
) -> Setting {
    Setting {
        name,
        values: values.map(Into::into),
        seen,
        look,
    }
}

/// Files that can't be used, each in a way of its own: one that is not there, a directory, and one with something else in it.
fn bad_files(home: &Path) -> [String; 3] {
    let other = home.join("other");
    fs::write(&other, "two words").unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).unwrap();
    [&home.join("missing"), home, &other].map(|path| path.to_str().unwrap().to_owned())
}

/// Whom it talks to, and as whom.
pub fn control_plane(home: &Path) -> Vec<Setting> {
    const URLS: [&str; 3] = [
        "http://127.0.0.1:1/t",
        "http://127.0.0.1:1/e",
        "http://127.0.0.1:1/f",
    ];
    const KEYS: [&str; 3] = [
        "does not exist",
        "is not a regular file",
        "visible ASCII ones",
    ];
    const CAS: [&str; 3] = ["entity not found", "is a directory", "no certificate in it"];
    const SOURCES: [&str; 3] = ["src_t", "src_e", "src_f"];
    const PROJECTS: [&str; 3] = ["p_t", "p_e", "p_f"];
    vec![
        setting("base_url", URLS, URLS, look::base_url),
        setting("allow_insecure_http", ON, TRUE, look::allow_insecure_http),
        setting("api_key_file", bad_files(home), KEYS, look::api_key_file),
        setting("source_id", SOURCES, SOURCES, look::source_id),
        setting("source_name", ["t", "e", "f"], SOURCES, look::source_name),
        setting("project_id", PROJECTS, PROJECTS, look::project_id),
        setting("ca_file", bad_files(home), CAS, look::ca_file),
    ]
}

/// How long it waits, and how much it takes.
pub fn limits(_: &Path) -> Vec<Setting> {
    const TIMES: [&str; 3] = ["100ms", "4s", "100ms"];
    const LATE: [&str; 3] = ["soon", "late", "soon"];
    const SIZES: [&str; 3] = ["10", "1MB", "10B"];
    const CODES: [&str; 3] = ["69", "0", "69"];
    const MANY: [&str; 3] = ["one", "many", "one"];
    vec![
        setting("request_timeout", TIMES, LATE, look::request_timeout),
        setting("connect_timeout", TIMES, LATE, look::connect_timeout),
        setting("max_response_size", SIZES, CODES, look::max_response_size),
        setting(
            "report_concurrency",
            ["1", "64", "1"],
            MANY,
            look::report_concurrency,
        ),
    ]
}

/// The database, and what a statement there may take.
pub fn database(home: &Path) -> Vec<Setting> {
    const URLS: [&str; 3] = ["does not exist", "is not a regular file", "it is not a URL"];
    const CAS: [&str; 3] = ["entity not found", "is a directory", "no certificate (PEM)"];
    const SCHEMAS: [&str; 3] = ["t", "e", "f"];
    const TIMES: [&str; 3] = ["200ms", "20s", "200ms"];
    const RETRIED: [&str; 3] = ["retrying", "applied", "retrying"];
    const FAILED: [&str; 3] = ["failed", "retrying", "failed"];
    vec![
        setting(
            "database_url_file",
            bad_files(home),
            URLS,
            look::database_url_file,
        ),
        setting(
            "database_ca_file",
            bad_files(home),
            CAS,
            look::database_ca_file,
        ),
        setting(
            "ledger_schema",
            SCHEMAS,
            ["`t`", "`e`", "`f`"],
            look::ledger_schema,
        ),
        setting(
            "lock_timeout",
            ["7s", "8s", "9s"],
            ["7.00", "8.00", "9.00"],
            look::lock_timeout,
        ),
        setting("statement_timeout", TIMES, RETRIED, look::statement_timeout),
        setting("max_attempts", ["1", "2", "1"], FAILED, look::max_attempts),
    ]
}

/// How often, how many at a time, and for how long.
pub fn pace(_: &Path) -> Vec<Setting> {
    const QUICK: [&str; 3] = ["slow", "quick", "slow"];
    const COUNTS: [&str; 3] = ["11", "12", "13"];
    const APART: [&str; 3] = ["apart", "together", "apart"];
    const PRUNED: [&str; 3] = ["pruned", "kept", "pruned"];
    vec![
        setting(
            "poll_interval",
            ["1h", "20ms", "1h"],
            QUICK,
            look::poll_interval,
        ),
        setting("max_proposals", COUNTS, COUNTS, look::max_proposals),
        setting("batch_size", ["1", "100", "1"], APART, look::batch_size),
        setting("dry_run", ON, TRUE, look::dry_run),
        setting(
            "ledger_retention",
            ["1ms", "0", "1ms"],
            PRUNED,
            look::ledger_retention,
        ),
    ]
}

/// What is asked of a proposal, and done for it.
pub fn guards(_: &Path) -> Vec<Setting> {
    const NAMES: [&str; 3] = ["app.t", "app.e", "app.f"];
    const APPLIED: [&str; 3] = ["applied", "failed", "applied"];
    vec![
        setting(
            "tenant_setting",
            NAMES,
            ["t", "e", "f"],
            look::tenant_setting,
        ),
        setting("require_tenant_guard", ON, REFUSED, look::require_guard),
        setting("require_conflict_guard", ON, REFUSED, look::require_guard),
        setting("advance_guard", ON, ["2", "1", "2"], look::advance_guard),
        setting("allow_cascade", ON, APPLIED, look::allow_cascade),
    ]
}
