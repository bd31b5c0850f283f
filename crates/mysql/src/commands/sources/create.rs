//! `sources create`: the connection's URL comes from the environment, and is shown nowhere, whatever the control plane answers.

use std::env;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use synapsor_core::control_plane::{NewSource, Secret, SourceError};
use url::Url;

use super::calls::{Calls, Kind};
use super::secrecy::{self, STRUCK_OUT};
use super::{Context, answer};
use crate::error::Error;
use crate::exit::Exit;

/// A source to be created.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// What kind of database it is
    #[arg(long, value_name = "KIND")]
    kind: Kind,
    /// What people will call it [default: app_postgres or app_mysql]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    name: Option<String>,
    /// The environment variable that holds the connection's URL, as env:NAME; never the URL itself
    #[arg(long, value_name = "env:NAME")]
    url: String,
    /// How the control plane secures the connection
    #[arg(long, value_name = "MODE", default_value = "require", value_parser = NonEmptyStringValueParser::new())]
    ssl_mode: String,
    /// What the control plane may do
    #[arg(long, value_name = "MODE", default_value = "read-only", value_parser = NonEmptyStringValueParser::new())]
    mode: String,
    /// The database that it belongs to at the control plane; else SYNAPSOR_DATABASE_ID says it
    #[arg(long, value_name = "ID", env = "SYNAPSOR_DATABASE_ID", hide_env = true)]
    database_id: Option<String>,
    /// Nothing. A URL that was put here is refused by us, because clap would quote it.
    #[arg(hide = true)]
    stray: Vec<String>,
}

/// Creates a source.
///
/// # Errors
/// `SECRET_ENV_REQUIRED`, `PROJECT_REQUIRED` and `DATABASE_ID_REQUIRED` before anything is sent, and those of the call.
pub fn run(context: &Context<'_>, args: &CreateArgs) -> Result<Exit, Error> {
    let mut found = None;
    let look_up = |name: &str| {
        found = env::var(name).ok();
        found.clone()
    };
    if !args.stray.is_empty() {
        return Err(Error::Source(SourceError::SecretAsItself));
    }
    let url = Secret::from_env(&args.url, look_up).map_err(Error::Source)?;
    let new = args.source(context, url)?;
    let calls = Calls::open(context)?;
    let whole = calls.ask(|client, key| client.create_source(key, &new))?;
    let mut answer = calls.read(&whole)?;
    Discretion::about(&found.unwrap_or_default(), &new).apply(&mut answer);
    answer::print(context.output, &answer);
    Ok(Exit::Success)
}

impl CreateArgs {
    fn source(&self, context: &Context<'_>, url: Secret) -> Result<NewSource, Error> {
        let project = context.settings.control_plane.project_id.clone();
        let project_id = project.ok_or_else(|| Error::Missing {
            code: "PROJECT_REQUIRED",
            text: "say --project-id, or set SYNAPSOR_PROJECT_ID".into(),
        })?;
        let database = self.database_id.clone().filter(|id| !id.is_empty());
        let database_id = database.ok_or_else(|| Error::Missing {
            code: "DATABASE_ID_REQUIRED",
            text: "say --database-id, or set SYNAPSOR_DATABASE_ID".into(),
        })?;
        Ok(NewSource {
            project_id,
            database_id,
            kind: self.kind.as_str().to_owned(),
            name: self.name.clone(),
            url,
            ssl_mode: Some(self.ssl_mode.clone()),
            mode: Some(self.mode.clone()),
        })
    }
}

/// Keeps the connection's URL, and the password in it, out of what is printed: a server may send back what it was sent.
struct Discretion {
    url: String,
    /// As it stands in the URL, and decoded.
    passwords: Vec<String>,
    /// What was sent in the open, and may come back, also where it happens to be the password as well (postgres, above all).
    open: Vec<String>,
}

/// A password shorter than this occurs by chance in longer texts.
const TELLING: usize = 8;

impl Discretion {
    fn about(url: &str, new: &NewSource) -> Self {
        let parsed = Url::parse(url).ok();
        let password = parsed.as_ref().and_then(Url::password).unwrap_or_default();
        let decoded = percent_decode_str(password).decode_utf8_lossy();
        let mut passwords = vec![password.to_owned(), decoded.into_owned()];
        passwords.retain(|password| !password.is_empty());
        let open = [&new.kind, &new.project_id, &new.database_id];
        let maybe = [&new.name, &new.ssl_mode, &new.mode];
        Discretion {
            url: url.to_owned(),
            passwords,
            open: open
                .into_iter()
                .chain(maybe.into_iter().flatten())
                .cloned()
                .collect(),
        }
    }

    fn apply(&self, answer: &mut Value) {
        secrecy::rewrite(answer, &|text| match self.is_told_by(text) {
            true => STRUCK_OUT.to_owned(),
            false => text.to_owned(),
        });
    }

    fn is_told_by(&self, text: &str) -> bool {
        let tells = |password: &String| {
            text == password
                || text.contains(&format!(":{password}@"))
                || (password.len() >= TELLING && text.contains(password.as_str()))
        };
        let is_open = self.open.iter().any(|sent| sent == text);
        !is_open && (text.contains(&self.url) || self.passwords.iter().any(tells))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(url: &str, mut answer: Value) -> Value {
        let new = NewSource {
            project_id: "prj_1".into(),
            database_id: "db_1".into(),
            kind: "postgres".into(),
            name: Some("app".into()),
            url: Secret::from_env("env:X", |_| Some(url.into())).unwrap(),
            ssl_mode: None,
            mode: None,
        };
        Discretion::about(url, &new).apply(&mut answer);
        answer
    }

    #[test]
    fn url_and_password_are_struck_out_wherever_they_come_back() {
        let url = "postgres://u:hun%21ter2@h/d";
        let answer = json!({
            "connection": { "url": url, "password": "hun!ter2", "dsn": "pg://u:hun%21ter2@h" },
            "notes": ["tried hun!ter2", 7, "fine"],
        });
        let expected = json!({
            "connection": { "url": "[redacted]", "password": "[redacted]", "dsn": "[redacted]" },
            "notes": ["[redacted]", 7, "fine"],
        });
        assert_eq!(seen(url, answer), expected);
    }

    #[test]
    fn a_password_that_is_an_ordinary_word_spoils_no_id() {
        let answer = json!({ "kind": "postgres", "source_id": "src_app_1", "name": "app" });
        assert_eq!(seen("postgres://u:postgres@h/d", answer.clone()), answer);
        assert_eq!(seen("postgres://u:app@h/d", answer.clone()), answer);
        let told = json!({ "password": "src" });
        assert_eq!(
            seen("postgres://u:src@h/d", told),
            json!({ "password": "[redacted]" })
        );
    }
}
