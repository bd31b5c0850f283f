//! How a simulator is started.

use std::net::{Ipv4Addr, SocketAddr};

use crate::{Certificate, ErrorShape, JournalMode};

/// How a simulator is started. The default suits a test: loopback, a free port, plain HTTP, a full
/// journal, no admin surface.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address to listen at; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The key that every call has to carry.
    pub api_key: String,
    /// Speak TLS with this certificate; `None` is plain HTTP.
    pub tls: Option<Certificate>,
    /// What the journal keeps.
    pub journal: JournalMode,
    /// The shape of error bodies.
    pub error_shape: ErrorShape,
    /// The longest page of a list; also the length where a call names no `limit`.
    pub max_page: usize,
    /// Serve `/admin/…`, through which a person adds proposals and faults with curl.
    pub admin: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            api_key: "syn_simulated_key".to_owned(),
            tls: None,
            journal: JournalMode::Full,
            error_shape: ErrorShape::ErrorCode,
            max_page: 1000,
            admin: false,
        }
    }
}
