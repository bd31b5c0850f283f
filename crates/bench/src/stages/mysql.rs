//! A private MariaDB, and the companion program.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use mysql::Conn;
use mysql::prelude::Queryable;
use synapsor_mysql_testbed::{Flavor, Server, Shop, wait_for};
use synapsor_testbed::process::send;

use super::program::{Program, Running};
use super::{Counters, PATIENCE, Stage};
use crate::control_plane::ControlPlane;
use crate::processes::Process;
use crate::reference::{Kind, Reference};
use crate::tickets::{TENANT, Tickets};

/// What the writer may do.
const RIGHTS: &str = "SELECT, UPDATE (status, note) ON tickets";

/// The sizes that MariaDB has without being told; the testbed's are smaller. Durability is as its makers have it.
const OPTIONS: [&str; 2] = [
    "--innodb-buffer-pool-size=128M",
    "--innodb-log-file-size=96M",
];

/// A server, a database in it, and the program that is run.
pub struct MySqlStage {
    running: RefCell<Option<Running>>,
    program: Program,
    url: String,
    session: RefCell<Conn>,
    control_plane: ControlPlane,
    tickets: Tickets,
    server: Server,
    pid: Cell<i32>,
}

impl MySqlStage {
    /// Sets one up, with so many tickets.
    pub fn new(tickets: usize) -> Self {
        let server = Server::start_with(Flavor::MariaDb, &OPTIONS);
        let control_plane = ControlPlane::start();
        let shop = Shop::new(&server);
        shop.execute(&format!(
            "CREATE TABLE tickets (id bigint PRIMARY KEY, tenant_id varchar(64) NOT NULL, status varchar(64) NOT NULL,
                                   note text, version int NOT NULL);
             INSERT INTO tickets SELECT seq, '{TENANT}', 'open', NULL, 1 FROM seq_1_to_{tickets}"
        ));
        let (user, password) = shop.create_writer(&[RIGHTS]);
        let url = shop.url(&user, &password);
        let program = Program::set_up(&control_plane, &url);
        program.migrate(&shop, &user);
        MySqlStage {
            running: RefCell::new(None),
            program,
            url,
            session: RefCell::new(shop.root()),
            control_plane,
            tickets: Tickets::new(tickets, shop.name(), "mysql"),
            server,
            pid: Cell::new(0),
        }
    }

    fn number(&self, query: &str) -> u64 {
        let found = self.session.borrow_mut().query_first(query);
        let found = found.unwrap_or_else(|error| panic!("{query}: {error}"));
        found.unwrap_or_else(|| panic!("{query}: no row"))
    }

    fn status(&self, name: &str) -> u64 {
        let query = format!(
            "SELECT CAST(variable_value AS unsigned) FROM information_schema.global_status WHERE variable_name = '{name}'"
        );
        self.number(&query)
    }
}

impl Stage for MySqlStage {
    fn name(&self) -> String {
        let version: String = self.server.query_value("SELECT VERSION()");
        format!("MariaDB {version}")
    }

    fn control_plane(&self) -> &ControlPlane {
        &self.control_plane
    }

    fn tickets(&self) -> &Tickets {
        &self.tickets
    }

    fn start_worker(&self, poll_interval: Duration) -> Process {
        let polls = self.control_plane.polls();
        let running = self.program.run(poll_interval);
        let pid = running.pid();
        self.pid.set(pid);
        *self.running.borrow_mut() = Some(running);
        wait_for("the program polls", PATIENCE, || {
            self.control_plane.polls() > polls
        });
        Process::new("program", pid)
    }

    fn stop_worker(&self) {
        self.running.borrow_mut().take();
    }

    /// It then reads its settings again, too, and connects anew.
    fn wake(&self) {
        send(self.pid.get(), libc::SIGHUP);
    }

    fn settle(&self) {
        let owed = "SELECT count(*) FROM synapsor.ledger WHERE report_state = 'pending'";
        wait_for("no report is owed", PATIENCE, || self.number(owed) == 0);
    }

    fn reference(&self) -> Reference {
        Reference::start(Kind::Mysql, self.control_plane.base_url(), &self.url)
    }

    fn servers(&self) -> Vec<Process> {
        vec![Process::new("server", self.server.pid())]
    }

    fn counters(&self) -> Counters {
        Counters {
            log_bytes: self.status("Innodb_lsn_current"),
            transactions: self.status("Innodb_max_trx_id"),
        }
    }
}
