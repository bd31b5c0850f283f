//! Whom the client trusts.

use std::process::Command;

use simulated_control_plane::{Certificate, Options, Simulator};
use synapsor_core::control_plane::{
    BaseUrl, Cause, Client, ClientError, Config, ControlPlaneError, TlsFault,
};

use crate::support::{applied, config, key, list, simulator};

fn start(certificate: Certificate) -> Simulator {
    Simulator::start(Options {
        tls: Some(certificate),
        ..Options::default()
    })
    .unwrap()
}

fn trusting(simulator: &Simulator, authority: &Simulator) -> Config {
    let ca_pem = authority.ca_pem().map(|pem| pem.as_bytes().to_vec());
    Config {
        ca_pem,
        ..config(&simulator.base_url())
    }
}

fn failure(simulator: &Simulator, config: &Config) -> ControlPlaneError {
    let error = list(&Client::new(config).unwrap()).unwrap_err();
    assert_eq!(error.code(), "CONTROL_PLANE_TLS");
    assert!(error.is_retryable());
    assert!(simulator.journal().is_empty(), "nothing was sent");
    error
}

#[test]
fn a_server_whose_authority_is_given_is_trusted() {
    let simulator = start(Certificate::Valid);
    let client = Client::new(&trusting(&simulator, &simulator)).unwrap();
    simulator.add_proposal(crate::support::proposal(1)).unwrap();
    assert_eq!(list(&client).unwrap().items.len(), 1);
    client.report(&key(), &applied("wrp_1")).unwrap();
    assert_eq!(simulator.connections(), 1);
}

#[test]
fn an_authority_that_nobody_gave_is_not_trusted() {
    let simulator = start(Certificate::Valid);
    let error = failure(&simulator, &config(&simulator.base_url()));
    assert_eq!(error.cause(), Cause::Tls(TlsFault::NotTrusted));
    assert!(error.hint().contains("ca_file"));
    let other = start(Certificate::Valid);
    let error = failure(&simulator, &trusting(&simulator, &other));
    assert_eq!(error.cause(), Cause::Tls(TlsFault::NotTrusted));
}

#[test]
fn an_expired_certificate_is_called_that() {
    let simulator = start(Certificate::Expired);
    let error = failure(&simulator, &trusting(&simulator, &simulator));
    assert_eq!(error.cause(), Cause::Tls(TlsFault::Expired));
    assert!(error.message().contains("expired"));
}

#[test]
fn a_certificate_for_another_host_is_called_that() {
    let simulator = start(Certificate::WrongHost);
    let error = failure(&simulator, &trusting(&simulator, &simulator));
    assert_eq!(error.cause(), Cause::Tls(TlsFault::WrongHost));
}

#[test]
fn a_server_that_does_not_speak_tls_is_called_that() {
    let simulator = simulator();
    let authority = start(Certificate::Valid);
    let base_url = simulator.base_url().replace("http:", "https:");
    let ca_pem = authority.ca_pem().map(|pem| pem.as_bytes().to_vec());
    let error = failure(
        &simulator,
        &Config {
            ca_pem,
            ..config(&base_url)
        },
    );
    assert_eq!(error.cause(), Cause::Tls(TlsFault::NotTls));
}

#[test]
fn a_server_that_speaks_tls_only_answers_no_plain_call() {
    let simulator = start(Certificate::Valid);
    let base_url = simulator.base_url().replace("https:", "http:");
    let error = list(&Client::new(&config(&base_url)).unwrap()).unwrap_err();
    assert!(error.is_retryable(), "{error}");
}

#[test]
fn an_authority_that_is_none_is_refused_at_once() {
    let new = |pem: &[u8]| {
        let config = Config {
            ca_pem: Some(pem.to_vec()),
            ..config("https://synapsor.ai")
        };
        Client::new(&config).unwrap_err().code()
    };
    assert_eq!(new(b""), "CA_FILE_EMPTY");
    assert_eq!(new(b"no certificate"), "CA_FILE_EMPTY");
    let garbage = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(new(garbage), "CA_FILE_MALFORMED");
    let cut = b"-----BEGIN CERTIFICATE-----\nAAAA\n";
    assert_eq!(new(cut), "CA_FILE_MALFORMED");
}

#[test]
fn a_user_agent_that_can_t_be_sent_is_refused() {
    let config = Config {
        user_agent: "a\r\nb".into(),
        ..config("http://localhost")
    };
    assert!(matches!(Client::new(&config), Err(ClientError::UserAgent)));
}

#[test]
fn plain_http_elsewhere_is_refused_before_there_is_a_client() {
    assert!(BaseUrl::parse("http://synapsor.ai", false).is_err());
}

#[test]
fn no_proxy_is_taken_from_the_environment() {
    const DEAD: &str = "http://127.0.0.1:1";
    let tests = [
        "calls::every_call_keeps_the_contract",
        "trust::a_server_whose_authority_is_given_is_trusted",
    ];
    let output = Command::new(std::env::current_exe().unwrap())
        .arg("--exact")
        .args(tests)
        .envs(["http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"].map(|name| (name, DEAD)))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("2 passed"),
        "{said}"
    );
}
