//! The program, run as a person would: with settings in its environment, and two files that hold secrets.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use simulated_control_plane::Simulator;
use synapsor_mysql_testbed::Shop;

use crate::{API_KEY, SOURCE_ID};

/// The program, and where its secrets are.
pub struct Program {
    path: PathBuf,
    secrets: tempfile::TempDir,
    base_url: String,
}

impl Program {
    /// Finds the program beside us, and writes the files with its secrets.
    pub fn set_up(control_plane: &Simulator, url: &str) -> Self {
        let own = std::env::current_exe().expect("this program has a path");
        let program = Program {
            path: own.with_file_name("synapsor-writeback-mysql"),
            secrets: tempfile::tempdir().expect("a temporary directory"),
            base_url: control_plane.base_url(),
        };
        program.write("key", API_KEY);
        program.write("url", url);
        program
    }

    fn write(&self, name: &str, secret: &str) {
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.secrets.path().join(name);
        let mut options = fs::OpenOptions::new();
        let file = options
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(path);
        let mut file = file.expect("a file for a secret");
        file.write_all(secret.as_bytes())
            .expect("the secret is written");
    }

    /// Makes the ledger as the superuser, and gives `user` the rights that `migrate --print` shows.
    pub fn migrate(&self, shop: &Shop, user: &str) {
        self.write("root-url", &shop.socket_url("root", ""));
        let mut migrate = self.command(&["migrate"]);
        migrate.env(
            "SYNAPSOR_DATABASE_URL_FILE",
            self.secrets.path().join("root-url"),
        );
        finished(&mut migrate);
        let account = format!("'{user}'@'%'");
        let printed = finished(&mut self.command(&["migrate", "--print", "--account", &account]));
        let script = String::from_utf8_lossy(&printed.stdout).into_owned();
        let grants = script.lines().filter(|line| line.starts_with("GRANT "));
        grants.for_each(|grant| shop.execute(grant.trim_end_matches(';')));
    }

    /// Runs it, and returns the JSON lines that it prints.
    pub fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.command(arguments).output().expect("the program runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines = text
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>();
        lines.unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Runs it for a person, and returns what he sees.
    pub fn show(&self, arguments: &[&str]) -> String {
        let mut command = self.command(arguments);
        let output = command.args(["--output", "human"]).output();
        let output = output.expect("the program runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Builds the statement of a proposal.
    pub fn build(&self, proposal: &str) -> Value {
        let mut command = self.command(&["build"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        let stdin = child.stdin.as_mut().expect("a pipe");
        stdin.write_all(proposal.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("the program ends");
        serde_json::from_slice(&output.stdout).expect("it prints JSON")
    }

    /// Leaves it running.
    pub fn start(&self) -> Child {
        let mut command = self.command(&["run", "--poll-interval", "100ms"]);
        command.stderr(Stdio::null()).stdout(Stdio::null());
        command.spawn().expect("the program runs")
    }

    /// The program with these arguments, and nothing of our environment: what development sets there is no setting.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        // By which what is left running is found.
        let run = std::env::var_os("SYNAPSOR_RUN");
        command
            .args(arguments)
            .env_clear()
            .envs(run.map(|run| ("SYNAPSOR_RUN", run)))
            .env("SYNAPSOR_BASE_URL", &self.base_url)
            .env("SYNAPSOR_API_KEY_FILE", self.secrets.path().join("key"))
            .env(
                "SYNAPSOR_DATABASE_URL_FILE",
                self.secrets.path().join("url"),
            )
            .env("SYNAPSOR_SOURCE_ID", SOURCE_ID);
        command
    }
}

fn finished(command: &mut Command) -> Output {
    let output = command.output().expect("the program runs");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{complaint}");
    output
}
