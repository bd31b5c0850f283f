//! What a session brings with it can't switch the operator's settings off, nor keep reports from going out.

use postgres::{Client, NoTls};
use serde_json::Value;
use synapsor_testbed::OPERATOR;

use crate::stage::{Stage, Told, close, statuses};

/// A session of the operator, opened with these options.
fn with_options(stage: &Stage, options: &str) -> Client {
    let mut config = stage.database.config(OPERATOR);
    config.options(options).connect(NoTls).unwrap()
}

#[test]
fn a_clients_options_do_not_hide_the_operators_settings() {
    let stage = Stage::new();
    stage.database.set("synapsor.require_tenant_guard", "on");
    stage.approve(close(1).field("tenant_column", Value::Null));
    let options = [
        "-c synapsor.require_tenant_guard=on",
        "-c synapsor.apply_role=ops",
        "-c synapsor.base_url=http://127.0.0.1:1",
        "-c synapsor.api_key_file=/dev/null -c client_min_messages=error",
        "-c SYNAPSOR.max_attempts=1 -c synapsor.unknown=1",
        "--synapsor.dry-run=off",
    ];
    for options in options {
        let mut session = with_options(&stage, options);
        for call in [
            "SELECT synapsor_poll_once()",
            "SELECT synapsor_report_once()",
            "CALL synapsor_poll()",
        ] {
            let told = Told::by(session.batch_execute(call));
            let refused = ("42501", "CLIENT_SETTINGS_REFUSED");
            assert_eq!(
                (told.sqlstate.as_str(), told.code()),
                refused,
                "{options} {call}"
            );
        }
    }
    assert_eq!((stage.tickets("closed"), stage.ledger("true")), (0, 0));
    let answer = stage.poll();
    assert_eq!(statuses(&answer), ["failed"]);
    assert_eq!(
        answer["results"][0]["error"],
        "WRITEBACK_TENANT_GUARD_REQUIRED"
    );
}

#[test]
fn options_of_others_harm_nothing() {
    let stage = Stage::new();
    stage.approve(close(1));
    let mut session = with_options(&stage, "-c application_name=cron -c other.setting=1");
    session
        .batch_execute("SELECT synapsor_poll_once()")
        .unwrap();
    assert_eq!(stage.tickets("closed"), 1);
}

#[test]
fn reports_go_out_whatever_the_defaults_of_the_database_and_the_role_are() {
    let stage = Stage::new();
    stage
        .database
        .set("default_transaction_isolation", "serializable");
    stage.database.set("default_transaction_read_only", "on");
    stage.approve(close(1));
    let mut operator = stage.operator();
    operator.run("SET default_transaction_read_only = off");
    operator.poll();
    stage.wait_for_reports();
    assert_eq!(stage.tickets("closed"), 1);
}
