//! What the campaign attacks: a database with its write-back, one way or the other.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::thread;
use std::time::{Duration, Instant};

use synapsor_crash_points::{Order, Point};
use synapsor_testbed::nursery;

use crate::case::Rows;
use crate::evidence::{Change, LedgerRow, Mark};

/// The longest that a server takes to come back.
const PATIENCE: Duration = Duration::from_secs(60);

/// Something that goes on beside the faults: called again and again, by a thread of its own.
pub type Actor = Box<dyn FnMut() + Send>;

/// How a point stops the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// At once, as in a crash.
    Immediate,
    /// In an orderly way.
    Orderly,
}

/// A system under attack.
pub trait System {
    /// Such as `PostgreSQL 17`.
    fn label(&self) -> String;
    /// `postgres` or `mysql`.
    fn source_kind(&self) -> &'static str;
    /// The schema of the tables.
    fn schema(&self) -> String;
    /// True where one session applies at a time, in the order of the list.
    fn in_order(&self) -> bool;
    /// Where orders for crash points are put.
    fn orders(&self) -> &Orders;
    /// Codes of errors that a point can raise, each with its class.
    fn errors(&self) -> &'static [(&'static str, &'static str)];
    /// True where the code at this point can raise an error of the database.
    fn can_raise_at(&self, point: Point) -> bool;
    /// What else can be done to it, by name.
    fn own_faults(&self) -> &'static [&'static str];
    /// Does one of [`System::own_faults`], about the rows of the step. False where there was nothing to do it to.
    fn inflict(&mut self, fault: &str, rows: Rows, random: &mut fastrand::Rng) -> bool;
    /// The order that stops the server.
    fn stopping(&self, how: Stop) -> Order;
    /// Waits until the server has ended, which it was told to.
    fn wait_for_end(&mut self);
    /// Brings everything back that is down.
    fn heal(&mut self);
    /// Makes the rows of a step.
    fn make_rows(&mut self, rows: Rows);
    /// Application traffic on the current rows, and whoever polls.
    fn actors(&self, seed: u64, current: &Arc<AtomicI64>) -> Vec<Actor>;
    /// Has everything tried now that is put off.
    fn hurry(&mut self);
    /// The number of the last change so far.
    fn last_change(&mut self) -> i64;
    /// The changes after that one.
    fn history(&mut self, after: i64) -> Vec<Change>;
    /// When the ledger was told of deliveries, of keys that begin so.
    fn marks(&mut self, prefix: &str) -> Vec<Mark>;
    /// The ledger's rows whose key begins so.
    fn ledger(&mut self, prefix: &str) -> HashMap<String, LedgerRow>;
}

/// The directory of orders for crash points.
pub struct Orders(PathBuf);

impl Orders {
    /// Makes it, for processes of the servers' user, too.
    pub fn new() -> Self {
        Orders(nursery::empty_home())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Gives an order.
    pub fn give(&self, point: Point, order: &Order) {
        let part = self.0.join("part");
        let written = fs::write(&part, order.to_string());
        let readable = fs::Permissions::from_mode(0o644);
        written
            .and_then(|()| fs::set_permissions(&part, readable))
            .and_then(|()| fs::rename(&part, self.0.join(point.name())))
            .expect("an order can be written");
    }

    /// Waits until the order was taken; else takes it back, and says false.
    pub fn is_taken(&self, point: Point, timeout: Duration) -> bool {
        let file = self.0.join(point.name());
        synapsor_testbed::within(timeout, || !file.exists()) || fs::remove_file(file).is_err()
    }
}

impl dyn System + '_ {
    /// Makes sure that what is attacked has crash points at all: a campaign on a build without them would find nothing.
    ///
    /// # Panics
    /// When nobody comes by one.
    pub fn require_crash_points(&self) {
        self.orders().give(Point::BeforeFetch, &Order::Wait(1));
        let is_armed = self.orders().is_taken(Point::BeforeFetch, PATIENCE);
        assert!(is_armed, "{} was built without crash points", self.label());
    }
}

/// Tries until it works: the server may be on its way down, or up.
///
/// # Panics
/// When it never does.
pub fn persist<T, E: std::fmt::Debug>(what: &str, mut step: impl FnMut() -> Result<T, E>) -> T {
    const PAUSE: Duration = Duration::from_millis(20);
    let start = Instant::now();
    loop {
        match step() {
            Ok(value) => return value,
            Err(error) if start.elapsed() > PATIENCE => panic!("{what}: {error:?}"),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}
