//! A database of a cluster, and the roles that write-back wants in it.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use postgres::types::FromSql;
use postgres::{Client, Config, NoTls, SimpleQueryMessage};

use crate::template::SUPERUSER;

/// The role that changes are made as; it can't log in.
pub const WRITER: &str = "writer";

/// The role that polls; it may become [`WRITER`], and owns nothing.
pub const OPERATOR: &str = "ops";

/// Where a server listens.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) directory: PathBuf,
    pub(crate) port: u16,
}

/// A database of a cluster. Stays valid when the cluster is restarted.
#[derive(Clone, Debug)]
pub struct Database {
    address: Address,
    name: String,
}

impl Database {
    pub(crate) fn new(address: Address, name: &str) -> Self {
        let name = name.to_owned();
        Database { address, name }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A session of the superuser.
    #[must_use]
    pub fn connect(&self) -> Client {
        self.connect_as(SUPERUSER)
    }

    /// A session of any role.
    #[must_use]
    pub fn connect_as(&self, role: &str) -> Client {
        let connected = self.config(role).connect(NoTls);
        connected
            .unwrap_or_else(|error| panic!("can't connect to {} as {role}: {error}", self.name))
    }

    /// How to connect, for those who want to do it themselves.
    #[must_use]
    pub fn config(&self, role: &str) -> Config {
        let mut config = Config::new();
        config.host_path(&self.address.directory);
        config.port(self.address.port);
        config.dbname(&self.name).user(role);
        config
    }

    pub(crate) fn is_reachable(&self) -> bool {
        self.config(SUPERUSER).connect(NoTls).is_ok()
    }

    /// Runs statements as the superuser, in a session of their own.
    pub fn execute(&self, sql: &str) {
        let done = self.connect().batch_execute(sql);
        done.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// The one value that a query of the superuser gives.
    #[must_use]
    pub fn value<T: for<'a> FromSql<'a>>(&self, sql: &str) -> T {
        let row = self.connect().query_one(sql, &[]);
        row.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
            .get(0)
    }

    /// The rows that a query of the superuser gives, as `psql` would print them: `a|b`, an empty text for NULL.
    #[must_use]
    pub fn rows(&self, sql: &str) -> Vec<String> {
        let messages = self.connect().simple_query(sql);
        let messages = messages.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                let columns = (0..row.len()).map(|n| row.get(n).unwrap_or_default());
                Some(columns.collect::<Vec<_>>().join("|"))
            }
            _ => None,
        });
        rows.collect()
    }

    /// Sets a parameter for new sessions of this database.
    pub fn set(&self, name: &str, value: impl Display) {
        let value = value.to_string().replace('\'', "''");
        let database = quote(&self.name);
        self.execute(&format!("ALTER DATABASE {database} SET {name} = '{value}'"));
    }

    /// Installs the extension.
    pub fn create_extension(&self) {
        self.execute("CREATE EXTENSION synapsor_writeback");
    }

    /// Makes [`WRITER`] and [`OPERATOR`] where the cluster has them not yet, and hands the extension's functions to the
    /// operator. Proposals are then applied as the writer, who has no right on any table until it is granted.
    pub fn create_roles(&self) {
        self.create_roles_of_the_cluster();
        self.execute(&format!("SELECT synapsor_grant_usage('{OPERATOR}')"));
        self.set("synapsor.apply_role", WRITER);
    }

    /// Roles belong to the cluster; databases that tests share it for are set up at the same time.
    fn create_roles_of_the_cluster(&self) {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let query = format!("SELECT count(*) FROM pg_roles WHERE rolname = '{OPERATOR}'");
        if self.value::<i64>(&query) == 0 {
            self.execute(&format!(
                "CREATE ROLE {WRITER}; CREATE ROLE {OPERATOR} LOGIN; GRANT {WRITER} TO {OPERATOR}"
            ));
        }
    }
}

/// An identifier as SQL text, quoted.
#[must_use]
pub fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}
