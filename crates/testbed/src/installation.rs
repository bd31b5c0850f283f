//! The Postgres installation that servers are started from, and the user they run as.

use std::env;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Names the installation's `pg_config`.
const PG_CONFIG: &str = "SYNAPSOR_PG_CONFIG";

/// Names the user that servers run as when we are root, whom Postgres refuses.
const SERVER_USER: &str = "SYNAPSOR_SERVER_USER";

/// Where the programs are, and who runs them.
struct Installation {
    bin: PathBuf,
    major: u32,
    user: Option<User>,
}

struct User {
    uid: u32,
    gid: u32,
}

/// The server's major version, such as 17.
#[must_use]
pub fn major_version() -> u32 {
    installation().major
}

/// A program of the installation, such as `psql`, to be run as the servers' user.
#[must_use]
pub fn program(name: &str) -> Command {
    as_server_user(&installation().bin.join(name))
}

/// Any program, to be run as the servers' user, in a directory that everybody can enter.
pub(crate) fn as_server_user(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").stdin(Stdio::null());
    // It would put the stack of every error into the server's log.
    command.env_remove("RUST_BACKTRACE");
    if let Some(user) = &installation().user {
        command.uid(user.uid).gid(user.gid);
    }
    command
}

/// The servers' user and group, where that is not us.
pub(crate) fn server_user() -> Option<(u32, u32)> {
    installation()
        .user
        .as_ref()
        .map(|user| (user.uid, user.gid))
}

/// Runs a command to its end.
///
/// # Panics
/// With its output, when it fails.
pub(crate) fn run(command: &mut Command) -> String {
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

fn installation() -> &'static Installation {
    static FOUND: OnceLock<Installation> = OnceLock::new();
    FOUND.get_or_init(Installation::find)
}

impl Installation {
    fn find() -> Self {
        let pg_config = env::var_os(PG_CONFIG).unwrap_or_else(|| {
            panic!("{PG_CONFIG} is not set: name the pg_config of the server to test with")
        });
        let ask = |what: &str| run(Command::new(&pg_config).arg(what));
        Installation {
            bin: ask("--bindir").into(),
            major: major_of(&ask("--version")),
            user: is_root().then(User::from_environment),
        }
    }
}

impl User {
    fn from_environment() -> Self {
        let name = env::var(SERVER_USER)
            .unwrap_or_else(|_| panic!("Postgres does not run as root: set {SERVER_USER}"));
        let ask = |what: &str| {
            let number = run(Command::new("id").args([what, &name]));
            number.parse().expect("id prints a number")
        };
        User {
            uid: ask("-u"),
            gid: ask("-g"),
        }
    }
}

fn is_root() -> bool {
    // SAFETY: has no precondition.
    unsafe { libc::geteuid() == 0 }
}

/// From `PostgreSQL 17.11` or `PostgreSQL 18beta1`.
fn major_of(version: &str) -> u32 {
    let digits = version.trim_start_matches("PostgreSQL ");
    let end = digits.find(|c: char| !c.is_ascii_digit());
    digits[..end.unwrap_or(digits.len())]
        .parse()
        .unwrap_or_else(|_| panic!("can't tell the major version of {version}"))
}
