//! The simulated control plane as a program, for trying a worker by hand.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use simulated_control_plane::{Certificate, Options, Simulator};

const EXAMPLES: &str = r#"An afternoon with it:

  simulated-control-plane --listen 127.0.0.1:8080 --api-key test-key

  # the source that the proposals are for
  curl -d '{"source_id": "src_1", "name": "app_postgres"}' http://127.0.0.1:8080/admin/sources

  # a proposal, as a person would have approved it
  curl -d '{"proposal_id": "wrp_1", "source_id": "src_1", "external_schema": "public",
            "external_table": "tickets", "changes": {"status": "closed"}, "primary_key": {"id": 1},
            "allowed_columns": ["id", "status"]}' http://127.0.0.1:8080/admin/proposals

  # in Postgres, beside the settings of docs/quick-start.md, with test-key in the key's file:
  #   ALTER DATABASE app SET synapsor.base_url = 'http://127.0.0.1:8080';
  # then see what the worker asked and told
  curl http://127.0.0.1:8080/admin/journal

  # store the next report, but lose its answer
  curl -d '{"on": "report", "times": 1, "fault": "answer_lost"}' http://127.0.0.1:8080/admin/faults

  # everything else that can be done
  curl http://127.0.0.1:8080/admin

A state file holds sources and proposals; numbers and the order of keys are kept as written:

  {"sources": [{"source_id": "src_1", "name": "app_postgres"}],
   "proposals": [{"proposal_id": "wrp_1", "changes": {"price": 1.10}}]}"#;

/// Synapsor's control plane, simulated: lists approved proposals, takes reports, and fails on demand.
///
/// A development tool: everything is in memory, and whoever reaches the port may use /admin.
#[derive(Parser)]
#[command(version, after_long_help = EXAMPLES)]
struct Arguments {
    /// The address to listen at.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// The key that every call of the contract has to carry; /admin asks for none.
    #[arg(long, default_value = "syn_simulated_key")]
    api_key: String,

    /// A file with sources and proposals to start with.
    #[arg(long, value_name = "FILE.json")]
    state: Option<PathBuf>,

    /// Speak TLS, with a certificate made on the spot.
    #[arg(long, value_name = "CERTIFICATE", num_args = 0..=1, default_missing_value = "valid")]
    tls: Option<Certificate>,

    /// Where to write the certificate authority, for `synapsor.ca_file`.
    #[arg(long, value_name = "FILE.pem", requires = "tls")]
    write_ca: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let simulator = Simulator::start(Options {
        listen: arguments.listen,
        api_key: arguments.api_key,
        tls: arguments.tls,
        admin: true,
        ..Options::default()
    })?;
    if let Some(file) = arguments.state {
        simulator.load(&std::fs::read_to_string(file)?)?;
    }
    if let (Some(file), Some(pem)) = (arguments.write_ca, simulator.ca_pem()) {
        std::fs::write(file, pem)?;
    }
    let url = simulator.base_url();
    println!("listening at {url} (what can be done: curl {url}/admin)");
    loop {
        // Until a signal ends the process.
        std::thread::park();
    }
}
