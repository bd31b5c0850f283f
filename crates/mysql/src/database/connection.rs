//! Opening a connection: to each address that the host's name stands for, until one answers, and in no more time than the settings allow.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use mysql::{Conn, DriverError, OptsBuilder};

use super::address::Address;
use super::error::DatabaseError;
use crate::settings::DatabaseSettings;

/// Opens a connection. `patience` is the longest wait for an answer from then on.
///
/// # Errors
/// `DATABASE_CA_FILE`, `DATABASE_UNREACHABLE`, `DATABASE_TLS`, `DATABASE_ACCESS_DENIED`, `DATABASE_UNSUPPORTED`.
pub fn open(
    address: &Address,
    settings: &DatabaseSettings,
    patience: Option<Duration>,
) -> Result<Conn, DatabaseError> {
    address.require_ca(settings)?;
    let options = address.options(settings);
    let mut opened = Err(DatabaseError::Unreachable("no address".into()));
    for from in origins(address)? {
        let options = OptsBuilder::from_opts(options.clone()).bind_address(from);
        let tried = Conn::new(options);
        let is_elsewhere = matches!(
            &tried,
            Err(mysql::Error::DriverError(
                DriverError::CouldNotConnect(_) | DriverError::ConnectTimeout
            ))
        );
        opened = tried.map_err(|error| DatabaseError::from(error).while_connecting());
        if !is_elsewhere {
            break;
        }
    }
    let conn = opened?;
    let waiting = socket(&conn).and_then(|socket| {
        socket.set_read_timeout(patience)?;
        socket.set_write_timeout(patience)
    });
    // While it connects, the driver waits for answers as long as for the connection. From now on, so long.
    waiting.map_err(|error| DatabaseError::Lost(error.to_string()))?;
    Ok(conn)
}

/// Where to come from. The driver goes to the first address of a name alone, unless it is told which kind of address to come from: then
/// to each of that kind.
fn origins(address: &Address) -> Result<Vec<Option<SocketAddr>>, DatabaseError> {
    let Some(name) = address.name() else {
        return Ok(vec![None]);
    };
    let found = name.to_socket_addrs();
    let found: Vec<_> = found
        .map_err(|_| DatabaseError::Unreachable("the host's name is not known".into()))?
        .collect();
    let kinds = [
        (
            found.iter().any(SocketAddr::is_ipv4),
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        ),
        (
            found.iter().any(SocketAddr::is_ipv6),
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        ),
    ];
    let origins = kinds.into_iter().filter(|(is_there, _)| *is_there);
    Ok(origins.map(|(_, origin)| Some(origin)).collect())
}

/// A second handle of a connection's socket, for what can be done to sockets of any kind.
pub fn socket(conn: &Conn) -> std::io::Result<UnixStream> {
    // SAFETY: the descriptor is open as long as the connection, which outlives this call.
    let socket = unsafe { BorrowedFd::borrow_raw(conn.as_raw_fd()) };
    Ok(UnixStream::from(socket.try_clone_to_owned()?))
}
