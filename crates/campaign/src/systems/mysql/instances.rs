//! The companion program, several times, and the application beside it.

use std::env;
use std::ffi::OsStr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::Duration;

use mysql::Conn;
use mysql::prelude::Queryable;
use simulated_control_plane::Simulator;
use synapsor_mysql_testbed::{Address, Shop};
use synapsor_testbed::process::send;

use crate::system::Actor;

/// Names the program under attack.
const PROGRAM: &str = "SYNAPSOR_MYSQL_PROGRAM";

/// How many instances share the work.
const COUNT: usize = 2;

/// Short, so that a fault is over soon.
const SETTINGS: [(&str, &str); 8] = [
    ("SYNAPSOR_SOURCE_ID", "src_1"),
    ("SYNAPSOR_ADVANCE_GUARD", "true"),
    ("SYNAPSOR_POLL_INTERVAL", "50ms"),
    ("SYNAPSOR_REQUEST_TIMEOUT", "1s"),
    ("SYNAPSOR_CONNECT_TIMEOUT", "1s"),
    ("SYNAPSOR_LOCK_TIMEOUT", "1s"),
    ("SYNAPSOR_STATEMENT_TIMEOUT", "2s"),
    ("SYNAPSOR_LEDGER_SCHEMA", "synapsor"),
];

/// The program, set up for a control plane and a database, and the processes that run it for ever.
pub struct Instances {
    running: Vec<Child>,
    program: Command,
    _key: tempfile::NamedTempFile,
}

impl Instances {
    /// Nothing is started yet.
    ///
    /// # Panics
    /// When `SYNAPSOR_MYSQL_PROGRAM` names no program.
    pub fn new(simulator: &Simulator, api_key: &str) -> Self {
        let key = tempfile::NamedTempFile::new().expect("a file for the key");
        std::fs::write(key.path(), api_key).expect("the key can be written");
        let path = env::var_os(PROGRAM).unwrap_or_else(|| panic!("{PROGRAM} is not set"));
        let mut program = Command::new(path);
        program
            .envs(SETTINGS)
            .env("SYNAPSOR_BASE_URL", simulator.base_url())
            .env("SYNAPSOR_API_KEY_FILE", key.path());
        // By which what is left running is found.
        if let Ok(run) = env::var("SYNAPSOR_RUN") {
            program.env("SYNAPSOR_RUN", run);
        }
        Instances {
            running: Vec::new(),
            program,
            _key: key,
        }
    }

    /// Sets an environment variable for what is started later.
    pub fn set(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.program.env(name, value);
    }

    /// The program with these arguments, and nothing of our environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program.get_program());
        command.env_clear().stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        for (name, value) in self.program.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        command.args(arguments);
        command
    }

    /// Makes the ledger and gives the writer what `migrate --print` says.
    pub fn migrate(&self, shop: &Shop, user: &str) {
        let run = |arguments: &[&str]| {
            let mut command = self.command(arguments);
            command.env("SYNAPSOR_DATABASE_URL", shop.socket_url("root", ""));
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            let output = command.output().expect("the program runs");
            assert!(output.status.success(), "{arguments:?}: {output:?}");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        run(&["migrate"]);
        let account = format!("'{user}'@'%'");
        let printed = run(&["migrate", "--print", "--account", &account]);
        for grant in printed.lines().filter(|line| line.starts_with("GRANT ")) {
            shop.execute(grant.trim_end_matches(';'));
        }
    }

    /// Starts those that are missing.
    pub fn start_missing(&mut self) {
        self.running
            .retain_mut(|instance| matches!(instance.try_wait(), Ok(None)));
        while self.running.len() < COUNT {
            let started = self.command(&["run"]).spawn().expect("the program starts");
            self.running.push(started);
        }
    }

    /// Sends one of them a signal.
    pub fn signal(&self, signal: i32, random: &mut fastrand::Rng) -> bool {
        let instance = random.choice(&self.running);
        let pid = instance.map(|instance| instance.id().cast_signed());
        pid.into_iter().for_each(|pid| send(pid, signal));
        pid.is_some()
    }
}

impl Drop for Instances {
    fn drop(&mut self) {
        for instance in &mut self.running {
            let _ = instance.kill();
            let _ = instance.wait();
        }
    }
}

/// The application: changes a row now and then, and so its version.
pub fn traffic(address: Address, name: String, seed: u64, current: Arc<AtomicI64>) -> Actor {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut session: Option<Conn> = None;
    Box::new(move || {
        let row = current.load(Ordering::Relaxed) + random.i64(0..4);
        let sql = format!(
            "UPDATE tickets SET version = version + 1, amount = amount + 1 WHERE id = {row}"
        );
        if session.is_none() {
            session = address.try_root(Some(&name)).ok();
        }
        if let Some(conn) = &mut session
            && conn.query_drop(&sql).is_err()
        {
            session = None;
        }
        thread::sleep(Duration::from_millis(random.u64(5..60)));
    })
}
