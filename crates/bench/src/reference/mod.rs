//! The sequential reference: what a worker does that takes one proposal after the other, from outside. One guarded statement
//! over an ordinary connection, then one report over a kept-alive one. It keeps no ledger and promises nothing.

mod mysql;
mod postgres;
pub mod process;

use std::cell::RefCell;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::own_process::OwnProcess;
use crate::processes::Process;

/// The subcommand that it is started with.
pub const SUBCOMMAND: &str = "reference";

/// Which database it writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Postgres.
    Postgres,
    /// MariaDB or MySQL.
    Mysql,
}

/// The first that it says.
#[derive(Serialize, Deserialize)]
struct Welcome {
    /// The process of the server that works for it alone, where there is one.
    session: Option<i32>,
}

/// Apply all that is approved.
#[derive(Serialize, Deserialize)]
struct Go;

/// How many proposals it has applied and reported.
#[derive(Serialize, Deserialize)]
struct Done(usize);

/// A running reference. Ends when dropped.
pub struct Reference {
    process: RefCell<OwnProcess>,
    session: Option<i32>,
}

impl Reference {
    /// Starts it. `address` is a connection string of Postgres, or a URL of MySQL.
    pub fn start(kind: Kind, base_url: &str, address: &str) -> Self {
        let kind = match kind {
            Kind::Postgres => "postgres",
            Kind::Mysql => "mysql",
        };
        let mut process = OwnProcess::start(&[SUBCOMMAND, kind, base_url, address]);
        let welcome: Welcome = process.answer();
        Reference {
            process: RefCell::new(process),
            session: welcome.session,
        }
    }

    /// Its process, and the server's that works for it alone.
    pub fn processes(&self) -> Vec<Process> {
        let own = Process::new("reference", self.process.borrow().pid());
        let session = self.session.map(|pid| Process::new("its session", pid));
        [Some(own), session].into_iter().flatten().collect()
    }

    /// Has it apply and report all that is approved, and says how many that were.
    pub fn work(&self) -> usize {
        let Done(count) = self.process.borrow_mut().ask(&Go);
        count
    }
}
