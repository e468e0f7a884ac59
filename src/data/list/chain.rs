//! A chain of packed blocks: the form of a list that is too large for one.
//!
//! Blocks stand in a deque, which is a table of contents as well: a search by number adds up the
//! blocks' lengths from the nearer end. Items come and go inside blocks; a block that is full and
//! gets an item in its midst is split there, and what is left of it joins its neighbours where
//! they have room.
//!
//! How large a block may become is decided when the chain is made, and stays with it.
//!
//! Invariants: no block is empty, and `len` is the sum of their lengths.

use super::block::Block;
use super::{End, Side};
use crate::base::memory_size::{of_array, size_class};
use crate::data::limits::{ListBlock, ListLimits};
use crate::data::packed::{Packed, Position};
use std::collections::VecDeque;

#[derive(Clone, Debug)]
pub struct Chain {
    blocks: VecDeque<Block>,
    len: usize,
    block: ListBlock,
}

impl Chain {
    /// A chain of these blocks, but for those in which there is nothing.
    pub fn of(mut blocks: Vec<Block>, limits: &ListLimits) -> Chain {
        blocks.retain(|block| !block.is_empty());
        let len = blocks.iter().map(Block::len).sum();
        Chain { blocks: blocks.into(), len, block: limits.block }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn blocks(&self) -> &VecDeque<Block> {
        &self.blocks
    }

    /// The chain as it is now, to be read while this one goes on changing: both share the blocks, until one
    /// is changed, which copies it.
    pub fn freeze(&mut self) -> Chain {
        Chain { blocks: self.blocks.iter_mut().map(Block::share).collect(), ..*self }
    }

    pub fn memory(&self) -> usize {
        let table = of_array::<Block>(self.blocks.capacity());
        size_class(size_of::<Chain>())
            + table
            + self.blocks.iter().map(Block::memory).sum::<usize>()
    }

    /// The block that holds an item, and the item's number in it; from the end of the chain on the
    /// last block and a number that is too large.
    pub fn locate(&self, index: usize) -> (usize, usize) {
        let last = self.blocks.len().saturating_sub(1);
        if index < self.len / 2 {
            let mut at = index;
            for (block, packed) in self.blocks.iter().enumerate() {
                if at < packed.len() {
                    return (block, at);
                }
                at -= packed.len();
            }
        }
        let mut begin = self.len;
        for (block, packed) in self.blocks.iter().enumerate().rev() {
            begin -= packed.len();
            if index >= begin {
                return (block, index - begin);
            }
        }
        (last, index)
    }

    pub fn push(&mut self, end: End, item: &[u8], limits: &ListLimits) {
        let limits = &self.own(limits);
        self.len += 1;
        let block = match end {
            End::Left => self.blocks.front_mut(),
            End::Right => self.blocks.back_mut(),
        };
        if let Some(block) = block {
            if admits(block, item, limits) {
                return block.change(|packed| match end {
                    End::Left => packed.push_front(item),
                    End::Right => packed.push_back(item),
                });
            }
            // A copy would take what shrinking gains.
            if !block.is_shared() {
                block.change(Packed::shrink_to_fit);
            }
        }
        match end {
            End::Left => self.blocks.push_front(Block::of(item)),
            End::Right => self.blocks.push_back(Block::of(item)),
        }
    }

    /// Puts an item before the one at a position of a block, or at the end of that block. Where the
    /// block is split, the item stays with the one on this side of it.
    pub fn insert(
        &mut self,
        (block, at): (usize, Position),
        side: Side,
        item: &[u8],
        limits: &ListLimits,
    ) {
        let limits = &self.own(limits);
        self.len += 1;
        let (is_first, is_last) = (at == 0, at == self.blocks[block].bytes());
        if self.admits(block, item, limits) {
            self.blocks[block].change(|packed| packed.insert(at, item));
        } else if is_first && block > 0 && self.admits(block - 1, item, limits) {
            self.blocks[block - 1].change(|packed| packed.push_back(item));
        } else if is_last && self.admits(block + 1, item, limits) {
            self.blocks[block + 1].change(|packed| packed.push_front(item));
        } else if is_first || is_last {
            self.blocks.insert(block + is_last as usize, Block::of(item));
        } else {
            let rest = self.blocks[block].change(|packed| packed.split_off(at));
            self.blocks.insert(block + 1, Block::new(rest));
            match side {
                Side::Before if self.admits(block, item, limits) => {
                    self.blocks[block].change(|packed| packed.push_back(item));
                }
                Side::After if self.admits(block + 1, item, limits) => {
                    self.blocks[block + 1].change(|packed| packed.push_front(item));
                }
                _ => self.blocks.insert(block + 1, Block::of(item)),
            }
            // From the right, so that what was joined does not move what comes next.
            for left in (block.saturating_sub(1)..=block + 2).rev() {
                self.join(left, limits);
            }
        }
    }

    /// Replaces an item; there must be one of this number.
    pub fn replace(&mut self, index: usize, item: &[u8], limits: &ListLimits) {
        let limits = &self.own(limits);
        let (block, index) = self.locate(index);
        let packed = &mut self.blocks[block];
        let Some(at) = packed.seek(index) else { return };
        let end = packed.next(at).unwrap_or(packed.bytes());
        let bytes = packed.bytes() - (end - at) + Packed::size_of(item);
        // There are no more items than before, however many there may be.
        let stays = !limits.is_alone(item.len()) && !limits.exceeded(1, bytes);
        if packed.is_shared() && packed.len() == 1 {
            *packed = Block::of(item);
        } else if stays || packed.len() == 1 {
            packed.change(|packed| packed.replace(at, item));
        } else {
            packed.change(|packed| packed.remove(at));
            self.len -= 1;
            self.insert((block, at), Side::After, item, limits);
        }
    }

    /// Removes so many items from a number on; fewer if there are not as many. Hands over the
    /// blocks that go as a whole.
    pub fn remove(&mut self, start: usize, count: usize) -> Vec<Block> {
        let mut left = count.min(self.len.saturating_sub(start));
        if left == 0 {
            return Vec::new();
        }
        let (mut block, index) = self.locate(start);
        self.len -= left;
        if index > 0 {
            let packed = &mut self.blocks[block];
            let here = left.min(packed.len() - index);
            let at = packed.seek(index).unwrap_or(packed.bytes());
            packed.change(|packed| packed.remove_some(at, here));
            left -= here;
            block += 1;
        }
        let mut end = block;
        while let Some(packed) = self.blocks.get(end)
            && packed.len() <= left
        {
            left -= packed.len();
            end += 1;
        }
        let whole = self.blocks.drain(block..end).collect();
        if left > 0 {
            self.blocks[block].change(|packed| packed.remove_some(0, left));
        }
        whole
    }

    /// Removes items that equal `wanted`, at most so many, looking from one end.
    pub fn remove_equal(&mut self, wanted: &[u8], end: End, most: usize) -> usize {
        let (mut removed, whole) = (0, most);
        let mut remove = |block: &mut Block| {
            let most = whole - removed;
            removed += match block.is_shared() {
                // Nothing is copied in vain.
                true if block.find(wanted, 0, 1).is_none() => 0,
                true if block.len() == 1 => {
                    *block = Block::new(Packed::new());
                    1
                }
                _ => block.change(|packed| remove_equal(packed, wanted, end, most)),
            };
            removed < whole
        };
        match end {
            End::Left => self.blocks.iter_mut().all(&mut remove),
            End::Right => self.blocks.iter_mut().rev().all(&mut remove),
        };
        self.len -= removed;
        self.blocks.retain(|block| !block.is_empty());
        removed
    }

    /// The only block, to be a list by itself, unless it has to be a chain for its one large item.
    pub fn only_block(&self, limits: &ListLimits) -> Option<&Block> {
        let limits = self.own(limits);
        self.blocks.front().filter(|block| self.blocks.len() == 1 && !is_alone(block, &limits))
    }

    pub fn take_first_block(&mut self) -> Packed {
        let Some(block) = self.blocks.pop_front() else { return Packed::new() };
        self.len -= block.len();
        block.into_packed()
    }

    /// The limits that the chain was made with.
    fn own(&self, limits: &ListLimits) -> ListLimits {
        ListLimits { block: self.block, ..*limits }
    }

    fn admits(&self, block: usize, item: &[u8], limits: &ListLimits) -> bool {
        self.blocks.get(block).is_some_and(|packed| admits(packed, item, limits))
    }

    /// Makes one of two neighbours, if both are there and have room for each other.
    fn join(&mut self, left: usize, limits: &ListLimits) {
        let (Some(one), Some(other)) = (self.blocks.get(left), self.blocks.get(left + 1)) else {
            return;
        };
        let (items, bytes) = (one.len() + other.len(), one.bytes() + other.bytes());
        if limits.exceeded(items, bytes) || is_alone(one, limits) || is_alone(other, limits) {
            return;
        }
        if let Some(other) = self.blocks.remove(left + 1) {
            self.blocks[left].change(|packed| packed.append(&other));
        }
    }
}

/// Removes items of a block that equal `wanted`, at most so many, looking from one end.
pub fn remove_equal(packed: &mut Packed, wanted: &[u8], end: End, most: usize) -> usize {
    let spared = match end {
        End::Left => 0,
        End::Right if most == usize::MAX => 0,
        End::Right => count_equal(packed, wanted).saturating_sub(most),
    };
    packed.remove_equal(wanted, spared, most)
}

fn count_equal(packed: &Packed, wanted: &[u8]) -> usize {
    let found = |from| packed.find(wanted, from, 1);
    std::iter::successors(found(0), |at| packed.next(*at).and_then(found)).count()
}

/// May an item join this block?
fn admits(block: &Block, item: &[u8], limits: &ListLimits) -> bool {
    limits.admit(item, block.len(), block.bytes()) && !is_alone(block, limits)
}

/// Does the block belong to one item that must have it to itself?
fn is_alone(block: &Block, limits: &ListLimits) -> bool {
    block.len() == 1 && limits.is_alone(block.at(0).len())
}
