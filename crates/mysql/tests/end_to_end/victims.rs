//! Servers that tests kill, freeze and reconfigure, one test at a time.

use std::fmt::Display;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use synapsor_mysql_testbed::{Flavor, Server};

static MARIADB: LazyLock<Mutex<Server>> =
    LazyLock::new(|| Mutex::new(Server::start(Flavor::MariaDb)));
static MYSQL: LazyLock<Mutex<Server>> = LazyLock::new(|| Mutex::new(Server::start(Flavor::MySql)));

/// The server of this kind that anything may be done to; it is to be left running, as it was.
pub fn victim(flavor: Flavor) -> MutexGuard<'static, Server> {
    let server = match flavor {
        Flavor::MariaDb => &MARIADB,
        Flavor::MySql => &MYSQL,
    };
    server.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A variable of a server that has another value until this is dropped.
pub struct Changed<'a> {
    server: &'a Server,
    name: &'static str,
    before: String,
}

impl<'a> Changed<'a> {
    /// Sets it, for sessions that begin later.
    pub fn set(server: &'a Server, name: &'static str, value: impl Display) -> Self {
        let before = server.query_value(&format!("SELECT @@global.{name}"));
        server.set_global(name, value);
        Changed {
            server,
            name,
            before,
        }
    }
}

impl Drop for Changed<'_> {
    fn drop(&mut self) {
        self.server.set_global(self.name, &self.before);
    }
}
