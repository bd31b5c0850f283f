//! Postgres's errors as failures of a proposal: which pass, and what each is called.

use pgrx::PgSqlErrorCode;
pub use synapsor_core::failure::Failure;

use crate::pg::error::PgError;

/// A failure that we found before Postgres did, in Postgres's words: `SQLSTATE 42703: undefined_column, column x`.
pub fn of_sqlstate(sqlstate: &str, names: &[(&str, Option<&str>)]) -> Failure {
    Failure {
        is_transient: is_transient(sqlstate),
        ..Failure::of_sqlstate(sqlstate, &condition(sqlstate), names)
    }
}

/// An error that Postgres raised, and the column whose value was being read when it did.
pub fn of_error(error: PgError, column_at_work: Option<String>) -> Failure {
    let column = error.column.or(column_at_work);
    let names = [
        ("constraint", error.constraint.as_deref()),
        ("column", column.as_deref()),
        ("type", error.data_type.as_deref()),
    ];
    let failure = of_sqlstate(&error.sqlstate, &names);
    let detail = match error.detail {
        Some(detail) => format!("{}\n{detail}", error.message),
        None => error.message,
    };
    Failure {
        detail: Some(detail),
        ..failure
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
