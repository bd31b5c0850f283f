//! An ordinary connection to MariaDB or MySQL, which prepares each statement once.

use mysql::prelude::Queryable;
use mysql::{Conn, Opts, OptsBuilder, Value};
use synapsor_core::builder;
use synapsor_core::json::Json;
use synapsor_core::proposal::Proposal;

use super::process::Connection;

/// A session.
pub(super) struct Session(Conn);

impl Session {
    /// Rows that match are counted, changed or not, as guards need it.
    pub(super) fn open(url: &str) -> Self {
        let options = Opts::from_url(url).expect("a URL of MySQL");
        let found_rows = mysql::consts::CapabilityFlags::CLIENT_FOUND_ROWS;
        let options = OptsBuilder::from_opts(options).additional_capabilities(found_rows);
        Session(Conn::new(options).expect("the server can be reached"))
    }
}

impl Connection for Session {
    /// One process works for all.
    fn session(&self) -> Option<i32> {
        None
    }

    fn apply(&mut self, proposal: &Proposal) -> u64 {
        let built = builder::build(proposal).expect("the proposal can be built");
        let values: Vec<_> = built
            .params
            .iter()
            .map(|param| value(param.value))
            .collect();
        let executed = self.0.exec_drop(&built.sql, values);
        executed.expect("the statement succeeds");
        self.0.affected_rows()
    }
}

/// A text or a number.
fn value(json: &Json) -> Value {
    match json.as_str() {
        Some(text) => Value::from(text.into_owned()),
        None => Value::from(json.text().parse::<i64>().expect("an integer")),
    }
}
