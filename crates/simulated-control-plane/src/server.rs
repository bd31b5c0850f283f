//! The HTTP server: one thread, one event loop, a task for each connection.

use std::future::pending;
use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

use crate::answer::{Answer, json_answer};
use crate::fault::Delivery;
use crate::simulator::Shared;
use crate::wire::{self, Socket};

const MAX_REQUEST_BODY: usize = 16 * 1024 * 1024;

/// The thread that serves. Dropping it ends every connection and frees the address.
pub(crate) struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(
        listener: StdListener,
        tls: Option<TlsAcceptor>,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let serve = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, tls, shared) => {}
                    _ = stopped => {}
                }
            });
        };
        let thread = std::thread::Builder::new()
            .name("control-plane".to_owned())
            .spawn(serve)?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Dropping the sender is the signal.
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

/// Connections are numbered across restarts, so that no two share a number in the journal.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    connections: AtomicU64,
    in_flight: AtomicUsize,
    peak: AtomicUsize,
}

impl Traffic {
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Relaxed)
    }

    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Relaxed)
    }

    pub(crate) fn reset_peak(&self) {
        self.peak.store(self.in_flight.load(Relaxed), Relaxed);
    }

    fn enter(&self) {
        let now = self.in_flight.fetch_add(1, Relaxed) + 1;
        self.peak.fetch_max(now, Relaxed);
    }

    fn leave(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }
}

/// Counts a request as under way for as long as this lives.
struct InFlight(Arc<Shared>);

impl InFlight {
    fn new(shared: Arc<Shared>) -> Self {
        shared.traffic.enter();
        Self(shared)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.traffic.leave();
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    loop {
        // Such an error passes, as too many open files do.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let number = shared.traffic.connections.fetch_add(1, Relaxed) + 1;
        tokio::spawn(connection(stream, tls.clone(), Arc::clone(&shared), number));
    }
}

/// Serves one client until it leaves. An error on the way is the client's, and ends it.
async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    number: u64,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match tls {
        None => converse(stream, shared, number).await,
        Some(acceptor) => converse(acceptor.accept(stream).await?, shared, number).await,
    }
}

/// An answer to deliver past the HTTP library.
struct BadDelivery {
    delivery: Delivery,
    answer: Answer,
    _in_flight: InFlight,
}

/// Lets the HTTP library serve the connection, until a fault takes the socket out of its hands.
async fn converse(socket: impl Socket, shared: Arc<Shared>, number: u64) -> io::Result<()> {
    let (hand_over, mut handed_over) = mpsc::channel::<BadDelivery>(1);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        serve(shared, number, hand_over.clone(), request)
    });
    let mut served = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
    tokio::select! {
        outcome = &mut served => outcome.map_err(io::Error::other),
        Some(bad) = handed_over.recv() => {
            let socket = served.into_parts().io.into_inner();
            wire::deliver(socket, bad.delivery, &bad.answer).await
        }
    }
}

async fn serve(
    shared: Arc<Shared>,
    connection: u64,
    hand_over: mpsc::Sender<BadDelivery>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let request = match read_whole(request).await? {
        Some(request) => request,
        None => return Ok(too_large().map(Full::new)),
    };
    let in_flight = InFlight::new(Arc::clone(&shared));
    let decision = shared.decide(&request, connection);
    if !decision.latency.is_zero() {
        tokio::time::sleep(decision.latency).await;
    }
    let Some(delivery) = decision.delivery else {
        return Ok(decision.answer.map(Full::new));
    };
    let bad = BadDelivery {
        delivery,
        answer: decision.answer,
        _in_flight: in_flight,
    };
    // The receiver drops this very future: nothing after this line runs.
    let _ = hand_over.send(bad).await;
    pending().await
}

/// The request with its body; `None` if that is too large.
async fn read_whole(request: Request<Incoming>) -> Result<Option<Request<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    match Limited::new(body, MAX_REQUEST_BODY).collect().await {
        Ok(body) => Ok(Some(Request::from_parts(head, body.to_bytes()))),
        Err(error) => match error.downcast::<hyper::Error>() {
            Ok(error) => Err(*error),
            Err(_) => Ok(None),
        },
    }
}

fn too_large() -> Answer {
    json_answer(
        StatusCode::PAYLOAD_TOO_LARGE,
        r#"{"ok":false,"error_code":"BODY_TOO_LARGE"}"#,
    )
}
