//! The directory that everything of this process is below, and a fresh data directory to copy clusters from.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::guardian;
use crate::installation::{as_server_user, program, run, server_user};

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

/// A home for another cluster, without a data directory.
pub(crate) fn empty_home() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(1);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let home = nursery().join(number.to_string());
    fs::create_dir(&home).expect("a directory for a cluster");
    hand_over(&home);
    home
}

/// Copies a data directory that no server works on.
pub(crate) fn copy_files(from: &Path, to: &Path) {
    let mut copy = as_server_user(Path::new("cp"));
    run(copy.arg("-R").arg(from).arg(to));
}

/// The data directory in a home; the guardian looks for this name.
pub(crate) fn data_directory(home: &Path) -> PathBuf {
    home.join("data")
}

/// Writes a file of the servers' user.
pub(crate) fn write_file(path: &Path, contents: &str, mode: u32) {
    fs::write(path, contents).expect("a file in a cluster's home");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the file's mode");
    hand_over(path);
}

/// Gives a path to the servers' user.
fn hand_over(path: &Path) {
    if let Some((uid, gid)) = server_user() {
        chown(path, Some(uid), Some(gid)).expect("the path can be given to the servers' user");
    }
}

/// In `/tmp` whatever `TMPDIR` says: the servers' user can enter it, and a socket's path has to be short.
fn nursery() -> &'static Path {
    static NURSERY: OnceLock<PathBuf> = OnceLock::new();
    NURSERY.get_or_init(|| {
        let directory = tempfile::Builder::new()
            .prefix("synapsor-")
            .tempdir_in("/tmp");
        let path = directory.expect("a temporary directory").keep();
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&path, mode).expect("the directory's mode");
        hand_over(&path);
        guardian::watch_over(&path);
        path
    })
}

/// `initdb` takes longer than copying what it made.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let path = nursery().join("template");
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
