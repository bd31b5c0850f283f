//! The journal, and waiting for things to happen.

use std::time::{Duration, Instant};

use serde_json::json;
use simulated_control_plane::{
    Credential, Endpoint, Fault, JournalMode, Options, Rule, Simulator, Status,
};

use crate::client::{Client, KEY, PROPOSALS, applied, start, with_one_proposal};

#[test]
fn the_journal_holds_every_request_but_never_the_key() {
    let simulator = with_one_proposal();
    let client = Client::of(&simulator);
    client.list("&limit=5");
    client.report("wrp%5F1", &applied());
    let journal = simulator.journal();
    let [list, report] = &journal[..] else {
        panic!("{journal:?}");
    };
    assert_eq!(
        (list.endpoint, list.query.as_str()),
        (Endpoint::List, "status=approved&limit=5")
    );
    assert_eq!(
        (report.endpoint, report.id.as_str()),
        (Endpoint::Report, "wrp_1")
    );
    assert_eq!(report.path, format!("{PROPOSALS}/wrp%5F1/apply-result"));
    assert_eq!((report.method.as_str(), report.status), ("POST", Some(200)));
    assert_eq!(report.json().unwrap(), applied());
    assert_eq!(report.header("user-agent"), Some("promises/1.0"));
    assert_eq!(report.credential, Credential::Matched);
    assert_eq!(
        report.connection, list.connection,
        "the connection was kept alive"
    );
    assert!(report.elapsed >= list.elapsed);
    assert!(!format!("{journal:?}").contains(KEY));
    assert!(simulator.breaches().is_empty());
}

#[test]
fn the_journal_names_the_fault_and_no_status_where_none_was_sent() {
    let simulator = start();
    let fault = Fault::latency(Duration::from_millis(1)).and(Fault::reset());
    simulator.inject(Rule::on(Endpoint::List, fault.clone()));
    assert!(Client::of(&simulator).try_list().is_err());
    let entry = &simulator.journal()[0];
    assert_eq!((entry.status, &entry.fault), (None, &Some(fault)));
    assert_eq!(
        entry.fault.as_ref().unwrap().to_string(),
        "latency 1ms, Reset"
    );
}

#[test]
fn requests_can_be_picked_counted_and_forgotten() {
    let simulator = with_one_proposal();
    let client = Client::of(&simulator);
    client.list("");
    client.report("wrp_1", &applied());
    let reports = simulator.requests_matching(|entry| entry.endpoint == Endpoint::Report);
    assert_eq!(reports.len(), 1);
    assert_eq!(simulator.calls(Endpoint::List), 1);
    assert_eq!(
        simulator.read(|plane| plane.answers(Endpoint::Report, 200)),
        1
    );
    simulator.clear_journal();
    assert_eq!(
        (simulator.journal().len(), simulator.calls(Endpoint::List)),
        (0, 0)
    );
    assert!(simulator.final_word("wrp_1").is_some());
}

#[test]
fn waiting_ends_when_the_condition_holds() {
    let simulator = with_one_proposal();
    let done = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(100));
            Client::of(&simulator).report("wrp_1", &applied());
        });
        simulator.wait_for(
            |plane| plane.count(Status::Applied) == 1,
            Duration::from_secs(10),
        )
    });
    assert!(done);
}

#[test]
fn waiting_ends_in_time_when_the_condition_never_holds() {
    let simulator = start();
    let start = Instant::now();
    assert!(!simulator.wait_for(|_| false, Duration::from_millis(100)));
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(100) && waited < Duration::from_secs(5));
}

#[test]
fn a_condition_that_panics_leaves_the_simulator_working() {
    let simulator = with_one_proposal();
    let panicking = std::panic::AssertUnwindSafe(|| {
        let _ = simulator.wait_for(|_| panic!("a failed assertion"), Duration::ZERO);
    });
    assert!(std::panic::catch_unwind(panicking).is_err());
    assert_eq!(Client::of(&simulator).list("").0, ["wrp_1"]);
}

#[test]
fn counting_only_keeps_first_words_and_no_requests() {
    let options = Options {
        journal: JournalMode::CountsOnly,
        ..Options::default()
    };
    let simulator = Simulator::start(options).unwrap();
    simulator
        .add_proposal(json!({"proposal_id": "wrp_1"}))
        .unwrap();
    let client = Client::of(&simulator);
    for _ in 0..3 {
        client.report("wrp_1", &applied());
    }
    assert!(simulator.journal().is_empty() && simulator.reports_for("wrp_1").is_empty());
    assert_eq!(simulator.calls(Endpoint::Report), 3);
    assert_eq!(simulator.read(|plane| plane.report_count("wrp_1")), 3);
    assert_eq!(
        simulator.final_word("wrp_1").unwrap().status,
        Status::Applied
    );
}

#[test]
fn the_peak_is_the_most_requests_under_way_at_once() {
    let simulator = start();
    simulator.inject(Rule::on(
        Endpoint::List,
        Fault::latency(Duration::from_millis(300)),
    ));
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| Client::of(&simulator).list(""));
        }
    });
    assert_eq!(
        (simulator.peak_in_flight(), simulator.connections()),
        (5, 5)
    );
    simulator.clear_journal();
    assert_eq!(simulator.peak_in_flight(), 0);
}
