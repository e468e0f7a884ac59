//! How far a small form of a value reaches, as the directives say. Frozen for a unit.

/// The limits of all collections: what decides the form of a value that is made without a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shapes {
    pub list: ListLimits,
    pub set: SetLimits,
    pub zset: PackedLimits,
    pub hash: PackedLimits,
    pub stream: StreamLimits,
}

/// Hashes, sorted sets and sets of strings: one packed block up to so many entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedLimits {
    /// `…-max-listpack-entries`.
    pub entries: usize,
    /// `…-max-listpack-value`: bytes of an element.
    pub value: usize,
    /// Seeds the table that a large value has.
    pub seed: u64,
}

/// No packed block that stands for a whole value gets larger, whatever the directives say.
pub const PACKED_BYTES_MAX: usize = 1 << 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetLimits {
    /// `set-max-intset-entries`.
    pub intset_entries: usize,
    pub packed: PackedLimits,
}

/// How far a block of a list reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListLimits {
    /// `list-max-listpack-size`.
    pub block: ListBlock,
    /// An item of at least so many bytes has a block to itself, if DEBUG says so; else one that
    /// is larger than a whole block.
    pub alone: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListBlock {
    /// So many items, and never more than `SAFE` bytes.
    Items(usize),
    /// So many bytes.
    Bytes(usize),
}

/// How far a node of a stream reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// `stream-node-max-bytes` and `stream-node-max-entries`; zero is no limit.
    pub bytes: usize,
    pub entries: usize,
}

/// No node of a stream gets larger, whatever the directives say.
const NODE_BYTES_MAX: usize = 1 << 30;

/// Where items are counted, bytes are bounded too: whatever is done inside a block moves them.
const SAFE: usize = 8192;
/// The directive speaks of Redis' listpacks, which have so many bytes beyond those of their items.
const AROUND: usize = 7;
/// What an item may take beyond its own bytes.
const OVERHEAD: usize = 8;

impl Default for PackedLimits {
    fn default() -> PackedLimits {
        PackedLimits { entries: 128, value: 64, seed: 0 }
    }
}

impl Default for SetLimits {
    fn default() -> SetLimits {
        SetLimits { intset_entries: 512, packed: PackedLimits::default() }
    }
}

impl Default for StreamLimits {
    fn default() -> StreamLimits {
        StreamLimits { bytes: 4096, entries: 100 }
    }
}

impl StreamLimits {
    /// From so many bytes on a node is full.
    pub fn node_bytes(&self) -> usize {
        if self.bytes == 0 { NODE_BYTES_MAX } else { self.bytes.min(NODE_BYTES_MAX) }
    }

    /// From so many entries on a node is full.
    pub fn node_entries(&self) -> usize {
        if self.entries == 0 { usize::MAX } else { self.entries }
    }

    /// How much of a stream may be trimmed at one go, if trimming need not be exact and nobody says
    /// how much.
    pub fn trimmed_max(&self) -> u64 {
        match (self.entries as u64).saturating_mul(100) {
            0 => 10_000,
            entries => entries.min(1_000_000),
        }
    }

    /// May an entry of so many bytes be stored at all?
    pub fn admits(&self, bytes: usize) -> bool {
        bytes <= NODE_BYTES_MAX
    }
}

impl Default for ListLimits {
    fn default() -> ListLimits {
        ListLimits::of_directive(-2)
    }
}

impl ListLimits {
    /// A negative number stands for 4, 8, 16, 32 or 64 KiB.
    pub fn of_directive(size: i64) -> ListLimits {
        let block = match size {
            1.. => ListBlock::Items(size as usize),
            0 => ListBlock::Items(1),
            _ => ListBlock::Bytes(4096 << (size.max(-5) + 1).unsigned_abs()),
        };
        ListLimits { block, alone: None }
    }

    /// Is a block of so many items and bytes too large?
    pub fn exceeded(&self, items: usize, bytes: usize) -> bool {
        match self.block {
            ListBlock::Items(most) => items > most || bytes + AROUND > SAFE,
            ListBlock::Bytes(most) => bytes + AROUND > most,
        }
    }

    /// May an item join a block of so many items and bytes?
    pub fn admit(&self, item: &[u8], items: usize, bytes: usize) -> bool {
        !self.is_alone(item.len()) && !self.exceeded(items + 1, bytes + item.len() + OVERHEAD)
    }

    /// Must an item of so many bytes have a block to itself?
    pub fn is_alone(&self, bytes: usize) -> bool {
        match (self.alone, self.block) {
            (Some(least), _) => bytes >= least,
            (None, ListBlock::Items(_)) => bytes > SAFE,
            (None, ListBlock::Bytes(most)) => bytes > most,
        }
    }

    /// Is a block at most half full? A list that shrinks to this becomes one block; not earlier, or
    /// a list at the limit would change its form with every item that comes and goes.
    pub fn is_half_empty(&self, items: usize, bytes: usize) -> bool {
        match self.block {
            ListBlock::Items(most) => items <= most / 2,
            ListBlock::Bytes(most) => bytes + AROUND <= most / 2,
        }
    }
}
