//! A courier: reports that are sent while somebody does something else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use simulated_control_plane::{Endpoint, Fault, Rule, Simulator};
use synapsor_core::control_plane::{Courier, Delivery, Ending, Fate};
use synapsor_core::report::Report;

use crate::support::{applied, client, key, simulator_with};

const WAIT: Duration = Duration::from_secs(5);

fn reports(numbers: std::ops::RangeInclusive<usize>) -> Vec<Report> {
    numbers.map(|n| applied(&format!("wrp_{n}"))).collect()
}

fn slow(simulator: &Simulator, milliseconds: u64) {
    let latency = Fault::latency(Duration::from_millis(milliseconds));
    simulator.inject(Rule::on(Endpoint::Report, latency));
}

fn courier(simulator: &Simulator, ceiling: usize) -> Courier {
    Courier::start(&client(simulator), &key(), ceiling, || ())
}

fn deliver(courier: &mut Courier, reports: Vec<Report>) -> Delivery {
    let stop = AtomicBool::new(false);
    courier.deliver(reports, &stop, |_, answer| assert!(answer.is_ok()))
}

#[test]
fn it_takes_more_while_others_are_under_way_and_each_comes_back_once() {
    let simulator = simulator_with(60);
    slow(&simulator, 30);
    let mut courier = courier(&simulator, 8);
    assert_eq!(courier.hand_over(reports(1..=20)), 0..20);
    let mut seen = BTreeSet::new();
    while seen.len() < 10 {
        let (number, fate) = courier.next(WAIT).unwrap();
        assert!(matches!(fate, Fate::Answered(Ok(_))));
        assert!(seen.insert(number), "twice");
    }
    assert_eq!(courier.hand_over(reports(21..=60)), 20..60);
    while courier.outstanding() > 0 {
        assert!(seen.insert(courier.next(WAIT).unwrap().0), "twice");
    }
    assert_eq!(seen, (0..60).collect());
    assert_eq!(simulator.calls(Endpoint::Report), 60);
    assert!(courier.next(Duration::ZERO).is_none());
}

#[test]
fn it_wakes_its_owner_when_there_is_no_more_to_come_and_for_a_hundred_answers() {
    let simulator = simulator_with(130);
    let woken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&woken);
    let wake = move || {
        count.fetch_add(1, Ordering::SeqCst);
    };
    let mut courier = Courier::start(&client(&simulator), &key(), 8, wake);
    courier.hand_over(reports(1..=3));
    for _ in 0..3 {
        assert!(courier.next(WAIT).is_some());
    }
    thread::sleep(Duration::from_millis(50));
    assert_eq!(woken.load(Ordering::SeqCst), 1);
    courier.hand_over(reports(4..=130));
    thread::sleep(Duration::from_secs(1));
    // From the hundredth answer on, for each, since they lie unread.
    assert_eq!(woken.load(Ordering::SeqCst), 1 + 28);
}

#[test]
fn what_it_has_learned_it_keeps_for_the_next_delivery() {
    let simulator = simulator_with(100);
    let mut courier = courier(&simulator, 32);
    deliver(&mut courier, reports(1..=60));
    slow(&simulator, 300);
    thread::scope(|scope| {
        scope.spawn(|| deliver(&mut courier, reports(61..=100)));
        thread::sleep(Duration::from_millis(150));
        assert_eq!(simulator.calls(Endpoint::Report), 60 + 32);
    });
}

#[test]
fn after_an_outage_it_sends_again() {
    let simulator = simulator_with(50);
    let mut courier = courier(&simulator, 4);
    simulator.go_down();
    let ended = courier.deliver(reports(1..=50), &AtomicBool::new(false), |_, answer| {
        assert!(answer.is_err());
    });
    assert_eq!(ended.ending, Ending::Unusable);
    assert!(ended.answered < 50);
    assert_eq!(courier.ending(), Some(Ending::Unusable));
    courier.begin_anew();
    assert_eq!(courier.ending(), None);
    simulator.come_back().unwrap();
    let complete = Delivery {
        answered: 50,
        ending: Ending::Complete,
    };
    assert_eq!(deliver(&mut courier, reports(1..=50)), complete);
}

#[test]
fn a_stop_that_comes_too_late_stops_nothing_that_comes_later() {
    let simulator = simulator_with(10);
    let mut courier = courier(&simulator, 4);
    courier.hand_over(reports(1..=5));
    thread::sleep(Duration::from_millis(300));
    courier.stop();
    while courier.outstanding() > 0 {
        assert!(matches!(
            courier.next(WAIT),
            Some((_, Fate::Answered(Ok(_))))
        ));
    }
    let complete = Delivery {
        answered: 5,
        ending: Ending::Complete,
    };
    assert_eq!(deliver(&mut courier, reports(6..=10)), complete);
}

#[test]
fn dropped_it_starts_nothing_new_and_what_is_in_flight_arrives() {
    let simulator = simulator_with(50);
    slow(&simulator, 200);
    let mut courier = courier(&simulator, 8);
    courier.hand_over(reports(1..=50));
    thread::sleep(Duration::from_millis(100));
    drop(courier);
    thread::sleep(Duration::from_millis(500));
    assert_eq!(simulator.calls(Endpoint::Report), 4);
    for n in 1..=4 {
        assert_eq!(simulator.reports_for(&format!("wrp_{n}")).len(), 1);
    }
}
