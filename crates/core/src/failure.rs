//! Why a proposal could not be applied, in two halves: what may be told (a code and names), and what stays in the
//! database (the server's message, which can quote rows).

use crate::refusal::{Code, Refusal};

/// The longest text of an error that is reported, in characters.
const MAX_REPORTED: usize = 500;

/// The longest name that an error may mention, in characters: no server keeps a longer one.
const MAX_NAME: usize = 64;

/// A failure of one proposal.
#[derive(Clone, Debug)]
pub struct Failure {
    /// `CODE: names`, fit to be reported.
    pub error: String,
    /// The SQLSTATE, where the server raised it.
    pub sqlstate: Option<String>,
    /// The server's message and DETAIL; never leaves the database.
    pub detail: Option<String>,
    /// True when trying again later may help.
    pub is_transient: bool,
}

impl Failure {
    /// A failure in the server's words: `SQLSTATE 23514: check_violation, constraint c, column x`. Of the names, each with what it is
    /// the name of, only those enter that could be one: a table's owner can put any text where a name belongs.
    pub fn of_sqlstate(sqlstate: &str, condition: &str, names: &[(&str, Option<&str>)]) -> Self {
        let mut error = format!("SQLSTATE {sqlstate}: {condition}");
        for (what, name) in names {
            if let Some(name) = name.filter(|name| could_be_a_name(name)) {
                error.push_str(&format!(", {what} {name}"));
            }
        }
        Failure {
            error: shorten(&error),
            sqlstate: Some(sqlstate.to_owned()),
            detail: None,
            is_transient: false,
        }
    }
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

fn could_be_a_name(name: &str) -> bool {
    !name.is_empty() && name.chars().count() <= MAX_NAME && !name.chars().any(char::is_control)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_what_the_server_named() {
        let names = [("constraint", Some("status_check")), ("column", None)];
        assert_eq!(
            Failure::of_sqlstate("23514", "check_violation", &names).error,
            "SQLSTATE 23514: check_violation, constraint status_check"
        );
    }

    #[test]
    fn what_can_t_be_a_name_does_not_get_out() {
        for text in ["", "a\nb", &"x".repeat(MAX_NAME + 1)] {
            let failure = Failure::of_sqlstate("P0001", "raise", &[("constraint", Some(text))]);
            assert_eq!(failure.error, "SQLSTATE P0001: raise");
        }
    }

    #[test]
    fn an_error_is_one_short_line() {
        let refusal = Refusal::of(Code::UnsafeIdentifier, format!("a\nb{}", "x".repeat(9_999)));
        let error = Failure::from(refusal).error;
        assert!(error.starts_with("UNSAFE_IDENTIFIER: a?bxxx"));
        assert_eq!(error.chars().count(), MAX_REPORTED + 1);
    }
}
