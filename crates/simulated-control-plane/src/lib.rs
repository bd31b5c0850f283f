//! Synapsor's control plane, simulated: the contract over real HTTP/1.1, with faults on demand.
//!
//! It stands in for the service in end-to-end tests, demo and benchmarks, and holds a client to the
//! contract: a call without its headers or with a report of the wrong shape is refused with a code
//! that says why. It is a development tool: it keeps everything in memory and protects nothing.
//!
//! ```
//! use simulated_control_plane::{Endpoint, Fault, Options, Rule, Simulator};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let simulator = Simulator::start(Options::default())?;
//! simulator.add_proposal(r#"{"proposal_id": "wrp_1", "changes": {"price": 1.10}}"#)?;
//! simulator.inject(Rule::on(Endpoint::Report, Fault::answer_lost()).times(1));
//! // … point a worker at simulator.base_url(), then:
//! assert_eq!(simulator.final_word("wrp_1"), None);
//! # Ok(())
//! # }
//! ```
//!
//! | subject | where |
//! |---|---|
//! | starting, stopping, asking | [`Simulator`], [`Options`] |
//! | what it holds | [`ControlPlane`], [`Source`], [`Status`], [`Report`] |
//! | what it was asked | [`Entry`], [`Credential`], [`Breach`] |
//! | how it misbehaves | [`Rule`], [`Fault`], [`Quirk`], [`Delivery`] |

mod admin;
mod answer;
mod contract;
mod control_plane;
mod endpoint;
mod fault;
mod journal;
mod options;
mod page;
mod proposals;
mod report;
mod rule;
mod rule_spec;
mod server;
mod simulator;
mod source_calls;
mod sources;
mod state_file;
mod tls;
mod wire;

pub use answer::ErrorShape;
pub use contract::Breach;
pub use control_plane::ControlPlane;
pub use endpoint::Endpoint;
pub use fault::{Delivery, Fault, Quirk};
pub use hyper::header::{HeaderName, HeaderValue};
pub use journal::{Credential, Entry, JournalMode};
pub use options::Options;
pub use proposals::{InvalidProposal, Status};
pub use report::{Report, Verdict, Word};
pub use rule::{Rule, RuleId};
pub use simulator::Simulator;
pub use sources::Source;
pub use state_file::StateFileError;
pub use tls::Certificate;
