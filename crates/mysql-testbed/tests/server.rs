//! Private servers: what survives what, who gets in, and that nothing is left.
#![allow(
    clippy::expect_used,
    reason = "a test that can't be set up has to stop, and say why"
)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{Conn, Opts, OptsBuilder, SslOpts};
use synapsor_mysql_testbed::{Flavor, Server, Shop, TlsFiles, shared, wait_for};

const PATIENCE: Duration = Duration::from_secs(30);

fn connect(url: &str) -> mysql::Result<Conn> {
    let options = Opts::from_url(url).expect("a URL");
    Conn::new(OptsBuilder::from_opts(options).prefer_socket(false))
}

fn version(server: &Server) -> String {
    server.query_value("SELECT version()")
}

#[test]
fn a_server_is_of_the_kind_that_was_asked_for() {
    assert!(version(shared(Flavor::MariaDb)).contains("MariaDB"));
    assert!(!version(shared(Flavor::MySql)).contains("MariaDB"));
}

#[test]
fn committed_rows_survive_a_kill_and_a_stop() {
    for flavor in Flavor::ALL {
        let mut server = Server::start(flavor);
        let shop = Shop::new(&server);
        shop.execute("CREATE TABLE tickets (id int PRIMARY KEY)");
        let mut open = shop.root();
        open.query_drop("START TRANSACTION; INSERT INTO tickets VALUES (1)")
            .expect("an open transaction");
        shop.execute("INSERT INTO tickets VALUES (2)");
        server.kill();
        assert!(open.query_drop("COMMIT").is_err(), "{flavor}");
        server.start_again();
        shop.execute("INSERT INTO tickets VALUES (3)");
        server.restart();
        let rows = shop.query_rows("SELECT id FROM tickets ORDER BY id");
        let expected = ["2", "3"].map(|id| vec![Some(id.to_owned())]);
        assert_eq!(rows, expected, "{flavor}");
    }
}

#[test]
fn options_hold_after_a_restart_and_global_settings_until_then() {
    for flavor in Flavor::ALL {
        let mut server = Server::start_with(flavor, &["--innodb-lock-wait-timeout=7"]);
        let timeout = "SELECT @@innodb_lock_wait_timeout";
        server.set_global("innodb_lock_wait_timeout", 9);
        assert_eq!(server.query_value::<u32>(timeout), 9, "{flavor}");
        server.restart();
        assert_eq!(server.query_value::<u32>(timeout), 7, "{flavor}");
    }
}

#[test]
fn servers_side_by_side_share_nothing() {
    let first = Server::start(Flavor::MariaDb);
    let second = Server::start(Flavor::MariaDb);
    first.execute("CREATE DATABASE mine");
    assert_ne!(first.port(), second.port());
    let found: u32 = second
        .query_value("SELECT count(*) FROM information_schema.schemata WHERE schema_name = 'mine'");
    assert_eq!(found, 0);
}

#[test]
fn a_frozen_server_answers_once_it_goes_on() {
    for flavor in Flavor::ALL {
        let mut server = Server::start(flavor);
        let options = Opts::from_url(&server.socket_url("root", "", "")).expect("a URL");
        let impatient =
            OptsBuilder::from_opts(options).read_timeout(Some(Duration::from_millis(100)));
        server.freeze();
        assert!(Conn::new(impatient.clone()).is_err(), "{flavor}");
        server.thaw();
        wait_for("the server answers", PATIENCE, || {
            Conn::new(impatient.clone()).is_ok()
        });
    }
}

#[test]
fn a_writer_gets_in_by_tcp_and_socket_and_has_the_rights_that_were_granted() {
    for (flavor, plugin) in [
        (Flavor::MariaDb, "mysql_native_password"),
        (Flavor::MySql, "caching_sha2_password"),
    ] {
        let shop = Shop::new(shared(flavor));
        shop.execute("CREATE TABLE tickets (id int PRIMARY KEY, status text)");
        shop.execute("INSERT INTO tickets VALUES (1, 'open')");
        let (user, password) = shop.create_writer(&["SELECT, UPDATE (status) ON tickets"]);
        let found: String = shop.query_value(&format!(
            "SELECT plugin FROM mysql.user WHERE user = '{user}'"
        ));
        assert_eq!(found, plugin);
        for url in [
            shop.url(&user, &password),
            shop.socket_url(&user, &password),
        ] {
            let mut session = connect(&url).expect("the writer gets in");
            let update = "UPDATE tickets SET status = 'closed'";
            session.query_drop(update).expect("what was granted");
            assert!(session.query_drop("DELETE FROM tickets").is_err());
        }
        assert!(connect(&shop.url(&user, "wrong")).is_err(), "{flavor}");
    }
}

#[test]
fn a_server_speaks_tls_with_a_certificate_of_its_own_authority() {
    for flavor in Flavor::ALL {
        let tls = TlsFiles::new();
        let server = Server::start_with(flavor, &tls.server_options());
        let (user, password) = Shop::new(&server).create_writer(&[]);
        let url = server.url(&user, &password, "");
        let encrypted = |ca: &TlsFiles| {
            let options = Opts::from_url(&url).expect("a URL");
            let ssl = SslOpts::default().with_root_cert_path(Some(ca.ca.clone()));
            let options = OptsBuilder::from_opts(options).prefer_socket(false);
            Conn::new(options.ssl_opts(ssl))
        };
        let mut session = encrypted(&tls).expect("a session with TLS");
        let cipher: Option<(String, String)> = session
            .query_first("SHOW STATUS LIKE 'ssl_cipher'")
            .expect("the cipher");
        assert!(cipher.is_some_and(|(_, cipher)| !cipher.is_empty()));
        assert!(encrypted(&TlsFiles::new()).is_err(), "{flavor}");
    }
}

#[test]
fn an_error_in_a_later_statement_is_not_overlooked() {
    for flavor in Flavor::ALL {
        let server = shared(flavor);
        let tried = std::panic::catch_unwind(|| server.execute("SELECT 1; SELECT nonsense"));
        assert!(tried.is_err(), "{flavor}");
    }
}

#[test]
fn rows_are_given_as_the_server_writes_them() {
    for flavor in Flavor::ALL {
        let rows = shared(flavor).query_rows("SELECT 1.50, NULL, 'ä' UNION ALL SELECT 2, 'x', ''");
        let text = |text: &str| Some(text.to_owned());
        let expected = [
            [text("1.50"), None, text("ä")],
            [text("2.00"), text("x"), text("")],
        ];
        assert_eq!(rows, expected, "{flavor}");
    }
}

#[test]
fn nothing_is_left_of_a_server_that_was_dropped() {
    for flavor in Flavor::ALL {
        let server = Server::start(flavor);
        let (pid, home) = (server.pid(), home_of(server.socket()).to_owned());
        assert!(home.exists() && is_running(pid), "{flavor}");
        drop(server);
        assert!(!home.exists() && !is_running(pid), "{flavor}");
    }
}

#[test]
fn nothing_is_left_when_the_process_ends_or_is_killed() {
    for (flavor, kill) in [("mariadb", false), ("mariadb", true), ("mysql", true)] {
        let (mut holder, url) = start_holder(flavor);
        let options = Opts::from_url(&url).expect("a URL");
        let socket = Path::new(options.get_socket().expect("a socket"));
        let pid = std::fs::read_to_string(home_of(socket).join("pid")).expect("a file");
        let pid = pid.trim().parse().expect("a number");
        connect(&url).expect("the server runs");
        if kill {
            holder.kill().expect("the process can be killed");
        } else {
            drop(holder.stdin.take());
        }
        holder.wait().expect("the process ends");
        wait_for("the server ends", PATIENCE, || !is_running(pid));
        wait_for("its files go", PATIENCE, || {
            !home_of(home_of(socket)).exists()
        });
    }
}

/// Another process, which has a server until its standard input ends; and the server's URL.
fn start_holder(flavor: &str) -> (Child, String) {
    let mut holder = Command::new(env!("CARGO_BIN_EXE_private-server"))
        .arg(flavor)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut url = String::new();
    let output = holder.stdout.as_mut().expect("its output");
    BufReader::new(output).read_line(&mut url).expect("a line");
    (holder, url.trim().to_owned())
}

fn home_of(file: &Path) -> &Path {
    file.parent().expect("a directory")
}

fn is_running(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ")
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}
