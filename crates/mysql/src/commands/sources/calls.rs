//! The control plane as the `sources` commands call it.

use serde::Deserialize;
use serde_json::Value;
use synapsor_core::api_key::ApiKey;
use synapsor_core::control_plane::{Client, SourceError};
use synapsor_core::json::Json;

use super::Context;
use super::secrecy::{self, KeyHider};
use crate::control_plane::ControlPlane;
use crate::error::Error;

/// The control plane, for one command.
pub struct Calls {
    control_plane: ControlPlane,
    key: KeyHider,
    project_id: Option<String>,
}

/// What kind of database a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// PostgreSQL
    Postgres,
    /// MySQL or MariaDB
    Mysql,
}

impl Kind {
    /// The contract's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Postgres => "postgres",
            Kind::Mysql => "mysql",
        }
    }
}

/// What a source says of itself, as far as a command needs it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Portrait {
    /// What people call it.
    pub name: Option<String>,
    /// `postgres`, `mysql`.
    pub kind: Option<String>,
    /// The server's word for its state.
    pub status: Option<String>,
}

impl Calls {
    /// Reads the key and makes a client. Nothing is sent.
    ///
    /// # Errors
    /// Those of [`ControlPlane::open`].
    pub fn open(context: &Context<'_>) -> Result<Self, Error> {
        let settings = &context.settings.control_plane;
        Ok(Calls {
            control_plane: ControlPlane::open(settings)?,
            key: KeyHider::open(settings),
            project_id: settings.project_id.clone(),
        })
    }

    /// Makes a call.
    ///
    /// # Errors
    /// Those of the call.
    pub fn ask<T, E: Into<SourceError>>(
        &self,
        call: impl FnOnce(&Client, &ApiKey) -> Result<T, E>,
    ) -> Result<T, Error> {
        let (client, key) = (self.control_plane.client(), self.control_plane.key());
        call(client, key).map_err(|error| Error::Source(error.into()))
    }

    /// An answer as a value that can be walked through and shown: without the key, should the server have sent it back.
    ///
    /// # Errors
    /// `CONTROL_PLANE_UNEXPECTED_ANSWER` when it is nested too deeply or not Unicode text.
    pub fn read(&self, answer: &Json) -> Result<Value, Error> {
        let unreadable = "the answer is nested too deeply, or not Unicode text";
        let mut value = serde_json::from_str(answer.text())
            .map_err(|_| Error::UnexpectedAnswer(unreadable.into()))?;
        secrecy::rewrite(&mut value, &|text| self.clean(text));
        Ok(value)
    }

    /// A text without the key.
    pub fn clean(&self, text: &str) -> String {
        self.key.clean(text)
    }

    /// The id of a source that is named by its id or its name.
    ///
    /// # Errors
    /// `SOURCE_NOT_FOUND`, `SOURCE_AMBIGUOUS`, and those of the list.
    pub fn id_of(&mut self, source: &str) -> Result<String, Error> {
        let (client, key, names) = self.control_plane.names();
        let id = names.resolve(client, key, self.project_id.as_deref(), source);
        id.map_err(Error::Source)
    }

    /// The kind of a source, asked for at the control plane.
    ///
    /// # Errors
    /// Those of the call, and `SOURCE_KIND_UNKNOWN` for a kind that is neither of ours.
    pub fn kind_of(&self, id: &str) -> Result<Kind, Error> {
        match self.portrait_of(id)?.kind.as_deref() {
            Some("postgres") => Ok(Kind::Postgres),
            Some("mysql") => Ok(Kind::Mysql),
            _ => Err(Error::Missing {
                code: "SOURCE_KIND_UNKNOWN",
                text: "the source is neither postgres nor mysql; say --schema or --database".into(),
            }),
        }
    }

    /// What a source says of itself.
    ///
    /// # Errors
    /// Those of the call.
    pub fn portrait_of(&self, id: &str) -> Result<Portrait, Error> {
        let whole = self.ask(|client, key| client.show_source(key, id))?;
        let value = self.read(&whole)?;
        Ok(serde_json::from_value(value).unwrap_or_default())
    }
}
