//! Where the servers' programs are, and how they are called.
//!
//! A fetched server is a tree with a C library of its own, which it is run with. One of the user's own is a program, which
//! knows by itself where its files are.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use synapsor_testbed::process::as_server_user;

use crate::Flavor;

impl Flavor {
    /// Names the server's tree, or the program.
    fn variable(self) -> &'static str {
        match self {
            Flavor::MariaDb => "SYNAPSOR_MARIADB",
            Flavor::MySql => "SYNAPSOR_MYSQL",
        }
    }

    fn place(self) -> PathBuf {
        let variable = self.variable();
        let place = env::var_os(variable).map(PathBuf::from).unwrap_or_else(|| {
            panic!("{variable} is not set: name the tree of {self} that scripts/setup-mysql.sh has fetched")
        });
        assert!(
            place.exists(),
            "{} does not exist: {variable} has to name {self}'s tree or program",
            place.display(),
        );
        place
    }

    /// The server's program, told where its own files are, to be run in `home`.
    pub(crate) fn program(self, home: &Path) -> Command {
        let place = self.place();
        let mut command = if place.is_dir() {
            self.program_in(&place)
        } else {
            let mut own = as_server_user(&place);
            own.arg("--no-defaults");
            own
        };
        if self == Flavor::MySql {
            command.args(["--mysqlx=OFF", "--secure-file-priv=NULL"]);
        }
        // The guardian knows by it what to stop when we are killed.
        command.current_dir(home);
        command
    }

    fn program_in(self, tree: &Path) -> Command {
        let prefix = tree.join("usr");
        let libraries = prefix.join("lib/x86_64-linux-gnu");
        let program = match self {
            Flavor::MariaDb => "sbin/mariadbd",
            Flavor::MySql => "sbin/mysqld",
        };
        let mut command = as_server_user(&libraries.join("ld-linux-x86-64.so.2"));
        command.arg("--library-path").arg(&libraries);
        command.arg(prefix.join(program)).arg("--no-defaults");
        command.arg(option("basedir", &prefix));
        command.arg(option("lc-messages-dir", &prefix.join("share/mysql")));
        command.arg(option("plugin-dir", &prefix.join("lib/mysql/plugin")));
        command
    }

    /// Where the SQL that makes MariaDB's system tables is.
    pub(crate) fn share_directory(self) -> PathBuf {
        let place = self.place();
        let prefix = if place.is_dir() {
            place.join("usr")
        } else {
            let directory = place.parent().and_then(Path::parent);
            directory.unwrap_or(Path::new("/usr")).to_owned()
        };
        let found = ["share/mysql", "share/mariadb", "share"]
            .map(|directory| prefix.join(directory))
            .into_iter()
            .find(|directory| directory.join("mysql_system_tables.sql").exists());
        found.unwrap_or_else(|| {
            panic!(
                "{}/share lacks {self}'s mysql_system_tables.sql",
                prefix.display()
            )
        })
    }
}

/// An option of a server that names a path.
pub(crate) fn option(name: &str, path: &Path) -> String {
    let path = path.to_str().expect("a path that is text");
    format!("--{name}={path}")
}
