//! The unsafe ground floor: small wrappers over Postgres's C functions, each safe to call on the backend's main
//! thread. Nothing in here knows what a proposal is.

pub mod background;
pub mod bell;
pub mod catalog;
pub mod clock;
pub mod commands;
pub mod crash_point;
pub mod databases;
pub mod dsm;
pub mod durable;
pub mod error;
pub mod guc_scope;
pub mod identity;
pub mod latch;
pub mod lock;
pub mod moment;
pub mod off_thread;
pub mod parts;
pub mod process;
pub mod recovery;
pub mod relation;
pub mod reload;
pub mod returned;
pub mod row_counts;
pub mod search_path;
pub mod shared;
pub mod spi;
pub mod subtransaction;
pub mod time_limit;
pub mod transactions;
pub mod triggers;
pub mod types;
pub mod xact;
