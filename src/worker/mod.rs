//! Background workers.

pub mod one_shot;
