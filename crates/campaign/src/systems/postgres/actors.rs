//! Who works beside the faults: an application, and sessions that poll.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use postgres::{Client, NoTls};
use synapsor_testbed::Database;

use crate::system::Actor;

/// The application: changes a row now and then, and so its version.
pub fn traffic(mut session: Session, seed: u64, current: Arc<AtomicI64>) -> Actor {
    let mut random = fastrand::Rng::with_seed(seed);
    Box::new(move || {
        let row = current.load(Ordering::Relaxed) + random.i64(0..4);
        session.run(&format!(
            "UPDATE tickets SET version = version + 1, amount = amount + 1 WHERE id = {row}"
        ));
        thread::sleep(Duration::from_millis(random.u64(5..60)));
    })
}

/// A session that polls in one of the ways that there are.
pub fn poller(mut session: Session, seed: u64) -> Actor {
    const WAYS: [&str; 6] = [
        "SELECT synapsor_poll_once()",
        "CALL synapsor_poll()",
        "BEGIN; SELECT synapsor_poll_once(); ROLLBACK",
        "SET synchronous_commit = off; SELECT synapsor_poll_once(); RESET synchronous_commit",
        "SELECT synapsor_report_once()",
        "SELECT synapsor_wake()",
    ];
    let mut random = fastrand::Rng::with_seed(seed);
    Box::new(move || {
        session.run(WAYS[random.usize(0..WAYS.len())]);
        thread::sleep(Duration::from_millis(random.u64(10..120)));
    })
}

/// A session that is made anew after each error: it may be lost, or in the middle of a transaction that has failed.
pub struct Session {
    address: Arc<Mutex<Database>>,
    role: &'static str,
    client: Option<Client>,
}

impl Session {
    /// Nothing is opened yet.
    pub fn new(address: &Arc<Mutex<Database>>, role: &'static str) -> Self {
        Session {
            address: Arc::clone(address),
            role,
            client: None,
        }
    }

    fn run(&mut self, sql: &str) {
        if self.client.is_none() {
            let address = self.address.lock().unwrap_or_else(PoisonError::into_inner);
            let mut config = address.config(self.role);
            drop(address);
            config.connect_timeout(Duration::from_secs(2));
            self.client = config.connect(NoTls).ok();
        }
        if let Some(client) = &mut self.client
            && client.batch_execute(sql).is_err()
        {
            self.client = None;
        }
    }
}
