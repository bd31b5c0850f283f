//! Why a proposal could not be applied, in two halves: what may be told (a code and names), and what stays here
//! (Postgres's message and DETAIL, which can quote rows).

use pgrx::PgSqlErrorCode;
use synapsor_core::refusal::{Code, Refusal};

use crate::pg::error::PgError;

/// The longest text of an error that is reported, in characters.
const MAX_REPORTED: usize = 500;

/// A failure of one proposal.
#[derive(Clone, Debug)]
pub struct Failure {
    /// `CODE: names`, fit to be reported.
    pub error: String,
    /// The SQLSTATE, where Postgres raised it.
    pub sqlstate: Option<String>,
    /// Postgres's message and DETAIL; never leaves the database.
    pub detail: Option<String>,
    /// True when trying again later may help.
    pub is_transient: bool,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure {
            error: shorten(&refusal.to_string()),
            sqlstate: None,
            detail: None,
            is_transient: false,
        }
    }
}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        Refusal::from(code).into()
    }
}

impl Failure {
    /// A failure that we found before Postgres did, in Postgres's words: `SQLSTATE 42703: undefined_column, column x`.
    pub fn of_sqlstate(sqlstate: &str, names: &str) -> Self {
        Failure {
            error: shorten(&format!(
                "SQLSTATE {sqlstate}: {}{names}",
                condition(sqlstate)
            )),
            sqlstate: Some(sqlstate.to_owned()),
            detail: None,
            is_transient: is_transient(sqlstate),
        }
    }

    /// An error that Postgres raised, and the column whose value was being read when it did.
    pub fn of_error(error: PgError, column_at_work: Option<String>) -> Self {
        let mut names = String::new();
        let column = error.column.or(column_at_work);
        let parts = [
            ("constraint", error.constraint),
            ("column", column),
            ("type", error.data_type),
        ];
        for (what, name) in parts {
            if let Some(name) = name.filter(|name| is_name(name)) {
                names.push_str(&format!(", {what} {name}"));
            }
        }
        let detail = match error.detail {
            Some(detail) => format!("{}\n{detail}", error.message),
            None => error.message,
        };
        Failure {
            detail: Some(detail),
            ..Failure::of_sqlstate(&error.sqlstate, &names)
        }
    }
}

/// The condition's name, as PL/pgSQL and the documentation have it; `unknown` for codes that somebody made up.
fn condition(sqlstate: &str) -> String {
    let bytes = sqlstate.as_bytes();
    let code = bytes.iter().enumerate().fold(0, |code, (n, byte)| {
        code | (i32::from(byte.wrapping_sub(b'0') & 0x3f) << (6 * n))
    });
    let known = PgSqlErrorCode::from(code);
    if known as i32 != code {
        return "unknown".to_owned();
    }
    let name = format!("{known:?}").to_lowercase();
    let name = name.strip_prefix("errcode_").unwrap_or(&name);
    let prefixes = ["t_r_", "s_r_e_", "e_r_i_e_", "e_r_e_", "s_e_", "l_e_"];
    prefixes
        .iter()
        .find_map(|p| name.strip_prefix(p))
        .unwrap_or(name)
        .to_owned()
}

/// Worth another try: serialization and deadlock, a lock or time limit, resources, shutdown, read-only, i/o.
fn is_transient(sqlstate: &str) -> bool {
    matches!(
        sqlstate,
        "40001" | "40P01" | "55P03" | "57014" | "25006" | "58030"
    ) || sqlstate.starts_with("53")
        || sqlstate.starts_with("57P")
}

/// A table's owner can put any text where a name belongs (RAISE … USING CONSTRAINT): only what could be a name passes.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() < 64 && !name.chars().any(char::is_control)
}

fn shorten(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(MAX_REPORTED)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    if text.chars().nth(MAX_REPORTED).is_some() {
        short.push('…');
    }
    short
}
