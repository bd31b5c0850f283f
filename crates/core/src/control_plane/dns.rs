//! Looking names up, so that a name that does not resolve is told from a server that does not answer, and a resolver that
//! hangs holds nobody up.

use std::io;
use std::net::ToSocketAddrs;
use std::thread;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::oneshot;

/// The host name does not resolve.
#[derive(Debug, thiserror::Error)]
#[error("the host name can't be resolved")]
pub(super) struct DnsError(#[source] io::Error);

/// The system's resolver. Each look-up has a thread that nobody waits for: dropping the client must not take as long as a
/// name server that is down.
pub(super) struct SystemResolver;

/// What `getaddrinfo` needs, and some.
const STACK_BYTES: usize = 512 * 1024;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (answer, answered) = oneshot::channel();
        let look_up = move || {
            let _ = answer.send((name.as_str(), 0).to_socket_addrs());
        };
        let thread = thread::Builder::new()
            .name("synapsor dns".into())
            .stack_size(STACK_BYTES);
        let started = thread.spawn(look_up);
        Box::pin(async move {
            started.map_err(DnsError)?;
            let addresses = answered
                .await
                .map_err(|lost| DnsError(io::Error::other(lost)))?;
            Ok(Box::new(addresses.map_err(DnsError)?) as Addrs)
        })
    }
}
