//! A fresh data directory of Postgres, to copy clusters from.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::installation::program;
use crate::nursery::{copy_files, data_directory, empty_home};
use crate::process::run;

/// The superuser of every cluster.
pub(crate) const SUPERUSER: &str = "postgres";

/// A home for another cluster, with its data directory.
pub(crate) fn new_home() -> PathBuf {
    let home = empty_home();
    copy_files(template(), &data_directory(&home));
    home
}

/// A home for another cluster, with a data directory that is no copy of another.
pub(crate) fn new_home_with_its_own_identity() -> PathBuf {
    let home = empty_home();
    initdb(&data_directory(&home));
    home
}

/// `initdb` takes longer than copying what it made.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let path = data_directory(&empty_home());
        initdb(&path);
        path
    })
}

fn initdb(path: &Path) {
    let mut initdb: Command = program("initdb");
    initdb.args(["--username", SUPERUSER, "--auth=trust", "--no-sync"]);
    initdb.args(["--encoding=UTF8", "--locale=C", "--pgdata"]);
    run(initdb.arg(path));
}
