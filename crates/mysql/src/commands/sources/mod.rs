//! `sources`: the control plane's sources, of both kinds (contract section 2).
//!
//! ```text
//! calls                  the control plane, and what a source is named by
//! scope, import, create  what is said on the command line, as the calls want it
//! generate, safe_path, folder   files of a server, below a folder of ours and nowhere else
//! disable                asking first
//! answer, secrecy        what the server said, for people and for programs, and without a secret in it
//! ```

mod answer;
mod calls;
mod create;
mod disable;
mod folder;
mod generate;
mod help;
mod import;
mod safe_path;
mod scope;
mod secrecy;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use synapsor_core::control_plane::Source;

use super::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Output, table};
use calls::Calls;
use create::CreateArgs;
use disable::DisableArgs;
use generate::GenerateArgs;
use import::ImportArgs;
use scope::ScopeArgs;

/// What to do with sources.
#[derive(Debug, Subcommand)]
#[command(after_help = help::GROUP, after_long_help = help::GROUP)]
pub enum SourcesCommand {
    /// Lists the sources: id, name, kind and status
    ///
    /// Those of --project-id (SYNAPSOR_PROJECT_ID) where it is set, else all that the key may see. As JSON: one source a line.
    #[command(after_long_help = help::LIST)]
    List,
    /// Shows one source, the whole of it
    #[command(after_long_help = help::SHOW)]
    Show(Named),
    /// Creates a source: tells the control plane of a database that it may read
    ///
    /// The connection's URL is a secret: it is named by the environment variable that holds it, never given as itself, and is
    /// never shown. Use an account that may only read; what agents propose is written by this program, with an account of its own.
    #[command(after_long_help = help::CREATE)]
    Create(CreateArgs),
    /// Lets the control plane try the connection
    #[command(after_long_help = help::TEST)]
    Test(Named),
    /// Lets the control plane look at tables and views
    ///
    /// A Postgres source is looked at by schemas, a MySQL source by its database.
    #[command(after_long_help = help::INSPECT)]
    Inspect(ScopeArgs),
    /// Imports tables, so that agents can read them and propose changes
    ///
    /// A table belongs to tenants: --tenant-column says which column tells whose a row is, --single-tenant that all rows belong to
    /// one. What is said with a flag goes for all tables of the command.
    #[command(after_long_help = help::IMPORT)]
    Import(ImportArgs),
    /// Generates the files of an agent that works with the source
    ///
    /// Without --out, they are listed for people, and the whole answer is printed as JSON otherwise. With --out they are written
    /// below that folder and nowhere else: an answer that would leave it is refused as a whole (UNSAFE_PATH). No file is overwritten
    /// without --force.
    #[command(after_long_help = help::GENERATE)]
    Generate(GenerateArgs),
    /// Lets the control plane examine the source, and ends with 1 when a check fails
    #[command(after_long_help = help::DOCTOR)]
    Doctor(ScopeArgs),
    /// Disables a source, after asking
    #[command(after_long_help = help::DISABLE)]
    Disable(DisableArgs),
}

/// Which source.
#[derive(Args, Debug)]
pub struct Named {
    /// The source's id (src_…) or its name
    #[arg(value_name = "SOURCE", value_parser = NonEmptyStringValueParser::new())]
    source: String,
}

/// Runs a command about sources.
///
/// # Errors
/// `SOURCE_NOT_FOUND`, `SOURCE_AMBIGUOUS`, those of the settings, of the calls and of each command.
pub fn run(context: &Context<'_>, command: &SourcesCommand) -> Result<Exit, Error> {
    match command {
        SourcesCommand::List => list(context),
        SourcesCommand::Show(named) => show(context, named),
        SourcesCommand::Create(args) => create::run(context, args),
        SourcesCommand::Test(named) => test(context, named),
        SourcesCommand::Inspect(args) => inspect(context, args),
        SourcesCommand::Import(args) => import::run(context, args),
        SourcesCommand::Generate(args) => generate::run(context, args),
        SourcesCommand::Doctor(args) => doctor(context, args),
        SourcesCommand::Disable(args) => disable::run(context, args),
    }
}

fn list(context: &Context<'_>) -> Result<Exit, Error> {
    let calls = Calls::open(context)?;
    let project = context.settings.control_plane.project_id.as_deref();
    let sources = calls.ask(|client, key| client.list_sources(key, project))?;
    print_list(context.output, &calls, &sources);
    Ok(Exit::Success)
}

fn print_list(output: Output, calls: &Calls, sources: &[Source]) {
    if !output.is_human() {
        for source in sources {
            let line = calls.clean(&source.whole.compact());
            output.line(&table::printable_json(&line));
        }
        return;
    }
    if sources.is_empty() {
        output.line("There is no source yet; `sources create` makes one.");
        return;
    }
    let rows = sources.iter().map(|source| {
        let fields = [
            &source.source_id,
            &source.name,
            &source.kind,
            &source.status,
        ];
        fields
            .map(|field| calls.clean(field.as_deref().unwrap_or_default()))
            .to_vec()
    });
    output.line(&table::of(&["ID", "NAME", "KIND", "STATUS"], rows));
}

fn show(context: &Context<'_>, named: &Named) -> Result<Exit, Error> {
    let mut calls = Calls::open(context)?;
    let id = calls.id_of(&named.source)?;
    let whole = calls.ask(|client, key| client.show_source(key, &id))?;
    answer::print(context.output, &calls.read(&whole)?);
    Ok(Exit::Success)
}

fn test(context: &Context<'_>, named: &Named) -> Result<Exit, Error> {
    let mut calls = Calls::open(context)?;
    let id = calls.id_of(&named.source)?;
    let whole = calls.ask(|client, key| client.test_source(key, &id))?;
    answer::print(context.output, &calls.read(&whole)?);
    Ok(Exit::Success)
}

fn inspect(context: &Context<'_>, args: &ScopeArgs) -> Result<Exit, Error> {
    let mut calls = Calls::open(context)?;
    let id = calls.id_of(&args.named.source)?;
    let scope = args.scope(&calls, &id)?;
    let whole = calls.ask(|client, key| client.inspect_source(key, &id, &scope))?;
    answer::print(context.output, &calls.read(&whole)?);
    Ok(Exit::Success)
}

fn doctor(context: &Context<'_>, args: &ScopeArgs) -> Result<Exit, Error> {
    let mut calls = Calls::open(context)?;
    let id = calls.id_of(&args.named.source)?;
    let scope = args.scope(&calls, &id)?;
    let whole = calls.ask(|client, key| client.doctor_source(key, &id, &scope))?;
    let answer = calls.read(&whole)?;
    answer::print(context.output, &answer);
    Ok(Exit::unless(answer::has_failed_check(&answer)))
}
