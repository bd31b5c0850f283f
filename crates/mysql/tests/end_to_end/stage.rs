//! What a test plays on: a database with a ledger of its own, a writer with as few rights as can be, and a control plane.

use std::process::Command;

use serde_json::Value;
use simulated_control_plane::{Options, Simulator, Status};
use synapsor_mysql_testbed::{Flavor, Server, Shop, shared, wait_for};
use synapsor_testbed::Proposal;

use crate::program::{Ended, PATIENCE, Running, program};

/// A hundred tickets of tenant `acme`, all open, at version 1.
const TICKETS: &str = "
    CREATE TABLE tickets (
        id bigint PRIMARY KEY, tenant_id varchar(40) NOT NULL, status varchar(40), version int NOT NULL DEFAULT 1,
        amount decimal(10,2)) ENGINE = InnoDB";

/// What the writer may do with them.
const RIGHTS: &str = "SELECT, INSERT, DELETE, UPDATE (status, amount, version) ON tickets";

/// A database, and its control plane.
pub struct Stage {
    pub simulator: Simulator,
    pub shop: Shop,
    pub user: String,
    pub password: String,
    key: tempfile::NamedTempFile,
    url: String,
}

impl Stage {
    /// On the shared server of this flavor.
    pub fn new(flavor: Flavor) -> Self {
        Self::on(shared(flavor))
    }

    /// On a server of the test's own.
    pub fn on(server: &Server) -> Self {
        Self::with(server, Options::default())
    }

    /// With a control plane of the test's own.
    pub fn with(server: &Server, options: Options) -> Self {
        let key = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(key.path(), &options.api_key).unwrap();
        let simulator = Simulator::start(options).unwrap();
        let shop = Shop::new(server);
        shop.execute(TICKETS);
        let rows: Vec<_> = (1..=100)
            .map(|n| format!("({n}, 'acme', 'open', 1, 10)"))
            .collect();
        shop.execute(&format!("INSERT INTO tickets VALUES {}", rows.join(", ")));
        let (user, password) = shop.create_writer(&[RIGHTS]);
        let url = shop.url(&user, &password);
        let stage = Stage {
            simulator,
            shop,
            user,
            password,
            key,
            url,
        };
        stage.migrate();
        stage
    }

    /// Makes the ledger and gives the writer what `migrate --print` says.
    fn migrate(&self) {
        let root = self.shop.socket_url("root", "");
        let migrated = Ended::of(
            self.program(&["migrate"])
                .env("SYNAPSOR_DATABASE_URL", root),
        );
        assert_eq!(migrated.code, Some(0), "{migrated:?}");
        let account = format!("'{}'@'%'", self.user);
        let printed = self.run(&["migrate", "--print", "--account", &account]);
        let grants = printed
            .stdout
            .lines()
            .filter(|line| line.starts_with("GRANT "));
        grants.for_each(|grant| self.shop.execute(grant.trim_end_matches(';')));
    }

    /// Makes tables, views and triggers, and lets the writer read and write everything in the shop.
    pub fn furnish(&self, sql: &str) {
        self.shop.execute(sql);
        self.grant("SELECT, INSERT, UPDATE, DELETE, SHOW VIEW ON *");
    }

    /// Gives the writer a right, such as `SELECT ON orders`.
    pub fn grant(&self, right: &str) {
        self.shop
            .execute(&format!("GRANT {right} TO '{}'@'%'", self.user));
    }

    /// The ledger's database.
    pub fn ledger(&self) -> String {
        format!("{}_ledger", self.shop.name())
    }

    /// Has the program reach the database by another URL.
    pub fn by(mut self, url: String) -> Self {
        self.url = url;
        self
    }

    /// The program, set up for this stage.
    pub fn program(&self, arguments: &[&str]) -> Command {
        let mut command = program(arguments);
        command
            .env("SYNAPSOR_BASE_URL", self.simulator.base_url())
            .env("SYNAPSOR_API_KEY_FILE", self.key.path())
            .env("SYNAPSOR_SOURCE_ID", "src_1")
            .env("SYNAPSOR_DATABASE_URL", &self.url)
            .env("SYNAPSOR_LEDGER_SCHEMA", self.ledger());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&mut self.program(arguments))
    }

    /// One poll.
    pub fn poll(&self) -> Ended {
        self.run(&["poll-once"])
    }

    /// The program as it runs for ever, polling every 50 ms.
    pub fn start(&self) -> Running {
        self.start_with(&[])
    }

    /// As [`Stage::start`], with more flags.
    pub fn start_with(&self, flags: &[&str]) -> Running {
        let mut arguments = vec!["run", "--poll-interval", "50ms"];
        arguments.extend(flags);
        Running::start(&mut self.program(&arguments))
    }

    /// An update of a table of this shop.
    pub fn update(&self, table: &str) -> Proposal {
        self.ours(Proposal::update(table))
    }

    /// An insert into a table of this shop.
    pub fn insert(&self, table: &str) -> Proposal {
        self.ours(Proposal::insert(table))
    }

    /// A delete from a table of this shop.
    pub fn delete(&self, table: &str) -> Proposal {
        self.ours(Proposal::delete(table))
    }

    fn ours(&self, proposal: Proposal) -> Proposal {
        proposal
            .field("source_kind", "mysql")
            .schema(self.shop.name())
    }

    /// The proposal that closes a ticket at version 1: `close_<ticket>`.
    pub fn close(&self, ticket: i64) -> Proposal {
        self.update("tickets")
            .id(&format!("close_{ticket}"))
            .key("id", ticket)
            .change("status", "closed")
            .tenant("tenant_id", "acme")
            .conflict("version", 1)
    }

    /// Lists an approved proposal.
    pub fn approve(&self, proposal: impl ToString) {
        self.simulator.add_proposal(proposal).unwrap();
    }

    /// What the control plane was told first of a proposal, and stands: `applied`, `conflict`, `failed`.
    pub fn word(&self, proposal_id: &str) -> Option<Status> {
        let status = self.simulator.status(proposal_id)?;
        (status != Status::Approved).then_some(status)
    }

    /// Waits until the control plane was told of a proposal.
    pub fn wait_for_word(&self, proposal_id: &str) -> Status {
        wait_for(&format!("a report of {proposal_id}"), PATIENCE, || {
            self.word(proposal_id).is_some()
        });
        self.word(proposal_id).unwrap()
    }

    /// A value of the shop's database.
    pub fn value(&self, sql: &str) -> Option<String> {
        let rows = self.shop.query_rows(sql);
        rows.into_iter()
            .next()
            .and_then(|row| row.into_iter().next().flatten())
    }

    /// A count, or another number.
    pub fn number(&self, sql: &str) -> i64 {
        let text = self.value(sql).unwrap_or_else(|| panic!("no value: {sql}"));
        text.parse()
            .unwrap_or_else(|_| panic!("{text} is no number: {sql}"))
    }

    /// A column of a proposal's ledger row.
    pub fn ledger_column(&self, proposal_id: &str, column: &str) -> Option<String> {
        self.value(&format!(
            "SELECT `{column}` FROM `{}`.ledger WHERE proposal_id = '{proposal_id}'",
            self.ledger()
        ))
    }

    /// The one request that reported a proposal, as it was sent.
    pub fn report(&self, proposal_id: &str) -> Value {
        let reports = self.simulator.reports_for(proposal_id);
        let first = reports
            .first()
            .unwrap_or_else(|| panic!("no report of {proposal_id}"));
        serde_json::from_slice(&first.body).expect("JSON")
    }
}
