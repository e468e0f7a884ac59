//! A set, for the time being as plain as can be.

use super::{Collection, Type};

#[derive(Clone, Default)]
pub struct Set {
    pub items: Vec<Vec<u8>>,
}

impl Collection for Set {
    const TYPE: Type = Type::Set;

    fn len(&self) -> usize {
        self.items.len()
    }

    fn memory(&self) -> usize {
        self.items.iter().map(Vec::capacity).sum()
    }

    fn pieces(&self) -> usize {
        self.items.len()
    }

    fn parts(&self) -> Vec<Vec<u8>> {
        self.items.clone()
    }

    fn encoding(&self) -> &'static str {
        "listpack"
    }
}
