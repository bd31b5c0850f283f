//! An ordinary connection to Postgres, each statement prepared once.

use std::collections::HashMap;

use postgres::types::{ToSql, Type};
use postgres::{Client, NoTls, Statement};
use synapsor_core::builder;
use synapsor_core::json::Json;
use synapsor_core::proposal::Proposal;

use super::process::Connection;

/// A session.
pub(super) struct Session {
    client: Client,
    backend: i32,
    prepared: HashMap<String, Statement>,
}

impl Session {
    pub(super) fn open(address: &str) -> Self {
        let client = Client::connect(address, NoTls);
        let mut client = client.expect("the server can be reached");
        let backend = client.query_one("SELECT pg_backend_pid()", &[]);
        Session {
            backend: backend.expect("the server answers").get(0),
            client,
            prepared: HashMap::new(),
        }
    }

    fn prepare(&mut self, sql: &str) -> Statement {
        if let Some(statement) = self.prepared.get(sql) {
            return statement.clone();
        }
        let statement = self.client.prepare(sql).expect("the statement is right");
        self.prepared.insert(sql.to_owned(), statement.clone());
        statement
    }
}

impl Connection for Session {
    fn session(&self) -> Option<i32> {
        Some(self.backend)
    }

    fn apply(&mut self, proposal: &Proposal) -> u64 {
        let built = builder::build(proposal).expect("the proposal can be built");
        let statement = self.prepare(&built.sql);
        let types = statement.params().iter();
        let values: Vec<_> = types
            .zip(&built.params)
            .map(|(kind, param)| value(param.value, kind))
            .collect();
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(AsRef::as_ref).collect();
        let executed = self.client.execute(&statement, &values);
        executed.expect("the statement succeeds")
    }
}

/// A value for a parameter of one of the types that the benchmark's tables have.
fn value(json: &Json, kind: &Type) -> Box<dyn ToSql + Sync> {
    match *kind {
        Type::INT8 => Box::new(json.text().parse::<i64>().expect("a bigint")),
        Type::INT4 => Box::new(json.text().parse::<i32>().expect("an integer")),
        Type::TEXT => Box::new(json.as_str().expect("a text").into_owned()),
        ref other => panic!("no table of the benchmark has a column of type {other}"),
    }
}
