//! The sources: what they are, and the list of them.

use bytes::Bytes;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::{Answer, Refusal, json_answer};
use crate::endpoint::Endpoint;
use crate::page::{Window, list_answer};
use crate::source_calls;

/// A source: a database that the control plane knows of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Such as `src_1`.
    pub source_id: String,
    /// The name that people use.
    pub name: String,
    /// `postgres` or `mysql`.
    #[serde(default = "postgres")]
    pub kind: String,
    /// `active` or `disabled`.
    #[serde(default = "active")]
    pub status: String,
    /// The project that it belongs to.
    #[serde(default)]
    pub project_id: String,
    /// The database that it belongs to.
    #[serde(default)]
    pub database_id: String,
    /// Such as `read-only`.
    #[serde(default = "read_only")]
    pub mode: String,
    /// Such as `require`.
    #[serde(default = "require")]
    pub ssl_mode: String,
}

fn postgres() -> String {
    "postgres".to_owned()
}

fn active() -> String {
    "active".to_owned()
}

fn read_only() -> String {
    "read-only".to_owned()
}

fn require() -> String {
    "require".to_owned()
}

impl Source {
    /// An active, read-only Postgres source of no project.
    #[must_use]
    pub fn new(source_id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            source_id: source_id.into(),
            name: name.into(),
            kind: postgres(),
            status: active(),
            project_id: String::new(),
            database_id: String::new(),
            mode: read_only(),
            ssl_mode: require(),
        }
    }

    /// What the list shows of it.
    fn summary(&self) -> String {
        let Self {
            source_id,
            name,
            kind,
            status,
            ..
        } = self;
        let summary = serde_json::json!({
            "source_id": source_id, "name": name, "kind": kind, "status": status,
        });
        summary.to_string()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Sources(Vec<Source>);

impl Sources {
    pub(crate) fn add(&mut self, source: Source) {
        self.0.push(source);
    }

    pub(crate) fn list(&self, project_id: Option<&str>, window: &Window) -> Answer {
        let of_project =
            |source: &Source| project_id.is_none_or(|wanted| source.project_id == wanted);
        let sources = self.0.iter().enumerate().skip(window.from);
        let summaries: Vec<_> = sources
            .filter(|(_, source)| of_project(source))
            .map(|(index, source)| (index, source.summary()))
            .collect();
        let items = summaries
            .iter()
            .map(|(index, text)| (*index, text.as_bytes()));
        list_answer("sources", items, window)
    }

    /// Every source call but the list.
    pub(crate) fn call(
        &mut self,
        endpoint: Endpoint,
        id: &str,
        body: &Bytes,
    ) -> Result<Answer, Refusal> {
        if endpoint == Endpoint::CreateSource {
            return self.create(body);
        }
        let found = self.0.iter_mut().find(|source| source.source_id == id);
        let source = found
            .ok_or_else(|| Refusal::not_found("SOURCE_NOT_FOUND", "there is no such source"))?;
        if endpoint == Endpoint::ShowSource {
            return Ok(ok(&source_calls::whole(source)));
        }
        let body = source_calls::json_object(body)?;
        let answer = match endpoint {
            Endpoint::TestSource => source_calls::test(source),
            Endpoint::InspectSource => source_calls::inspect(source, &body)?,
            Endpoint::DoctorSource => source_calls::doctor(source, &body)?,
            Endpoint::GenerateSource => source_calls::generate(source, &body)?,
            Endpoint::ImportSource => source_calls::import(source, &body)?,
            _ => {
                "disabled".clone_into(&mut source.status);
                source_calls::whole(source)
            }
        };
        Ok(ok(&answer))
    }

    fn create(&mut self, body: &Bytes) -> Result<Answer, Refusal> {
        let body = source_calls::json_object(body)?;
        let source_id = format!("src_{}", self.0.len() + 1);
        let source = source_calls::create(source_id, &body)?;
        let taken =
            |other: &Source| other.project_id == source.project_id && other.name == source.name;
        if self.0.iter().any(taken) {
            return Err(Refusal::conflict(
                "SOURCE_NAME_TAKEN",
                "the project has a source of that name",
            ));
        }
        let answer = source_calls::whole(&source).to_string();
        self.0.push(source);
        Ok(json_answer(StatusCode::CREATED, answer))
    }
}

fn ok(answer: &Value) -> Answer {
    json_answer(StatusCode::OK, answer.to_string())
}
