//! Tests that run inside a backend, each in a transaction of its own that is rolled back.
//!
//! One file a subject; [`shop`] and [`change`] are what they share. Every file has its tests in a module `tests`, since
//! pgrx puts a test into the SQL schema of the module that it is written in.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that panics has failed"
)]

mod change;
mod column;
mod shop;

mod advancing_guards;
mod agenda;
mod apply_role;
mod batches;
mod building;
mod captures;
mod cascades;
mod constraints;
mod deferred_work;
mod environment;
mod guards;
mod holds;
mod interventions;
mod keys_and_names;
mod ledger_rows;
mod limits_and_cancels;
mod lists;
mod operators;
mod patience;
mod policies;
mod refused_targets;
mod secrets;
mod sharing;
mod sql_surface;
mod subtransactions;
mod target_grants;
mod targets;
mod transactions;
mod triggers;
mod types_json;
mod types_numbers;
mod types_structured;
mod types_text;
mod types_time;

/// Called by pgrx's test framework, outside the server.
#[cfg(test)]
pub mod pg_test {
    /// Nothing to do: each test makes what it needs.
    pub fn setup(_options: Vec<&str>) {}

    /// The server's defaults are what is tested.
    pub fn postgresql_conf_options() -> Vec<&'static str> {
        vec![]
    }
}
