//! Fresh data directories to copy servers' from, as making one takes seconds. There is one of each kind in a process.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use synapsor_testbed::nursery;
use synapsor_testbed::process::run;

use crate::Flavor;
use crate::program::option;

/// Redo logs of a few megabytes: they are copied too, or written full at the start.
impl Flavor {
    pub(crate) fn small_files(self) -> &'static str {
        match self {
            Flavor::MariaDb => "--innodb-log-file-size=16M",
            Flavor::MySql => "--innodb-redo-log-capacity=32M",
        }
    }
}

/// The template of that kind. The superuser, `root`, has no password.
pub(crate) fn template(flavor: Flavor) -> &'static Path {
    static MARIADB: OnceLock<PathBuf> = OnceLock::new();
    static MYSQL: OnceLock<PathBuf> = OnceLock::new();
    match flavor {
        Flavor::MariaDb => MARIADB.get_or_init(bootstrap_mariadb),
        Flavor::MySql => MYSQL.get_or_init(initialize_mysql),
    }
}

fn initialize_mysql() -> PathBuf {
    let (mut command, data) = preparation(Flavor::MySql);
    run(command.arg("--initialize-insecure"));
    // Each copy gets an identity of its own.
    fs::remove_file(data.join("auto.cnf")).expect("the template's identity can be removed");
    data
}

/// What `mariadb-install-db` does, but for help texts and the test database.
fn bootstrap_mariadb() -> PathBuf {
    const FILES: [&str; 4] = [
        "mysql_system_tables.sql",
        "mysql_performance_tables.sql",
        "mysql_system_tables_data.sql",
        "mysql_sys_schema.sql",
    ];
    let share = Flavor::MariaDb.share_directory();
    let mut sql = String::from(
        "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\nSET @current_hostname = 'localhost';\n",
    );
    for file in FILES {
        let text = fs::read_to_string(share.join(file));
        sql += &text.unwrap_or_else(|error| panic!("{}/{file}: {error}", share.display()));
    }
    let (mut command, data) = preparation(Flavor::MariaDb);
    feed(command.arg("--bootstrap"), &sql);
    data
}

/// A call of the server's program that makes a data directory: what is not whole is never used, so nothing is synced.
fn preparation(flavor: Flavor) -> (Command, PathBuf) {
    let home = nursery::empty_home();
    let data = nursery::data_directory(&home);
    nursery::create_directory(&data);
    let mut command = flavor.program(&home);
    command.args([option("datadir", &data).as_str(), flavor.small_files()]);
    command.arg("--innodb-flush-method=nosync");
    // Elsewhere, another server that starts takes this one's files for its own leftovers.
    command.arg(option("tmpdir", &home));
    (command, data)
}

fn feed(command: &mut Command, input: &str) {
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let spawned = command.stderr(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("can't run {command:?}: {error}"));
    let written = child
        .stdin
        .take()
        .map(|mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("the program ends");
    assert!(
        output.status.success() && matches!(written, Some(Ok(()))),
        "{command:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr),
    );
}
