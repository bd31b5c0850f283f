//! Values that are longer together than what the server takes at a time: it would end the connection in the middle of them.

use synapsor_core::failure::Failure;

use crate::database::Session;
use crate::target::Unfit;
use crate::value::Typed;

/// Bytes that need no look at the server's limit; few have set a lower one.
const SMALL: usize = 64 << 10;

/// Bytes that go with each value, at most.
const OVERHEAD: usize = 16;

/// Requires that the values of a statement fit into one packet.
///
/// # Errors
/// `SQLSTATE 08S01: ER_NET_PACKET_TOO_LARGE`
pub fn require_room(session: &mut Session, values: &[Typed]) -> Result<(), Unfit> {
    let size: usize = values.iter().map(|value| OVERHEAD + value.size()).sum();
    if size <= SMALL {
        return Ok(());
    }
    let limit = session.variable("max_allowed_packet")?;
    let limit = limit.and_then(|limit| limit.parse().ok());
    if limit.is_none_or(|limit: usize| size <= limit) {
        return Ok(());
    }
    Err(Failure::of_sqlstate("08S01", "ER_NET_PACKET_TOO_LARGE", &[]).into())
}
