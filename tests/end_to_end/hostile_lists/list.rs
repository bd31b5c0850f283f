//! A list with innocents between its hostile elements, one poll of it, and what has to be true afterwards.

use serde_json::Value;
use simulated_control_plane::{Endpoint, Status};

use crate::stage::{Operator, Stage, close};

/// Hostile elements, an innocent after each: one of the first fifty tickets, to be closed.
pub struct HostileList<'a> {
    stage: &'a Stage,
    /// The id, where there is a usable one, and what is to become of it: `applied`, or its error.
    expected: Vec<(Option<String>, String)>,
}

impl<'a> HostileList<'a> {
    pub fn new(stage: &'a Stage) -> Self {
        let expected = Vec::new();
        HostileList { stage, expected }
    }

    /// Lists an element with a usable id, and an innocent.
    pub fn add(&mut self, id: &str, element: impl Into<Vec<u8>>, outcome: &str) {
        self.push(Some(id), element.into(), outcome);
    }

    /// Lists an element of which nobody can say what it is called, and an innocent.
    pub fn add_nameless(&mut self, element: impl Into<Vec<u8>>, outcome: &str) {
        self.push(None, element.into(), outcome);
    }

    fn push(&mut self, id: Option<&str>, element: Vec<u8>, outcome: &str) {
        self.stage.simulator.add_raw(element, id);
        self.expected
            .push((id.map(str::to_owned), outcome.to_owned()));
        let ticket = self.expected.len().div_ceil(2);
        assert!(ticket <= 50, "the other half of the tickets is to stay");
        self.stage.approve(close(i64::try_from(ticket).unwrap()));
        let innocent = (Some(format!("wrp_{ticket}")), "applied".to_owned());
        self.expected.push(innocent);
    }

    /// One poll: every element has the outcome that was said, in results, ledger and reports.
    pub fn poll(self, operator: &mut Operator) {
        let answer = operator.poll();
        let results = answer["results"].as_array().unwrap();
        assert_eq!(results.len(), self.expected.len());
        let became = |result: &Value| {
            let id = result["proposal_id"].as_str().map(str::to_owned);
            (id, said(result).to_owned())
        };
        let pairs = results.iter().map(became).zip(&self.expected);
        let wrong: Vec<_> = pairs.filter(|(is, expected)| is != *expected).collect();
        assert!(wrong.is_empty(), "is, and was to be: {wrong:?}");
        self.stage.wait_for_reports();
        for (result, (id, _)) in results.iter().zip(&self.expected) {
            if let Some(id) = id {
                self.assert_told(id, result);
            }
        }
        self.assert_told_nothing_else();
    }

    /// Ledger and control plane say of it what the result says.
    fn assert_told(&self, id: &str, result: &Value) {
        let mut session = self.stage.database.connect();
        let query = "SELECT coalesce(error, status), report_state FROM synapsor.ledger WHERE proposal_id = $1";
        let row = session.query_one(query, &[&id]).unwrap();
        let recorded: (String, String) = (row.get(0), row.get(1));
        assert_eq!(recorded, (said(result).into(), "delivered".into()), "{id}");
        let word = self.stage.simulator.final_word(id).unwrap();
        let told = word.error.unwrap_or_else(|| match word.status {
            Status::Applied => "applied".to_owned(),
            other => format!("{other:?}"),
        });
        assert_eq!(told, said(result), "{id}");
    }

    /// One report of each that has an id, and no call that the contract does not know.
    fn assert_told_nothing_else(&self) {
        let usable = self.expected.iter().filter(|(id, _)| id.is_some()).count();
        assert_eq!(self.stage.ledger("true"), i64::try_from(usable).unwrap());
        let reports = self.stage.simulator.calls(Endpoint::Report);
        assert_eq!(usize::try_from(reports).unwrap(), usable);
        let breaches = self.stage.simulator.breaches();
        assert!(breaches.is_empty(), "{breaches:?}");
    }
}

fn said(result: &Value) -> &str {
    let error = result["error"].as_str();
    error.or(result["status"].as_str()).unwrap()
}
