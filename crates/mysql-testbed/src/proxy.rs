//! A proxy in front of a server that cuts connections at the moment that hurts most.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};

use crate::address::tcp_url;
use crate::link::Link;
use crate::{Address, link};

/// A proxy on 127.0.0.1 in front of a server. Connections through it end when it is dropped.
///
/// It reads statements on the way, so clients have to speak without TLS and compression for `cut_before_commit`,
/// `cut_after_commit`, `cut_before_statement` and `cut_after_statement`. Each of these cuts once, the connection on which
/// its statement comes first, and takes the place of the one before that has not yet.
pub struct Proxy {
    port: u16,
    control: Arc<Control>,
    acceptor: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy that forwards everything. It finds the server again after a restart.
    ///
    /// # Panics
    /// When it can't listen.
    #[must_use]
    pub fn start(server: &Address) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("the listener's address");
        let control = Arc::new(Control::default());
        let acceptor = {
            let (control, server) = (Arc::clone(&control), server.port());
            thread::spawn(move || accept(&listener, server, &control))
        };
        Proxy {
            port: address.port(),
            control,
            acceptor: Some(acceptor),
        }
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `mysql://user:password@127.0.0.1:port/database`, with what needs it percent-encoded.
    #[must_use]
    pub fn url(&self, user: &str, password: &str, database: &str) -> String {
        tcp_url(self.port, user, password, database)
    }

    /// Cuts the connection on which the next COMMIT comes, which the server never sees.
    pub fn cut_before_commit(&self) {
        self.set_trap(Cut::Before, Wanted::Commit);
    }

    /// Cuts the connection on which the next COMMIT comes, once the server has answered; the client never sees that.
    pub fn cut_after_commit(&self) {
        self.set_trap(Cut::After, Wanted::Commit);
    }

    /// Cuts the connection on which the next statement with this text in it comes, which the server never sees.
    pub fn cut_before_statement(&self, text: &str) {
        self.set_trap(Cut::Before, Wanted::Containing(text.to_owned()));
    }

    /// Cuts the connection on which the next statement with this text in it comes, once the server has answered; the client
    /// never sees that.
    pub fn cut_after_statement(&self, text: &str) {
        self.set_trap(Cut::After, Wanted::Containing(text.to_owned()));
    }

    fn set_trap(&self, cut: Cut, wanted: Wanted) {
        self.control.state().trap = Some((cut, wanted));
    }

    /// Cuts all connections that there are.
    pub fn cut_now(&self) {
        self.control.state().cut_all();
    }

    /// Forwards nothing any more, and keeps the connections, old and new.
    pub fn freeze(&self) {
        self.control.state().frozen = true;
    }

    /// Forwards again, also what came in the meantime.
    pub fn thaw(&self) {
        self.control.state().frozen = false;
        self.control.changed.notify_all();
    }

    /// Closes new connections at once; those that there are stay.
    pub fn refuse(&self) {
        self.control.state().refusing = true;
    }

    /// Takes new connections again.
    pub fn admit(&self) {
        self.control.state().refusing = false;
    }

    /// How many connections have come, the refused ones too.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.control.state().connections
    }

    /// How many connections were cut at a statement.
    #[must_use]
    pub fn cuts(&self) -> usize {
        self.control.state().cuts
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        {
            let mut state = self.control.state();
            state.closed = true;
            state.cut_all();
        }
        self.control.changed.notify_all();
        // Wakes the acceptor.
        let woken = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let (Ok(_), Some(acceptor)) = (woken, self.acceptor.take()) {
            let _ = acceptor.join();
        }
    }
}

/// When a connection is cut: before the server sees the statement, or after it has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Before,
    After,
}

/// The statement that a cut waits for.
enum Wanted {
    Commit,
    Containing(String),
}

impl Wanted {
    fn is(&self, statement: &str) -> bool {
        match self {
            Wanted::Commit => {
                let statement = statement.trim().trim_end_matches(';').trim_end();
                statement.eq_ignore_ascii_case("COMMIT")
            }
            Wanted::Containing(text) => statement.contains(text),
        }
    }
}

/// What the proxy's threads are told, and what they have to tell.
#[derive(Default)]
pub(crate) struct Control {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    trap: Option<(Cut, Wanted)>,
    frozen: bool,
    refusing: bool,
    closed: bool,
    connections: usize,
    cuts: usize,
    links: Vec<Weak<Link>>,
}

impl State {
    fn cut_all(&mut self) {
        self.links
            .drain(..)
            .filter_map(|link| link.upgrade())
            .for_each(|link| link.cut());
    }
}

impl Control {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether, and when, this statement's connection is to be cut.
    pub(crate) fn cut_at(&self, statement: &str) -> Option<Cut> {
        let mut state = self.state();
        let sprung = state.trap.take_if(|(_, wanted)| wanted.is(statement));
        sprung.map(|(cut, _)| cut)
    }

    pub(crate) fn count_cut(&self) {
        self.state().cuts += 1;
    }

    /// Returns at once, unless the proxy is frozen.
    pub(crate) fn wait_while_frozen(&self) {
        let waited = self
            .changed
            .wait_while(self.state(), |state| state.frozen && !state.closed);
        drop(waited);
    }

    /// Remembers a connection for `cut_now`; false where it came too late.
    fn admits(&self, link: &Arc<Link>) -> bool {
        let mut state = self.state();
        state.links.retain(|link| link.strong_count() > 0);
        state.links.push(Arc::downgrade(link));
        !state.closed
    }
}

fn accept(listener: &TcpListener, server: u16, control: &Arc<Control>) {
    for client in listener.incoming() {
        let refused = {
            let mut state = control.state();
            if state.closed {
                return;
            }
            state.connections += 1;
            state.refusing
        };
        if let (Ok(client), false) = (client, refused) {
            // A server that is down closes the connection too.
            let _ = connect(client, server, control);
        }
    }
}

fn connect(client: TcpStream, server: u16, control: &Arc<Control>) -> io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server))?;
    let link = Arc::new(Link::new(client, server)?);
    if control.admits(&link) {
        link::forward(&link, control);
    }
    Ok(())
}
