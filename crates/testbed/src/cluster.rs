//! A private cluster: one data directory, one server.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use crate::database::{Address, Database, quote};
use crate::installation::program;
use crate::nursery::{self, data_directory, free_port};
use crate::process::send;
use crate::template::{self, SUPERUSER};
use crate::wait::{wait_for, within};

/// The longest that a server takes to start or to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// Small and quick. `fsync` is off: neither a killed server nor a killed process loses what the system was handed.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
fsync = off
shared_buffers = 32MB
max_prepared_transactions = 8
log_line_prefix = '%m [%p] %u@%d '
";

/// What a cluster is started with.
#[derive(Clone, Debug, Default)]
pub struct ClusterOptions {
    settings: String,
    environment: Vec<(String, String)>,
    has_own_identity: bool,
}

impl ClusterOptions {
    /// Gives it a system identifier of its own. Otherwise clusters are copies of one, since `initdb` takes its time.
    #[must_use]
    pub fn with_its_own_identity(mut self) -> Self {
        self.has_own_identity = true;
        self
    }

    /// Adds a setting to `postgresql.conf`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl Display) -> Self {
        self.settings.push_str(&setting_line(name, value));
        self
    }

    /// Adds an environment variable of the server.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Sessions are ended, and everything is written out.
    Fast,
    /// At once; the next start recovers, as after a crash.
    Immediate,
}

/// A private cluster. Stopped and removed when dropped.
pub struct Cluster {
    home: PathBuf,
    port: u16,
    environment: Vec<(String, String)>,
    postmaster: Option<Child>,
}

impl Cluster {
    /// Makes a cluster and starts its server.
    ///
    /// # Panics
    /// When there is no installation, or the server does not start; with the server's log.
    #[must_use]
    pub fn start(options: ClusterOptions) -> Self {
        let home = if options.has_own_identity {
            template::new_home_with_its_own_identity()
        } else {
            template::new_home()
        };
        let mut cluster = Cluster::at(home, options.environment);
        cluster.configure_text(SETTINGS);
        cluster.configure_text(&options.settings);
        cluster.start_at_a_free_port();
        cluster
    }

    /// A cluster whose server does not run yet. Its sockets are in its home.
    pub(crate) fn at(home: PathBuf, environment: Vec<(String, String)>) -> Self {
        let cluster = Cluster {
            port: 0,
            environment,
            postmaster: None,
            home,
        };
        cluster.configure("unix_socket_directories", cluster.home.display());
        cluster
    }

    /// Another process may take the port that was free a moment ago.
    pub(crate) fn start_at_a_free_port(&mut self) {
        const TRIES: usize = 5;
        for _ in 0..TRIES {
            self.port = free_port();
            if self.try_resume() {
                return;
            }
        }
        panic!("the server does not start:\n{}", self.log());
    }

    /// Starts the server of a cluster that was stopped, or killed.
    ///
    /// # Panics
    /// When it does not start; with its log.
    pub fn resume(&mut self) {
        assert!(self.postmaster.is_none(), "the server is running already");
        // A process of the last server that its postmaster had just started may still be on its way out.
        let started = within(PATIENCE, || self.try_resume());
        assert!(started, "the server does not start:\n{}", self.log());
    }

    fn try_resume(&mut self) -> bool {
        self.postmaster = Some(self.spawn());
        let database = self.database("postgres");
        let ended = within(PATIENCE, || self.has_ended() || database.is_reachable());
        assert!(ended, "the server is not ready in time:\n{}", self.log());
        if self.has_ended() {
            self.postmaster = None;
        }
        self.postmaster.is_some()
    }

    fn spawn(&self) -> Child {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file());
        let log = log.expect("the server's log");
        let errors = log.try_clone().expect("the server's log");
        let mut server: Command = program("postgres");
        server.arg("-D").arg(data_directory(&self.home));
        server.args(["-p", &self.port.to_string()]);
        server.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let spawned = server.stdout(log).stderr(errors).spawn();
        spawned.expect("the server can be started")
    }

    fn has_ended(&mut self) -> bool {
        let postmaster = self.postmaster.as_mut();
        postmaster.is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// Stops the server. [`Cluster::resume`] starts it again.
    ///
    /// # Panics
    /// When it does not stop.
    pub fn stop(&mut self, how: Shutdown) {
        let signal = match how {
            Shutdown::Fast => libc::SIGINT,
            Shutdown::Immediate => libc::SIGQUIT,
        };
        self.send_to_postmaster(signal);
        let stopped = within(PATIENCE, || self.has_ended());
        assert!(stopped, "the server does not stop:\n{}", self.log());
        self.postmaster = None;
    }

    /// Stops the server and starts it again.
    pub fn restart(&mut self, how: Shutdown) {
        self.stop(how);
        self.resume();
    }

    /// Waits until the server has ended, which somebody else has told it to.
    ///
    /// # Panics
    /// When it does not end.
    pub fn wait_for_end(&mut self) {
        let ended = within(PATIENCE, || self.has_ended());
        assert!(ended, "the server does not stop:\n{}", self.log());
    }

    /// Starts the server again where it has ended, by whatever cause, and waits until it answers.
    ///
    /// # Panics
    /// When it does not; with its log.
    pub fn revive(&mut self) {
        if self.has_ended() {
            self.postmaster = None;
            self.resume();
        }
        let database = self.database("postgres");
        wait_for("the server answers", PATIENCE, || database.is_reachable());
    }

    /// Kills the postmaster with SIGKILL, and waits until its orphans have noticed and left.
    ///
    /// # Panics
    /// When one of them stays.
    pub fn kill_postmaster(&mut self) {
        let children = self.children();
        self.send_to_postmaster(libc::SIGKILL);
        self.reap();
        wait_for("the orphans leave", PATIENCE, || {
            !children.iter().any(|child| is_running(*child))
        });
    }

    /// Kills every process of the server at once with SIGKILL, as a power cut would.
    pub fn kill_all(&mut self) {
        let children = self.children();
        self.send_to_postmaster(libc::SIGKILL);
        children
            .iter()
            .for_each(|child| send(*child, libc::SIGKILL));
        self.reap();
        wait_for("the processes end", PATIENCE, || {
            !children.iter().any(|child| is_running(*child))
        });
    }

    /// Kills one backend with SIGKILL. The server then recovers as after a crash, which this waits for.
    pub fn kill_backend(&self, pid: i32) {
        const RECOVERY: &str = "all server processes terminated; reinitializing";
        let recoveries = || self.log().matches(RECOVERY).count();
        let before = recoveries();
        send(pid, libc::SIGKILL);
        wait_for("the server notices", PATIENCE, || recoveries() > before);
        let database = self.database("postgres");
        wait_for("the server recovers", PATIENCE, || database.is_reachable());
    }

    /// Adds a setting to `postgresql.conf`, for the next start.
    pub fn configure(&self, name: &str, value: impl Display) {
        self.configure_text(&setting_line(name, value));
    }

    fn configure_text(&self, text: &str) {
        let file = data_directory(&self.home).join("postgresql.conf");
        let opened = File::options().append(true).open(file);
        let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
        written.expect("postgresql.conf can be written");
    }

    /// Sets an environment variable of the server, for the next start.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// A database that exists.
    #[must_use]
    pub fn database(&self, name: &str) -> Database {
        let address = Address {
            directory: self.home.clone(),
            port: self.port,
        };
        Database::new(address, name)
    }

    /// A new database.
    #[must_use]
    pub fn create_database(&self, name: &str) -> Database {
        let create = format!("CREATE DATABASE {}", quote(name));
        self.database("postgres").execute(&create);
        self.database(name)
    }

    /// Writes a file that the server can read, and nobody else: an API key.
    #[must_use]
    pub fn key_file(&self, name: &str, key: &str) -> PathBuf {
        self.file(name, key, 0o600)
    }

    /// Writes a file of the servers' user into the cluster's directory.
    #[must_use]
    pub fn file(&self, name: &str, contents: &str, mode: u32) -> PathBuf {
        let path = self.home.join(name);
        nursery::write_file(&path, contents, mode);
        path
    }

    /// What the server has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Where the server's socket is.
    #[must_use]
    pub fn socket_directory(&self) -> &Path {
        &self.home
    }

    /// The port, on 127.0.0.1 and in the socket's name.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A client program of the installation, such as `psql` or `pg_dump`, told where the server is and who we are.
    #[must_use]
    pub fn program(&self, name: &str) -> Command {
        let mut command = program(name);
        command.arg("--host").arg(&self.home);
        command.args(["--port", &self.port.to_string()]);
        command.args(["--username", SUPERUSER]);
        command
    }

    /// The server's environment variables.
    pub(crate) fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// True while there is a server that nobody has stopped.
    pub(crate) fn is_running(&self) -> bool {
        self.postmaster.is_some()
    }

    fn log_file(&self) -> PathBuf {
        self.home.join("log")
    }

    /// The id of the server's first process.
    ///
    /// # Panics
    /// When it is not running.
    #[must_use]
    pub fn postmaster_pid(&self) -> i32 {
        let postmaster = self.postmaster.as_ref().expect("the server is running");
        postmaster.id().cast_signed()
    }

    fn send_to_postmaster(&self, signal: i32) {
        send(self.postmaster_pid(), signal);
    }

    fn reap(&mut self) {
        if let Some(mut postmaster) = self.postmaster.take() {
            let _ = postmaster.wait();
        }
    }

    /// The processes that the postmaster has started.
    fn children(&self) -> Vec<i32> {
        let pid = self.postmaster_pid();
        let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let listed = listed.expect("/proc lists the children of a process");
        listed
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.postmaster.is_some() {
            self.send_to_postmaster(libc::SIGQUIT);
            self.reap();
        }
        if thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
        let _ = fs::remove_dir_all(&self.home);
    }
}

fn setting_line(name: &str, value: impl Display) -> String {
    let value = value.to_string().replace('\'', "''");
    format!("{name} = '{value}'\n")
}

/// True for a process that has not ended; one that nobody has reaped yet has.
fn is_running(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(')')
        .next()
        .and_then(|rest| rest.split_whitespace().next());
    state.is_some_and(|state| state != "Z" && state != "X")
}
