//! A database of its own on a server, and users who may write to it.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};

use mysql::Conn;
use mysql::prelude::FromRow;

use crate::{Address, Server, sql};

/// A fresh database on a server, with a name of its own. Stays valid when the server is restarted.
#[derive(Clone, Debug)]
pub struct Shop {
    address: Address,
    name: String,
}

impl Shop {
    /// Makes an empty database, for text in `utf8mb4`.
    #[must_use]
    pub fn new(server: &Server) -> Self {
        let name = format!("shop_{}", next_number());
        server.execute(&format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"));
        let address = Address::clone(server);
        Shop { address, name }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its server listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// A session of the superuser in it.
    #[must_use]
    pub fn root(&self) -> Conn {
        self.address.root(Some(&self.name))
    }

    /// Runs statements of the superuser in it, separated by `;`.
    pub fn execute(&self, sql: &str) {
        sql::execute(&mut self.root(), sql);
    }

    /// The first row that a query of the superuser gives: a value, or a tuple of some.
    #[must_use]
    pub fn query_value<T: FromRow>(&self, sql: &str) -> T {
        sql::query_value(&mut self.root(), sql)
    }

    /// The rows that a query of the superuser gives, each value as the server writes it, `None` for NULL.
    #[must_use]
    pub fn query_rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        sql::query_rows(&mut self.root(), sql)
    }

    /// Makes a user who may come from anywhere, has the rights given, such as `SELECT, UPDATE (status) ON tickets`, and
    /// proves who he is as the server's makers have it. Gives his name and password.
    #[must_use]
    pub fn create_writer(&self, grants: &[&str]) -> (String, String) {
        let user = format!("writer_{}", next_number());
        let password = format!("pw-{:016x}", RandomState::new().hash_one(&user));
        self.execute(&format!(
            "CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'"
        ));
        for grant in grants {
            self.execute(&format!("GRANT {grant} TO '{user}'@'%'"));
        }
        (user, password)
    }

    /// The URL by which a user gets here over TCP.
    #[must_use]
    pub fn url(&self, user: &str, password: &str) -> String {
        self.address.url(user, password, &self.name)
    }

    /// The URL by which a user gets here over the socket.
    #[must_use]
    pub fn socket_url(&self, user: &str, password: &str) -> String {
        self.address.socket_url(user, password, &self.name)
    }
}

fn next_number() -> usize {
    static COUNT: AtomicUsize = AtomicUsize::new(1);
    COUNT.fetch_add(1, Ordering::Relaxed)
}
