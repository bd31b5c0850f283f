//! Where a server listens. Stays valid when the server is restarted.

use std::path::{Path, PathBuf};

use mysql::{Conn, OptsBuilder};

use crate::Flavor;

/// Where a server listens.
#[derive(Clone, Debug)]
pub struct Address {
    pub(crate) flavor: Flavor,
    pub(crate) socket: PathBuf,
    pub(crate) port: u16,
}

impl Address {
    /// The server's kind.
    #[must_use]
    pub fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// The path of its socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `mysql://user:password@127.0.0.1:port/database`, with what needs it percent-encoded.
    #[must_use]
    pub fn url(&self, user: &str, password: &str, database: &str) -> String {
        tcp_url(self.port, user, password, database)
    }

    /// `mysql://user:password@localhost/database?socket=path`, with what needs it percent-encoded.
    #[must_use]
    pub fn socket_url(&self, user: &str, password: &str, database: &str) -> String {
        let [user, password, database] = [user, password, database].map(encode);
        let socket = encode(&self.socket.to_string_lossy());
        format!("mysql://{user}:{password}@localhost/{database}?socket={socket}")
    }

    /// A session of the superuser, over the socket.
    ///
    /// # Panics
    /// When it can't be had.
    #[must_use]
    pub fn root(&self, database: Option<&str>) -> Conn {
        let opened = self.try_root(database);
        opened.unwrap_or_else(|error| panic!("can't connect to {} as root: {error}", self.flavor))
    }

    /// The same, where the server may be down.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn try_root(&self, database: Option<&str>) -> mysql::Result<Conn> {
        let options = OptsBuilder::new()
            .socket(self.socket.to_str())
            .user(Some("root"))
            .db_name(database);
        Conn::new(options)
    }
}

pub(crate) fn tcp_url(port: u16, user: &str, password: &str, database: &str) -> String {
    let [user, password, database] = [user, password, database].map(encode);
    format!("mysql://{user}:{password}@127.0.0.1:{port}/{database}")
}

fn encode(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    });
    encoded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_gives_a_meaning_is_encoded_in_it() {
        let address = Address {
            flavor: Flavor::MySql,
            socket: "/tmp/a b/socket".into(),
            port: 3306,
        };
        assert_eq!(
            address.url("us:er", "p@ss/word%", "shop"),
            "mysql://us%3Aer:p%40ss%2Fword%25@127.0.0.1:3306/shop"
        );
        assert_eq!(
            address.socket_url("user", "pw", "ä"),
            "mysql://user:pw@localhost/%C3%A4?socket=%2Ftmp%2Fa%20b%2Fsocket"
        );
    }
}
