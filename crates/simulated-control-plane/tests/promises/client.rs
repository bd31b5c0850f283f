//! A client that keeps to the contract, and a bare socket for what no client would do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Once;
use std::time::Duration;

use reqwest::blocking::{Client as Http, RequestBuilder, Response};
use serde_json::{Value, json};
use simulated_control_plane::{Endpoint, Fault, Options, Rule, Simulator};
use tokio_rustls::rustls::crypto::ring;

pub const KEY: &str = "syn_simulated_key";
pub const PROPOSALS: &str = "/v1/control/external-writebacks/proposals";
pub const SOURCES: &str = "/v1/control/external-sources";

pub fn start() -> Simulator {
    Simulator::start(Options::default()).unwrap()
}

/// A simulator with one approved proposal, `wrp_1`.
pub fn with_one_proposal() -> Simulator {
    let simulator = start();
    simulator
        .add_proposal(json!({"proposal_id": "wrp_1"}))
        .unwrap();
    simulator
}

/// A simulator with one approved proposal, whose next call of one kind meets a fault.
pub fn with_fault(endpoint: Endpoint, fault: Fault) -> Simulator {
    let simulator = with_one_proposal();
    simulator.inject(Rule::on(endpoint, fault).times(1));
    simulator
}

pub struct Client {
    http: Http,
    base: String,
}

impl Client {
    pub fn of(simulator: &Simulator) -> Self {
        Self::new(simulator, |builder| builder)
    }

    pub fn new(
        simulator: &Simulator,
        settings: impl FnOnce(reqwest::blocking::ClientBuilder) -> reqwest::blocking::ClientBuilder,
    ) -> Self {
        install_crypto();
        let builder = Http::builder()
            .timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none());
        Self {
            http: settings(builder).build().unwrap(),
            base: simulator.base_url(),
        }
    }

    /// A request with the headers of the contract.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.bare_request(method, path)
            .header("accept", "application/json")
            .header("user-agent", "promises/1.0")
            .header("x-request-id", "req_1")
            .bearer_auth(KEY)
    }

    pub fn bare_request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = method.parse().unwrap();
        self.http.request(method, format!("{}{path}", self.base))
    }

    pub fn get(&self, path: &str) -> (u16, Value) {
        read(self.request("GET", path).send().unwrap())
    }

    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        read(self.request("POST", path).json(body).send().unwrap())
    }

    /// The ids in the list of approved proposals, and the next cursor.
    pub fn list(&self, query: &str) -> (Vec<String>, Option<String>) {
        let (status, body) = self.get(&format!("{PROPOSALS}?status=approved{query}"));
        assert_eq!(status, 200, "{body}");
        let proposals = body["proposals"].as_array().unwrap().iter();
        let ids = proposals.map(|proposal| proposal["proposal_id"].as_str().unwrap().to_owned());
        (
            ids.collect(),
            body["next_cursor"].as_str().map(str::to_owned),
        )
    }

    pub fn try_list(&self) -> reqwest::Result<String> {
        let path = format!("{PROPOSALS}?status=approved");
        self.request("GET", &path).send()?.text()
    }

    pub fn report(&self, encoded_id: &str, body: &Value) -> (u16, Value) {
        self.post(&format!("{PROPOSALS}/{encoded_id}/apply-result"), body)
    }

    pub fn try_report(&self, encoded_id: &str, body: &Value) -> reqwest::Result<String> {
        let path = format!("{PROPOSALS}/{encoded_id}/apply-result");
        self.request("POST", &path).json(body).send()?.text()
    }
}

pub fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().unwrap_or(Value::Null))
}

pub fn applied() -> Value {
    json!({
        "status": "applied",
        "idempotency_key": null,
        "external_commit_metadata": {"affected_rows": "1", "operation": "update"},
    })
}

pub fn failed() -> Value {
    json!({"status": "failed", "idempotency_key": null, "error": "WRITEBACK_X: why"})
}

/// Sends a list call over a bare socket and gives the bytes of the answer, to the end.
pub fn raw_list(simulator: &Simulator) -> std::io::Result<Vec<u8>> {
    let mut socket = raw_call(simulator);
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer)?;
    Ok(answer)
}

/// Sends a list call over a bare socket.
pub fn raw_call(simulator: &Simulator) -> TcpStream {
    let mut socket = TcpStream::connect(simulator.address()).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let request = format!(
        "GET {PROPOSALS}?status=approved HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\
         accept: application/json\r\nuser-agent: raw/1\r\nx-request-id: r\r\n\
         connection: close\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).unwrap();
    socket
}

fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| ring::default_provider().install_default().unwrap());
}
