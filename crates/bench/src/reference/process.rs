//! The process itself.

use std::time::Duration;

use synapsor_core::api_key::ApiKey;
use synapsor_core::control_plane::{BaseUrl, Client, Config, OurSource, SourceResolver};
use synapsor_core::listed::Listed;
use synapsor_core::proposal::Proposal;
use synapsor_core::report::{Report, Verdict};

use super::{Done, Go, Kind, Welcome, mysql, postgres};
use crate::control_plane::{API_KEY, SOURCE_ID};
use crate::own_process::{orders, say};

/// A connection that applies proposals.
pub(super) trait Connection {
    /// The process of the server that works for it alone, where there is one.
    fn session(&self) -> Option<i32>;
    /// Runs the proposal's statement, committed by itself, and says how many rows it touched.
    fn apply(&mut self, proposal: &Proposal) -> u64;
}

/// Works until its input ends.
pub fn run(kind: Kind, base_url: &str, address: &str) {
    let client = client(base_url);
    let key = ApiKey::parse(API_KEY).expect("a key");
    let mut connection: Box<dyn Connection> = match kind {
        Kind::Postgres => Box::new(postgres::Session::open(address)),
        Kind::Mysql => Box::new(mysql::Session::open(address)),
    };
    say(&Welcome {
        session: connection.session(),
    });
    for Go in orders() {
        let proposals = fetch(&client, &key, kind);
        for proposal in &proposals {
            let rows = connection.apply(proposal);
            assert!(rows == 1, "{:?}: {rows} rows", proposal.proposal_id);
            let accepted = client.report(&key, &report(proposal));
            accepted.expect("the control plane accepts the report");
        }
        say(&Done(proposals.len()));
    }
}

/// The HTTP client of the worker, so that what is compared is the way of working, and not two libraries.
fn client(base_url: &str) -> Client {
    const PATIENCE: Duration = Duration::from_secs(30);
    let config = Config {
        base_url: BaseUrl::parse(base_url, false).expect("an address on this machine"),
        connect_timeout: PATIENCE,
        request_timeout: PATIENCE,
        max_response_size: 64 << 20,
        ca_pem: None,
        user_agent: concat!("synapsor-bench/", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    Client::new(&config).expect("a client can be made")
}

fn fetch(client: &Client, key: &ApiKey, kind: Kind) -> Vec<Proposal> {
    let ours = OurSource {
        kind: match kind {
            Kind::Postgres => "postgres",
            Kind::Mysql => "mysql",
        },
        project_id: None,
        source: SOURCE_ID.to_owned(),
        is_id: true,
    };
    let mut names = SourceResolver::default();
    let fetched = client.fetch_approved(key, &ours, &mut names, usize::MAX);
    let Ok(fetched) = fetched else {
        panic!("the list can't be fetched");
    };
    let proposal = |listed| match listed {
        Listed::Proposal(proposal) => *proposal,
        other => panic!("not a proposal of ours: {other:?}"),
    };
    fetched.proposals.into_iter().map(proposal).collect()
}

fn report(proposal: &Proposal) -> Report {
    Report {
        proposal_id: proposal.proposal_id.clone().unwrap_or_default(),
        idempotency_key: proposal.idempotency_key.clone(),
        verdict: Verdict::Applied {
            affected_rows: 1,
            operation: "update".to_owned(),
        },
    }
}
