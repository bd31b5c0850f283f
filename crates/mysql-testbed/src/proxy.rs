//! A proxy in front of a server that cuts or holds connections at the moment that hurts most.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};

use crate::address::tcp_url;
use crate::link::Link;
use crate::{Address, link};

/// A proxy on 127.0.0.1 in front of a server. Connections through it end when it is dropped.
///
/// It reads statements on the way, so clients have to speak without TLS and compression for what is named after a
/// statement: `cut_before_commit`, `freeze_after_statement` and the like. Each of these acts once, on the connection on
/// which its statement comes first, and takes the place of the one before that has not yet.
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
        self.set_trap(CUT_BEFORE, Wanted::Commit);
    }

    /// Cuts the connection on which the next COMMIT comes, once the server has answered; the client never sees that.
    pub fn cut_after_commit(&self) {
        self.set_trap(CUT_AFTER, Wanted::Commit);
    }

    /// Cuts the connection on which the next statement with this text in it comes, which the server never sees.
    pub fn cut_before_statement(&self, text: &str) {
        self.set_trap(CUT_BEFORE, Wanted::Containing(text.to_owned()));
    }

    /// Cuts the connection on which the next statement with this text in it comes, once the server has answered; the client
    /// never sees that.
    pub fn cut_after_statement(&self, text: &str) {
        self.set_trap(CUT_AFTER, Wanted::Containing(text.to_owned()));
    }

    /// Holds the connection on which the next COMMIT comes, before the server sees it. All others go on.
    pub fn freeze_before_commit(&self) {
        self.set_trap(FREEZE_BEFORE, Wanted::Commit);
    }

    /// Holds the connection on which the next COMMIT comes, once the server has answered. All others go on.
    pub fn freeze_after_commit(&self) {
        self.set_trap(FREEZE_AFTER, Wanted::Commit);
    }

    /// Holds the connection on which the next statement with this text in it comes, before the server sees it. All others
    /// go on. What is held passes at the thaw, also when its client is gone by then; `cut_now` loses it.
    pub fn freeze_before_statement(&self, text: &str) {
        self.set_trap(FREEZE_BEFORE, Wanted::Containing(text.to_owned()));
    }

    /// Holds the connection on which the next statement with this text in it comes, once the server has answered. All
    /// others go on.
    pub fn freeze_after_statement(&self, text: &str) {
        self.set_trap(FREEZE_AFTER, Wanted::Containing(text.to_owned()));
    }

    fn set_trap(&self, trap: Trap, wanted: Wanted) {
        self.control.state().trap = Some((trap, wanted));
    }

    /// Cuts all connections that there are, the held ones too.
    pub fn cut_now(&self) {
        let mut state = self.control.state();
        state.cut_all();
        state.thaws += 1;
        drop(state);
        self.control.changed.notify_all();
    }

    /// Forwards nothing any more, and keeps the connections, old and new.
    pub fn freeze(&self) {
        self.control.state().frozen = true;
    }

    /// Forwards again, also what came in the meantime, and what is held at a statement.
    pub fn thaw(&self) {
        let mut state = self.control.state();
        state.frozen = false;
        state.thaws += 1;
        drop(state);
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

    /// How often a connection was held at a statement so far.
    #[must_use]
    pub fn holds(&self) -> usize {
        self.control.state().holds
    }

    /// How many commands have come that the server has to answer, on all connections without TLS.
    #[must_use]
    pub fn round_trips(&self) -> usize {
        self.control.state().round_trips
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

const CUT_BEFORE: Trap = Trap::Before(Deed::Cut);
const CUT_AFTER: Trap = Trap::After(Deed::Cut);
const FREEZE_BEFORE: Trap = Trap::Before(Deed::Freeze);
const FREEZE_AFTER: Trap = Trap::After(Deed::Freeze);

/// When something is done to a connection: before the server sees the statement, or after it has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trap {
    Before(Deed),
    After(Deed),
}

/// What is done to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// It is ended.
    Cut,
    /// It is held until the thaw.
    Freeze,
}

/// The statement that a trap waits for.
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
    trap: Option<(Trap, Wanted)>,
    frozen: bool,
    holds: usize,
    /// Counts what ends the holding of all that are held.
    thaws: usize,
    refusing: bool,
    closed: bool,
    connections: usize,
    cuts: usize,
    round_trips: usize,
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

    /// Whether something is to be done to this statement's connection.
    pub(crate) fn trap_at(&self, statement: &str) -> Option<Trap> {
        let mut state = self.state();
        let sprung = state.trap.take_if(|(_, wanted)| wanted.is(statement));
        sprung.map(|(trap, _)| trap)
    }

    pub(crate) fn count_cut(&self) {
        self.state().cuts += 1;
    }

    pub(crate) fn count_round_trip(&self) {
        self.state().round_trips += 1;
    }

    /// Returns at the next thaw.
    pub(crate) fn hold(&self) {
        let mut state = self.state();
        state.holds += 1;
        let thaws = state.thaws;
        let still = |state: &mut State| state.thaws == thaws && !state.closed;
        let waited = self.changed.wait_while(state, still);
        drop(waited);
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
