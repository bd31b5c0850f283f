//! Private Postgres servers for tests, demo and benchmarks, and what one wants to have in them.
//!
//! ```no_run
//! use synapsor_testbed::{Cluster, ClusterOptions, OPERATOR, Proposal};
//!
//! let cluster = Cluster::start(ClusterOptions::default().setting("max_worker_processes", 4));
//! let database = cluster.create_database("shop");
//! database.create_extension();
//! database.create_roles();
//! database.execute("CREATE TABLE tickets (id bigint PRIMARY KEY, status text)");
//! database.execute("GRANT SELECT, UPDATE (status) ON tickets TO writer");
//! database.set("synapsor.api_key_file", cluster.key_file("key", "syn_key").display());
//! let proposal = Proposal::update("tickets").key("id", 1).change("status", "closed");
//! let mut operator = database.connect_as(OPERATOR);
//! ```
//!
//! The servers are those of the installation that `SYNAPSOR_PG_CONFIG` names. As root they run as `SYNAPSOR_SERVER_USER`.
//! Everything is below one directory, and all of it is stopped and removed when it is dropped, when the process exits, and
//! also when the process is killed: a guardian process sees to that (Linux only). [`nursery`] and [`process`] are what a
//! testbed for another kind of server shares with this one.
//!
//! This is support for tests: what goes wrong panics, with a message that says what.
#![allow(
    clippy::expect_used,
    reason = "a test that can't be set up has to stop, and say why"
)]

mod cluster;
mod copies;
mod database;
mod guardian;
mod installation;
pub mod nursery;
pub mod process;
mod proposal;
mod template;
mod wait;

pub use cluster::{Cluster, ClusterOptions, Shutdown};
pub use database::{Database, OPERATOR, WRITER, quote};
pub use installation::{major_version, program};
pub use proposal::{Proposal, exact};
pub use wait::{wait_for, within};
