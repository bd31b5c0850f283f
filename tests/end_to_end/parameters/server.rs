//! The oracle's own view of the database: the tables of the grammar's columns, the rows in them, and answers to
//! questions, all in SQL of the test.

use std::collections::BTreeMap;

use postgres::Client;
use serde_json::Value;

use super::case::{Before, Case, NEW, OLD, Use, table};
use super::meaning::literal;
use super::oracle::{Answer, Draft};
use super::types::{COLUMNS, Column, Shape, TYPES};
use super::values;

/// A row that belongs to no case, one in each table.
const BYSTANDER: i64 = -1;

/// How a value is read and written while proposals are applied, and therefore by the oracle.
const SESSION: &str = "
    SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres'; SET lc_monetary = 'C';
    SET bytea_output = 'hex'; SET client_min_messages = warning;
";

/// Answers that may be errors, and rows that are put in as well as it goes.
const HELPERS: &str = "
    CREATE FUNCTION ask(question text, OUT answer text, OUT refusal text) LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE 'SELECT (' || question || ')::text' INTO answer;
    EXCEPTION WHEN OTHERS THEN
        refusal := SQLSTATE;
    END $$;
    CREATE FUNCTION put(target text, id bigint, v text, otherwise text) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE format('INSERT INTO %I VALUES (%s, %s, ''old'')', target, id, v);
    EXCEPTION WHEN OTHERS THEN
        EXECUTE format('INSERT INTO %I VALUES (%s, %s, ''old'')', target, id, otherwise);
    END $$;
";

/// A row: the value, as a text, null, or an array of them, and the note beside it.
pub type Row = (Value, String);

/// All rows, by the column of the grammar and the id.
pub struct Rows(pub BTreeMap<(usize, i64), Row>);

impl Rows {
    /// Does what a proposal does, where `stored` is what its value becomes in the column.
    pub fn apply(&mut self, case: &Case, stored: Option<Value>) {
        let row = self.0.entry((case.column, case.id)).or_default();
        row.1 = NEW.to_owned();
        if !case.used.is_guard() {
            row.0 = stored.unwrap_or_default();
        }
    }
}

/// A session of the oracle.
pub struct Server(Client);

impl Server {
    /// Creates everything that cases need, with a row in each table that is none of theirs.
    pub fn set_up(mut client: Client) -> Self {
        let mut sql = format!("{SESSION}{TYPES}{HELPERS}");
        for (n, column) in COLUMNS.iter().enumerate() {
            let (table, declared) = (table(n), column.declared);
            sql +=
                &format!("CREATE TABLE {table} (id bigint PRIMARY KEY, v {declared}, note text);");
        }
        sql += "GRANT ALL ON ALL TABLES IN SCHEMA public TO writer;";
        client.batch_execute(&sql).unwrap();
        let mut server = Server(client);
        server.empty();
        server
    }

    /// Takes the rows of earlier cases away.
    pub fn empty(&mut self) {
        let statement = |(n, column): (usize, &Column)| {
            let (table, sample) = (table(n), literal(&values::sample(column)));
            format!(
                "DELETE FROM {table}; INSERT INTO {table} VALUES ({BYSTANDER}, {sample}, '{OLD}');"
            )
        };
        let sql: String = COLUMNS.iter().enumerate().map(statement).collect();
        self.0.batch_execute(&sql).unwrap();
    }

    /// Puts in the rows that cases update.
    pub fn put_rows(&mut self, cases: &[Case], drafts: &[Draft]) {
        let updates = cases
            .iter()
            .zip(drafts)
            .filter(|(case, _)| case.used != Use::Insert);
        let (mut tables, mut ids, mut firsts, mut seconds) = (vec![], vec![], vec![], vec![]);
        for (case, draft) in updates {
            let sample = literal(&values::sample(case.column()));
            let same = || draft.sql(case).filter(|sql| sql != "NULL");
            tables.push(case.table());
            ids.push(case.id);
            firsts.push(match case.before {
                Before::Null => "NULL".to_owned(),
                Before::Sample => sample.clone(),
                Before::Same => same().unwrap_or_else(|| sample.clone()),
            });
            seconds.push(sample);
        }
        let sql = "SELECT count(put(t, i, a, b)) FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) u(t, i, a, b)";
        self.0
            .query(sql, &[&tables, &ids, &firsts, &seconds])
            .unwrap();
    }

    /// Answers questions.
    pub fn answer(&mut self, questions: &[String]) -> Vec<Answer> {
        let sql = "SELECT a.answer, a.refusal FROM unnest($1::text[]) WITH ORDINALITY q(question, n), ask(question) a ORDER BY n";
        let rows = self.0.query(sql, &[&questions]).unwrap();
        let answer = |row: &postgres::Row| match row.get::<_, Option<String>>(1) {
            Some(refusal) => Err(refusal),
            None => Ok(row.get(0)),
        };
        rows.iter().map(answer).collect()
    }

    /// Every row of every table.
    pub fn rows(&mut self) -> Rows {
        let select = |(n, column): (usize, &Column)| {
            let text = match column.shape {
                Shape::One(_) => "text",
                Shape::Many(_) => "text[]",
            };
            format!(
                "SELECT {n}, id, coalesce(to_json(v::{text})::text, 'null'), note FROM {}",
                table(n)
            )
        };
        let selects: Vec<_> = COLUMNS.iter().enumerate().map(select).collect();
        let rows = self.0.query(&selects.join(" UNION ALL "), &[]).unwrap();
        let row = |row: &postgres::Row| {
            let (column, id) = (row.get::<_, i32>(0), row.get(1));
            let value = serde_json::from_str(row.get(2)).unwrap();
            ((usize::try_from(column).unwrap(), id), (value, row.get(3)))
        };
        Rows(rows.iter().map(row).collect())
    }
}
