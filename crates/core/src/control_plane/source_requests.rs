//! What the calls about sources take, and the bodies made of it, with the contract's defaults (contract section 2).

use std::fmt;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use url::Url;

use super::sources::SourceError;

/// A text that is never shown: `Debug` says `Secret([redacted])`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Resolves `env:NAME` with the look-up of environment variables that is handed in.
    ///
    /// # Errors
    /// `SECRET_ENV_REQUIRED` for an unset or empty variable, and for anything but `env:NAME`, which is not quoted.
    pub fn from_env(
        reference: &str,
        look_up: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Self, SourceError> {
        let name = reference
            .strip_prefix("env:")
            .filter(|name| is_variable(name));
        let name = name.ok_or(SourceError::SecretAsItself)?;
        let value = look_up(name).filter(|value| !value.is_empty());
        value
            .map(Secret)
            .ok_or_else(|| SourceError::SecretNotSet(name.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// A source to be created.
#[derive(Clone, Debug)]
pub struct NewSource {
    /// The project that it belongs to.
    pub project_id: String,
    /// The database that it belongs to.
    pub database_id: String,
    /// `postgres`, `mysql`.
    pub kind: String,
    /// What people will call it; absent: `app_postgres`, `app_mysql`.
    pub name: Option<String>,
    /// The connection's URL.
    pub url: Secret,
    /// Absent: `require`.
    pub ssl_mode: Option<String>,
    /// Absent: `read-only`.
    pub mode: Option<String>,
}

/// What `inspect` and `doctor` look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// These schemas.
    Schemas(Vec<String>),
    /// This database (MySQL).
    Database(String),
}

/// A table to be imported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportedTable {
    /// The table's database (MySQL).
    pub database: Option<String>,
    /// The table's schema.
    pub schema: String,
    /// The table.
    pub name: String,
    /// The schema it is imported as; absent: `external_support`, or `external_shop` where a database is given.
    pub alias_schema: Option<String>,
    /// The name it is imported as; absent: its own.
    pub alias_name: Option<String>,
    /// The column that says whose a row is.
    pub tenant_column: Option<String>,
    /// There is one tenant, and no such column.
    pub single_tenant: bool,
    /// Absent: `live-read`.
    pub mode: Option<String>,
}

impl NewSource {
    pub(super) fn body(&self) -> Value {
        let name = self
            .name
            .clone()
            .unwrap_or_else(|| format!("app_{}", self.kind));
        json!({
            "project_id": self.project_id,
            "database_id": self.database_id,
            "kind": self.kind,
            "name": name,
            "connection": {
                "url": self.url.0,
                "ssl_mode": self.ssl_mode.as_deref().unwrap_or("require"),
            },
            "mode": self.mode.as_deref().unwrap_or("read-only"),
        })
    }

    /// What no error may show: the connection's URL, and its password in both its forms.
    pub(super) fn secrets(&self) -> Vec<String> {
        let url = Url::parse(&self.url.0).ok();
        let password = url.as_ref().and_then(Url::password);
        let decoded =
            password.map(|text| percent_decode_str(text).decode_utf8_lossy().into_owned());
        let secrets = [
            Some(self.url.0.clone()),
            password.map(str::to_owned),
            decoded,
        ];
        secrets.into_iter().flatten().collect()
    }
}

impl Scope {
    pub(super) fn body(&self) -> Value {
        match self {
            Scope::Schemas(schemas) => json!({ "schemas": schemas }),
            Scope::Database(database) => json!({ "database": database }),
        }
    }
}

impl ImportedTable {
    pub(super) fn body(&self) -> Value {
        let is_mysql = self.database.is_some();
        let alias_schema = if is_mysql {
            "external_shop"
        } else {
            "external_support"
        };
        let mut body = json!({
            "schema": self.schema,
            "name": self.name,
            "alias_schema": self.alias_schema.as_deref().unwrap_or(alias_schema),
            "alias_name": self.alias_name.as_deref().unwrap_or(&self.name),
            "single_tenant": self.single_tenant,
            "mode": self.mode.as_deref().unwrap_or("live-read"),
        });
        if let Some(database) = &self.database {
            body["database"] = database.as_str().into();
        }
        if let Some(column) = &self.tenant_column {
            body["tenant_column"] = column.as_str().into();
        }
        body
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
