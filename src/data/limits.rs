//! How far a small form of a value reaches, as the directives say. Frozen for a unit.

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetLimits {
    /// `set-max-intset-entries`.
    pub intset_entries: usize,
    pub packed: PackedLimits,
}

/// `list-max-listpack-size`: how large a block of a list may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListLimits {
    /// So many items (and never more than a bound on bytes).
    Items(usize),
    /// So many bytes.
    Bytes(usize),
}

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

impl Default for ListLimits {
    fn default() -> ListLimits {
        ListLimits::of_directive(-2)
    }
}

impl ListLimits {
    /// A negative number stands for 4, 8, 16, 32 or 64 KiB.
    pub fn of_directive(size: i64) -> ListLimits {
        match size {
            1.. => ListLimits::Items(size as usize),
            0 => ListLimits::Items(1),
            _ => ListLimits::Bytes(4096 << (size.max(-5) + 1).unsigned_abs()),
        }
    }
}
