//! The rules of write-back, without a database.
//!
//! Everything here is a function of what is handed in: no Postgres, no MySQL, no clock and no environment. The
//! extension and the companion binary are thin shells around it. Data flows one way:
//!
//! ```text
//! control_plane (fetch) → judgement, proposal (check) → builder (build) → [apply, in the shell] → ledger (record) → outbox (report)
//! ```

pub mod announcer;
pub mod api_key;
pub mod builder;
pub mod control_plane;
pub mod decision;
pub mod dialect;
pub mod digest;
pub mod failure;
pub mod identifier;
pub mod json;
pub mod judgement;
pub mod ledger;
pub mod listed;
pub mod outbox;
pub mod outcome;
pub mod private_file;
pub mod proposal;
pub mod refusal;
pub mod report;
pub mod results;
pub mod retry;
pub mod rounds;
pub mod schedule;
pub mod texts;
