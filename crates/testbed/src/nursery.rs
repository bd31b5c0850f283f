//! The directory that everything of this process is below: homes of servers and of templates.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::guardian;
use crate::process::{as_server_user, run, server_user};

/// A home for another server, of whatever kind, without a data directory.
///
/// # Panics
/// When it can't be made.
#[must_use]
pub fn empty_home() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(1);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let home = nursery().join(number.to_string());
    create_directory(&home);
    home
}

/// Copies a data directory that no server works on.
///
/// # Panics
/// When it can't be copied.
pub fn copy_files(from: &Path, to: &Path) {
    let mut copy = as_server_user(Path::new("cp"));
    run(copy.arg("-R").arg(from).arg(to));
}

/// The data directory in a home; the guardian looks for this name.
#[must_use]
pub fn data_directory(home: &Path) -> PathBuf {
    home.join("data")
}

/// Makes a directory of the servers' user.
///
/// # Panics
/// When it can't be made.
pub fn create_directory(path: &Path) {
    fs::create_dir(path).expect("a directory for a server");
    hand_over(path);
}

/// Writes a file of the servers' user.
///
/// # Panics
/// When it can't be written.
pub fn write_file(path: &Path, contents: &str, mode: u32) {
    fs::write(path, contents).expect("a file in a server's home");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the file's mode");
    hand_over(path);
}

/// A port on 127.0.0.1 that nobody listens at. Below those that the system gives to connections: while a server is down,
/// one of them could get its port, even from trying to connect to it.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port() -> u16 {
    const LOWEST: u64 = 10_000;
    const TRIES: usize = 1000;
    let end = Some(first_ephemeral_port()).filter(|&first| first > 2 * LOWEST);
    let count = end.unwrap_or(1 << 16) - LOWEST;
    let random = || LOWEST + RandomState::new().hash_one(0) % count;
    (0..TRIES)
        .filter_map(|_| u16::try_from(random()).ok())
        .find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        .expect("a free port")
}

fn first_ephemeral_port() -> u64 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first = range.split_whitespace().next();
    first.and_then(|port| port.parse().ok()).unwrap_or(32768)
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
