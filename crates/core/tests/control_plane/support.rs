//! What the tests share: clients, reports, a simulator with proposals.

use std::time::Duration;

use simulated_control_plane::{Endpoint, Fault, Options, Rule, Simulator};
use synapsor_core::api_key::ApiKey;
use synapsor_core::control_plane::{BaseUrl, Client, Config, ControlPlaneError, Filter, Page};
use synapsor_core::report::{Report, Verdict};

/// The longest that a call of these tests takes where nothing else is said.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// The key that the simulator wants.
pub const KEY: &str = "syn_simulated_key";

pub fn key() -> ApiKey {
    ApiKey::parse(KEY).unwrap()
}

pub fn simulator() -> Simulator {
    Simulator::start(Options::default()).unwrap()
}

/// A simulator with the approved proposals `wrp_1` to `wrp_<count>`.
pub fn simulator_with(count: usize) -> Simulator {
    let simulator = simulator();
    for n in 1..=count {
        simulator.add_proposal(proposal(n)).unwrap();
    }
    simulator
}

/// A simulator with one proposal, whose calls of one kind meet a fault.
pub fn failing(endpoint: Endpoint, fault: Fault) -> Simulator {
    let simulator = simulator_with(1);
    simulator.inject(Rule::on(endpoint, fault));
    simulator
}

pub fn proposal(n: usize) -> String {
    format!(
        r#"{{"proposal_id":"wrp_{n}","external_schema":"s","external_table":"t","changes":{{"a":{n}}}}}"#
    )
}

pub fn config(base_url: &str) -> Config {
    Config {
        base_url: BaseUrl::parse(base_url, false).unwrap(),
        connect_timeout: TIMEOUT,
        request_timeout: TIMEOUT,
        max_response_size: 1024 * 1024,
        ca_pem: None,
        user_agent: "synapsor-writeback/0.0.0".into(),
    }
}

pub fn client(simulator: &Simulator) -> Client {
    Client::new(&config(&simulator.base_url())).unwrap()
}

/// A client whose calls may take so long, in milliseconds.
pub fn hasty_client(base_url: &str, milliseconds: u64) -> Client {
    let request_timeout = Duration::from_millis(milliseconds);
    Client::new(&Config {
        request_timeout,
        ..config(base_url)
    })
    .unwrap()
}

pub fn list(client: &Client) -> Result<Page, ControlPlaneError> {
    client.list_approved(&key(), &Filter::default())
}

/// What a list call fails with, when the server answers with a fault.
pub fn failure(fault: Fault) -> ControlPlaneError {
    list(&client(&failing(Endpoint::List, fault))).unwrap_err()
}

pub fn applied(id: &str) -> Report {
    Report {
        proposal_id: id.into(),
        idempotency_key: Some(format!("key of {id}")),
        verdict: Verdict::Applied {
            affected_rows: 1,
            operation: "update".into(),
        },
    }
}
