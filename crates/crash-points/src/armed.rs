//! What an armed build does at a point.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{env, fs, process, thread};

use crate::{DEFECT, DIRECTORY, Defect, Order, Point, Raise};

#[cfg(not(debug_assertions))]
compile_error!("crash points are for tests: a release build must not have them");

/// What a signal takes to arrive. A process that is to be ended by it goes no step further meanwhile.
const MOMENT: Duration = Duration::from_millis(200);

/// Does what the order at this point says, if there is one: each order is taken once, whoever comes by first. Returns the error that the
/// caller is to raise.
#[must_use]
pub fn reach(point: Point) -> Option<Raise> {
    static ORDERS: OnceLock<Option<PathBuf>> = OnceLock::new();
    let directory = ORDERS.get_or_init(|| env::var_os(DIRECTORY).map(PathBuf::from));
    let order = take(directory.as_ref()?, point)?;
    match order {
        Order::Kill => {
            send(own_pid(), libc::SIGKILL);
            None
        }
        Order::Signal { pid, signal } => {
            send(pid, signal);
            thread::sleep(MOMENT);
            None
        }
        Order::Wait(milliseconds) => {
            thread::sleep(Duration::from_millis(milliseconds));
            None
        }
        Order::Raise(code) => point.can_raise().then_some(Raise { code }),
    }
}

/// True for the defect that this process was started with.
#[must_use]
pub fn is_on(defect: Defect) -> bool {
    static ON: OnceLock<Option<Defect>> = OnceLock::new();
    let on = ON.get_or_init(|| env::var(DEFECT).ok()?.parse().ok());
    *on == Some(defect)
}

/// Takes the order by renaming its file, which only one process can.
fn take(directory: &Path, point: Point) -> Option<Order> {
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    let count = TAKEN.fetch_add(1, Ordering::Relaxed);
    let taken = directory.join(format!("{point}.taken.{}.{count}", own_pid()));
    fs::rename(directory.join(point.name()), &taken).ok()?;
    fs::read_to_string(taken).ok()?.parse().ok()
}

fn own_pid() -> i32 {
    process::id().cast_signed()
}

fn send(pid: i32, signal: i32) {
    // SAFETY: has no precondition.
    unsafe { libc::kill(pid, signal) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_taken_once() {
        let orders = tempfile::tempdir().unwrap();
        fs::write(orders.path().join("after_ledger"), "wait 1").unwrap();
        assert_eq!(take(orders.path(), Point::BeforeLedger), None);
        assert_eq!(
            take(orders.path(), Point::AfterLedger),
            Some(Order::Wait(1))
        );
        assert_eq!(take(orders.path(), Point::AfterLedger), None);
    }
}
