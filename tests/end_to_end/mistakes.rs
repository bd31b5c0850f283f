//! Every way to set it up wrong has an error of its own, with a hint, and the key shows in none of them.

use std::collections::HashSet;
use std::sync::LazyLock;

use simulated_control_plane::{
    Certificate, Endpoint, Fault, HeaderValue, Options, Rule, Simulator,
};
use synapsor_testbed::{Cluster, ClusterOptions, Database};

use crate::configuration::trust;
use crate::stage::{Stage, Told, statuses};

/// The key that must show nowhere.
const PLANTED: &str = "syn_planted_0b7c1f44e2";

/// A cluster that logs all it can, so that there is something to search, and that soon gives up on name servers.
static TALKATIVE: LazyLock<Cluster> = LazyLock::new(|| {
    Cluster::start(
        ClusterOptions::default()
            .setting("log_min_messages", "debug3")
            .setting("log_statement", "all")
            .setting("log_error_verbosity", "verbose")
            .variable("RES_OPTIONS", "timeout:1 attempts:1"),
    )
});

/// A stage whose control plane wants the planted key, and three tickets to close.
fn stage() -> Stage {
    let mut stage = Stage::on(&TALKATIVE);
    stage.simulator = simulator(None);
    stage
        .database
        .set("synapsor.base_url", stage.simulator.base_url());
    key_file(&stage, PLANTED, 0o600);
    stage.approve_closing(1..=3);
    stage
}

fn simulator(tls: Option<Certificate>) -> Simulator {
    let api_key = PLANTED.to_owned();
    Simulator::start(Options {
        api_key,
        tls,
        ..Options::default()
    })
    .unwrap()
}

/// Has the key read from a file with this content.
fn key_file(stage: &Stage, content: &str, mode: u32) {
    let file = TALKATIVE.file(&format!("planted_{}", stage.database.name()), content, mode);
    stage.database.set("synapsor.api_key_file", file.display());
}

fn set(stage: &Stage, name: &str, value: &str) {
    stage.database.set(&format!("synapsor.{name}"), value);
}

/// What a poll is told; it has changed nothing, and the key shows nowhere.
fn told(stage: &Stage) -> Told {
    let told = told_by_poll(stage);
    assert_eq!((stage.tickets("closed"), stage.ledger("true")), (0, 0));
    assert_ne!(told.hint, "", "{}", told.message);
    told
}

fn told_by_poll(stage: &Stage) -> Told {
    let result = stage.operator().try_poll();
    if let Err(error) = &result {
        let everything = format!("{error:?}");
        assert!(!everything.contains(PLANTED), "{everything}");
    }
    let told = Told::by(result);
    assert_secret(&stage.database);
    told
}

/// The key is in no place where somebody could look.
fn assert_secret(database: &Database) {
    assert!(
        !TALKATIVE.log().contains(PLANTED),
        "the key is in the server's log"
    );
    for place in [
        "pg_settings",
        "synapsor.ledger",
        "pg_stat_activity",
        "pg_db_role_setting",
    ] {
        let query = format!(
            "SELECT count(*) FROM {place} t WHERE strpos(t::text, 'planted_0b' || '7c1f44e2') > 0"
        );
        assert_eq!(database.value::<i64>(&query), 0, "the key is in {place}");
    }
}

/// One thing that is set up wrong, the SQLSTATE and the beginning of the message.
type Case = (&'static str, fn(&Stage), &'static str, &'static str);

const CASES: &[Case] = &[
    (
        "no key",
        |s| set(s, "api_key_file", ""),
        "F0000",
        "API_KEY_MISSING: ",
    ),
    (
        "no key file",
        |s| set(s, "api_key_file", "/no/such/file"),
        "F0000",
        "API_KEY_FILE_MISSING: ",
    ),
    (
        "a directory",
        |s| set(s, "api_key_file", "/tmp"),
        "F0000",
        "API_KEY_FILE_NOT_REGULAR: ",
    ),
    (
        "unreadable",
        |s| key_file(s, PLANTED, 0o000),
        "F0000",
        "API_KEY_FILE_UNREADABLE: ",
    ),
    (
        "world-readable",
        |s| key_file(s, PLANTED, 0o604),
        "F0000",
        "API_KEY_FILE_EXPOSED: ",
    ),
    (
        "empty",
        |s| key_file(s, "\n", 0o600),
        "F0000",
        "API_KEY_EMPTY: ",
    ),
    (
        "two lines",
        |s| key_file(s, "syn_planted_0b7c1f44e2\nx", 0o600),
        "F0000",
        "API_KEY_MALFORMED: ",
    ),
    (
        "a wrong key",
        |s| key_file(s, "syn_wrong", 0o600),
        "28P01",
        "UNAUTHORIZED: ",
    ),
    (
        "no source",
        |s| set(s, "source_id", ""),
        "55000",
        "SOURCE_NOT_CONFIGURED: ",
    ),
    (
        "unknown source",
        an_unknown_source,
        "42704",
        "SOURCE_NOT_FOUND: shop",
    ),
    (
        "no base URL",
        |s| set(s, "base_url", ""),
        "22023",
        "BASE_URL_EMPTY: ",
    ),
    (
        "no URL",
        |s| set(s, "base_url", "ftp://example.org"),
        "22023",
        "BASE_URL_SCHEME: ",
    ),
    (
        "http",
        |s| set(s, "base_url", "http://example.org"),
        "22023",
        "BASE_URL_INSECURE: ",
    ),
    (
        "unresolvable",
        |s| set(s, "base_url", "https://no-such-host.invalid"),
        "08001",
        "CONTROL_PLANE_DNS: ",
    ),
    (
        "nobody there",
        |s| s.simulator.go_down(),
        "08001",
        "CONTROL_PLANE_UNREACHABLE: ",
    ),
    (
        "a web page",
        |s| answer(s, Fault::html(200)),
        "08P01",
        "CONTROL_PLANE_NOT_JSON: ",
    ),
    (
        "a redirect",
        a_redirect,
        "08P01",
        "CONTROL_PLANE_REDIRECT: ",
    ),
    (
        "too much",
        |s| answer(s, Fault::huge_body(200_000)),
        "08P01",
        "CONTROL_PLANE_TOO_LARGE: ",
    ),
    (
        "forbidden",
        |s| answer(s, Fault::status(403)),
        "28P01",
        "FORBIDDEN: ",
    ),
    (
        "overloaded",
        |s| answer(s, Fault::status(503)),
        "08006",
        "SERVICE_UNAVAILABLE: ",
    ),
    (
        "no CA file",
        |s| set(s, "ca_file", "/no/such/file"),
        "22023",
        "CA_FILE_UNREADABLE: ",
    ),
    ("no CA", an_empty_authority, "22023", "CA_FILE_EMPTY: "),
    (
        "no apply role",
        |s| set(s, "apply_role", "nobody_at_all"),
        "42704",
        "APPLY_ROLE_MISSING: ",
    ),
    ("apply as root", a_superuser, "42501", "APPLY_ROLE_UNSAFE: "),
    (
        "apply as bypasser",
        a_role_that_bypasses,
        "42501",
        "APPLY_ROLE_UNSAFE: ",
    ),
    (
        "apply as stranger",
        a_stranger,
        "42501",
        "APPLY_ROLE_NOT_PERMITTED: ",
    ),
];

fn answer(stage: &Stage, fault: Fault) {
    set(stage, "max_response_size", "64kB");
    stage.simulator.inject(Rule::on(Endpoint::List, fault));
}

fn a_redirect(stage: &Stage) {
    let elsewhere = HeaderValue::from_static("https://example.org/");
    answer(stage, Fault::redirect(302, elsewhere));
}

fn an_unknown_source(stage: &Stage) {
    set(stage, "source_id", "");
    set(stage, "source_name", "shop");
}

/// Only https asks for certificates.
fn an_empty_authority(stage: &Stage) {
    set(stage, "base_url", "https://127.0.0.1:1");
    set(stage, "ca_file", "/dev/null");
}

fn a_superuser(stage: &Stage) {
    set(stage, "apply_role", "postgres");
}

fn a_role_that_bypasses(stage: &Stage) {
    stage
        .database
        .execute("CREATE ROLE bypasser BYPASSRLS; GRANT bypasser TO ops");
    set(stage, "apply_role", "bypasser");
}

fn a_stranger(stage: &Stage) {
    stage.database.execute("CREATE ROLE somebody_else");
    set(stage, "apply_role", "somebody_else");
}

#[test]
fn each_mistake_has_an_error_of_its_own_with_a_hint_and_without_the_key() {
    let mut texts = HashSet::new();
    for (name, make_it_wrong, sqlstate, message) in CASES {
        let stage = stage();
        make_it_wrong(&stage);
        let told = told(&stage);
        assert_eq!(&told.sqlstate, sqlstate, "{name}: {}", told.message);
        assert!(
            told.message.starts_with(message),
            "{name}: {}",
            told.message
        );
        let text = told.message.split(" (").next().unwrap().to_owned();
        assert!(
            texts.insert(text),
            "{name} is told like another: {}",
            told.message
        );
    }
}

#[test]
fn the_same_stage_without_a_mistake_works() {
    let stage = stage();
    assert_eq!(statuses(&stage.poll()), ["applied"; 3]);
    stage.wait_for_reports();
    assert_secret(&stage.database);
}

#[test]
fn what_is_wrong_with_a_certificate_is_told() {
    let cases = [
        (
            Certificate::Valid,
            false,
            "not signed by anybody trusted",
            "synapsor.ca_file",
        ),
        (Certificate::Expired, true, "has expired", "clock"),
        (
            Certificate::WrongHost,
            true,
            "for another host",
            "synapsor.base_url",
        ),
    ];
    for (certificate, trusted, message, hint) in cases {
        let mut stage = stage();
        stage.simulator = simulator(Some(certificate));
        stage
            .database
            .set("synapsor.base_url", stage.simulator.base_url());
        if trusted {
            trust(&stage, &TALKATIVE);
        }
        let told = told(&stage);
        assert_eq!(
            (told.sqlstate.as_str(), told.code()),
            ("08001", "CONTROL_PLANE_TLS")
        );
        assert!(told.message.contains(message), "{}", told.message);
        assert!(told.hint.contains(hint), "{}", told.hint);
        assert_eq!(stage.simulator.journal().len(), 0, "the key was sent");
    }
}

#[test]
fn a_control_plane_that_quotes_the_key_has_it_struck_out() {
    let stage = stage();
    let text =
        format!(r#"{{"ok": false, "error_code": "NO", "message": "key {PLANTED} is unknown"}}"#);
    let quoting = Fault::body(401, text.clone());
    let on_list = stage
        .simulator
        .inject(Rule::on(Endpoint::List, quoting.clone()));
    let told = told(&stage);
    assert!(told.message.starts_with("NO: "), "{}", told.message);
    stage.simulator.withdraw(on_list);
    for (status, state) in [(500, "pending"), (409, "rejected")] {
        stage.simulator.clear_faults();
        stage.simulator.inject(Rule::on(
            Endpoint::Report,
            Fault::body(status, text.clone()),
        ));
        stage.operator().call();
        assert_eq!(
            stage.ledger(&format!(
                "report_state = '{state}' AND report_error LIKE 'NO: %'"
            )),
            3
        );
        assert_secret(&stage.database);
        stage
            .database
            .execute("UPDATE synapsor.ledger SET next_report_at = now()");
    }
}
