//! Private MariaDB and MySQL servers for tests, demo and benchmarks, and a proxy that cuts and holds connections.
//!
//! ```no_run
//! use synapsor_mysql_testbed::{Flavor, Proxy, Server, Shop, shared};
//!
//! let shop = Shop::new(shared(Flavor::MariaDb));
//! shop.execute("CREATE TABLE tickets (id bigint PRIMARY KEY, status varchar(20))");
//! let (user, password) = shop.create_writer(&["SELECT, UPDATE (status) ON tickets"]);
//! let url = shop.url(&user, &password);
//!
//! let mut server = Server::start_with(Flavor::MySql, &["--innodb-lock-wait-timeout=1"]);
//! let proxy = Proxy::start(&server);
//! proxy.cut_after_commit();
//! server.kill();
//! ```
//!
//! The servers are those that `SYNAPSOR_MARIADB` and `SYNAPSOR_MYSQL` name. As root they run as `SYNAPSOR_SERVER_USER`.
//! Everything is below one directory, and all of it is stopped and removed when it is dropped, when the process exits, and
//! also when the process is killed (Linux only).
//!
//! This is support for tests: what goes wrong panics, with a message that says what.
#![allow(
    clippy::expect_used,
    reason = "a test that can't be set up has to stop, and say why"
)]

mod address;
mod flavor;
mod link;
mod packet;
mod program;
mod proxy;
mod server;
mod shop;
mod sql;
mod template;
mod tls;

pub use address::Address;
pub use flavor::Flavor;
pub use proxy::Proxy;
pub use server::{Server, shared};
pub use shop::Shop;
pub use synapsor_testbed::{wait_for, within};
pub use tls::TlsFiles;
