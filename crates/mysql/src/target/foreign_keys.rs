//! Deletes and updates that foreign keys would widen: `CASCADE` and `SET NULL` change rows that nobody approved.
//!
//! `information_schema` hides the foreign keys of tables that a user has no right on. InnoDB's own tables show all of them, to those with
//! the right `PROCESS`.

use std::collections::BTreeMap;

use mysql::{Row, Value};
use synapsor_core::builder::{Operation, Param, Role, Statement};
use synapsor_core::refusal::{Code, Refusal};

use super::{Target, Unfit};
use crate::database::{Answer, DatabaseError, Literal, Session, Step, Vendor, read};
use crate::value::Typed;

/// Bits of InnoDB's `TYPE`: on delete cascade and set null; on update cascade and set null.
const ON_DELETE: u32 = 1 | 2;
const ON_UPDATE: u32 = 4 | 8;

/// The server's errors for what an account has no right to.
const DENIED: [u16; 3] = [1142, 1143, 1227];

/// A foreign key that changes its rows along with the row that they refer to.
struct Widening {
    schema: String,
    table: String,
    /// Its own columns, and those it refers to.
    columns: Vec<(String, String)>,
    /// What the locked row has in the columns that are referred to.
    values: Vec<Value>,
}

/// What [`Place::listing`] gave.
pub enum Listed {
    /// Foreign keys.
    Rows(Vec<Row>),
    /// We may not see them.
    Denied,
}

impl Listed {
    /// What came of the query.
    ///
    /// # Errors
    /// Another than that we may not see them.
    pub fn of(answer: Result<Answer, DatabaseError>) -> Result<Self, DatabaseError> {
        match answer {
            Ok(answer) => Ok(Listed::Rows(answer.rows)),
            Err(error) if is_denied(&error) => Ok(Listed::Denied),
            Err(error) => Err(error),
        }
    }
}

/// What an update may not change: the columns of its row that others refer to.
#[derive(Default)]
pub struct Cascades(Vec<Widening>);

/// Whose row it is.
pub struct Place<'a> {
    /// The statement, whose row is locked.
    pub statement: &'a Statement<'a>,
    /// Its parameters.
    pub typed: &'a [Typed],
    /// What it writes to.
    pub target: &'a Target,
}

impl Cascades {
    /// Looks, before the statement, which rows refer to the locked one; from then on no more can come. A delete with such rows is
    /// refused at once. `listed` is what [`Place::listing`] gave once the row was locked.
    ///
    /// # Errors
    /// `WRITEBACK_CASCADE_BLOCKED: <why or table>`, also where that can't be told.
    pub fn before(
        session: &mut Session,
        place: &Place<'_>,
        listed: Option<Listed>,
    ) -> Result<Self, Unfit> {
        let Some(bits) = bits(place.statement.operation) else {
            return Ok(Cascades::default());
        };
        let Some(mut widenings) = place.widenings(session, bits, listed)? else {
            return Ok(Cascades::default());
        };
        for widening in &mut widenings {
            if !place.is_table() {
                return Err(blocked("behind a view, foreign keys can't be followed").into());
            }
            widening.values = place.read(session, widening)?;
            place.lock(session, widening)?;
        }
        let mut referred = Vec::new();
        for widening in widenings {
            if widening.has_rows(session)? {
                referred.push(widening);
            }
        }
        match referred.first() {
            Some(widening) if bits == ON_DELETE => Err(widening.blocked().into()),
            _ => Ok(Cascades(referred)),
        }
    }

    /// Requires that the foreign keys can be seen that would widen the statement. Locks nothing.
    ///
    /// # Errors
    /// `WRITEBACK_CASCADE_BLOCKED: <why>`
    pub fn require_sight(session: &mut Session, place: &Place<'_>) -> Result<(), Unfit> {
        let Some(bits) = bits(place.statement.operation) else {
            return Ok(());
        };
        let listed = match place.listing(session.vendor()) {
            Some(listing) => {
                let answers = session.take(&[listing]).map_err(DatabaseError::from);
                Some(Listed::of(
                    answers.map(|mut a| a.pop().unwrap_or_default()),
                )?)
            }
            None => None,
        };
        place.widenings(session, bits, listed).map(drop)
    }

    /// Requires, after an update and all that came with it (triggers, generated columns), that nothing has changed that others refer to.
    ///
    /// # Errors
    /// `WRITEBACK_CASCADE_BLOCKED: <table>`
    pub fn require_unchanged(&self, session: &mut Session, place: &Place<'_>) -> Result<(), Unfit> {
        for widening in &self.0 {
            if place.read(session, widening)? != widening.values {
                return Err(widening.blocked().into());
            }
        }
        Ok(())
    }
}

/// The foreign keys that an operation can run into; `None` for an insert.
fn bits(operation: Operation) -> Option<u32> {
    match operation {
        Operation::Insert => None,
        Operation::Delete => Some(ON_DELETE),
        Operation::Update => Some(ON_UPDATE),
    }
}

impl Place<'_> {
    /// False for a view, whose columns may have other names than its table's.
    fn is_table(&self) -> bool {
        self.target.base == (self.target.schema.clone(), self.target.name.clone())
    }

    /// The query of the foreign keys to the target's table that change their rows along. `None` for an insert, and for a table whose
    /// foreign keys can't be found.
    pub fn listing(&self, vendor: Vendor) -> Option<Step> {
        let bits = bits(self.statement.operation)?;
        let (foreign, columns) = match vendor {
            Vendor::MySql => ("INNODB_FOREIGN", "INNODB_FOREIGN_COLS"),
            Vendor::MariaDb => ("INNODB_SYS_FOREIGN", "INNODB_SYS_FOREIGN_COLS"),
        };
        let (schema, table) = &self.target.base;
        if !is_plain(schema) || !is_plain(table) {
            return None;
        }
        Some(Step::Text(format!(
            "SELECT f.ID, f.FOR_NAME, c.FOR_COL_NAME, c.REF_COL_NAME
             FROM information_schema.{foreign} f JOIN information_schema.{columns} c ON c.ID = f.ID
             WHERE lower(f.REF_NAME) = lower({name}) AND f.TYPE & {bits} <> 0 ORDER BY f.ID, c.POS",
            name = Literal::from(&format!("{schema}/{table}"))
        )))
    }

    /// The foreign keys that were listed; `None` where an update touches nothing that they could refer to.
    ///
    /// # Errors
    /// `WRITEBACK_CASCADE_BLOCKED` where they can't be seen.
    fn widenings(
        &self,
        session: &mut Session,
        bits: u32,
        listed: Option<Listed>,
    ) -> Result<Option<Vec<Widening>>, Unfit> {
        let rows = match listed {
            Some(Listed::Rows(rows)) => rows,
            Some(Listed::Denied) => {
                if bits == ON_UPDATE && self.is_table() && !self.writes_indexed(session)? {
                    return Ok(None);
                }
                let why = "foreign keys can't be seen without the right PROCESS";
                return Err(blocked(why).into());
            }
            None => {
                let why = "foreign keys to a table of that name can't be found";
                return Err(blocked(why).into());
            }
        };
        let mut widenings = BTreeMap::new();
        for row in rows {
            let (id, child, own, referred): (String, String, String, String) = read(row)?;
            let (schema, table) = child.split_once('/').unwrap_or(("", child.as_str()));
            let widening = widenings.entry(id).or_insert_with(|| Widening {
                schema: schema.to_owned(),
                table: table.to_owned(),
                columns: Vec::new(),
                values: Vec::new(),
            });
            widening.columns.push((own, referred));
        }
        Ok(Some(widenings.into_values().collect()))
    }

    /// A foreign key refers to indexed columns; a generated one may follow a written one.
    fn writes_indexed(&self, session: &mut Session) -> Result<bool, Unfit> {
        const QUERY: &str = "SELECT DISTINCT s.COLUMN_NAME, coalesce(c.GENERATION_EXPRESSION, '') <> ''
            FROM information_schema.STATISTICS s JOIN information_schema.COLUMNS c
                 ON c.TABLE_SCHEMA = s.TABLE_SCHEMA AND c.TABLE_NAME = s.TABLE_NAME AND c.COLUMN_NAME = s.COLUMN_NAME
            WHERE s.TABLE_SCHEMA = ? AND s.TABLE_NAME = ?";
        let params = (&self.target.schema, &self.target.name);
        let indexed: Vec<(String, bool)> = session.all(QUERY, params)?;
        let is_written = |name: &str| {
            let mut params = self.statement.params.iter();
            let conflict = self.statement.conflict_column();
            params.any(|p| p.role == Role::Written && p.column.eq_ignore_ascii_case(name))
                // Which may be advanced.
                || conflict.is_some_and(|column| column.eq_ignore_ascii_case(name))
        };
        Ok(indexed
            .iter()
            .any(|(name, is_generated)| *is_generated || is_written(name)))
    }

    /// What the row has in the columns that a foreign key refers to.
    fn read(&self, session: &mut Session, widening: &Widening) -> Result<Vec<Value>, Unfit> {
        let columns: Vec<_> = widening.columns.iter().map(|(_, c)| quoted(c)).collect();
        let is_key = |(param, _): &(&Param<'_>, &Typed)| param.role == Role::Key;
        let pairs = self.statement.params.iter().zip(self.typed);
        let (conditions, params): (Vec<_>, Vec<_>) = pairs
            .filter(is_key)
            .map(|(param, typed)| {
                (
                    format!("{} = ?", quoted(param.column)),
                    typed.parameter.clone(),
                )
            })
            .unzip();
        let query = format!(
            "SELECT {} FROM {} WHERE {} LIMIT 1",
            columns.join(", "),
            self.table(),
            conditions.join(" AND ")
        );
        let row = session.run_afresh(&query, params)?.rows.into_iter().next();
        Ok(row.map(Row::unwrap).unwrap_or_default())
    }

    /// Locks the row by the key that is referred to: by its primary key alone, others could still refer to it.
    fn lock(&self, session: &mut Session, widening: &Widening) -> Result<(), Unfit> {
        if let Some((conditions, params)) = widening.conditions(|(_, referred)| referred) {
            let query = format!(
                "SELECT 1 FROM {} WHERE {conditions} FOR UPDATE",
                self.table()
            );
            session.run_afresh(&query, params)?;
        }
        Ok(())
    }

    fn table(&self) -> String {
        format!(
            "{}.{}",
            quoted(&self.target.schema),
            quoted(&self.target.name)
        )
    }
}

impl Widening {
    /// True when a row refers to the one that is locked, and where that can't be found out.
    fn has_rows(&self, session: &mut Session) -> Result<bool, Unfit> {
        let Some((conditions, params)) = self.conditions(|(own, _)| own) else {
            return Ok(false);
        };
        // MariaDB writes other characters than these as @ and their code.
        if [&self.schema, &self.table]
            .iter()
            .any(|name| name.contains('@'))
        {
            return Ok(true);
        }
        let (schema, table) = (quoted(&self.schema), quoted(&self.table));
        let query =
            format!("SELECT 1 FROM {schema}.{table} WHERE {conditions} LIMIT 1 LOCK IN SHARE MODE");
        match session.run_afresh(&query, params) {
            Ok(answer) => Ok(!answer.rows.is_empty()),
            Err(error) if is_denied(&error) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// `column = ? AND …` for one side of the key, and the values; `None` where one is null, to which nothing refers.
    fn conditions(
        &self,
        side: impl Fn(&(String, String)) -> &String,
    ) -> Option<(String, Vec<Value>)> {
        if self.values.is_empty() || self.values.contains(&Value::NULL) {
            return None;
        }
        let columns = self
            .columns
            .iter()
            .map(|pair| format!("{} = ?", quoted(side(pair))));
        Some((
            columns.collect::<Vec<_>>().join(" AND "),
            self.values.clone(),
        ))
    }

    fn blocked(&self) -> Refusal {
        blocked(&format!("{}.{}", self.schema, self.table))
    }
}

fn blocked(why: &str) -> Refusal {
    Refusal::of(Code::CascadeBlocked, why)
}

fn is_denied(error: &DatabaseError) -> bool {
    error.errno().is_some_and(|errno| DENIED.contains(&errno))
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// True for a name that InnoDB's tables show as it is.
fn is_plain(name: &str) -> bool {
    name.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'$')
}
