//! The client's promises, held over real sockets: against the simulated control plane, and against a bare socket
//! where even that is too well-behaved.

#![allow(clippy::unwrap_used)]

mod answers;
mod calls;
mod checkup;
mod couriers;
mod delivering;
mod failures;
mod listing;
mod raw;
mod secrets;
mod source_calls;
mod support;
mod trust;
mod wire;
