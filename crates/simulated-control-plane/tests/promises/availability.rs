//! Stopping, coming back, and serving many.

use std::io::ErrorKind;
use std::net::TcpStream;

use serde_json::json;
use simulated_control_plane::{Endpoint, JournalMode, Options, Simulator, Status};

use crate::client::{Client, applied, with_one_proposal};

#[test]
fn a_dropped_simulator_refuses_connections() {
    let simulator = with_one_proposal();
    let address = simulator.address();
    drop(simulator);
    assert_eq!(
        TcpStream::connect(address).unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
}

#[test]
fn a_simulator_that_was_down_comes_back_at_its_address_with_what_it_knew() {
    let simulator = with_one_proposal();
    let client = Client::of(&simulator);
    assert_eq!(client.list("").0, ["wrp_1"]);
    simulator.go_down();
    assert!(client.try_list().unwrap_err().is_connect());
    simulator.come_back().unwrap();
    assert_eq!(client.list("").0, ["wrp_1"]);
}

#[test]
fn many_clients_at_once_are_each_heard_once() {
    const CLIENTS: usize = 8;
    const EACH: usize = 250;
    let options = Options {
        journal: JournalMode::CountsOnly,
        ..Options::default()
    };
    let simulator = Simulator::start(options).unwrap();
    let proposals = (0..CLIENTS * EACH).map(|n| json!({"proposal_id": format!("wrp_{n}")}));
    simulator.add_proposals(proposals).unwrap();
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let simulator = &simulator;
            scope.spawn(move || {
                let client = Client::of(simulator);
                for n in number * EACH..(number + 1) * EACH {
                    assert_eq!(client.report(&format!("wrp_{n}"), &applied()).0, 200);
                }
            });
        }
    });
    assert_eq!(simulator.calls(Endpoint::Report), (CLIENTS * EACH) as u64);
    assert_eq!(
        simulator.read(|plane| plane.count(Status::Applied)),
        CLIENTS * EACH
    );
    assert_eq!(simulator.read(|plane| plane.listed_count()), 0);
    assert_eq!(
        simulator.connections(),
        CLIENTS as u64,
        "connections are kept alive"
    );
}
