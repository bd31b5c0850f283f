//! TLS, with good certificates and bad ones.

use simulated_control_plane::Endpoint::List;
use simulated_control_plane::{Certificate, Delivery, Fault, Options, Rule, Simulator};

use crate::client::Client;

fn start(certificate: Certificate) -> Simulator {
    let options = Options {
        tls: Some(certificate),
        ..Options::default()
    };
    Simulator::start(options).unwrap()
}

/// A client that trusts the simulator's authority, and no other.
fn trusting(simulator: &Simulator) -> Client {
    let pem = simulator.ca_pem().unwrap();
    let authority = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
    Client::new(simulator, |builder| builder.tls_certs_only([authority]))
}

fn refusal(client: &Client) -> String {
    let error = client.try_list().unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    format!("{error:?}")
}

#[test]
fn a_client_that_trusts_the_authority_is_served() {
    let simulator = start(Certificate::Valid);
    assert!(simulator.base_url().starts_with("https://127.0.0.1:"));
    let client = trusting(&simulator);
    client.list("");
    client.list("");
    assert_eq!(simulator.connections(), 1);
}

#[test]
fn another_authority_is_not_trusted() {
    let simulator = start(Certificate::Valid);
    let other = start(Certificate::Valid);
    let pem = other.ca_pem().unwrap();
    let authority = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
    let client = Client::new(&simulator, |builder| builder.tls_certs_only([authority]));
    let why = refusal(&client);
    assert!(
        why.contains("BadSignature") || why.contains("UnknownIssuer"),
        "{why}"
    );
    assert!(simulator.journal().is_empty());
}

#[test]
fn an_expired_certificate_is_refused_by_clients() {
    let simulator = start(Certificate::Expired);
    let why = refusal(&trusting(&simulator));
    assert!(why.contains("Expired"), "{why}");
}

#[test]
fn a_certificate_for_another_host_is_refused_by_clients() {
    let simulator = start(Certificate::WrongHost);
    let why = refusal(&trusting(&simulator));
    assert!(why.contains("NotValidForName"), "{why}");
}

#[test]
fn faults_on_the_wire_work_under_tls_too() {
    let simulator = start(Certificate::Valid);
    let client = trusting(&simulator);
    for fault in [
        Fault::reset(),
        Fault::close(),
        Fault::delivered(Delivery::HalfBody),
    ] {
        simulator.inject(Rule::on(List, fault).times(1));
        assert!(client.try_list().is_err());
    }
    client.list("");
}

#[test]
fn plain_http_has_no_authority() {
    let simulator = Simulator::start(Options::default()).unwrap();
    assert_eq!(simulator.ca_pem(), None);
}
