//! The Postgres installation that servers are started from.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::process::{as_server_user, run};

/// Names the installation's `pg_config`.
const PG_CONFIG: &str = "SYNAPSOR_PG_CONFIG";

/// Where the programs are.
struct Installation {
    bin: PathBuf,
    major: u32,
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
        }
    }
}

/// From `PostgreSQL 17.11` or `PostgreSQL 18beta1`.
fn major_of(version: &str) -> u32 {
    let digits = version.trim_start_matches("PostgreSQL ");
    let end = digits.find(|c: char| !c.is_ascii_digit());
    digits[..end.unwrap_or(digits.len())]
        .parse()
        .unwrap_or_else(|_| panic!("can't tell the major version of {version}"))
}
