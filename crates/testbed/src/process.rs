//! Programs that run as the servers' user: as root that is another one, whom `SYNAPSOR_SERVER_USER` names.

use std::env;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Names the user that servers run as when we are root, whom they refuse.
const SERVER_USER: &str = "SYNAPSOR_SERVER_USER";

/// Any program, to be run as the servers' user, in a directory that everybody can enter.
#[must_use]
pub fn as_server_user(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").stdin(Stdio::null());
    // It would put the stack of every error into the server's log.
    command.env_remove("RUST_BACKTRACE");
    if let Some((uid, gid)) = server_user() {
        command.uid(uid).gid(gid);
    }
    command
}

/// The servers' user and group, where that is not us.
pub(crate) fn server_user() -> Option<(u32, u32)> {
    static USER: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    *USER.get_or_init(|| is_root().then(user_from_environment))
}

/// Runs a command to its end and gives its output, without white space around it.
///
/// # Panics
/// With its output, when it fails.
pub fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("can't run {command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{command:?} failed:\n{text}{}",
        String::from_utf8_lossy(&output.stderr),
    );
    text.trim().to_owned()
}

/// Sends a signal to a process that a server of ours is, or has started.
pub fn send(pid: i32, signal: i32) {
    // SAFETY: has no precondition.
    unsafe { libc::kill(pid, signal) };
}

fn is_root() -> bool {
    // SAFETY: has no precondition.
    unsafe { libc::geteuid() == 0 }
}

fn user_from_environment() -> (u32, u32) {
    let name = env::var(SERVER_USER)
        .unwrap_or_else(|_| panic!("servers do not run as root: set {SERVER_USER}"));
    let ask = |what: &str| {
        let number = run(Command::new("id").args([what, &name]));
        number.parse().expect("id prints a number")
    };
    (ask("-u"), ask("-g"))
}
