//! A case: an attack on a carrier, on a table of its own, and the proposal that comes by it.

use synapsor_testbed::Proposal;

use super::attacks::{Attack, End};
use super::carriers::Carrier;

/// What a proposal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Update,
    Insert,
    Delete,
}

/// An attack on a carrier.
pub struct Case {
    pub number: usize,
    pub carrier: &'static Carrier,
    code: String,
    end: End,
}

impl Case {
    pub fn new(number: usize, carrier: &'static Carrier, (code, end): Attack) -> Self {
        Case {
            number,
            carrier,
            code: code.to_owned(),
            end,
        }
    }

    /// The same attack by somebody who lets nobody see that it failed.
    pub fn hidden(number: usize, carrier: &'static Carrier, (code, _): Attack) -> Self {
        Case {
            number,
            carrier,
            code: format!("BEGIN {code} EXCEPTION WHEN OTHERS THEN NULL; END;"),
            end: End::Applied,
        }
    }

    /// What has to become of its proposal.
    pub fn end(&self) -> End {
        self.end
    }

    /// The ledger's key.
    pub fn key(&self) -> String {
        format!("case_{}", self.number)
    }

    /// The attacker's table with everything that hangs on it. The code bides its time until the writer runs it.
    pub fn sql(&self) -> String {
        let sql = format!(
            "CREATE TABLE t# (id int PRIMARY KEY, tenant text NOT NULL, version int, note text);
             INSERT INTO t# VALUES (1, 'acme', 1, 'before');
             CREATE FUNCTION attack#() RETURNS boolean LANGUAGE plpgsql AS
                 $$ BEGIN IF current_user = 'writer' THEN {code} END IF; RETURN true; END $$;
             CREATE FUNCTION quiet#(given text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS
                 $$ BEGIN PERFORM hostile.attack#(); RETURN given; END $$;
             CREATE FUNCTION row#() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN PERFORM hostile.attack#(); RETURN coalesce(NEW, OLD); END $$;
             {carrier};",
            code = self.code,
            carrier = self.carrier.sql,
        );
        sql.replace('#', &self.number.to_string())
    }

    pub fn proposal(&self) -> Proposal {
        let kind = if self.carrier.is_view { 'v' } else { 't' };
        let target = format!("{kind}{}", self.number);
        let proposal = match self.carrier.operation {
            Operation::Update => Proposal::update(&target)
                .key("id", 1)
                .change("note", "approved")
                .conflict("version", 1),
            Operation::Insert => Proposal::insert(&target)
                .change("id", 2)
                .change("note", "approved"),
            Operation::Delete => Proposal::delete(&target)
                .key("id", 1)
                .conflict("version", 1),
        };
        let proposal = match self.carrier.extra {
            Some(value) => proposal.change("extra", value),
            None => proposal,
        };
        proposal
            .schema("hostile")
            .id(&self.key())
            .tenant("tenant", "acme")
    }

    /// Reads the table, row by row.
    pub fn table(&self) -> String {
        format!(
            "SELECT concat_ws(' ', id, tenant, note) FROM hostile.t{} ORDER BY id",
            self.number
        )
    }

    /// True when the table holds what has to be there if the proposal was applied; if not, when it is as it was.
    pub fn is_true(&self, is_applied: bool, table: &[String]) -> bool {
        let holds = |row: &str| table.iter().any(|found| found == row);
        match self.carrier.operation {
            _ if !is_applied => table == ["1 acme before"],
            Operation::Update => holds("1 acme approved"),
            Operation::Insert => holds("2 acme approved"),
            Operation::Delete => !table.iter().any(|found| found.starts_with("1 ")),
        }
    }

    /// For people.
    pub fn describe(&self) -> String {
        format!("{}: {}", self.carrier.name, self.code)
    }
}
