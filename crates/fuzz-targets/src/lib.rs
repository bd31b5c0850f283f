//! What must hold for any bytes that the control plane may send. Each function takes the bytes that a fuzzer made up
//! and panics when a promise is broken; `fuzz/` wraps them for cargo-fuzz, and `tests/corpus.rs` runs them over the
//! corpus with stable Rust.
//!
//! ```text
//! proposal       one element of the list: read, judged, digested, built in both dialects
//! list_body      a whole answer of the list call
//! error_body     status, headers and body of a call that failed
//! ```
//!
//! Nearly all bytes are no JSON and would never get past the parser. So an input that begins with a zero byte is read
//! as choices of a grammar instead, which leads deep; any other is the text itself.

// Here a panic is the finding.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod element;
mod error_body;
mod grammar;
mod list_body;
mod proposal;
mod respelling;
mod shown;
mod statement;

pub use error_body::error_body;
pub use list_body::list_body;
pub use proposal::proposal;

/// A target's name, which is also its folder in `fuzz/corpus`, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 3] = [
    ("proposal", proposal),
    ("list_body", list_body),
    ("error_body", error_body),
];
