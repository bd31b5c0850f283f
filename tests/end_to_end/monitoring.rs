//! `monitoring/`: every metric that is named there is in the views, every query works, as a role that may do nothing else, and gives
//! what the views have; YAML and JSON can be read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use postgres::Client;
use serde_json::{Map, Value};
use simulated_control_plane::{Endpoint, Fault, Rule};
use synapsor_testbed::{Proposal, wait_for};

use crate::stage::{PATIENCE, Stage, close};

const POSTGRES_EXPORTER: &str = include_str!("../../monitoring/postgres-exporter.yaml");
const SQL_EXPORTER: &str = include_str!("../../monitoring/sql-exporter.yaml");
const ALERTS: &str = include_str!("../../monitoring/alerts.yaml");
const DASHBOARD: &str = include_str!("../../monitoring/grafana-dashboard.json");
const OPERATIONS: &str = include_str!("../../docs/operations.md");

/// How many there are.
const METRICS: usize = 9;

/// Both views, as an exporter reads them.
const VIEWS: &str = "
    SELECT name, labels::text, value::float8, help FROM synapsor.metrics
    UNION ALL SELECT name, labels::text, value::float8, help FROM synapsor.activity";

fn yaml(text: &str) -> Value {
    serde_yaml_ng::from_str(text).unwrap()
}

/// A stage where every metric has a row: a worker, outcomes of every kind, a report that is owed.
fn eventful() -> Stage {
    let stage = Stage::new();
    stage.start_worker();
    stage.approve_closing(1..=1);
    stage.approve(close(2).conflict("version", 7));
    stage.approve(
        Proposal::update("no_such_table")
            .id("wrp_3")
            .key("id", 3)
            .change("a", 1),
    );
    stage.wake();
    stage.wait_for_applied(1);
    stage
        .simulator
        .inject(Rule::on(Endpoint::Report, Fault::status(503)));
    stage.approve_closing(4..=4);
    stage.wake();
    wait_for("every metric has a row", PATIENCE, || {
        stage.ledger("report_state = 'pending'") == 1
            && metrics(&mut stage.database.connect()).len() == METRICS
    });
    stage
}

/// A role with the rights that the document gives it, and no others.
fn exporter(stage: &Stage) -> Client {
    let grants = OPERATIONS
        .lines()
        .filter(|line| line.contains(" TO exporter;"));
    let grants = grants.fold("CREATE ROLE exporter LOGIN;".to_owned(), |all, one| {
        all + one
    });
    let role = format!("exporter_{}", stage.database.name());
    stage.database.execute(&grants.replace("exporter", &role));
    stage.database.connect_as(&role)
}

/// A metric of the views: its rows' labels, values and its help.
#[derive(Debug, Default)]
struct Metric {
    labels: BTreeSet<String>,
    values: BTreeMap<String, f64>,
    help: String,
}

fn metrics(session: &mut Client) -> BTreeMap<String, Metric> {
    let mut metrics: BTreeMap<String, Metric> = BTreeMap::new();
    for row in session.query(VIEWS, &[]).unwrap() {
        let metric = metrics.entry(row.get(0)).or_default();
        let labels: Map<String, Value> = serde_json::from_str(row.get(1)).unwrap();
        metric.labels.extend(labels.keys().cloned());
        let labels: Vec<_> = labels
            .values()
            .map(|label| label.as_str().unwrap())
            .collect();
        metric.values.insert(labels.join(","), row.get(2));
        metric.help = row.get(3);
    }
    metrics
}

/// What a query of an exporter gives for a metric: its labels but the database's, and the values.
fn asked(
    session: &mut Client,
    query: &str,
    labels: &[&str],
    column: &str,
) -> BTreeMap<String, f64> {
    let mut columns = String::new();
    for label in labels {
        write!(columns, "{label}, ").unwrap();
    }
    let query = format!("SELECT {columns} datname, \"{column}\"::float8 FROM ({query}) q");
    let rows = session.query(&query, &[]).unwrap();
    let text = |row: &postgres::Row| {
        let labels: Vec<String> = (0..labels.len()).map(|n| row.get(n)).collect();
        labels.join(",")
    };
    rows.iter()
        .map(|row| (text(row), row.get(labels.len() + 1)))
        .collect()
}

/// Times go on between two looks.
fn assert_alike(name: &str, found: &BTreeMap<String, f64>, expected: &Metric) {
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        expected.values.keys().collect::<Vec<_>>(),
        "{name}"
    );
    for (labels, value) in found.iter().filter(|_| !name.ends_with("_seconds")) {
        assert_eq!(*value, expected.values[labels], "{name} {labels}");
    }
}

#[test]
fn the_views_say_what_happened() {
    let stage = eventful();
    let mut exporter = exporter(&stage);
    let metrics = metrics(&mut exporter);
    let value =
        |name: &str, labels: &str| metrics[&format!("synapsor_writeback_{name}")].values[labels];
    assert_eq!(
        value("worker_is", "running") + value("worker_is", "backing off"),
        1.0
    );
    assert_eq!(value("worker_is", "stopped"), 0.0);
    assert_eq!(value("outcomes_5m", "applied"), 2.0);
    assert_eq!(value("outcomes_5m", "conflict"), 1.0);
    assert_eq!(value("outcomes_5m", "failed"), 1.0);
    assert_eq!(value("failures_5m", "SQLSTATE 42P01"), 1.0);
    assert_eq!(value("proposals", "applied"), 2.0);
    assert_eq!(value("reports", "pending"), 1.0);
    assert!(value("oldest_pending_report_seconds", "") > 0.0);
    assert!(value("poll_age_seconds", "") < 60.0);
    assert!(value("poll_wait_seconds", "") <= 300.0);
    assert!(value("ledger_bytes", "") > 8192.0);
    stage
        .database
        .execute("UPDATE synapsor.ledger SET decided_at = decided_at - interval '6 minutes'");
    let later = self::metrics(&mut exporter);
    assert_eq!(
        later["synapsor_writeback_outcomes_5m"].values["applied"],
        0.0
    );
    assert!(!later.contains_key("synapsor_writeback_failures_5m"));
}

#[test]
fn a_database_without_a_worker_has_one_that_is_stopped() {
    let stage = Stage::new();
    let metrics = metrics(&mut exporter(&stage));
    assert_eq!(
        metrics["synapsor_writeback_worker_is"].values["stopped"],
        1.0
    );
    assert!(!metrics.contains_key("synapsor_writeback_poll_wait_seconds"));
}

#[test]
fn postgres_exporter_is_given_every_metric_under_its_name() {
    let stage = eventful();
    let mut session = exporter(&stage);
    let expected = metrics(&mut session);
    let mut seen = BTreeSet::new();
    for (key, entry) in yaml(POSTGRES_EXPORTER).as_object().unwrap() {
        let columns = entry["metrics"].as_array().unwrap().iter();
        let columns: Vec<_> = columns
            .map(|c| c.as_object().unwrap().iter().next().unwrap())
            .collect();
        let (column, gauge) = columns.iter().find(|(_, c)| c["usage"] == "GAUGE").unwrap();
        let labels = columns
            .iter()
            .filter(|(name, c)| c["usage"] == "LABEL" && *name != "datname");
        let labels: Vec<_> = labels.map(|(name, _)| name.as_str()).collect();
        let name = format!("{key}_{column}");
        let metric = &expected[&name];
        assert_eq!(labels, metric.labels.iter().collect::<Vec<_>>(), "{name}");
        assert_eq!(gauge["description"], metric.help.as_str(), "{name}");
        let found = asked(
            &mut session,
            entry["query"].as_str().unwrap(),
            &labels,
            column,
        );
        assert_alike(&name, &found, metric);
        seen.insert(name);
    }
    assert_eq!(seen, expected.into_keys().collect());
}

#[test]
fn sql_exporter_is_given_every_metric_under_its_name() {
    let stage = eventful();
    let mut session = exporter(&stage);
    let expected = metrics(&mut session);
    let mut seen = BTreeSet::new();
    for entry in yaml(SQL_EXPORTER)["metrics"].as_array().unwrap() {
        let name = entry["metric_name"].as_str().unwrap();
        let metric = &expected[name];
        let labels = entry["key_labels"].as_array().unwrap().iter();
        let labels: Vec<_> = labels
            .map(|label| label.as_str().unwrap())
            .filter(|l| *l != "datname")
            .collect();
        assert_eq!(labels, metric.labels.iter().collect::<Vec<_>>(), "{name}");
        assert_eq!(
            (&entry["help"], &entry["type"]),
            (&metric.help.as_str().into(), &"gauge".into())
        );
        let found = asked(
            &mut session,
            entry["query"].as_str().unwrap(),
            &labels,
            "value",
        );
        assert_alike(name, &found, metric);
        seen.insert(name.to_owned());
    }
    assert_eq!(seen, expected.into_keys().collect());
}

/// The metrics that an expression names, and the labels that it compares with a text: `name{state="idle"}`.
fn selectors(expression: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found = Vec::new();
    for (start, _) in expression.match_indices("synapsor_") {
        let rest = &expression[start..];
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let matchers = rest[end..]
            .strip_prefix('{')
            .and_then(|rest| rest.split('}').next());
        let pairs = matchers
            .unwrap_or_default()
            .split(", ")
            .filter_map(|pair| pair.split_once("=\""));
        let pairs =
            pairs.map(|(label, value)| (label.to_owned(), value.trim_end_matches('"').to_owned()));
        found.push((rest[..end].to_owned(), pairs.collect()));
    }
    found
}

/// Every expression is about metrics and labels that there are; which metrics those are.
fn assert_known(expressions: &[String]) -> BTreeSet<String> {
    let stage = eventful();
    let known = metrics(&mut exporter(&stage));
    let selectors: Vec<_> = expressions
        .iter()
        .flat_map(|expression| selectors(expression))
        .collect();
    for (name, pairs) in &selectors {
        let metric = known
            .get(name)
            .unwrap_or_else(|| panic!("there is no metric {name}"));
        for (label, value) in pairs
            .iter()
            .filter(|(label, _)| label != "datname=~" && label != "datname")
        {
            assert!(
                metric.values.contains_key(value),
                "{name} has no {label} {value}"
            );
        }
    }
    selectors.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn the_alerts_are_about_metrics_that_there_are_and_each_is_in_the_document() {
    let rules = yaml(ALERTS)["groups"][0]["rules"]
        .as_array()
        .unwrap()
        .clone();
    let text = |rule: &Value, field: &str| rule[field].as_str().unwrap().to_owned();
    let expressions: Vec<_> = rules.iter().map(|rule| text(rule, "expr")).collect();
    assert_known(&expressions);
    let names: BTreeSet<_> = rules.iter().map(|rule| text(rule, "alert")).collect();
    let rows = OPERATIONS
        .lines()
        .filter_map(|line| line.strip_prefix("| `Writeback"));
    let documented = rows.map(|row| format!("Writeback{}", row.split('`').next().unwrap()));
    assert_eq!(names, documented.collect());
    for rule in &rules {
        assert!(
            rule["annotations"]["summary"].is_string() && rule["labels"]["severity"].is_string()
        );
    }
}

#[test]
fn the_dashboard_shows_every_metric() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap());
    let expressions: Vec<_> = targets
        .map(|target| target["expr"].as_str().unwrap().to_owned())
        .collect();
    let shown = assert_known(&expressions);
    let queries = yaml(SQL_EXPORTER)["metrics"].as_array().unwrap().clone();
    let all = queries
        .iter()
        .map(|entry| entry["metric_name"].as_str().unwrap().to_owned());
    assert_eq!(shown, all.collect());
}
