//! The SQL that makes the ledger, and the rights that are needed to use it.

use synapsor_core::dialect::Dialect;
use synapsor_core::identifier;

use crate::database::{DatabaseError, Session};

const SQL: &str = include_str!("../../sql/ledger.sql");

/// The statements that make the ledger, in order; each can be run again.
pub fn statements(schema: &str) -> Vec<String> {
    let sql = SQL.replace("{schema}", schema);
    let without_comments: Vec<_> = sql.lines().filter(|l| !l.starts_with("--")).collect();
    without_comments
        .join("\n")
        .split(";\n")
        .map(|statement| statement.trim().trim_end_matches(';').to_owned())
        .filter(|statement| !statement.is_empty())
        .collect()
}

/// The whole as a text for a person, with the rights that `account` (`'name'@'host'`) needs.
pub fn script(schema: &str, account: &str) -> String {
    format!(
        "{}\n-- The rights of the account that applies proposals: on the ledger, and for each target as little as its proposals need.\n\
         -- It is made before: CREATE USER {account} IDENTIFIED BY '…';\n\
         GRANT SELECT, INSERT, UPDATE, DELETE ON `{schema}`.`ledger` TO {account};\n\
         GRANT SELECT ON `{schema}`.`pending_reports` TO {account};\n\
         GRANT SELECT ON `{schema}`.`rejected_reports` TO {account};\n\
         GRANT SELECT ON `{schema}`.`recent` TO {account};\n\
         -- Foreign keys of tables that an account has no right on are shown to those with PROCESS alone. Without it, deletes are refused, and\n\
         -- updates of columns with a unique key: nobody could tell which other rows would go along.\n\
         GRANT PROCESS ON *.* TO {account};\n\
         -- For example, tickets in the database shop, of which proposals may change status and fee:\n\
         --   GRANT SELECT, UPDATE (status, fee) ON shop.tickets TO {account};\n\
         -- INSERT and DELETE where proposals insert and delete; SHOW VIEW too where the target is a view.\n",
        SQL.replace("{schema}", schema)
    )
}

/// True for `'name'@'host'`, quoted so that it can be printed into a statement.
pub fn is_account(text: &str) -> bool {
    let part = |part: &str| {
        let inner = part.strip_prefix('\'').and_then(|p| p.strip_suffix('\''));
        inner.is_some_and(|inner| {
            !inner.contains(['\'', '\\']) && !inner.chars().any(char::is_control)
        })
    };
    match text.split_once("'@'") {
        Some((name, host)) => part(&format!("{name}'")) && part(&format!("'{host}")),
        None => identifier::is_safe(text, Dialect::MySql) || part(text),
    }
}

/// Makes the ledger. What is there stays as it is.
pub fn run(session: &mut Session, schema: &str) -> Result<(), DatabaseError> {
    for statement in statements(schema) {
        session.query(&statement)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_four_kinds_of_statement_for_the_named_database() {
        let statements = statements("my_ledger");
        assert_eq!(statements.len(), 5);
        assert!(
            statements
                .iter()
                .all(|sql| sql.starts_with("CREATE ") && sql.contains("`my_ledger`"))
        );
    }

    #[test]
    fn an_account_is_printed_only_where_it_can_t_be_anything_else() {
        for account in ["'w'@'%'", "'w'@'10.0.0.%'", "w", "'w'"] {
            assert!(is_account(account), "{account}");
        }
        for account in ["'w'@'%'; DROP", "w; DROP", "'w'@'%' --", "'a''@'b'", ""] {
            assert!(!is_account(account), "{account}");
        }
    }
}
