//! The companion program for MySQL, with settings in its environment, and two files that hold secrets.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use synapsor_mysql_testbed::Shop;
use synapsor_testbed::process::run;

use crate::control_plane::{API_KEY, ControlPlane, SOURCE_ID};

/// The program, and where its secrets are.
pub struct Program {
    path: PathBuf,
    secrets: tempfile::TempDir,
    base_url: String,
}

impl Program {
    /// Finds the program beside us, and writes the files with its secrets.
    pub fn set_up(control_plane: &ControlPlane, url: &str) -> Self {
        let own = std::env::current_exe().expect("this program has a path");
        let program = Program {
            path: own.with_file_name("synapsor-writeback-mysql"),
            secrets: tempfile::tempdir().expect("a temporary directory"),
            base_url: control_plane.base_url().to_owned(),
        };
        program.write("key", API_KEY);
        program.write("url", url);
        program
    }

    fn write(&self, name: &str, secret: &str) {
        let mut options = fs::OpenOptions::new();
        let file = options.create_new(true).write(true).mode(0o600);
        let file = file.open(self.secrets.path().join(name));
        let written = file.and_then(|mut file| file.write_all(secret.as_bytes()));
        written.expect("a file for a secret");
    }

    /// Makes the ledger as the superuser, and gives `user` the rights that `migrate --print` shows.
    pub fn migrate(&self, shop: &Shop, user: &str) {
        self.write("root-url", &shop.socket_url("root", ""));
        let root_url = self.secrets.path().join("root-url");
        run(self
            .command(&["migrate"])
            .env("SYNAPSOR_DATABASE_URL_FILE", root_url));
        let account = format!("'{user}'@'%'");
        let script = run(&mut self.command(&["migrate", "--print", "--account", &account]));
        let grants = script.lines().filter(|line| line.starts_with("GRANT "));
        grants.for_each(|grant| shop.execute(grant.trim_end_matches(';')));
    }

    /// Leaves it running.
    pub fn run(&self, poll_interval: Duration) -> Running {
        let interval = format!("{}ms", poll_interval.as_millis());
        let mut command = self.command(&["run", "--poll-interval", &interval]);
        command.stderr(Stdio::null()).stdout(Stdio::null());
        Running(command.spawn().expect("the program runs"))
    }

    /// The program with these arguments, and nothing of our environment: what development sets there is no setting.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        let secrets = self.secrets.path();
        command
            .args(arguments)
            .env_clear()
            .envs(std::env::var_os("SYNAPSOR_RUN").map(|run| ("SYNAPSOR_RUN", run)))
            .env("SYNAPSOR_BASE_URL", &self.base_url)
            .env("SYNAPSOR_API_KEY_FILE", secrets.join("key"))
            .env("SYNAPSOR_DATABASE_URL_FILE", secrets.join("url"))
            .env("SYNAPSOR_SOURCE_ID", SOURCE_ID);
        command
    }
}

/// The running program. Ends when dropped.
pub struct Running(Child);

impl Running {
    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.0.id().cast_signed()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
