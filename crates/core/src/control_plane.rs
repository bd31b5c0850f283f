//! The control plane's client (contract sections 1 to 3): blocking calls over kept-alive connections, none of which
//! trusts the answer to be what it should be.
//!
//! ```text
//! proposals, sources   what can be asked, in the contract's words
//! approved             a poll's beginning: our source, its approved proposals
//! checkup              a doctor's look: the same two questions, and what can be told from their answers
//! listing              many calls: all pages of a list
//! courier, delivery    many reports at once; window: how many
//! settings             the operator's settings for all this
//! client, exchange     one call: request, deadline, size cap; engine: the thread it runs on
//! verdict              what to make of what came back
//! base_url, tls, dns   how the server is reached
//! error, diagnosis     what went wrong, without a secret in it (redact)
//! ```
//!
//! Clients start threads of their own (one that drives the connections, one for each name that is looked up), never
//! before [`Client::new`], and each from the thread that called it or from one of its own: a signal mask set by the
//! caller is inherited by all of them.

mod approved;
mod base_url;
mod body;
mod checkup;
mod client;
mod courier;
mod delivery;
mod diagnosis;
mod dns;
mod engine;
mod error;
mod error_body;
mod exchange;
mod listing;
mod proposals;
mod redact;
mod settings;
mod source_requests;
mod source_resolver;
mod sources;
mod tls;
mod verdict;
mod window;

pub use approved::{Fetched, OurSource, Pages};
pub use base_url::{BaseUrl, BaseUrlError};
pub use checkup::Checkup;
pub use client::{Answer, Call, Client, ClientError, Config};
pub use courier::{Courier, Fate};
pub use delivery::{Delivery, deliver};
pub use error::{Cause, ControlPlaneError, Disposition, TlsFault};
pub use listing::Listing;
pub use proposals::{Acceptance, Filter, Item, Page};
pub use settings::ControlPlaneSettings;
pub use source_requests::{ImportedTable, NewSource, Scope, Secret};
pub use source_resolver::SourceResolver;
pub use sources::{Source, SourceError};
pub use verdict::Received;
pub use window::{Answered, Ending};

pub use reqwest::Method;
pub use reqwest::header::HeaderMap;
