//! Which names may enter a statement: `[A-Za-z_][A-Za-z0-9_]*`, not longer than the server keeps, always quoted.

use crate::dialect::Dialect;
use crate::refusal::{Code, Refusal};

/// Appends `name`, quoted for the dialect.
///
/// # Errors
/// `UNSAFE_IDENTIFIER: <name>` for a name outside the rule. A name longer than the server keeps is outside it too:
/// the server would cut it, and another column may be hit.
pub fn push_quoted(sql: &mut String, name: &str, dialect: Dialect) -> Result<(), Refusal> {
    if !is_safe(name, dialect) {
        return Err(Refusal::of(Code::UnsafeIdentifier, name));
    }
    let quote = dialect.quote();
    sql.push(quote);
    sql.push_str(name);
    sql.push(quote);
    Ok(())
}

/// True for a name that may enter a statement.
pub fn is_safe(name: &str, dialect: Dialect) -> bool {
    let mut bytes = name.bytes();
    let head = bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    head && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.len() <= dialect.longest_identifier()
}
