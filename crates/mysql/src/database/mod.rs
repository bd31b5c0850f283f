//! The database: how it is reached, the session that everything runs in, and what its errors mean.

mod address;
mod cells;
mod connection;
mod error;
mod error_names;
mod literal;
mod session;
mod statements;
mod watchdog;

pub use cells::{Cells, typed};
pub use error::{DatabaseError, Told};
pub use literal::Literal;
pub use session::{Database, Session, Vendor};
pub use statements::{Answer, Broken, Step, read};
