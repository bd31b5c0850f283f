//! The calls about external sources (contract section 2): thin, with the contract's defaults and error codes.

use std::collections::HashSet;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::client::{Answer, Call, Client};
use super::error::ControlPlaneError;
use super::listing::Cursors;
use super::proposals::cursor;
use super::source_requests::{ImportedTable, NewSource, Scope};
use crate::api_key::ApiKey;
use crate::json::{self, Json, Kind, Members};

/// Where the calls live.
const ROOT: [&str; 3] = ["v1", "control", "external-sources"];

/// Sources after which no further page is asked for.
const MAX_SOURCES: usize = 10_000;

/// Why a call about a source failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// No source has this name.
    #[error("SOURCE_NOT_FOUND: {0}")]
    NotFound(String),
    /// More than one source has this name: which is meant, its id can say.
    #[error("SOURCE_AMBIGUOUS: {0}")]
    Ambiguous(String),
    /// The environment variable that a secret is in is not set.
    #[error("SECRET_ENV_REQUIRED: {0} is not set")]
    SecretNotSet(String),
    /// A secret was given as itself.
    #[error("SECRET_ENV_REQUIRED: a secret is given as env:NAME, never as itself")]
    SecretAsItself,
    /// An import without a table.
    #[error("TABLES_REQUIRED")]
    TablesRequired,
    /// An import of a table without a tenant column, and without saying that there is a single tenant.
    #[error("TENANT_COLUMN_REQUIRED: {0}")]
    TenantColumnRequired(String),
    /// The call itself failed.
    #[error(transparent)]
    ControlPlane(#[from] ControlPlaneError),
}

impl SourceError {
    /// The stable code: the error's text up to the first `:`.
    pub fn code(&self) -> &str {
        match self {
            SourceError::NotFound(_) => "SOURCE_NOT_FOUND",
            SourceError::Ambiguous(_) => "SOURCE_AMBIGUOUS",
            SourceError::SecretNotSet(_) | SourceError::SecretAsItself => "SECRET_ENV_REQUIRED",
            SourceError::TablesRequired => "TABLES_REQUIRED",
            SourceError::TenantColumnRequired(_) => "TENANT_COLUMN_REQUIRED",
            SourceError::ControlPlane(error) => error.code(),
        }
    }
}

/// A source as the list shows it. A field is absent where the server sent none, or something other than a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// `src_…`
    pub source_id: Option<String>,
    /// What people call it.
    pub name: Option<String>,
    /// `postgres`, `mysql`.
    pub kind: Option<String>,
    /// The server's word for its state.
    pub status: Option<String>,
    /// The whole object.
    pub whole: Json,
}

impl Client {
    /// All sources of a project, page by page, in the server's order: `GET …?project_id=&cursor=`.
    ///
    /// # Errors
    /// Those of [`Client::call`], and `CONTROL_PLANE_UNEXPECTED_ANSWER` when `sources` is missing or not an array.
    pub fn list_sources(
        &self,
        key: &ApiKey,
        project_id: Option<&str>,
    ) -> Result<Vec<Source>, ControlPlaneError> {
        let (mut sources, mut seen) = (Vec::new(), HashSet::new());
        let (mut cursors, mut next) = (Cursors::default(), None::<String>);
        loop {
            let query = [("project_id", project_id), ("cursor", next.as_deref())];
            let answer = self.call(
                key,
                &Call {
                    query: &query,
                    ..Call::get(&ROOT)
                },
            )?;
            let (page, cursor) = source_page(&answer.text)
                .ok_or_else(|| answer.unexpected("the answer has no array of sources in it"))?;
            let before = sources.len();
            sources.extend(
                page.into_iter()
                    .filter(|source| seen.insert(source.whole.compact())),
            );
            let is_going_on = sources.len() > before && sources.len() < MAX_SOURCES;
            next = cursors.follow(cursor).filter(|_| is_going_on);
            if next.is_none() {
                return Ok(sources);
            }
        }
    }

    /// One source, the whole object: `GET …/{id}`.
    ///
    /// # Errors
    /// Those of [`Client::call`], and `CONTROL_PLANE_UNEXPECTED_ANSWER` for what is not an object.
    pub fn show_source(&self, key: &ApiKey, id: &str) -> Result<Json, ControlPlaneError> {
        self.whole(key, &Call::get(&[ROOT[0], ROOT[1], ROOT[2], id]))
    }

    /// Creates a source and returns the whole object. The connection's URL is struck out of every error.
    ///
    /// # Errors
    /// As [`Client::show_source`].
    pub fn create_source(&self, key: &ApiKey, new: &NewSource) -> Result<Json, ControlPlaneError> {
        let secrets = new.secrets();
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        self.whole(
            key,
            &Call {
                secrets: &secrets,
                ..Call::post(&ROOT, new.body())
            },
        )
    }

    /// Lets the control plane try the connection: `POST …/{id}/test`.
    ///
    /// # Errors
    /// As [`Client::show_source`].
    pub fn test_source(&self, key: &ApiKey, id: &str) -> Result<Json, ControlPlaneError> {
        self.act(key, id, "test", json!({}))
    }

    /// Disables a source: `POST …/{id}/disable`.
    ///
    /// # Errors
    /// As [`Client::show_source`].
    pub fn disable_source(&self, key: &ApiKey, id: &str) -> Result<Json, ControlPlaneError> {
        self.act(key, id, "disable", json!({}))
    }

    /// Lets the control plane look at tables and views: `POST …/{id}/inspect`.
    ///
    /// # Errors
    /// As [`Client::show_source`].
    pub fn inspect_source(
        &self,
        key: &ApiKey,
        id: &str,
        scope: &Scope,
    ) -> Result<Json, ControlPlaneError> {
        let mut body = scope.body();
        body["include_views"] = true.into();
        self.act(key, id, "inspect", body)
    }

    /// Lets the control plane examine the source: `POST …/{id}/doctor`.
    ///
    /// # Errors
    /// As [`Client::show_source`].
    pub fn doctor_source(
        &self,
        key: &ApiKey,
        id: &str,
        scope: &Scope,
    ) -> Result<Json, ControlPlaneError> {
        self.act(key, id, "doctor", scope.body())
    }

    /// Generates an agent's files: `POST …/{id}/generate`. `template` is `support-ticket-agent` where absent, and
    /// `namespace` `support`.
    ///
    /// # Errors
    /// As [`Client::show_source`].
    pub fn generate_from_source(
        &self,
        key: &ApiKey,
        id: &str,
        template: Option<&str>,
        namespace: Option<&str>,
    ) -> Result<Json, ControlPlaneError> {
        let template = template.unwrap_or("support-ticket-agent");
        let namespace = namespace.unwrap_or("support");
        self.act(
            key,
            id,
            "generate",
            json!({ "template": template, "namespace": namespace }),
        )
    }

    /// Imports tables: `POST …/{id}/import`. Checked before anything is sent.
    ///
    /// # Errors
    /// `TABLES_REQUIRED`, `TENANT_COLUMN_REQUIRED: <table>`, and as [`Client::show_source`].
    pub fn import_tables(
        &self,
        key: &ApiKey,
        id: &str,
        tables: &[ImportedTable],
    ) -> Result<Json, SourceError> {
        if tables.is_empty() {
            return Err(SourceError::TablesRequired);
        }
        if let Some(table) = tables
            .iter()
            .find(|t| t.tenant_column.is_none() && !t.single_tenant)
        {
            return Err(SourceError::TenantColumnRequired(table.name.clone()));
        }
        let tables: Vec<_> = tables.iter().map(ImportedTable::body).collect();
        Ok(self.act(key, id, "import", json!({ "tables": tables }))?)
    }

    fn act(
        &self,
        key: &ApiKey,
        id: &str,
        verb: &str,
        body: Value,
    ) -> Result<Json, ControlPlaneError> {
        self.whole(
            key,
            &Call::post(&[ROOT[0], ROOT[1], ROOT[2], id, verb], body),
        )
    }

    fn whole(&self, key: &ApiKey, call: &Call<'_>) -> Result<Json, ControlPlaneError> {
        let answer = self.call(key, call)?;
        whole(&answer).ok_or_else(|| answer.unexpected("the answer is not an object"))
    }
}

impl Source {
    fn read(raw: &RawValue) -> Option<Self> {
        let members = Members::parse(raw.get())?;
        let text = |name: &str| {
            let (_, raw) = members.0.iter().find(|(n, _)| n == name)?;
            json::string(raw.get()).map(String::from)
        };
        Some(Source {
            source_id: text("source_id"),
            name: text("name"),
            kind: text("kind"),
            status: text("status"),
            whole: Json::new(raw)?,
        })
    }
}

/// The sources of one page, without elements that are none, and the next page's cursor.
fn source_page(text: &str) -> Option<(Vec<Source>, Option<String>)> {
    let members = Members::parse(text)?;
    let field = |name| {
        members
            .0
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, raw)| raw.get())
    };
    let elements: Vec<&RawValue> = json::first_elements(field("sources")?, MAX_SOURCES)?;
    let sources = elements.into_iter().filter_map(Source::read).collect();
    Some((sources, field("next_cursor").and_then(cursor)))
}

fn whole(answer: &Answer) -> Option<Json> {
    let raw: &RawValue = serde_json::from_str(&answer.text).ok()?;
    Json::new(raw).filter(|json| json.kind() == Kind::Object)
}
