//! What `inspect` and `doctor` look at: schemas of a Postgres source, or the database of a MySQL source.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use synapsor_core::control_plane::Scope;

use super::Named;
use super::calls::{Calls, Kind};
use crate::error::Error;

/// Which source, and what of it.
#[derive(Args, Debug)]
pub struct ScopeArgs {
    #[command(flatten)]
    /// Which source.
    pub named: Named,
    /// Schema to look at, for a Postgres source; may be said again for further ones
    #[arg(long = "schema", value_name = "NAME", conflicts_with = "database", value_parser = NonEmptyStringValueParser::new())]
    schemas: Vec<String>,
    /// Database to look at, for a MySQL source
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    database: Option<String>,
}

impl ScopeArgs {
    /// What the flags say.
    ///
    /// # Errors
    /// `SCHEMA_REQUIRED` or `DATABASE_REQUIRED` where they say nothing: which of them, the source's kind decides, which is asked for
    /// then.
    pub fn scope(&self, calls: &Calls, id: &str) -> Result<Scope, Error> {
        if let Some(database) = &self.database {
            return Ok(Scope::Database(database.clone()));
        }
        if !self.schemas.is_empty() {
            return Ok(Scope::Schemas(self.schemas.clone()));
        }
        Err(place_required(calls.kind_of(id)?))
    }
}

/// The error for a source of which nothing says where to look.
pub fn place_required(kind: Kind) -> Error {
    let (code, text) = match kind {
        Kind::Postgres => (
            "SCHEMA_REQUIRED",
            "this is a Postgres source: name a schema, such as --schema public",
        ),
        Kind::Mysql => (
            "DATABASE_REQUIRED",
            "this is a MySQL source: name its database, such as --database shop",
        ),
    };
    Error::Missing {
        code,
        text: text.into(),
    }
}
