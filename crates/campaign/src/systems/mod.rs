//! The systems that can be attacked.

pub mod mysql;
pub mod postgres;
