//! The simulator: a control plane, served over HTTP, with a synchronous face for tests.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Request;

use crate::admin;
use crate::control_plane::{ControlPlane, Decision};
use crate::endpoint::Endpoint;
use crate::journal::{Credential, Entry};
use crate::options::Options;
use crate::proposals::{InvalidProposal, Status};
use crate::report::{Report, Word};
use crate::rule::{Rule, RuleId};
use crate::server::{Server, Traffic};
use crate::sources::Source;
use crate::tls::Tls;

/// A control plane at a real address. It serves from its own thread, and stops when dropped.
pub struct Simulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    tls: Option<Tls>,
    server: Mutex<Option<Server>>,
}

/// What the test's threads and the serving thread share.
pub(crate) struct Shared {
    control_plane: Mutex<ControlPlane>,
    heard: Condvar,
    admin: bool,
    pub(crate) traffic: Traffic,
}

impl Shared {
    /// A panicking condition of a test must not take the simulator down with it.
    fn lock(&self) -> MutexGuard<'_, ControlPlane> {
        self.control_plane
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn decide(&self, request: &Request<Bytes>, connection: u64) -> Decision {
        let mut control_plane = self.lock();
        if self.admin && request.uri().path().starts_with(admin::PREFIX) {
            return admin::decide(&mut control_plane, request);
        }
        let decision = control_plane.decide(request, connection);
        drop(control_plane);
        self.heard.notify_all();
        decision
    }
}

impl Simulator {
    /// Starts a simulator.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened at, or a certificate cannot be made.
    pub fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen)?;
        let address = listener.local_addr()?;
        let tls = options.tls.map(Tls::new).transpose()?;
        let shared = Arc::new(Shared {
            control_plane: Mutex::new(ControlPlane::new(&options)),
            heard: Condvar::new(),
            admin: options.admin,
            traffic: Traffic::default(),
        });
        let simulator = Self {
            shared,
            address,
            tls,
            server: Mutex::new(None),
        };
        simulator.serve(listener)?;
        Ok(simulator)
    }

    fn serve(&self, listener: TcpListener) -> io::Result<()> {
        let acceptor = self.tls.as_ref().map(|tls| tls.acceptor.clone());
        let server = Server::start(listener, acceptor, Arc::clone(&self.shared))?;
        *self.server() = Some(server);
        Ok(())
    }

    fn server(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every connection and refuses new ones; what it knows stays.
    pub fn go_down(&self) {
        self.server().take();
    }

    /// Serves again, at the same address.
    ///
    /// # Errors
    ///
    /// When the address was taken meanwhile.
    pub fn come_back(&self) -> io::Result<()> {
        self.go_down();
        self.serve(TcpListener::bind(self.address)?)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Such as `http://127.0.0.1:40123`, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        format!("{scheme}://{address}")
    }

    /// The certificate authority that a client has to trust; `None` without TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.tls.as_ref().map(|tls| tls.ca_pem.as_str())
    }
}

/// Filling it.
impl Simulator {
    /// Adds a proposal at the end of the list, and gives its id. The text (a string, or a JSON
    /// value) is listed byte for byte; `status` counts as `approved` where it is missing. An id
    /// that is there already is listed once more, and what was reported of it stays.
    ///
    /// # Errors
    ///
    /// When the text is not a proposal; [`Simulator::add_raw`] takes it all the same.
    pub fn add_proposal(&self, proposal: impl ToString) -> Result<String, InvalidProposal> {
        self.shared.lock().proposals.add(proposal.to_string())
    }

    /// Adds many proposals; stops at the first that is none.
    ///
    /// # Errors
    ///
    /// As [`Simulator::add_proposal`].
    pub fn add_proposals<T: ToString>(
        &self,
        proposals: impl IntoIterator<Item = T>,
    ) -> Result<(), InvalidProposal> {
        let mut control_plane = self.shared.lock();
        for proposal in proposals {
            control_plane.proposals.add(proposal.to_string())?;
        }
        Ok(())
    }

    /// Adds bytes as an element of the list, be they JSON or not. They are listed whatever the
    /// filters; with an id, until a report about it is accepted, else for ever.
    pub fn add_raw(&self, bytes: impl Into<Bytes>, id: Option<&str>) {
        self.shared.lock().proposals.add_raw(bytes.into(), id);
    }

    /// Moves a proposal in its life, as people do: only `Approved` ones are listed. False if there
    /// is no such proposal.
    pub fn set_status(&self, id: &str, status: Status) -> bool {
        self.shared.lock().proposals.set_status(id, status)
    }

    /// Adds a source.
    pub fn add_source(&self, source: Source) {
        self.shared.lock().sources.add(source);
    }
}

/// Making it misbehave.
impl Simulator {
    /// Adds a rule behind those that are there.
    pub fn inject(&self, rule: Rule) -> RuleId {
        self.shared.lock().rules.inject(rule)
    }

    /// Takes a rule back.
    pub fn withdraw(&self, id: RuleId) {
        self.shared.lock().rules.withdraw(id);
    }

    /// Takes every rule back.
    pub fn clear_faults(&self) {
        self.shared.lock().rules.clear();
    }

    /// How many requests met the fault of a rule.
    #[must_use]
    pub fn applied(&self, id: RuleId) -> u64 {
        let control_plane = self.shared.lock();
        let mut rules = control_plane.rules.iter();
        let found = rules.find(|injected| injected.id == id);
        found.map_or(0, |injected| injected.applied)
    }
}

/// Asking it.
impl Simulator {
    /// Looks at what it knows, at one moment. Requests wait meanwhile, and so would a method of the
    /// simulator itself, for ever: ask only what is handed over.
    pub fn read<T>(&self, look: impl FnOnce(&ControlPlane) -> T) -> T {
        look(&self.shared.lock())
    }

    /// Waits until the condition holds, and says whether it did in time. The condition is asked at
    /// once, and again after every request; as in [`Simulator::read`], it asks only what is handed
    /// over.
    #[must_use]
    pub fn wait_for(
        &self,
        mut condition: impl FnMut(&ControlPlane) -> bool,
        timeout: Duration,
    ) -> bool {
        let deadline = Instant::now() + timeout;
        let mut control_plane = self.shared.lock();
        loop {
            if condition(&control_plane) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let woken = self.shared.heard.wait_timeout(control_plane, left);
            control_plane = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The requests so far, oldest first.
    #[must_use]
    pub fn journal(&self) -> Vec<Entry> {
        self.requests_matching(|_| true)
    }

    /// The requests for which this holds.
    #[must_use]
    pub fn requests_matching(&self, mut wanted: impl FnMut(&Entry) -> bool) -> Vec<Entry> {
        let control_plane = self.shared.lock();
        let entries = control_plane.journal().iter();
        entries.filter(|entry| wanted(entry)).cloned().collect()
    }

    /// The requests that no client of ours should make: a rule of the contract broken, no key or a
    /// wrong one, or a call that the contract does not name.
    #[must_use]
    pub fn breaches(&self) -> Vec<Entry> {
        self.requests_matching(|entry| {
            entry.breach.is_some()
                || entry.credential != Credential::Matched
                || entry.endpoint == Endpoint::Unknown
        })
    }

    /// Forgets the requests so far, their counts and the peak; reports stay.
    pub fn clear_journal(&self) {
        self.shared.traffic.reset_peak();
        self.shared.lock().journal.clear();
    }

    /// The reports about a proposal, oldest first; none when only counts are kept.
    #[must_use]
    pub fn reports_for(&self, id: &str) -> Vec<Report> {
        self.read(|control_plane| control_plane.reports_for(id).to_vec())
    }

    /// What was first accepted as the outcome of a proposal, and stands.
    #[must_use]
    pub fn final_word(&self, id: &str) -> Option<Word> {
        self.read(|control_plane| control_plane.final_word(id).cloned())
    }

    /// Where a proposal is in its life.
    #[must_use]
    pub fn status(&self, id: &str) -> Option<Status> {
        self.read(|control_plane| control_plane.status(id))
    }

    /// How many requests there were of one kind.
    #[must_use]
    pub fn calls(&self, endpoint: Endpoint) -> u64 {
        self.read(|control_plane| control_plane.calls(endpoint))
    }

    /// How many connections were made so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.traffic.connections()
    }

    /// The most requests that were under way at once.
    #[must_use]
    pub fn peak_in_flight(&self) -> usize {
        self.shared.traffic.peak()
    }
}
