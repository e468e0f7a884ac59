//! Keys to values.

pub mod table;
