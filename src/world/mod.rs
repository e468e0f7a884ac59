//! The seams to the outside: what the deterministic core is given instead of looking it up.

pub mod disk;
pub mod host;
pub mod time;

pub use disk::Disk;
pub use host::Host;
pub use time::Millis;
