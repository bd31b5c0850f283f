//! `sources import`: tables as they are written on the command line, `[PLACE.]NAME[=ALIAS]`.

use std::str::FromStr;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use synapsor_core::control_plane::{ImportedTable, SourceError};

use super::calls::{Calls, Kind};
use super::scope::place_required;
use super::{Context, Named, answer};
use crate::error::Error;
use crate::exit::Exit;

/// Which tables, and how.
#[derive(Args, Debug)]
pub struct ImportArgs {
    #[command(flatten)]
    /// Which source.
    named: Named,
    /// A table: [PLACE.]NAME[=ALIAS], such as public.tickets or shop.orders=purchases; may be said again for further ones
    #[arg(long = "table", value_name = "TABLE")]
    tables: Vec<TableName>,
    /// Schema of the tables that name none, for a Postgres source
    #[arg(long, value_name = "NAME", conflicts_with = "database", value_parser = NonEmptyStringValueParser::new())]
    schema: Option<String>,
    /// Database of the tables that name none, for a MySQL source
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    database: Option<String>,
    /// Column that says whose a row is
    #[arg(long, value_name = "COLUMN", conflicts_with = "single_tenant", value_parser = NonEmptyStringValueParser::new())]
    tenant_column: Option<String>,
    /// All rows belong to one tenant
    #[arg(long)]
    single_tenant: bool,
    /// Schema that agents know the tables by [default: external_support for Postgres, external_shop for MySQL]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    alias_schema: Option<String>,
    /// How the tables are read
    #[arg(long, value_name = "MODE", default_value = "live-read", value_parser = NonEmptyStringValueParser::new())]
    mode: String,
}

/// A table as it is written: `tickets`, `public.tickets`, `shop.orders=purchases`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TableName {
    /// Its schema or database.
    place: Option<String>,
    name: String,
    alias: Option<String>,
}

impl FromStr for TableName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "a table is written [PLACE.]NAME[=ALIAS], such as public.tickets or shop.orders=purchases";
        let (table, alias) = match text.split_once('=') {
            Some((table, alias)) => (table, Some(alias)),
            None => (text, None),
        };
        let (place, name) = match table.split_once('.') {
            Some((place, name)) => (Some(place), name),
            None => (None, table),
        };
        let is_name = |part: &str| !part.is_empty() && !part.contains(['.', '=']);
        if [Some(name), place, alias]
            .into_iter()
            .flatten()
            .all(is_name)
        {
            Ok(TableName {
                place: place.map(str::to_owned),
                name: name.to_owned(),
                alias: alias.map(str::to_owned),
            })
        } else {
            Err(FORM)
        }
    }
}

/// Imports tables.
///
/// # Errors
/// `TABLES_REQUIRED` and `TENANT_COLUMN_REQUIRED` before anything is sent; `SCHEMA_REQUIRED`, `DATABASE_REQUIRED`, `SOURCE_KIND_UNKNOWN`
/// before anything is imported; and those of the calls.
pub fn run(context: &Context<'_>, args: &ImportArgs) -> Result<Exit, Error> {
    args.check()?;
    let mut calls = Calls::open(context)?;
    let id = calls.id_of(&args.named.source)?;
    let kind = match (&args.schema, &args.database) {
        (Some(_), _) => Kind::Postgres,
        (_, Some(_)) => Kind::Mysql,
        (None, None) => calls.kind_of(&id)?,
    };
    let tables = args.tables_of(kind)?;
    let whole = calls.ask(|client, key| client.import_tables(key, &id, &tables))?;
    answer::print(context.output, &calls.read(&whole)?);
    Ok(Exit::Success)
}

impl ImportArgs {
    /// What the core demands too, but only once it has all it sends: here nothing has been asked yet.
    fn check(&self) -> Result<(), Error> {
        let error = match self.tables.first() {
            None => SourceError::TablesRequired,
            Some(table) if self.tenant_column.is_none() && !self.single_tenant => {
                SourceError::TenantColumnRequired(table.name.clone())
            }
            Some(_) => return Ok(()),
        };
        Err(Error::Source(error))
    }

    fn tables_of(&self, kind: Kind) -> Result<Vec<ImportedTable>, Error> {
        let tables = self.tables.iter().map(|table| self.imported(table, kind));
        tables.collect()
    }

    fn imported(&self, table: &TableName, kind: Kind) -> Result<ImportedTable, Error> {
        let usual = self.schema.as_ref().or(self.database.as_ref());
        let place = table.place.as_ref().or(usual);
        let place = place.ok_or_else(|| place_required(kind))?;
        Ok(ImportedTable {
            // A MySQL database is its own schema.
            database: (kind == Kind::Mysql).then(|| place.clone()),
            schema: place.clone(),
            name: table.name.clone(),
            alias_schema: self.alias_schema.clone(),
            alias_name: table.alias.clone(),
            tenant_column: self.tenant_column.clone(),
            single_tenant: self.single_tenant,
            mode: Some(self.mode.clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_a_name_with_a_place_and_an_alias_where_they_are_said() {
        let parse = |text: &str| {
            let TableName { place, name, alias } = text.parse().unwrap();
            (place, name, alias)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(parse("tickets"), (None, "tickets".into(), None));
        assert_eq!(
            parse("public.tickets"),
            (some("public"), "tickets".into(), None)
        );
        assert_eq!(parse("tickets=t"), (None, "tickets".into(), some("t")));
        assert_eq!(
            parse("shop.orders=purchases"),
            (some("shop"), "orders".into(), some("purchases"))
        );
    }

    #[test]
    fn a_table_that_is_written_otherwise_is_refused() {
        for text in ["", ".", "a.", ".a", "a.b.c", "a=", "=a", "a=b=c", "a.b=c.d"] {
            assert!(text.parse::<TableName>().is_err(), "{text}");
        }
    }
}
