//! One case: a value in a proposal, made from a seed alone.

use fastrand::Rng;

use super::said::{Value, space};
use super::types::{COLUMNS, Column};
use super::values;

/// What a value is to its proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Insert,
    Change,
    KeyGuard,
    TenantGuard,
    ConflictGuard,
}

impl Use {
    /// True when the value is compared and not written.
    pub fn is_guard(self) -> bool {
        !matches!(self, Use::Insert | Use::Change)
    }
}

/// What the row has in the column before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    Null,
    Sample,
    /// The value itself, where the column takes it; otherwise the sample.
    Same,
}

/// A case. Its number in the run is its row's id; case `n` of seed `s` is the first case of seed `s + n`.
#[derive(Clone, Debug)]
pub struct Case {
    pub seed: u64,
    pub id: i64,
    pub column: usize,
    pub value: Value,
    pub used: Use,
    pub before: Before,
}

/// The note of a row that nobody has written to.
pub const OLD: &str = "old";
/// The note that every proposal writes beside.
pub const NEW: &str = "it's \"new\" \\ $1 \u{1f680}";

impl Case {
    pub fn new(seed: u64, id: i64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let column = rng.usize(0..COLUMNS.len());
        let value = values::value(&mut rng, &COLUMNS[column]);
        let used = match rng.u8(0..12) {
            0..=2 => Use::Insert,
            3..=6 => Use::Change,
            7 | 8 => Use::KeyGuard,
            9 => Use::TenantGuard,
            _ => Use::ConflictGuard,
        };
        let before = match rng.u8(0..10) {
            0 if COLUMNS[column].takes_null => Before::Null,
            1..=4 => Before::Sample,
            _ if used.is_guard() => Before::Same,
            _ => Before::Sample,
        };
        Case {
            seed,
            id,
            column,
            value,
            used,
            before,
        }
    }

    pub fn column(&self) -> &'static Column {
        &COLUMNS[self.column]
    }

    /// The table of the case's column.
    pub fn table(&self) -> String {
        table(self.column)
    }

    pub fn proposal_id(&self) -> String {
        format!("wrp_{}", self.id)
    }

    /// The proposal as it is listed, byte for byte.
    pub fn proposal(&self) -> String {
        let mut rng = Rng::with_seed(!self.seed);
        let (json, space) = (&self.value.json, space(&mut rng));
        let value = format!(r#""v"{space}:{space}{json}{space}"#);
        let note = format!(r#""note":{}"#, Value::text(NEW, &mut rng).json);
        let id = format!(r#""id":{}"#, self.id);
        let changes = |columns: &[&str]| object("changes", columns);
        let key = |columns: &[&str]| object("primary_key", columns);
        let fields = match self.used {
            Use::Insert => vec![changes(&in_any_order([&id, &value, &note], &mut rng))],
            Use::Change => vec![
                changes(&in_any_order([&value, &note], &mut rng)),
                key(&[&id]),
            ],
            Use::KeyGuard => vec![
                changes(&[&note]),
                key(&in_any_order([&id, &value], &mut rng)),
            ],
            Use::TenantGuard => vec![
                changes(&[&note]),
                key(&[&id]),
                r#""tenant_column":"v""#.to_owned(),
                format!(r#""tenant_id":{json}"#),
            ],
            Use::ConflictGuard => vec![
                changes(&[&note]),
                key(&[&id]),
                r#""conflict_column":"v""#.to_owned(),
                object("conflict", &[&value]),
            ],
        };
        let operation = match self.used {
            Use::Insert => "insert",
            _ => "update",
        };
        format!(
            r#"{{"proposal_id":"{}","source_id":"src_1","status":"approved","operation":"{operation}",
                "external_schema":"public","external_table":"{}",{},"allowed_columns":["id","v","note"]}}"#,
            self.proposal_id(),
            self.table(),
            fields.join(","),
        )
    }
}

fn object(name: &str, members: &[&str]) -> String {
    format!(r#""{name}":{{{}}}"#, members.join(","))
}

/// The table of a column of the grammar.
pub fn table(column: usize) -> String {
    format!("column_{column}")
}

fn in_any_order<'a, const N: usize>(mut parts: [&'a str; N], rng: &mut Rng) -> [&'a str; N] {
    rng.shuffle(&mut parts);
    parts
}
