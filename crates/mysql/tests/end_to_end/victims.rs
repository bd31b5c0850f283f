//! Servers that tests kill, freeze and reconfigure, one test at a time.

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
