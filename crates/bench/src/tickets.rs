//! The ordinary target: tickets, and proposals that change them. What is written changes with each, and both guards hold for
//! ever, so that a ticket can be changed as often as one likes.

use std::cell::Cell;

use synapsor_testbed::Proposal;

/// The tenant of all tickets.
pub const TENANT: &str = "acme";

/// Makes proposals, each with an id of its own.
#[derive(Debug)]
pub struct Tickets {
    /// How many tickets there are; their ids count from 1.
    rows: usize,
    schema: String,
    kind: &'static str,
    made: Cell<usize>,
}

impl Tickets {
    /// Proposals for a table of so many rows in a schema (MySQL: database), of a source of this kind.
    pub fn new(rows: usize, schema: &str, kind: &'static str) -> Self {
        Tickets {
            rows,
            schema: schema.to_owned(),
            kind,
            made: Cell::new(0),
        }
    }

    /// The next proposals. Their tickets lie all over the table, and are different ones as far as there are enough.
    pub fn updates(&self, count: usize) -> impl Iterator<Item = String> {
        (0..count).map(|_| self.update().to_string())
    }

    fn update(&self) -> Proposal {
        /// A prime that no table's size is a multiple of.
        const STRIDE: usize = 7_368_787;
        let number = self.made.get();
        self.made.set(number + 1);
        let ticket = (number * STRIDE) % self.rows + 1;
        Proposal::update("tickets")
            .id(&scattered_id(number))
            .schema(&self.schema)
            .field("source_kind", self.kind)
            .key("id", ticket)
            .tenant("tenant_id", TENANT)
            .conflict("version", 1)
            .change("status", "closed")
            .change("note", format!("Closed by proposal {number}"))
    }
}

/// Ids are random in life: a new one lies anywhere among the old ones.
fn scattered_id(number: usize) -> String {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    format!("wrp_{:016x}", (number as u64).wrapping_mul(ODD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposals_have_ids_of_their_own_and_spread_over_the_table() {
        let tickets = Tickets::new(1000, "public", "postgres");
        let texts: Vec<_> = tickets.updates(500).chain(tickets.updates(500)).collect();
        let find = |text: &String, name: &str| {
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            value[name].to_string()
        };
        for name in ["proposal_id", "primary_key"] {
            let mut found: Vec<_> = texts.iter().map(|text| find(text, name)).collect();
            found.sort();
            found.dedup();
            assert_eq!(found.len(), 1000, "{name}");
        }
    }
}
