//! `synapsor_writeback`: approved proposals, applied inside Postgres and reported truthfully.
//!
//! ```text
//! functions, procedure   the SQL surface: what is done
//! inquiries              the SQL surface: what is asked
//! doctor                 what is wrong, and what repairs it
//! preview, explain       what would become of a proposal, and what has; what codes mean (meaning)
//! intervention, revert   what a person does about one proposal; what would take it back
//! sources                the control plane's view of the sources
//! poll                   one poll: deliver, fetch, apply, record
//! control_plane          fetching and reporting, off the main thread
//! batches, batch         a backlog in batches; listed proposals against the ledger
//! apply                  one proposal: one guarded statement in a subtransaction
//! ledger                 what was decided, and which reports are owed
//! delivery               reports, after the commit
//! worker                 background workers: the launcher, the resident worker, the one-shot reporter
//! settings, error, log   what it is told, and what it says
//! pg                     Postgres's C functions, each behind a safe one
//! ```
//!
//! The rules (what a proposal may do, and how it becomes SQL) are in `synapsor_core`.

mod apply;
mod batch;
mod batches;
#[cfg(feature = "bench")]
mod bench;
mod control_plane;
mod delivery;
mod doctor;
mod error;
mod explain;
mod functions;
mod inquiries;
mod intervention;
mod ledger;
mod log;
mod meaning;
mod pg;
mod poll;
mod preview;
mod procedure;
mod revert;
mod settings;
mod sources;
#[cfg(any(test, feature = "pg_test"))]
mod tests;
mod worker;

#[cfg(test)]
use tests::pg_test;

pgrx::pg_module_magic!();

pgrx::extension_sql_file!("../sql/ledger.sql", name = "ledger", bootstrap);
pgrx::extension_sql_file!(
    "../sql/capture.sql",
    name = "capture",
    requires = [functions::synapsor_revert_proposal]
);
pgrx::extension_sql_file!("../sql/target_grants.sql", name = "target_grants");
pgrx::extension_sql_file!(
    "../sql/activity.sql",
    name = "activity",
    requires = [functions::synapsor_status]
);
pgrx::extension_sql_file!("../sql/grants.sql", name = "grants", finalize);

/// Called by Postgres when the library is loaded. Starts nothing: this may be the postmaster, which then starts the launcher.
#[pgrx::pg_guard]
pub extern "C-unwind" fn _PG_init() {
    settings::define();
    worker::launcher::register();
}
