//! A bare socket that answers every call with the same bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

pub struct RawServer {
    address: SocketAddr,
}

impl RawServer {
    /// Reads a request's head, writes the bytes, and closes.
    pub fn answering(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |socket| {
            read_head(socket);
            let _ = socket.write_all(&bytes);
        })
    }

    /// A JSON body under a good status.
    pub fn json(body: impl AsRef<[u8]>) -> Self {
        Self::with_status("200 OK", "", body)
    }

    pub fn with_status(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}connection: close\r\n\r\n"
        );
        Self::answering([head.as_bytes(), body].concat())
    }

    pub fn start(serve: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = RawServer {
            address: listener.local_addr().unwrap(),
        };
        let serve = Arc::new(serve);
        thread::spawn(move || {
            for socket in listener.incoming() {
                let mut socket = socket.unwrap();

                let serve = Arc::clone(&serve);
                thread::spawn(move || serve(&mut socket));
            }
        });
        server
    }

    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Serves a JSON body that is made anew for each request, from the request's number; counts the requests.
pub fn serving(
    body: impl Fn(usize) -> String + Send + Sync + 'static,
) -> (RawServer, Arc<AtomicUsize>) {
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    let server = RawServer::start(move |socket| {
        read_head(socket);
        let body = body(counter.fetch_add(1, Ordering::SeqCst));
        let head = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let _ = socket.write_all((head + &body).as_bytes());
    });
    (server, requests)
}

/// Reads up to the empty line; gives what was read.
pub fn read_head(socket: &mut TcpStream) -> Vec<u8> {
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && socket.read(&mut byte).is_ok_and(|count| count == 1) {
        head.push(byte[0]);
    }
    head
}
