//! Views: which can be written to, and the table that each stands for.

use synapsor_core::refusal::{Code, Refusal};

use super::Unfit;
use super::tokens::{Token, tokens};
use crate::database::Session;

/// Views over views over views.
const MAX_DEPTH: usize = 16;

/// The table that an updatable view stands for, by way of other views.
///
/// # Errors
/// `WRITEBACK_TARGET_UNSUPPORTED` for a view that is not updatable, joins tables, or whose definition we may not see.
pub fn base(session: &mut Session, schema: &str, name: &str) -> Result<(String, String), Unfit> {
    const QUERY: &str = "SELECT IS_UPDATABLE, coalesce(VIEW_DEFINITION, '')
        FROM information_schema.VIEWS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?";
    let (mut schema, mut name) = (schema.to_owned(), name.to_owned());
    for _ in 0..MAX_DEPTH {
        let view: Option<(String, String)> = session.one(QUERY, (&schema, &name))?;
        let Some((is_updatable, definition)) = view else {
            return Ok((schema, name));
        };
        // First: MySQL takes such a view for one that can't be updated, which would send the operator the wrong way.
        if calls_functions(&definition) {
            return Err(unsupported("it is a view that runs functions, with our rights").into());
        }
        if is_updatable != "YES" {
            return Err(unsupported("it is a view that can't be updated").into());
        }
        if definition.is_empty() {
            return Err(
                unsupported("it is a view whose definition needs the right SHOW VIEW").into(),
            );
        }
        (schema, name) = only_table(&definition)
            .ok_or_else(|| unsupported("it is a view of more than one plain table"))?;
    }
    Err(unsupported("it is a view of too many views").into())
}

/// True for a definition with a stored function in it. The servers write its name in backticks, and those of their own functions without.
fn calls_functions(definition: &str) -> bool {
    let tokens = tokens(definition);
    let is_call = |pair: &[Token]| pair[0].name().is_some() && pair[1].is_sign('(');
    tokens.windows(2).any(is_call)
}

fn unsupported(why: &str) -> Refusal {
    Refusal::of(Code::TargetUnsupported, why)
}

/// The one table that a view's definition selects from. The servers keep definitions in a form of their own:
/// ``select `a`.`t`.`c` AS `c` from `a`.`t` where …``, with every name quoted.
fn only_table(definition: &str) -> Option<(String, String)> {
    let tokens = tokens(definition);
    let from = tokens.iter().position(|token| token.is_word("from"))?;
    let mut rest = tokens[from + 1..].iter().peekable();
    let mut closing = 0;
    while rest.next_if(|token| token.is_sign('(')).is_some() {
        closing += 1;
    }
    let schema = rest.next()?.name()?;
    rest.next_if(|token| token.is_sign('.'))?;
    let table = rest.next()?.name()?;
    if rest.next_if(|token| token.is_word("as")).is_some() {
        rest.next()?.name()?;
    } else {
        let is_name = |token: &&Token| token.name().is_some();
        rest.next_if(is_name);
    }
    for _ in 0..closing {
        rest.next_if(|token| token.is_sign(')'))?;
    }
    let is_over = rest.peek().is_none_or(|token| token.is_word("where"));
    // A table in a subquery is not written to, but then the view reads more than the one it stands for.
    let is_alone = tokens[from + 1..]
        .iter()
        .all(|token| !token.is_word("from"));
    (is_over && is_alone).then_some((schema, table))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(definition: &str) -> Option<String> {
        only_table(definition).map(|(schema, table)| format!("{schema}/{table}"))
    }

    #[test]
    fn a_view_of_one_table_stands_for_it() {
        for definition in [
            "select `shop`.`t`.`id` AS `id` from `shop`.`t`",
            "select `x`.`id` AS `id` from `shop`.`t` `x` where (`x`.`id` > 1)",
            "select 'from `a`.`b`' AS `c`,`shop`.`t`.`id` AS `id` from (`shop`.`t`) where 1",
            r"select 'it\'s from' AS `from` from `shop`.`t`",
        ] {
            assert_eq!(table(definition).as_deref(), Some("shop/t"), "{definition}");
        }
        assert_eq!(
            table("select 1 AS `x` from `my``shop`.`t.u`").as_deref(),
            Some("my`shop/t.u")
        );
    }

    #[test]
    fn a_view_that_calls_a_stored_function_is_known() {
        assert!(calls_functions(
            "select 1 AS `x` from `s`.`t` where `s`.`evil`() = 1"
        ));
        assert!(!calls_functions(
            "select lower(`t`.`x`) AS `x` from (`s`.`t`) where (`t`.`y` in (1, 2))"
        ));
    }

    #[test]
    fn a_view_of_more_or_of_something_else_does_not() {
        for definition in [
            "select 1 AS `1`",
            "select `a`.`x` AS `x` from (`s`.`a` join `s`.`b`)",
            "select `a`.`x` AS `x` from `s`.`a` join `s`.`b` on(`a`.`x` = `b`.`x`)",
            "select `a`.`x` AS `x` from `s`.`a`, `s`.`b`",
            "select `d`.`x` AS `x` from (select 1 AS `x` from `s`.`a`) `d`",
            "select `s`.`a`.`x` AS `x` from `s`.`a` where `x` in (select `y` from `s`.`b`)",
            "select `s`.`a`.`x` AS `x` from `s`.`a` group by `x`",
        ] {
            assert_eq!(table(definition), None, "{definition}");
        }
    }
}
