//! Bad deliveries: the answer written to the socket by hand, past the HTTP library, which would
//! never send such a thing.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::answer::Answer;
use crate::fault::Delivery;

/// A connection to a client, plain or under TLS.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// The TCP stream at the bottom.
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Delivers an answer badly, and ends the connection. An error means that the client left first.
pub(crate) async fn deliver(
    mut socket: impl Socket,
    delivery: Delivery,
    answer: &Answer,
) -> io::Result<()> {
    let body = answer.body();
    let length = format!("content-length: {}", body.len());
    match delivery {
        Delivery::Hang => return until_the_client_leaves(&mut socket).await,
        // With a linger time of zero, dropping the socket sends RST.
        Delivery::Reset => return socket.tcp().set_zero_linger(),
        Delivery::Close => {}
        Delivery::HalfBody => {
            let promised = format!("content-length: {}", body.len().max(1));
            socket.write_all(head(answer, &promised).as_bytes()).await?;
            socket.write_all(&body[..body.len() / 2]).await?;
        }
        Delivery::EndlessBody => {
            let chunked = head(answer, "transfer-encoding: chunked");
            socket.write_all(chunked.as_bytes()).await?;
            endless_chunks(&mut socket, body).await?;
        }
        Delivery::SlowBody(interval) => {
            socket.write_all(head(answer, &length).as_bytes()).await?;
            drip(&mut socket, body, interval).await?;
        }
        Delivery::SlowHeaders(interval) => {
            drip(&mut socket, head(answer, &length).as_bytes(), interval).await?;
            drip(&mut socket, body, interval).await?;
        }
    }
    socket.shutdown().await
}

fn head(answer: &Answer, framing: &str) -> String {
    let status = answer.status();
    let reason = status.canonical_reason().unwrap_or("Simulated");
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16());
    for (name, value) in answer.headers() {
        // Writing to a String cannot fail.
        let _ = write!(
            head,
            "{name}: {}\r\n",
            String::from_utf8_lossy(value.as_bytes())
        );
    }
    head + framing + "\r\nconnection: close\r\n\r\n"
}

async fn until_the_client_leaves(socket: &mut impl Socket) -> io::Result<()> {
    let mut ignored = [0; 1024];
    while socket.read(&mut ignored).await? > 0 {}
    Ok(())
}

async fn drip(socket: &mut impl Socket, bytes: &[u8], interval: Duration) -> io::Result<()> {
    for byte in bytes {
        socket.write_all(&[*byte]).await?;
        socket.flush().await?;
        tokio::time::sleep(interval).await;
    }
    Ok(())
}

/// The true body, then white space, which any JSON may end with, until the client leaves.
async fn endless_chunks(socket: &mut impl Socket, body: &[u8]) -> io::Result<()> {
    const WHITE_SPACE: [u8; 16 * 1024] = [b' '; 16 * 1024];
    if !body.is_empty() {
        write_chunk(socket, body).await?;
    }
    loop {
        write_chunk(socket, &WHITE_SPACE).await?;
    }
}

async fn write_chunk(socket: &mut impl Socket, bytes: &[u8]) -> io::Result<()> {
    socket
        .write_all(format!("{:x}\r\n", bytes.len()).as_bytes())
        .await?;
    socket.write_all(bytes).await?;
    socket.write_all(b"\r\n").await
}
