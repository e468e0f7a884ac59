//! Lists: one packed block while it is small, then a chain of them (`listpack` and `quicklist`, as
//! OBJECT ENCODING has it).
//!
//! How large a block may be is `list-max-listpack-size`, and means what it means in Redis, down to
//! when a list changes its form: it grows into a chain before items come that would be too many
//! for one block, and becomes one block again when what is left fills at most half of it. The
//! limits are handed in with every change, since they are a directive and may change between any
//! two; a chain keeps the size of its blocks.
//!
//! Both ends cost a move inside one block. A number is looked up by adding up blocks from the nearer
//! end, and a range is read straight from the blocks. An item takes two or three bytes beyond its
//! own, and a block 40; the idea is Redis' quicklist of listpacks.

mod block;
mod chain;
#[cfg(test)]
mod tests;

use super::limits::ListLimits;
use super::packed::{self, Packed, Position};
use super::string::Text;
use super::{Buffer, Collection, Frozen, Small, Type, View};
use block::Block;
use chain::Chain;
use std::collections::vec_deque;

#[derive(Clone, Debug, Default)]
pub struct List {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    One(Packed),
    Many(Box<Chain>),
}

/// The first items are on the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Left,
    Right,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Before,
    After,
}

/// However small the items are, a single block never becomes larger than so many times its limit.
const STRETCH: usize = 2;

impl Default for Form {
    fn default() -> Form {
        Form::One(Packed::new())
    }
}

impl Collection for List {
    const TYPE: Type = Type::List;

    fn len(&self) -> usize {
        match &self.form {
            Form::One(block) => block.len(),
            Form::Many(chain) => chain.len(),
        }
    }

    fn small(&self) -> Option<Small<&[u8]>> {
        match &self.form {
            Form::One(block) => Some(block.small()),
            Form::Many(_) => None,
        }
    }

    fn of_small(small: Small<Buffer>) -> List {
        List { form: Form::One(Packed::of_small(small)) }
    }

    fn into_buffer(self) -> Option<Buffer> {
        match self.form {
            Form::One(block) => Some(block.into_buffer()),
            Form::Many(_) => None,
        }
    }

    fn memory(&self) -> usize {
        match &self.form {
            Form::One(block) => block.memory(),
            Form::Many(chain) => chain.memory(),
        }
    }

    fn pieces(&self) -> usize {
        match &self.form {
            Form::One(_) => 1,
            Form::Many(chain) => chain.blocks().len() + 1,
        }
    }

    fn freeze(&mut self) -> Frozen {
        Frozen::List(List {
            form: match &mut self.form {
                Form::One(block) => Form::One(block.clone()),
                Form::Many(chain) => Form::Many(Box::new(chain.freeze())),
            },
        })
    }

    fn lend(&self) -> View<'_> {
        View::List(self)
    }

    fn parts(&self) -> Vec<Vec<u8>> {
        self.iter().map(|item| item.to_vec()).collect()
    }

    fn encoding(&self) -> &'static str {
        match &self.form {
            Form::One(_) => "listpack",
            Form::Many(_) => "quicklist",
        }
    }
}

impl List {
    // ── reading ─────────────────────────────────────────────────────────────────────────────

    pub fn get(&self, index: usize) -> Option<Text<'_>> {
        match &self.form {
            Form::One(block) => block.get(index),
            Form::Many(chain) => {
                let (block, index) = chain.locate(index);
                chain.blocks().get(block)?.get(index)
            }
        }
    }

    pub fn iter(&self) -> Iter<'_> {
        self.iter_from(0)
    }

    /// The blocks that the items lie in.
    pub fn blocks(&self) -> impl Iterator<Item = &Packed> + Clone {
        let (neighbours, first, _) = self.locate(0);
        std::iter::once(first).chain(neighbours.1.map(|block| &**block))
    }

    /// The items from a number on.
    pub fn iter_from(&self, index: usize) -> Iter<'_> {
        let (blocks, block, index) = self.locate(index);
        let at = block.seek(index).unwrap_or(block.bytes());
        Iter { block: block.iter_from(at), after: blocks.1 }
    }

    /// The items from a number on, backwards; all of them if there is no item of this number.
    pub fn iter_back_from(&self, index: usize) -> IterBack<'_> {
        let (blocks, block, index) = self.locate(index);
        let end = index.checked_add(1).and_then(|next| block.seek(next)).unwrap_or(block.bytes());
        IterBack { block: block.iter_back_from(end), before: blocks.0 }
    }

    pub fn iter_back(&self) -> IterBack<'_> {
        self.iter_back_from(usize::MAX)
    }

    /// The items as they come from one end.
    pub fn iter_from_end(&self, end: End) -> FromEnd<'_> {
        match end {
            End::Left => FromEnd::Forward(self.iter()),
            End::Right => FromEnd::Back(self.iter_back()),
        }
    }

    // ── changing ────────────────────────────────────────────────────────────────────────────

    /// Pushes items at one end, one after another.
    pub fn push<'a>(
        &mut self,
        end: End,
        items: impl Iterator<Item = &'a [u8]> + Clone,
        limits: &ListLimits,
    ) {
        self.grow(items.clone(), limits);
        for item in items {
            match &mut self.form {
                Form::One(block) if fits(block, item, limits) => match end {
                    End::Left => block.push_front(item),
                    End::Right => block.push_back(item),
                },
                Form::One(_) => self.become_many(limits).push(end, item, limits),
                Form::Many(chain) => chain.push(end, item, limits),
            }
        }
    }

    /// Replaces an item; says whether there was one.
    pub fn set(&mut self, index: usize, item: &[u8], limits: &ListLimits) -> bool {
        self.make_room(item, limits);
        if index >= self.len() {
            return false;
        }
        match &mut self.form {
            Form::One(block) => {
                if let Some(at) = block.seek(index) {
                    block.replace(at, item);
                }
            }
            Form::Many(chain) => chain.replace(index, item, limits),
        }
        self.shrink(limits);
        true
    }

    /// Puts an item beside the first one that equals `pivot`; says whether there is one.
    pub fn insert(&mut self, side: Side, pivot: &[u8], item: &[u8], limits: &ListLimits) -> bool {
        self.make_room(item, limits);
        let Some((block, at)) = self.find(pivot) else { return false };
        let place = |packed: &Packed| match side {
            Side::Before => at,
            Side::After => packed.next(at).unwrap_or(packed.bytes()),
        };
        match &mut self.form {
            Form::One(packed) => packed.insert(place(packed), item),
            Form::Many(chain) => {
                let at = place(&chain.blocks()[block]);
                chain.insert((block, at), side, item, limits);
            }
        }
        true
    }

    /// Removes so many items from a number on; fewer if there are not as many.
    pub fn remove(&mut self, start: usize, count: usize, limits: &ListLimits) {
        self.remove_some(start, count);
        self.shrink(limits);
    }

    /// Removes so many items at one end.
    pub fn drop_items(&mut self, end: End, count: usize, limits: &ListLimits) {
        self.remove_some(self.first_of(end, count), count);
        self.shrink(limits);
    }

    /// Removes so many items at one end and pushes others, which are the same ones, at an end. The
    /// form is thought over once.
    pub fn rotate<'a>(
        &mut self,
        (from, count): (End, usize),
        (to, items): (End, impl Iterator<Item = &'a [u8]> + Clone),
        limits: &ListLimits,
    ) {
        self.remove_some(self.first_of(from, count), count);
        self.push(to, items, limits);
        self.shrink(limits);
    }

    /// Keeps so many items from a number on, and no others. Whole blocks of those that go are
    /// handed over, since freeing them may take long.
    #[must_use = "it may be much"]
    pub fn keep(&mut self, start: usize, count: usize, limits: &ListLimits) -> Option<List> {
        let len = self.len();
        let end = start.saturating_add(count).min(len);
        let (after, before) = (self.remove_some(end, len - end), self.remove_some(0, start));
        self.shrink(limits);
        let blocks: Vec<Block> = before.into_iter().chain(after).collect();
        (!blocks.is_empty()).then(|| List { form: Form::Many(Box::new(Chain::of(blocks, limits))) })
    }

    /// Removes items that equal `wanted`, at most so many, looking from one end. Says how many.
    pub fn remove_equal(
        &mut self,
        wanted: &[u8],
        end: End,
        most: usize,
        limits: &ListLimits,
    ) -> usize {
        let removed = match &mut self.form {
            Form::One(block) => chain::remove_equal(block, wanted, end, most),
            Form::Many(chain) => chain.remove_equal(wanted, end, most),
        };
        if removed > 0 {
            self.shrink(limits);
        }
        removed
    }

    /// Takes the form of a list that was just read in: one block if it can be one.
    pub fn settle(&mut self, limits: &ListLimits) {
        match &self.form {
            Form::One(block) if limits.exceeded(block.len(), block.bytes()) => {
                self.become_many(limits);
            }
            Form::One(_) => (),
            Form::Many(chain) => {
                let only = chain.only_block(limits);
                if only.is_some_and(|block| !limits.exceeded(block.len(), block.bytes())) {
                    self.become_one();
                }
            }
        }
    }

    /// What is left of this are blocks that went as a whole.
    fn remove_some(&mut self, start: usize, count: usize) -> Vec<Block> {
        match &mut self.form {
            Form::One(block) => {
                if let Some(at) = block.seek(start) {
                    block.remove_some(at, count);
                }
                Vec::new()
            }
            Form::Many(chain) => chain.remove(start, count),
        }
    }

    /// The number of the first of so many items at an end.
    fn first_of(&self, end: End, count: usize) -> usize {
        match end {
            End::Left => 0,
            End::Right => self.len().saturating_sub(count),
        }
    }

    // ── form ────────────────────────────────────────────────────────────────────────────────

    /// Makes room among the items, if there are any; as in Redis, before their place is looked for.
    fn make_room(&mut self, item: &[u8], limits: &ListLimits) {
        if !self.is_empty() {
            self.grow(std::iter::once(item), limits);
        }
    }

    /// Becomes a chain if these items, all of them, would make a single block too large.
    fn grow<'a>(&mut self, items: impl Iterator<Item = &'a [u8]>, limits: &ListLimits) {
        let Form::One(block) = &self.form else { return };
        // The items' own bytes are counted, not what they will take: so does Redis.
        let (count, bytes) = items.fold((block.len(), block.bytes()), |(count, bytes), item| {
            (count + 1, bytes + item.len())
        });
        if limits.exceeded(count, bytes) {
            self.become_many(limits);
        }
    }

    /// Becomes a single block if the chain is hardly more.
    fn shrink(&mut self, limits: &ListLimits) {
        let Form::Many(chain) = &self.form else { return };
        let only = chain.only_block(limits);
        let hardly_more =
            only.is_some_and(|block| limits.is_half_empty(block.len(), block.bytes()));
        if hardly_more || chain.len() == 0 {
            self.become_one();
        }
    }

    fn become_many(&mut self, limits: &ListLimits) -> &mut Chain {
        if let Form::One(block) = &mut self.form {
            let blocks = vec![Block::new(std::mem::take(block))];
            self.form = Form::Many(Box::new(Chain::of(blocks, limits)));
        }
        match &mut self.form {
            Form::Many(chain) => chain,
            Form::One(_) => unreachable!("it was made a chain"),
        }
    }

    fn become_one(&mut self) {
        if let Form::Many(chain) = &mut self.form {
            self.form = Form::One(chain.take_first_block());
        }
    }

    // ── searching ───────────────────────────────────────────────────────────────────────────

    /// The block that holds an item, the item's number in it, and the blocks before and after;
    /// from the end of the list on the last block, and a number that is too large.
    fn locate(&self, index: usize) -> (Neighbours<'_>, &Packed, usize) {
        match &self.form {
            Form::One(block) => (Default::default(), block, index),
            Form::Many(chain) => {
                let (block, index) = chain.locate(index);
                let blocks = chain.blocks();
                ((blocks.range(..block), blocks.range(block + 1..)), &blocks[block], index)
            }
        }
    }

    /// Where the first item that equals `wanted` is: the number of its block, and its position.
    fn find(&self, wanted: &[u8]) -> Option<(usize, Position)> {
        match &self.form {
            Form::One(block) => block.find(wanted, 0, 1).map(|at| (0, at)),
            Form::Many(chain) => {
                let blocks = chain.blocks().iter().enumerate();
                let found =
                    |(index, block): (usize, &Block)| Some((index, block.find(wanted, 0, 1)?));
                blocks.filter_map(found).next()
            }
        }
    }
}

type Neighbours<'a> = (vec_deque::Iter<'a, Block>, vec_deque::Iter<'a, Block>);

#[derive(Clone)]
pub struct Iter<'a> {
    block: packed::Iter<'a>,
    after: vec_deque::Iter<'a, Block>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Text<'a>;
    #[inline]
    fn next(&mut self) -> Option<Text<'a>> {
        loop {
            if let Some(item) = self.block.next() {
                return Some(item);
            }
            self.block = self.after.next()?.iter();
        }
    }
}

#[derive(Clone)]
pub struct IterBack<'a> {
    block: packed::IterBack<'a>,
    before: vec_deque::Iter<'a, Block>,
}

impl<'a> Iterator for IterBack<'a> {
    type Item = Text<'a>;
    #[inline]
    fn next(&mut self) -> Option<Text<'a>> {
        loop {
            if let Some(item) = self.block.next() {
                return Some(item);
            }
            self.block = self.before.next_back()?.iter_back();
        }
    }
}

#[derive(Clone)]
pub enum FromEnd<'a> {
    Forward(Iter<'a>),
    Back(IterBack<'a>),
}

impl<'a> Iterator for FromEnd<'a> {
    type Item = Text<'a>;
    #[inline]
    fn next(&mut self) -> Option<Text<'a>> {
        match self {
            FromEnd::Forward(items) => items.next(),
            FromEnd::Back(items) => items.next(),
        }
    }
}

/// Whether a single block may take one more item. What it takes beyond its bytes was not counted
/// when the list decided to stay one block, so this is a bound for what is made of many tiny ones.
fn fits(block: &Packed, item: &[u8], limits: &ListLimits) -> bool {
    let bytes = block.bytes() + Packed::size_of(item);
    !limits.exceeded(block.len() + 1, bytes / STRETCH)
}
