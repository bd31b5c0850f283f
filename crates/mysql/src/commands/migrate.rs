//! `migrate`: makes the ledger, or prints how.

use serde_json::json;

use super::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::ledger::migration;

/// Makes the ledger; with `print`, prints the SQL and the GRANTs instead.
pub fn run(context: &Context<'_>, print: bool, account: &str) -> Result<Exit, Error> {
    let schema = &context.settings.ledger_schema;
    if !migration::is_account(account) {
        let form = "the account has to look like 'name'@'host'";
        return Err(Error::Input(form.into()));
    }
    if print {
        context.output.line(&migration::script(schema, account));
        return Ok(Exit::Success);
    }
    let database = context.database()?;
    let mut session = database.connect()?;
    migration::run(&mut session, schema)?;
    context.output.say(&format!(
        "The ledger is `{schema}`.ledger on {} ({}).\n\
         `migrate --print` shows the GRANTs for the account that applies proposals.",
        database.address().place(),
        session.version(),
    ));
    context
        .output
        .emit(&json!({ "ok": true, "ledger": format!("{schema}.ledger") }));
    Ok(Exit::Success)
}
