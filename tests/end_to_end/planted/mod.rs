//! The key and people's data are planted wherever they can be, everything is done and everything goes wrong, and then
//! every place is searched that something can have come to: it is where it belongs, and nowhere else.

mod doings;
mod places;

use simulated_control_plane::{Endpoint, Fault, Options, Rule, Simulator};
use synapsor_testbed::{Cluster, ClusterOptions, wait_for};

use crate::doctor;
use crate::stage::{PATIENCE, Stage};
use doings::{DOINGS, FURNITURE, approve_all};
use places::Places;

/// The key. Nothing of it stands in a statement or a setting.
const KEY: &str = "syn_planted_key_5a1e90";

/// In every name, address and text that belongs to a person. Statements of the test spell it [`in_halves`]: the server
/// is told to log them all.
const PERSON: &str = "qzPersonqz";

/// `PERSON` as SQL, in a way in which it is not found.
fn in_halves() -> String {
    let (first, second) = PERSON.split_at(4);
    format!("'{first}' || '{second}'")
}

/// A server that says all it can of what its clients ask for.
fn talkative() -> ClusterOptions {
    ClusterOptions::default()
        .setting("shared_preload_libraries", "pg_stat_statements")
        .setting("pg_stat_statements.track", "all")
        .setting("log_statement", "all")
        .setting("log_duration", "on")
        .setting("log_error_verbosity", "verbose")
        .setting("log_min_error_statement", "debug5")
        .setting("log_min_duration_statement", 0)
        .setting("log_parameter_max_length", -1)
        .setting("log_parameter_max_length_on_error", -1)
        .setting("log_lock_waits", "on")
        .setting("log_connections", "on")
}

/// A stage whose control plane wants the planted key, and whose tables are full of people.
fn stage(cluster: &Cluster) -> Stage {
    let mut stage = Stage::on(cluster);
    let api_key = KEY.to_owned();
    let options = Options {
        api_key,
        ..Options::default()
    };
    stage.simulator = Simulator::start(options).unwrap();
    let base_url = stage.simulator.base_url();
    stage.database.set("synapsor.base_url", base_url);
    stage.database.set("log_min_messages", "debug5");
    stage.database.set("synapsor.lock_timeout", "50ms");
    stage.database.set("synapsor.poll_interval", "50ms");
    stage.database.set("synapsor.capture", "on");
    stage
        .database
        .execute("CREATE EXTENSION pg_stat_statements");
    let furniture = FURNITURE.replace("PERSON", &in_halves());
    stage.database.execute(&furniture);
    stage
}

/// One poll that everything is tried in, then all that can go wrong between us and the control plane.
fn live(stage: &Stage, places: &mut Places<'_>) {
    let mut holder = stage.database.connect();
    holder
        .batch_execute("BEGIN; SELECT FROM people WHERE id = 7 FOR UPDATE")
        .unwrap();
    approve_all(stage, "poll");
    let answer = stage.poll();
    let results = answer["results"].as_array().unwrap();
    for (result, (what, _, outcome)) in results.iter().zip(DOINGS) {
        let error = result["error"].as_str().or(result["reason"].as_str());
        let said = error.unwrap_or(result["status"].as_str().unwrap());
        assert!(said.starts_with(outcome), "{what}: {result}");
    }
    assert_eq!(results.len(), DOINGS.len());
    places.add("the results of a poll", answer.to_string());
    let stories = stage
        .database
        .rows("SELECT synapsor_explain(key) FROM synapsor.ledger");
    places.add("what is told of each proposal", stories.join("\n"));
    for key in ["poll outdated", "poll two rows", "no such key"] {
        let call = format!("SELECT synapsor_revert_proposal('{key}')");
        let told = stage.database.connect().batch_execute(&call);
        places.add(
            "why it can't be taken back",
            format!("{:?}", told.unwrap_err()),
        );
    }
    approve_all(stage, "doctor");
    let told = doctor::ask(&mut stage.operator().0);
    assert!(
        told.iter()
            .any(|row| row.check == "keys" && row.ok == Some(false)),
        "{told:?}"
    );
    places.add("what the doctor says", format!("{told:?}"));
    holder.batch_execute("ROLLBACK").unwrap();
    fail_with_the_control_plane(stage, places);
}

/// The control plane sends back what it was sent, and is rude.
fn fail_with_the_control_plane(stage: &Stage, places: &mut Places<'_>) {
    let quoting = format!(
        r#"{{"ok":false,"error":"X_{KEY}","message":"Bearer {KEY}","request_id":"{KEY}"}}"#
    );
    let faults = [200, 401, 403, 409, 422, 500].map(|status| Fault::body(status, quoting.clone()));
    let others = [Fault::reset(), Fault::html(200), Fault::body(200, KEY)];
    for fault in faults.into_iter().chain(others) {
        let rule = stage
            .simulator
            .inject(Rule::on(Endpoint::List, fault.clone()));
        let told = stage.operator().try_poll().unwrap_err();
        places.add("what a client is told", format!("{told:?}"));
        let told = doctor::ask(&mut stage.operator().0);
        places.add("what the doctor says", format!("{told:?}"));
        stage.simulator.withdraw(rule);
        let rule = stage.simulator.inject(Rule::on_sources(fault.clone()));
        for call in ["synapsor_sources()", "synapsor_source_show()"] {
            let told = stage.operator().0.simple_query(&format!("SELECT {call}"));
            places.add("what a client is told of sources", format!("{told:?}"));
        }
        stage.simulator.withdraw(rule);
        let rule = stage.simulator.inject(Rule::on(Endpoint::Report, fault));
        stage.database.execute("UPDATE synapsor.ledger SET report_state = 'pending', next_report_at = now() WHERE status = 'applied'");
        let told = stage.operator().report();
        places.add("what a client is told of reports", told.to_string());
        stage.simulator.withdraw(rule);
    }
}

/// The same once more, by the worker, which is then stopped.
fn live_as_a_worker(stage: &Stage) {
    stage.start_worker();
    approve_all(stage, "worker");
    wait_for(
        "the worker has decided and reported it all",
        PATIENCE,
        || {
            let told = "proposal_id LIKE 'worker %' AND report_state = 'delivered'";
            usize::try_from(stage.ledger(told)) == Ok(DOINGS.len())
        },
    );
    stage.operator().run("SELECT synapsor_stop_worker()");
    wait_for("the worker has left", PATIENCE, || {
        stage.workers().is_empty()
    });
}

#[test]
fn a_key_in_a_file_and_the_data_of_people_are_nowhere_else_at_the_most_talkative_level() {
    let cluster = Cluster::start(talkative().setting("log_min_messages", "debug5"));
    let stage = stage(&cluster);
    let file = cluster.key_file("planted", KEY);
    stage.database.set("synapsor.api_key_file", file.display());
    let mut places = Places::of(&cluster, &stage);
    live(&stage, &mut places);
    live_as_a_worker(&stage);
    places.search();
}

/// The server itself is started at a lower level: at `debug3`, it would write its whole environment into its log.
#[test]
fn a_key_in_the_environment_is_nowhere_else_where_the_server_was_not_started_at_debug3() {
    let options = talkative().setting("log_min_messages", "debug2");
    let cluster = Cluster::start(options.variable("SYNAPSOR_API_KEY", KEY));
    let stage = stage(&cluster);
    stage.database.set("synapsor.api_key_file", "");
    let mut places = Places::of(&cluster, &stage);
    live(&stage, &mut places);
    live_as_a_worker(&stage);
    places.search();
}
