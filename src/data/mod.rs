//! Values, each a world of its own: structure, invariants, tests. Nothing in here knows keys,
//! clients or replies.

pub mod bits;
pub mod lcs;
pub mod packed;
pub mod string;

/// What a key holds, as TYPE names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    String,
}

impl Type {
    pub const fn name(self) -> &'static str {
        match self {
            Type::String => "string",
        }
    }
}
