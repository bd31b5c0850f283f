//! Many reports at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use simulated_control_plane::{Endpoint, Fault, Rule, Simulator, Status};
use synapsor_core::api_key::ApiKey;
use synapsor_core::control_plane::{
    Acceptance, ControlPlaneError, Delivery, Disposition, Ending, deliver,
};
use synapsor_core::report::Report;

use crate::support::{applied, client, hasty_client, key, simulator_with};

type Answers = BTreeMap<usize, Result<Acceptance, ControlPlaneError>>;

fn reports(count: usize) -> Vec<Report> {
    (1..=count).map(|n| applied(&format!("wrp_{n}"))).collect()
}

/// Delivers `count` reports to a simulator that knows as many proposals.
fn delivered(simulator: &Simulator, count: usize, ceiling: usize) -> (Delivery, Answers) {
    let mut answers = Answers::new();
    let stop = AtomicBool::new(false);
    let delivery = deliver(
        &client(simulator),
        &key(),
        &reports(count),
        ceiling,
        &stop,
        |index, answer| {
            assert!(answers.insert(index, answer).is_none(), "answered twice");
        },
    );
    assert_eq!(
        answers.keys().copied().collect::<Vec<_>>(),
        (0..delivery.answered).collect::<Vec<_>>()
    );
    (delivery, answers)
}

fn complete(answered: usize) -> Delivery {
    Delivery {
        answered,
        ending: Ending::Complete,
    }
}

#[test]
fn every_report_is_delivered_once_and_answered_once() {
    let simulator = simulator_with(200);
    let (delivery, answers) = delivered(&simulator, 200, 16);
    assert_eq!(delivery, complete(200));
    assert!(answers.values().all(Result::is_ok));
    for n in 1..=200 {
        assert_eq!(simulator.reports_for(&format!("wrp_{n}")).len(), 1);
        assert_eq!(simulator.status(&format!("wrp_{n}")), Some(Status::Applied));
    }
}

#[test]
fn nothing_to_deliver_is_delivered_at_once() {
    let simulator = simulator_with(0);
    let (delivery, _) = delivered(&simulator, 0, 16);
    assert_eq!(delivery, complete(0));
    assert_eq!(simulator.connections(), 0);
}

#[test]
fn the_number_in_flight_grows_to_the_ceiling_and_no_further() {
    let simulator = simulator_with(300);
    simulator.inject(Rule::on(
        Endpoint::Report,
        Fault::latency(Duration::from_millis(20)),
    ));
    delivered(&simulator, 300, 24);
    // The server counts a call until it has noticed that its answer is out.
    let peak = simulator.peak_in_flight();
    assert!((12..=28).contains(&peak), "{peak}");
    // A call that finds the last one's connection not yet back in the pool opens another.
    assert!(simulator.connections() <= 60, "{}", simulator.connections());
}

#[test]
fn it_starts_low() {
    let simulator = simulator_with(20);
    simulator.inject(Rule::on(
        Endpoint::Report,
        Fault::latency(Duration::from_millis(500)),
    ));
    thread::scope(|scope| {
        let delivering = scope.spawn(|| delivered(&simulator, 20, 64));
        thread::sleep(Duration::from_millis(300));
        assert_eq!(simulator.peak_in_flight(), 4);
        assert_eq!(delivering.join().unwrap().0, complete(20));
    });
}

#[test]
fn a_ceiling_of_nought_counts_as_one() {
    let simulator = simulator_with(3);
    assert_eq!(delivered(&simulator, 3, 0).0.ending, Ending::Complete);
    assert!(simulator.peak_in_flight() <= 2);
}

#[test]
fn answers_come_on_the_calling_thread_as_they_arrive() {
    let simulator = simulator_with(2);
    simulator.inject(
        Rule::on(
            Endpoint::Report,
            Fault::latency(Duration::from_millis(3_000)),
        )
        .for_proposal("wrp_1"),
    );
    let (here, began) = (thread::current().id(), Instant::now());
    let mut order = Vec::new();
    deliver(
        &client(&simulator),
        &key(),
        &reports(2),
        4,
        &AtomicBool::new(false),
        |index, _| {
            assert_eq!(thread::current().id(), here);
            order.push((index, began.elapsed() < Duration::from_millis(2_500)));
        },
    );
    assert_eq!(order, [(1, true), (0, false)]);
}

#[test]
fn a_rejected_report_holds_nobody_up() {
    let simulator = simulator_with(50);
    for n in [1, 2, 3, 4, 5, 20] {
        let rule = Rule::on(Endpoint::Report, Fault::status(409));
        simulator.inject(rule.for_proposal(format!("wrp_{n}")));
    }
    let (delivery, answers) = delivered(&simulator, 50, 8);
    assert_eq!(delivery.ending, Ending::Complete);
    let rejected = |answer: &&Result<_, ControlPlaneError>| {
        answer
            .as_ref()
            .is_err_and(|error| error.disposition() == Disposition::Rejected)
    };
    assert_eq!(answers.values().filter(rejected).count(), 6);
}

#[test]
fn the_window_halves_when_the_server_is_busy_and_grows_again() {
    let simulator = simulator_with(200);
    for skip in [40, 0, 0] {
        simulator.inject(
            Rule::on(Endpoint::Report, Fault::status(429))
                .skip(skip)
                .times(1),
        );
    }
    let (delivery, answers) = delivered(&simulator, 200, 16);
    assert_eq!(delivery.ending, Ending::Complete);
    assert_eq!(answers.values().filter(|answer| answer.is_err()).count(), 3);
}

#[test]
fn a_server_that_is_busy_for_all_is_soon_left_alone() {
    for status in [429, 500, 503] {
        let simulator = simulator_with(200);
        simulator.inject(Rule::on(Endpoint::Report, Fault::status(status)));
        let (delivery, _) = delivered(&simulator, 200, 64);
        assert_eq!(delivery.ending, Ending::Overloaded, "{status}");
        assert!(delivery.answered <= 8, "{delivery:?}");
    }
}

#[test]
fn a_wait_that_the_server_asks_for_leaves_the_rest_for_later() {
    let simulator = simulator_with(200);
    simulator.inject(Rule::on(
        Endpoint::Report,
        Fault::status(503).retry_after(30),
    ));
    let began = Instant::now();
    let (delivery, _) = delivered(&simulator, 200, 64);
    assert_eq!(delivery.ending, Ending::Wait(Duration::from_secs(30)));
    assert!(delivery.answered <= 4 && began.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_short_wait_is_waited_for() {
    let simulator = simulator_with(30);
    simulator.inject(Rule::on(Endpoint::Report, Fault::status(429).retry_after_ms(300)).times(1));
    let began = Instant::now();
    let (delivery, answers) = delivered(&simulator, 30, 4);
    assert_eq!(delivery, complete(30));
    assert_eq!(answers.values().filter(|answer| answer.is_err()).count(), 1);
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_short_wait_ends_when_asked_to_stop() {
    let simulator = simulator_with(30);
    simulator.inject(Rule::on(
        Endpoint::Report,
        Fault::status(429).retry_after_ms(1000),
    ));
    let stop = AtomicBool::new(false);
    let began = Instant::now();
    let delivery = deliver(
        &client(&simulator),
        &key(),
        &reports(30),
        1,
        &stop,
        |_, _| {
            stop.store(true, Ordering::Relaxed);
        },
    );
    assert_eq!(
        delivery,
        Delivery {
            answered: 1,
            ending: Ending::Stopped
        }
    );
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn once_stopped_nothing_new_is_started_and_what_is_in_flight_is_answered() {
    let simulator = simulator_with(200);
    simulator.inject(Rule::on(
        Endpoint::Report,
        Fault::latency(Duration::from_millis(20)),
    ));
    let stop = AtomicBool::new(false);
    let mut answered = 0;
    let delivery = deliver(
        &client(&simulator),
        &key(),
        &reports(200),
        8,
        &stop,
        |_, answer| {
            answered += 1;
            assert!(answer.is_ok());
            stop.store(answered >= 10, Ordering::Relaxed);
        },
    );
    assert_eq!(
        delivery,
        Delivery {
            answered,
            ending: Ending::Stopped
        }
    );
    assert!((10..100).contains(&answered), "{answered}");
    assert_eq!(simulator.calls(Endpoint::Report), answered as u64);
}

#[test]
fn a_stop_that_was_set_before_sends_nothing() {
    let simulator = simulator_with(5);
    let stop = AtomicBool::new(true);
    let delivery = deliver(
        &client(&simulator),
        &key(),
        &reports(5),
        8,
        &stop,
        |_, _| panic!(),
    );
    assert_eq!(
        delivery,
        Delivery {
            answered: 0,
            ending: Ending::Stopped
        }
    );
}

#[test]
fn a_server_without_an_answer_is_asked_no_more() {
    let simulator = simulator_with(100);
    simulator.inject(Rule::on(Endpoint::Report, Fault::hang()));
    let client = hasty_client(&simulator.base_url(), 300);
    let (mut calls, began) = (0, Instant::now());
    let delivery = deliver(
        &client,
        &key(),
        &reports(100),
        64,
        &AtomicBool::new(false),
        |_, answer| {
            calls += 1;
            assert_eq!(answer.unwrap_err().code(), "CONTROL_PLANE_TIMEOUT");
        },
    );
    assert_eq!((delivery.ending, calls), (Ending::Unusable, 4));
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    simulator.go_down();
    let delivery = deliver(
        &client,
        &key(),
        &reports(100),
        64,
        &AtomicBool::new(false),
        |_, _| (),
    );
    assert_eq!(delivery.ending, Ending::Unusable);
    assert!(delivery.answered <= 8, "{delivery:?}");
}

#[test]
fn a_wrong_key_is_not_tried_on_every_report() {
    let simulator = simulator_with(100);
    let wrong = ApiKey::parse("syn_wrong").unwrap();
    let stop = AtomicBool::new(false);
    let delivery = deliver(
        &client(&simulator),
        &wrong,
        &reports(100),
        64,
        &stop,
        |_, _| (),
    );
    assert_eq!(delivery.ending, Ending::Unusable);
    assert!(delivery.answered <= 4);
}

#[test]
fn a_single_broken_connection_does_not_end_the_delivery() {
    let simulator = simulator_with(50);
    simulator.inject(Rule::on(Endpoint::Report, Fault::reset()).skip(10).times(1));
    let (delivery, answers) = delivered(&simulator, 50, 8);
    assert_eq!(delivery.ending, Ending::Complete);
    assert_eq!(answers.values().filter(|answer| answer.is_err()).count(), 1);
}

#[test]
#[should_panic(expected = "the caller's own")]
fn a_panic_of_the_caller_s_closure_is_the_caller_s() {
    let simulator = simulator_with(20);
    let stop = AtomicBool::new(false);
    deliver(
        &client(&simulator),
        &key(),
        &reports(20),
        8,
        &stop,
        |_, _| panic!("the caller's own"),
    );
}

#[test]
fn tls_and_the_largest_window_fit_the_threads_small_stacks() {
    let options = simulated_control_plane::Options {
        tls: Some(simulated_control_plane::Certificate::Valid),
        ..Default::default()
    };
    let simulator = Simulator::start(options).unwrap();
    simulator
        .add_proposals((1..=300).map(crate::support::proposal))
        .unwrap();
    let deep = format!(
        "{{\"error\":{}1{}",
        "{\"error\":".repeat(5000),
        "}".repeat(5001)
    );
    simulator.inject(
        Rule::on(Endpoint::Report, Fault::body(409, deep))
            .skip(200)
            .times(50),
    );
    let ca_pem = simulator.ca_pem().map(|pem| pem.as_bytes().to_vec());
    let config = synapsor_core::control_plane::Config {
        ca_pem,
        ..crate::support::config(&simulator.base_url())
    };
    let client = synapsor_core::control_plane::Client::new(&config).unwrap();
    let delivery = deliver(
        &client,
        &key(),
        &reports(300),
        64,
        &AtomicBool::new(false),
        |_, _| (),
    );
    assert_eq!(delivery, complete(300));
}
