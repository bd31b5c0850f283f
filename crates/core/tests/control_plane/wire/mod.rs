//! A server at its worst on the wire itself: old TLS, floods, drips, bombs, deep texts. Every call ends with an error, in
//! time, having read no more than it has to.

mod floods;
mod texts;
mod tls;
