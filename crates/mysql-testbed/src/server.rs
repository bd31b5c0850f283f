//! A private server: one data directory, one process.

use std::fmt::Display;
use std::fs::{self, File};
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use mysql::Conn;
use mysql::prelude::FromRow;
use synapsor_testbed::nursery::{self, data_directory, free_port};
use synapsor_testbed::process::send;
use synapsor_testbed::within;

use crate::program::option;
use crate::template::template;
use crate::{Address, Flavor, sql};

/// The longest that a server takes to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// Small, so that many of them start quickly; what a commit promises is as the server's makers have it. Asynchronous I/O
/// of the system is limited for all its processes together.
const OPTIONS: [&str; 3] = [
    "--bind-address=127.0.0.1",
    "--innodb-buffer-pool-size=32M",
    "--innodb-use-native-aio=OFF",
];

/// The server of that kind that tests share which need no own one. It is started when the first asks for it, and stopped
/// when the process ends.
#[must_use]
pub fn shared(flavor: Flavor) -> &'static Server {
    static MARIADB: OnceLock<Server> = OnceLock::new();
    static MYSQL: OnceLock<Server> = OnceLock::new();
    let server = match flavor {
        Flavor::MariaDb => &MARIADB,
        Flavor::MySql => &MYSQL,
    };
    server.get_or_init(|| Server::start(flavor))
}

/// A private server, with its [`Address`]. Stopped and removed when dropped.
pub struct Server {
    address: Address,
    home: PathBuf,
    options: Vec<String>,
    process: Option<Child>,
}

impl Server {
    /// Makes a server and starts it.
    ///
    /// # Panics
    /// When there is none to be had, or it does not start; with its log.
    #[must_use]
    pub fn start(flavor: Flavor) -> Self {
        Server::start_with::<&str>(flavor, &[])
    }

    /// Makes a server and starts it with options such as `--innodb-lock-wait-timeout=1`, now and later.
    ///
    /// # Panics
    /// When there is none to be had, or it does not start; with its log.
    #[must_use]
    pub fn start_with<O: AsRef<str>>(flavor: Flavor, options: &[O]) -> Self {
        let template = template(flavor);
        let home = nursery::empty_home();
        nursery::copy_files(template, &data_directory(&home));
        let mut server = Server {
            address: Address {
                flavor,
                socket: home.join("socket"),
                port: 0,
            },
            home,
            options: options.iter().map(|o| o.as_ref().to_owned()).collect(),
            process: None,
        };
        server.start_at_a_free_port();
        server
    }

    /// Another process may take the port that was free a moment ago.
    fn start_at_a_free_port(&mut self) {
        const TRIES: usize = 5;
        for _ in 0..TRIES {
            self.address.port = free_port();
            if self.try_start() {
                return;
            }
        }
        panic!("{} does not start:\n{}", self.address.flavor, self.log());
    }

    /// Starts a server that was stopped or killed, at the same port and with the same data.
    ///
    /// # Panics
    /// When it runs, or does not start; with its log.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "the server is running already");
        let started = self.try_start();
        assert!(started, "the server does not start:\n{}", self.log());
    }

    /// Stops the server and starts it again.
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Waits until the server has ended, which somebody else has told it to.
    ///
    /// # Panics
    /// When it does not end.
    pub fn wait_for_end(&mut self) {
        let ended = within(PATIENCE, || self.has_ended());
        assert!(ended, "the server does not stop:\n{}", self.log());
    }

    /// Starts the server again where it has ended, by whatever cause.
    pub fn revive(&mut self) {
        if self.has_ended() {
            self.process = None;
            self.start_again();
        }
    }

    fn try_start(&mut self) -> bool {
        self.process = Some(self.spawn());
        let address = self.address.clone();
        let ended = within(PATIENCE, || {
            self.has_ended() || address.try_root(None).is_ok()
        });
        assert!(ended, "the server is not ready in time:\n{}", self.log());
        if self.has_ended() {
            self.process = None;
        }
        self.process.is_some()
    }

    fn spawn(&self) -> Child {
        // A killed server leaves them behind, and takes the number in the lock for that of a running one.
        let _ = fs::remove_file(&self.address.socket);
        let _ = fs::remove_file(self.address.socket.with_extension("lock"));
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file());
        let log = log.expect("the server's log");
        let errors = log.try_clone().expect("the server's log");
        let spawned = self.command().stdout(log).stderr(errors).spawn();
        spawned.expect("the server can be started")
    }

    fn command(&self) -> Command {
        let flavor = self.address.flavor;
        let mut command = flavor.program(&self.home);
        command.arg(option("datadir", &data_directory(&self.home)));
        command.arg(option("socket", &self.address.socket));
        command.arg(option("pid-file", &self.home.join("pid")));
        // A server that starts removes what it takes for its own leftovers there.
        command.arg(option("tmpdir", &self.home));
        command.arg(format!("--port={}", self.address.port));
        command.args(OPTIONS).arg(flavor.small_files());
        command.args(&self.options);
        command
    }

    /// Kills the server with SIGKILL, as a power cut would, and waits until it is gone.
    pub fn kill(&mut self) {
        self.send(libc::SIGKILL);
        self.reap();
    }

    /// Stops the server in an orderly way: its sessions are ended, and everything is written out.
    ///
    /// # Panics
    /// When it does not stop.
    pub fn stop(&mut self) {
        self.send(libc::SIGTERM);
        let stopped = within(PATIENCE, || self.has_ended());
        assert!(stopped, "the server does not stop:\n{}", self.log());
        self.process = None;
    }

    /// Stops the server's clock: connections stay, nobody answers.
    ///
    /// # Panics
    /// When it goes on.
    pub fn freeze(&mut self) {
        self.send(libc::SIGSTOP);
        // Until the signal has come to all threads, they answer still.
        let frozen = within(PATIENCE, || stands_still(self.pid()));
        assert!(frozen, "the server does not stand still");
    }

    /// Has a frozen server go on.
    pub fn thaw(&mut self) {
        self.send(libc::SIGCONT);
    }

    /// The id of its process.
    ///
    /// # Panics
    /// When it is not running.
    #[must_use]
    pub fn pid(&self) -> i32 {
        let process = self.process.as_ref().expect("the server is running");
        process.id().cast_signed()
    }

    /// A session of the superuser, over the socket.
    #[must_use]
    pub fn root(&self) -> Conn {
        self.address.root(None)
    }

    /// Runs statements of the superuser, separated by `;`, in a session of their own.
    pub fn execute(&self, sql: &str) {
        sql::execute(&mut self.root(), sql);
    }

    /// The first row that a query of the superuser gives: a value, or a tuple of some.
    #[must_use]
    pub fn query_value<T: FromRow>(&self, sql: &str) -> T {
        sql::query_value(&mut self.root(), sql)
    }

    /// The rows that a query of the superuser gives, each value as the server writes it, `None` for NULL.
    #[must_use]
    pub fn query_rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        sql::query_rows(&mut self.root(), sql)
    }

    /// Sets a variable for all sessions that begin later. The value is an expression of SQL, such as `1` or `'ANSI'`.
    pub fn set_global(&self, name: &str, value: impl Display) {
        self.execute(&format!("SET GLOBAL {name} = {value}"));
    }

    /// What the server has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn log_file(&self) -> PathBuf {
        self.home.join("log")
    }

    fn send(&self, signal: i32) {
        send(self.pid(), signal);
    }

    fn has_ended(&mut self) -> bool {
        let process = self.process.as_mut();
        process.is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    fn reap(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.wait();
        }
    }
}

/// True when each thread of a process is stopped.
fn stands_still(pid: i32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let mut threads = threads.into_iter().flatten().flatten();
    threads.all(|thread| {
        let state = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // Behind the name, which can have anything in it.
        state
            .rsplit_once(") ")
            .is_none_or(|(_, rest)| rest.starts_with('T'))
    })
}

impl Deref for Server {
    type Target = Address;

    fn deref(&self) -> &Address {
        &self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
        if thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
        let _ = fs::remove_dir_all(&self.home);
    }
}
