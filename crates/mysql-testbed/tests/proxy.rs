//! The proxy: what the server and the client see of a cut, and of a connection that is held.
#![allow(
    clippy::expect_used,
    reason = "a test that can't be set up has to stop, and say why"
)]

use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{Conn, Opts, OptsBuilder, SslOpts};
use synapsor_mysql_testbed::{Flavor, Proxy, Server, Shop, TlsFiles, shared, wait_for};

const PATIENCE: Duration = Duration::from_secs(30);

/// A shop with a table, and a proxy by which its writer comes.
struct Stage {
    shop: Shop,
    proxy: Proxy,
    options: OptsBuilder,
}

impl Stage {
    fn new(server: &Server) -> Self {
        let shop = Shop::new(server);
        shop.execute("CREATE TABLE tickets (id int PRIMARY KEY)");
        let (user, password) = shop.create_writer(&["SELECT, INSERT ON tickets"]);
        let proxy = Proxy::start(server);
        let url = proxy.url(&user, &password, shop.name());
        let options = OptsBuilder::from_opts(Opts::from_url(&url).expect("a URL"))
            .prefer_socket(false)
            .read_timeout(Some(Duration::from_secs(30)));
        Stage {
            shop,
            proxy,
            options,
        }
    }

    fn try_connect(&self) -> mysql::Result<Conn> {
        Conn::new(self.options.clone())
    }

    fn connect(&self) -> Conn {
        self.try_connect().expect("a session through the proxy")
    }

    /// A session with a row that is not committed yet.
    fn connect_and_insert(&self) -> Conn {
        let mut session = self.connect();
        session
            .query_drop("START TRANSACTION")
            .and_then(|()| session.query_drop("INSERT INTO tickets VALUES (1)"))
            .expect("an open transaction");
        session
    }

    fn rows(&self) -> u32 {
        self.shop.query_value("SELECT count(*) FROM tickets")
    }
}

#[test]
fn a_commit_cut_before_the_server_sees_it_leaves_nothing() {
    for flavor in Flavor::ALL {
        let stage = Stage::new(shared(flavor));
        let mut session = stage.connect_and_insert();
        stage.proxy.cut_before_commit();
        session
            .query_drop("commit ;")
            .expect_err("a cut connection");
        assert_eq!(stage.proxy.cuts(), 1, "{flavor}");
        // Waits for the transaction's end, and would find a row in its way.
        stage.shop.execute("INSERT INTO tickets VALUES (1)");
    }
}

#[test]
fn a_commit_cut_after_the_server_did_it_stays_and_its_answer_is_lost() {
    for flavor in Flavor::ALL {
        let stage = Stage::new(shared(flavor));
        let mut session = stage.connect_and_insert();
        stage.proxy.cut_after_commit();
        session.query_drop("COMMIT").expect_err("a cut connection");
        assert_eq!(stage.proxy.cuts(), 1, "{flavor}");
        assert_eq!(stage.rows(), 1, "{flavor}");
    }
}

#[test]
fn a_prepared_commit_is_cut_too() {
    for flavor in Flavor::ALL {
        let stage = Stage::new(shared(flavor));
        let mut session = stage.connect_and_insert();
        stage.proxy.cut_after_commit();
        session
            .exec_drop("SELECT ?", (1,))
            .expect("another statement");
        session
            .exec_drop("COMMIT", ())
            .expect_err("a cut connection");
        assert_eq!(stage.rows(), 1, "{flavor}");
    }
}

#[test]
fn a_cut_comes_once_and_at_its_statement_alone() {
    for flavor in Flavor::ALL {
        let stage = Stage::new(shared(flavor));
        stage.proxy.cut_after_statement("VALUES (2)");
        let mut session = stage.connect();
        let insert = "INSERT INTO tickets VALUES (1)";
        session.query_drop(insert).expect("another statement");
        let insert = "INSERT INTO tickets VALUES (2)";
        session.query_drop(insert).expect_err("a cut connection");
        assert_eq!(stage.rows(), 2, "{flavor}");

        let insert = "INSERT INTO tickets VALUES (?) /* VALUES (2) */";
        stage.connect().exec_drop(insert, (3,)).expect("no cut");
        stage.proxy.cut_before_statement("VALUES (2)");
        let cut = stage.connect().exec_drop(insert, (4,));
        cut.expect_err("a cut connection");
        assert_eq!((stage.rows(), stage.proxy.cuts()), (3, 2), "{flavor}");
    }
}

#[test]
fn a_frozen_proxy_keeps_connections_and_what_came_on_them() {
    let mut stage = Stage::new(shared(Flavor::MySql));
    let mut session = stage.connect();
    let timeout = Some(Duration::from_millis(100));
    stage.options = stage.options.read_timeout(timeout);
    stage.proxy.freeze();
    stage.try_connect().expect_err("no greeting");
    let asking = std::thread::spawn(move || session.query_first::<u32, _>("SELECT 7"));
    assert!(!asking.is_finished());
    stage.proxy.thaw();
    let answer = asking.join().expect("the thread ends");
    assert_eq!(answer.expect("an answer"), Some(7));
}

impl Stage {
    fn wait_until_held(&self) {
        wait_for("a held connection", PATIENCE, || self.proxy.holds() == 1);
    }

    /// The rows that there are, committed or not.
    fn rows_in_sight(&self) -> u32 {
        let mut session = self.shop.root();
        session
            .query_drop("SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED")
            .expect("a session that sees everything");
        let count = session.query_first("SELECT count(*) FROM tickets");
        count.expect("a count").expect("a row")
    }
}

#[test]
fn what_is_held_before_its_statement_passes_at_the_thaw() {
    for flavor in Flavor::ALL {
        let stage = Stage::new(shared(flavor));
        let mut session = stage.connect_and_insert();
        stage.proxy.freeze_before_commit();
        let committing = std::thread::spawn(move || session.query_drop("COMMIT"));
        stage.wait_until_held();
        assert_eq!((stage.rows(), stage.rows_in_sight()), (0, 1), "{flavor}");
        stage.connect().query_drop("SELECT 1").expect("another");
        stage.proxy.thaw();
        let committed = committing.join().expect("the thread ends");
        committed.expect("an answer");
        assert_eq!((stage.rows(), stage.proxy.holds()), (1, 1), "{flavor}");
    }
}

#[test]
fn what_is_held_after_its_statement_has_happened() {
    for flavor in Flavor::ALL {
        let stage = Stage::new(shared(flavor));
        let mut session = stage.connect();
        stage.proxy.freeze_after_statement("VALUES (1)");
        let insert = "INSERT INTO tickets VALUES (1)";
        let inserting = std::thread::spawn(move || session.query_drop(insert));
        stage.wait_until_held();
        assert_eq!(stage.rows(), 1, "{flavor}");
        assert!(!inserting.is_finished());
        stage.proxy.thaw();
        let inserted = inserting.join().expect("the thread ends");
        inserted.expect("an answer");
    }
}

#[test]
fn what_is_held_and_cut_never_happens() {
    for flavor in Flavor::ALL {
        let stage = Stage::new(shared(flavor));
        let mut session = stage.connect_and_insert();
        stage.proxy.freeze_before_statement("COMMIT");
        let committing = std::thread::spawn(move || session.query_drop("COMMIT"));
        stage.wait_until_held();
        stage.proxy.cut_now();
        let committed = committing.join().expect("the thread ends");
        committed.expect_err("a cut connection");
        wait_for("nothing is left of it", PATIENCE, || {
            stage.rows_in_sight() == 0
        });
    }
}

#[test]
fn a_refusing_proxy_keeps_the_old_connections_alone() {
    let stage = Stage::new(shared(Flavor::MariaDb));
    let mut session = stage.connect();
    stage.proxy.refuse();
    stage.try_connect().expect_err("a refused connection");
    session.query_drop("SELECT 1").expect("an old connection");
    stage.proxy.admit();
    stage.try_connect().expect("a new connection");
    assert_eq!(stage.proxy.connections(), 3);
}

#[test]
fn cutting_now_ends_all_connections_and_no_later_one() {
    let stage = Stage::new(shared(Flavor::MariaDb));
    let mut sessions = [stage.connect(), stage.connect()];
    stage.proxy.cut_now();
    for session in &mut sessions {
        session
            .query_drop("SELECT 1")
            .expect_err("a cut connection");
    }
    stage.connect().query_drop("SELECT 1").expect("a new one");
}

#[test]
fn the_server_is_found_again_after_a_restart() {
    let mut server = Server::start(Flavor::MariaDb);
    let stage = Stage::new(&server);
    server.kill();
    stage.try_connect().expect_err("no server");
    server.start_again();
    stage.connect();
}

#[test]
fn tls_passes_unread() {
    for flavor in Flavor::ALL {
        let tls = TlsFiles::new();
        let server = Server::start_with(flavor, &tls.server_options());
        let mut stage = Stage::new(&server);
        let ssl = SslOpts::default().with_root_cert_path(Some(tls.ca));
        stage.options = stage.options.ssl_opts(ssl);
        let mut session = stage.connect();
        stage.proxy.cut_before_commit();
        session.query_drop("COMMIT").expect("an unread statement");
        stage.proxy.cut_now();
        session.query_drop("COMMIT").expect_err("a cut connection");
    }
}
