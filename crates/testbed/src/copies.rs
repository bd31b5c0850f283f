//! Clusters made from others: a streaming standby, and a copy of the files.

use std::fs;
use std::path::PathBuf;

use crate::cluster::Cluster;
use crate::nursery::{self, data_directory};
use crate::process::run;
use crate::template::SUPERUSER;

impl Cluster {
    /// Makes a streaming standby of this cluster and starts its server. Its name is what `synchronous_standby_names` knows
    /// it by. [`Cluster::promote`] ends its being one.
    ///
    /// # Panics
    /// When it can't be made or started.
    #[must_use]
    pub fn start_standby(&self, name: &str) -> Cluster {
        let home = nursery::empty_home();
        let mut backup = self.program("pg_basebackup");
        backup.args(["--checkpoint=fast", "--no-sync", "--pgdata"]);
        run(backup.arg(data_directory(&home)));
        let signal = data_directory(&home).join("standby.signal");
        nursery::write_file(&signal, "", 0o600);
        let mut standby = Cluster::at(home, self.environment().to_vec());
        let primary = format!(
            "host={} port={} user={SUPERUSER} application_name={name}",
            self.socket_directory().display(),
            self.port()
        );
        standby.configure("primary_conninfo", primary);
        standby.start_at_a_free_port();
        standby
    }

    /// Makes a standby a primary, and waits until it is one.
    ///
    /// # Panics
    /// When it is none in time.
    pub fn promote(&self) {
        let is_promoted: bool = self.database("postgres").value("SELECT pg_promote()");
        assert!(is_promoted, "not promoted in time:\n{}", self.log());
    }

    /// Copies the data directory of this cluster, whose server is stopped, into a home of its own. What is outside the data
    /// directory is not copied. [`Cluster::start_copy`] starts a server there.
    ///
    /// # Panics
    /// When the server is running.
    #[must_use]
    pub fn copy_files(&self) -> Cluster {
        assert!(!self.is_running(), "the server works on its files");
        let home = nursery::empty_home();
        nursery::copy_files(
            &data_directory(self.socket_directory()),
            &data_directory(&home),
        );
        // The server was killed, perhaps.
        let _ = fs::remove_file(data_directory(&home).join("postmaster.pid"));
        Cluster::at(home, self.environment().to_vec())
    }

    /// A cluster whose data directory somebody else has made, in a home of the nursery: `pg_upgrade`. [`Cluster::start_copy`] starts
    /// a server there.
    #[must_use]
    pub fn adopt(home: PathBuf) -> Cluster {
        Cluster::at(home, Vec::new())
    }

    /// Starts the server of a copy, at a port of its own.
    ///
    /// # Panics
    /// When it does not start; with its log.
    pub fn start_copy(&mut self) {
        assert!(!self.is_running(), "the server is running already");
        self.start_at_a_free_port();
    }
}
