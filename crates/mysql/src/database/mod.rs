//! The database: how it is reached, the session that everything runs in, and what its errors mean.

mod address;
mod cells;
mod connection;
mod error;
mod error_names;
mod session;
mod watchdog;

pub use cells::Cells;
pub use error::{DatabaseError, Told};
pub use session::{Database, Session, Vendor};
