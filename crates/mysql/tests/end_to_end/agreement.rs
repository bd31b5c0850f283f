//! What has to hold at the end of every story: table, ledger and control plane agree.

use std::collections::BTreeMap;
use std::time::Duration;

use mysql::Conn;
use mysql::prelude::Queryable;
use simulated_control_plane::{ControlPlane, Status, Verdict};
use synapsor_mysql_testbed::{Proxy, wait_for};
use synapsor_testbed::Proposal;

use crate::program::PATIENCE;
use crate::stage::Stage;

/// Each change of a ticket leaves a row, which is undone with it: what is applied twice shows, also where it leaves the
/// ticket as it was.
const EFFECTS: &str = "
    CREATE TABLE effects (ticket bigint NOT NULL) ENGINE = InnoDB;
    CREATE TRIGGER inserted AFTER INSERT ON tickets FOR EACH ROW INSERT INTO effects VALUES (NEW.id);
    CREATE TRIGGER updated AFTER UPDATE ON tickets FOR EACH ROW INSERT INTO effects VALUES (NEW.id);
    CREATE TRIGGER deleted AFTER DELETE ON tickets FOR EACH ROW INSERT INTO effects VALUES (OLD.id)";

/// A second is the promise; the machine may be busy with other things.
pub const IN_TIME: Duration = Duration::from_secs(3);

/// The longest that a backlog takes on a machine that is busy with other things.
const BACKLOG: Duration = Duration::from_secs(120);

/// What a proposal does to a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Close,
    Open,
    Remove,
}

impl Deed {
    /// An update, an insert and a delete.
    pub const ALL: [Deed; 3] = [Deed::Close, Deed::Open, Deed::Remove];

    /// The id of the proposal for a ticket, which ends with the ticket's number.
    pub fn id(self, ticket: i64) -> String {
        let word = match self {
            Deed::Close => "close",
            Deed::Open => "open",
            Deed::Remove => "remove",
        };
        format!("{word}_{ticket}")
    }

    /// A ticket that it can be done to: of the number given, or where that is taken, of another.
    pub fn ticket(self, number: i64) -> i64 {
        match self {
            Deed::Open => 1_000 + number,
            Deed::Close | Deed::Remove => number,
        }
    }
}

/// What the ledger has of a proposal.
struct Receipt {
    id: String,
    status: String,
    is_delivered: bool,
}

impl Receipt {
    fn ticket(&self) -> i64 {
        let number = self.id.rsplit('_').next().unwrap();
        number.parse().expect("an id that ends with a ticket")
    }
}

impl Stage {
    /// Has each change of a ticket leave a trace, by which [`Stage::assert_no_lie`] counts.
    pub fn with_effects(self) -> Self {
        self.shop.execute(EFFECTS);
        self
    }

    /// Has the program reach the database through a proxy.
    pub fn behind_a_proxy(self) -> (Self, Proxy) {
        let proxy = Proxy::start(self.shop.address());
        let url = proxy.url(&self.user, &self.password, self.shop.name());
        (self.by(url), proxy)
    }

    /// How many sessions the writer has.
    pub fn sessions(&self) -> i64 {
        self.number(&format!(
            "SELECT count(*) FROM information_schema.processlist WHERE user = '{}'",
            self.user
        ))
    }

    /// Waits until no session of the writer is left.
    pub fn wait_until_gone(&self) {
        wait_for("no session is left", IN_TIME, || self.sessions() == 0);
    }

    /// Waits until no session of the writer is left, and nothing that anybody had locked.
    pub fn wait_until_alone(&self) {
        self.wait_until_gone();
        assert!(self.is_unlocked(), "something is locked still");
    }

    /// True when nobody has locked a ticket.
    pub fn is_unlocked(&self) -> bool {
        let look = "SELECT * FROM tickets FOR UPDATE NOWAIT";
        self.shop.root().query_drop(look).is_ok()
    }

    /// A session that has locked a ticket, and goes on holding it.
    pub fn hold(&self, ticket: i64) -> Conn {
        let mut session = self.shop.root();
        session.query_drop("START TRANSACTION").unwrap();
        let lock = format!("SELECT id FROM tickets WHERE id = {ticket} FOR UPDATE");
        session.query_drop(lock).unwrap();
        session
    }

    /// Waits until a session is stuck in a statement with this text in it: many looks in a row find it there. (While a trigger runs,
    /// the server shows the session as that of the trigger's definer.)
    pub fn wait_until_stuck(&self, text: &str) {
        const LOOKS: usize = 10;
        let stuck = format!(
            "SELECT count(*) FROM information_schema.processlist
             WHERE db = '{}' AND id <> connection_id() AND locate('{text}', info) > 0",
            self.shop.name()
        );
        let mut session = self.shop.root();
        // A server can't show each statement: one with bytes in it is no text.
        let mut found = || session.query_first(&stuck).is_ok_and(|n| n == Some(1));
        let mut looks = 0;
        wait_for(&format!("it is stuck in {text}"), PATIENCE, || {
            looks = if found() { looks + 1 } else { 0 };
            looks == LOOKS
        });
    }

    /// The proposal that does something to a ticket, each of which has at most one in a test: tickets 1 to 100 are there to be
    /// closed and removed, others can be opened.
    pub fn propose(&self, deed: Deed, ticket: i64) -> Proposal {
        let proposal = match deed {
            Deed::Close => return self.close(ticket),
            Deed::Open => self
                .insert("tickets")
                .change("id", ticket)
                .change("status", "new"),
            Deed::Remove => self.delete("tickets").key("id", ticket),
        };
        proposal.id(&deed.id(ticket)).tenant("tenant_id", "acme")
    }

    /// Lists the insert of tickets.
    pub fn approve_opening(&self, tickets: impl IntoIterator<Item = i64>) {
        let proposals = tickets.into_iter().map(|n| self.propose(Deed::Open, n));
        self.simulator.add_proposals(proposals).unwrap();
    }

    /// Waits until so many changes have been committed.
    pub fn wait_for_effects(&self, count: i64) {
        wait_for(&format!("{count} changes"), BACKLOG, || {
            self.number("SELECT count(*) FROM effects") >= count
        });
    }

    /// Waits until so many proposals are known to be applied.
    pub fn wait_for_reports(&self, count: usize) {
        let known = |c: &ControlPlane| c.count(Status::Applied) >= count;
        assert!(self.simulator.wait_for(known, BACKLOG), "{count} reports");
    }

    /// The table has what the ledger says, once, and what the control plane was told is what the ledger says.
    pub fn assert_no_lie(&self) {
        let receipts = self.receipts();
        let applied = receipts
            .iter()
            .filter(|receipt| receipt.status == "applied");
        let expected: BTreeMap<_, _> = applied.map(|receipt| (receipt.ticket(), 1)).collect();
        assert_eq!(
            self.effects(),
            expected,
            "effects of tickets: table and ledger"
        );
        let mut told = 0;
        for receipt in &receipts {
            let word = self.simulator.final_word(&receipt.id);
            told += usize::from(word.is_some());
            match word {
                Some(word) => assert_eq!(name(word.status), receipt.status, "{}", receipt.id),
                None => assert!(!receipt.is_delivered, "{} was never told", receipt.id),
            }
            let is_odd = |verdict| matches!(verdict, Verdict::Contradicted | Verdict::NotApproved);
            let reports = self.simulator.reports_for(&receipt.id);
            let odd = reports.iter().find(|report| is_odd(report.verdict));
            assert_eq!(odd, None, "{}", receipt.id);
        }
        let statuses = [Status::Applied, Status::Conflict, Status::Failed];
        let known = statuses.map(|status| self.simulator.read(|c| c.count(status)));
        assert_eq!(known.iter().sum::<usize>(), told, "told without a receipt");
        assert_eq!(self.simulator.breaches().len(), 0);
    }

    /// These proposals, and no others, were applied, each once, and everybody knows.
    pub fn assert_applied_once(&self, ids: impl IntoIterator<Item = impl AsRef<str>>) {
        self.assert_no_lie();
        let mut expected: Vec<_> = ids.into_iter().map(|id| id.as_ref().to_owned()).collect();
        expected.sort();
        let receipts = self.receipts();
        for receipt in &receipts {
            let state = (receipt.status.as_str(), receipt.is_delivered);
            assert_eq!(state, ("applied", true), "{}", receipt.id);
        }
        let found: Vec<_> = receipts.into_iter().map(|receipt| receipt.id).collect();
        assert_eq!(found, expected, "the ledger's rows");
    }

    /// How many proposals the ledger knows.
    pub fn ledger_rows(&self) -> i64 {
        self.number(&format!("SELECT count(*) FROM `{}`.ledger", self.ledger()))
    }

    /// How often each ticket was changed.
    fn effects(&self) -> BTreeMap<i64, i64> {
        let rows = self
            .shop
            .query_rows("SELECT ticket, count(*) FROM effects GROUP BY ticket");
        let number = |cell: &Option<String>| cell.as_ref().unwrap().parse().unwrap();
        rows.iter()
            .map(|row| (number(&row[0]), number(&row[1])))
            .collect()
    }

    /// The ledger, ordered by the proposals' ids.
    fn receipts(&self) -> Vec<Receipt> {
        let query = format!(
            "SELECT proposal_id, status, coalesce(report_state, '') FROM `{}`.ledger ORDER BY proposal_id",
            self.ledger()
        );
        let rows = self.shop.query_rows(&query).into_iter();
        rows.map(|row| {
            let mut cells = row.into_iter().flatten();
            let mut next = || cells.next().expect("a cell");
            Receipt {
                id: next(),
                status: next(),
                is_delivered: next() == "delivered",
            }
        })
        .collect()
    }
}

fn name(status: Status) -> &'static str {
    match status {
        Status::Applied => "applied",
        Status::Conflict => "conflict",
        Status::Failed => "failed",
        _ => "none of a report's",
    }
}
