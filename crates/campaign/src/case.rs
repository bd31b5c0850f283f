//! Proposals of an episode, and what each may do.

use serde_json::{Value, json};
use synapsor_testbed::Proposal;

/// The tenant whose rows proposals are about.
pub const TENANT: &str = "acme";

/// What a proposal does, and what may become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An update under all guards.
    Guarded,
    /// An update without a conflict guard.
    Unguarded,
    /// An update made from an old reading.
    Stale,
    /// An update of another tenant's row.
    Foreign,
    /// An update of a row that is not there.
    Missing,
    /// An update that a constraint forbids.
    Violating,
    /// An insert; nothing but the ledger keeps it from happening twice.
    Insert,
    /// An insert of a key that is there.
    Duplicate,
    /// A delete.
    Delete,
    /// An update of a table whose trigger is slow, or raises errors of any class, as it likes.
    Troubled,
    /// One that no builder builds.
    Unbuildable,
    /// The key and content of another one, under an id of its own.
    Repeated,
    /// The key of another one, with another content.
    Mismatched,
    /// One that nobody has approved.
    Unapproved,
    /// One of another source.
    Elsewhere,
}

/// How often each kind is drawn.
const WEIGHTS: [(Kind, usize); 15] = [
    (Kind::Guarded, 8),
    (Kind::Unguarded, 5),
    (Kind::Stale, 2),
    (Kind::Foreign, 1),
    (Kind::Missing, 1),
    (Kind::Violating, 2),
    (Kind::Insert, 8),
    (Kind::Duplicate, 1),
    (Kind::Delete, 3),
    (Kind::Troubled, 4),
    (Kind::Unbuildable, 1),
    (Kind::Repeated, 1),
    (Kind::Mismatched, 1),
    (Kind::Unapproved, 1),
    (Kind::Elsewhere, 1),
];

/// What a proposal changes if it is applied.
#[derive(Clone, Debug)]
pub struct Permit {
    /// In this table.
    pub table: &'static str,
    /// This row; an insert makes a row of its own.
    pub row: Option<i64>,
    /// These columns, besides an advanced guard.
    pub columns: &'static [&'static str],
    /// What these columns have afterwards.
    pub values: Vec<(&'static str, Value)>,
    /// The conflict guard's value.
    pub version: Option<i64>,
}

/// A proposal.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its id.
    pub id: String,
    /// Its key, which is also the marker that it writes into the column `note`.
    pub key: String,
    /// What it is.
    pub kind: Kind,
    /// What it may change; `None` for one that may never be applied.
    pub permit: Option<Permit>,
    /// What is listed.
    pub text: String,
}

impl Case {
    /// True where the control plane has to hear how it ended.
    pub fn is_to_be_told(&self) -> bool {
        !matches!(
            self.kind,
            Kind::Mismatched | Kind::Unapproved | Kind::Elsewhere
        )
    }
}

/// Makes proposals about the rows of a step.
pub struct Author<'a> {
    /// Draws.
    pub random: &'a mut fastrand::Rng,
    /// `postgres` or `mysql`.
    pub source_kind: &'a str,
    /// The schema of the tables.
    pub schema: &'a str,
    /// The rows of the step.
    pub rows: Rows,
    /// True where one session applies at a time, in the order of the list: which of two with the same key comes first is known then.
    pub in_order: bool,
    /// What ids begin with.
    pub prefix: String,
}

/// Ids of the rows of a step, all at version 1: four that several proposals may update, three that are deleted, and one of another tenant.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// The first.
    pub first: i64,
}

impl Rows {
    /// How many there are.
    pub const COUNT: i64 = 8;

    /// How many are deleted.
    const DOOMED: i64 = 3;

    /// A row that may be updated, by several.
    fn shared(self, random: &mut fastrand::Rng) -> i64 {
        self.first + random.i64(0..4)
    }

    /// The rows that are deleted, each by one proposal at most.
    fn doomed(self, n: i64) -> i64 {
        self.first + 4 + n
    }

    /// The row of another tenant.
    pub fn foreign(self) -> i64 {
        self.first + 7
    }
}

impl Author<'_> {
    /// Writes so many proposals.
    pub fn write(&mut self, count: usize) -> Vec<Case> {
        let mut cases: Vec<Case> = Vec::new();
        let mut doomed = 0;
        for n in 0..count {
            let kind = self.draw();
            let name = format!("{}_{n}", self.prefix);
            let case = match kind {
                Kind::Mismatched if !self.in_order => None,
                Kind::Repeated | Kind::Mismatched => self.about_another(&name, kind, &cases),
                Kind::Delete if doomed == Rows::DOOMED => None,
                Kind::Delete => {
                    doomed += 1;
                    Some(self.alone(&name, kind, doomed - 1))
                }
                kind => Some(self.alone(&name, kind, 0)),
            };
            cases.extend(case);
        }
        cases
    }

    fn draw(&mut self) -> Kind {
        let all = WEIGHTS.iter().map(|(_, weight)| weight).sum();
        let mut left = self.random.usize(0..all);
        let found = WEIGHTS.iter().find(|(_, weight)| {
            let is_it = left < *weight;
            left = left.saturating_sub(*weight);
            is_it
        });
        found.map_or(Kind::Guarded, |(kind, _)| *kind)
    }

    fn alone(&mut self, name: &str, kind: Kind, doomed: i64) -> Case {
        let row = match kind {
            Kind::Missing => -self.rows.first,
            Kind::Foreign => self.rows.foreign(),
            Kind::Delete => self.rows.doomed(doomed),
            _ => self.rows.shared(self.random),
        };
        let key = format!("key_{name}");
        let proposal = self.proposal(kind, row, &key);
        Case {
            permit: permit(kind, row),
            text: self.listed(proposal, name, &key),
            id: name.to_owned(),
            key,
            kind,
        }
    }

    fn proposal(&self, kind: Kind, row: i64, key: &str) -> Proposal {
        let table = match kind {
            Kind::Troubled => "orders",
            _ => "tickets",
        };
        let update = |status: &str| {
            Proposal::update(table)
                .key("id", row)
                .change("status", status)
                .change("note", key)
                .tenant("tenant_id", TENANT)
        };
        match kind {
            Kind::Guarded => update("closed").conflict("version", 1),
            Kind::Stale => update("closed").conflict("version", 0),
            Kind::Violating => update("nonsense"),
            Kind::Delete => Proposal::delete("tickets")
                .key("id", row)
                .tenant("tenant_id", TENANT),
            Kind::Insert => Proposal::insert("credits")
                .change("amount", 10)
                .change("note", key)
                .tenant("tenant_id", TENANT),
            Kind::Duplicate => Proposal::insert("tickets")
                .change("id", self.rows.foreign())
                .change("note", key)
                .tenant("tenant_id", TENANT),
            Kind::Unbuildable => update("closed").change("no such column", 1),
            Kind::Unapproved => update("closed").field("status", "pending_review"),
            Kind::Elsewhere => update("closed").field("source_id", "src_other"),
            _ => update("closed"),
        }
    }

    fn listed(&self, proposal: Proposal, id: &str, key: &str) -> String {
        proposal
            .id(id)
            .idempotency_key(key)
            .schema(self.schema)
            .field("source_kind", self.source_kind)
            .to_string()
    }

    /// One with the key of an earlier one.
    fn about_another(&mut self, name: &str, kind: Kind, cases: &[Case]) -> Option<Case> {
        let earlier: Vec<_> = cases.iter().filter(|case| case.is_to_be_told()).collect();
        let other = self.random.choice(earlier)?;
        let mut text: Value = serde_json::from_str(&other.text).ok()?;
        text["proposal_id"] = json!(name);
        if kind == Kind::Mismatched {
            text["tenant_id"] = json!("globex");
        }
        Some(Case {
            id: name.to_owned(),
            key: other.key.clone(),
            kind,
            permit: other.permit.clone(),
            text: text.to_string(),
        })
    }
}

fn permit(kind: Kind, row: i64) -> Option<Permit> {
    let (table, columns): (_, &[&str]) = match kind {
        Kind::Guarded | Kind::Unguarded => ("tickets", &["status", "note"]),
        Kind::Troubled => ("orders", &["status", "note"]),
        Kind::Insert => ("credits", &["id", "tenant_id", "amount", "note"]),
        Kind::Delete => (
            "tickets",
            &["id", "tenant_id", "status", "note", "version", "amount"],
        ),
        _ => return None,
    };
    let values = match kind {
        Kind::Insert => vec![("amount", json!(10)), ("tenant_id", json!(TENANT))],
        Kind::Delete => Vec::new(),
        _ => vec![("status", json!("closed"))],
    };
    Some(Permit {
        table,
        columns,
        values,
        row: (kind != Kind::Insert).then_some(row),
        version: (kind == Kind::Guarded).then_some(1),
    })
}
