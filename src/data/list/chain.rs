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

use super::{End, Side};
use crate::base::memory_size::{of_array, size_class};
use crate::data::limits::{ListBlock, ListLimits};
use crate::data::packed::{Packed, Position};
use std::collections::VecDeque;

#[derive(Clone, Debug)]
pub struct Chain {
    blocks: VecDeque<Packed>,
    len: usize,
    block: ListBlock,
}

impl Chain {
    /// A chain of these blocks, but for those in which there is nothing.
    pub fn of(mut blocks: Vec<Packed>, limits: &ListLimits) -> Chain {
        blocks.retain(|block| !block.is_empty());
        let len = blocks.iter().map(Packed::len).sum();
        Chain { blocks: blocks.into(), len, block: limits.block }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn blocks(&self) -> &VecDeque<Packed> {
        &self.blocks
    }

    pub fn memory(&self) -> usize {
        let table = of_array::<Packed>(self.blocks.capacity());
        size_class(size_of::<Chain>())
            + table
            + self.blocks.iter().map(Packed::memory).sum::<usize>()
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
                return match end {
                    End::Left => block.push_front(item),
                    End::Right => block.push_back(item),
                };
            }
            block.shrink_to_fit();
        }
        match end {
            End::Left => self.blocks.push_front(Packed::of(item)),
            End::Right => self.blocks.push_back(Packed::of(item)),
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
            self.blocks[block].insert(at, item);
        } else if is_first && block > 0 && self.admits(block - 1, item, limits) {
            self.blocks[block - 1].push_back(item);
        } else if is_last && self.admits(block + 1, item, limits) {
            self.blocks[block + 1].push_front(item);
        } else if is_first || is_last {
            self.blocks.insert(block + is_last as usize, Packed::of(item));
        } else {
            let rest = self.blocks[block].split_off(at);
            self.blocks.insert(block + 1, rest);
            match side {
                Side::Before if self.admits(block, item, limits) => {
                    self.blocks[block].push_back(item);
                }
                Side::After if self.admits(block + 1, item, limits) => {
                    self.blocks[block + 1].push_front(item);
                }
                _ => self.blocks.insert(block + 1, Packed::of(item)),
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
        if stays || packed.len() == 1 {
            packed.replace(at, item);
        } else {
            packed.remove(at);
            self.len -= 1;
            self.insert((block, at), Side::After, item, limits);
        }
    }

    /// Removes so many items from a number on; fewer if there are not as many. Hands over the
    /// blocks that go as a whole.
    pub fn remove(&mut self, start: usize, count: usize) -> Vec<Packed> {
        let mut left = count.min(self.len.saturating_sub(start));
        if left == 0 {
            return Vec::new();
        }
        let (mut block, index) = self.locate(start);
        self.len -= left;
        if index > 0 {
            let packed = &mut self.blocks[block];
            let here = left.min(packed.len() - index);
            packed.remove_some(packed.seek(index).unwrap_or(packed.bytes()), here);
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
            self.blocks[block].remove_some(0, left);
        }
        whole
    }

    /// Removes items that equal `wanted`, at most so many, looking from one end.
    pub fn remove_equal(&mut self, wanted: &[u8], end: End, most: usize) -> usize {
        let mut removed = 0;
        let mut remove = |packed: &mut Packed| {
            removed += remove_equal(packed, wanted, end, most - removed);
            removed < most
        };
        match end {
            End::Left => self.blocks.iter_mut().all(&mut remove),
            End::Right => self.blocks.iter_mut().rev().all(&mut remove),
        };
        self.len -= removed;
        self.blocks.retain(|packed| !packed.is_empty());
        removed
    }

    /// The only block, to be a list by itself, unless it has to be a chain for its one large item.
    pub fn only_block(&self, limits: &ListLimits) -> Option<&Packed> {
        let limits = self.own(limits);
        self.blocks.front().filter(|block| self.blocks.len() == 1 && !is_alone(block, &limits))
    }

    pub fn take_first_block(&mut self) -> Packed {
        let block = self.blocks.pop_front().unwrap_or_default();
        self.len -= block.len();
        block
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
            self.blocks[left].append(&other);
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
fn admits(block: &Packed, item: &[u8], limits: &ListLimits) -> bool {
    limits.admit(item, block.len(), block.bytes()) && !is_alone(block, limits)
}

/// Does the block belong to one item that must have it to itself?
fn is_alone(block: &Packed, limits: &ListLimits) -> bool {
    block.len() == 1 && limits.is_alone(block.at(0).len())
}
