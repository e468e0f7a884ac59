//! A block of a chain: a packed block that may be shared with a frozen twin of the chain.

use crate::base::held::{Held, Shares};
use crate::data::packed::Packed;
use std::ops::Deref;

#[derive(Clone, Debug)]
pub struct Block {
    packed: Held<Packed>,
    /// How many items there are, which is asked for on the way to other blocks: so that nobody need look
    /// behind the pointer to a shared one.
    len: u32,
}

impl Block {
    pub fn new(packed: Packed) -> Block {
        let len = packed.len() as u32;
        Block { packed: Held::Own(packed), len }
    }

    /// A block of one item.
    pub fn of(item: &[u8]) -> Block {
        Block::new(Packed::of(item))
    }

    /// How many items there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn share(&mut self) -> Block {
        Block { packed: self.packed.share(Shares), len: self.len }
    }

    /// Whether a change would copy the block.
    pub fn is_shared(&self) -> bool {
        self.packed.is_shared()
    }

    /// Changes the items, which a twin does not see.
    #[inline]
    pub fn change<R>(&mut self, change: impl FnOnce(&mut Packed) -> R) -> R {
        let packed = self.packed.own();
        let result = change(packed);
        self.len = packed.len() as u32;
        result
    }

    pub fn into_packed(self) -> Packed {
        self.packed.into_own()
    }

    /// Bytes of heap.
    pub fn memory(&self) -> usize {
        self.packed.memory() + self.packed.overhead()
    }
}

impl Deref for Block {
    type Target = Packed;
    #[inline]
    fn deref(&self) -> &Packed {
        &self.packed
    }
}
