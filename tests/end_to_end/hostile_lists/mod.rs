//! A control plane in an attacker's hands: what it lists at its worst, with innocents in between. Each element is
//! decided by itself, recorded and reported truly; nothing else changes.

mod ids;
mod list;
mod memory;
mod targets;
mod texts;
mod worker;
