//! Sets: different strings in no particular order, in one of three forms.
//!
//! | OBJECT ENCODING | what it is | membership | up to |
//! |---|---|---|---|
//! | `intset` | integers, sorted (`intset.rs`) | O(log N) | `set-max-intset-entries` |
//! | `listpack` | one packed block, in the order of insertion (`packed.rs`) | O(N) | `set-max-listpack-entries`, each of `set-max-listpack-value` bytes |
//! | `hashtable` | a table of blobs, about 11 bytes an entry besides the blob (`base/table`) | O(1) | |
//!
//! A set begins in the form that suits its first member and moves down this list when it must: a
//! string among integers, one member too many, one too long. It does not move up again when members
//! go. Clients see the form, so the rules are those of Redis 8 to the letter.
//!
//! Members may have deadlines, which lie beside the table (`deadlines.rs`): a set in which one is given
//! becomes a large one.

pub mod combine;
#[cfg(test)]
mod tests;

use super::deadlines::Lifetimes;
use super::intset::IntSet;
use super::limits::{PACKED_BYTES_MAX, PackedLimits, SetLimits};
use super::packed::Packed;
use super::string::{Digits, Text, canonical_int};
use super::{Buffer, Collection, Due, Frozen, Mortal, Small, SmallForm, Type, View};
use crate::base::blob::Blob;
use crate::base::held::Shares;
use crate::base::map;
use crate::base::memory_size::size_class;
use crate::base::table::{self, Entry, Table};
use crate::world::Millis;

#[derive(Clone)]
pub struct Set(Form);

#[derive(Clone)]
enum Form {
    Ints(IntSet),
    Packed(Packed),
    Large(Box<Large>),
}

#[derive(Clone)]
struct Large {
    table: Table<Member>,
    /// Bytes of all blobs, so that nobody has to walk over them to know.
    bytes: usize,
    /// If members have any.
    deadlines: Lifetimes,
}

#[derive(Clone)]
struct Member(Blob);

/// No directive makes an array of integers longer.
const INTS_MAX: usize = 1 << 30;

/// A sample of at least a third of a set is chosen in one walk over all of it.
const SAMPLE_BY_WALK: usize = 3;
/// So is what is taken out if it is at least a quarter: then the walk, which has the whole set read
/// and its table rebuilt, costs less than as many jumps across it.
const TAKE_BY_WALK: usize = 4;
/// So often a member is thrown for that is not hidden.
const RANDOM_THROWS: usize = 1000;
/// If at most a fifth of what is taken out would stay, what stays becomes a new set.
const TAKE_BY_REBUILDING: usize = 5;

impl Entry for Member {
    type Sharing = Shares;

    fn copied(&self, _: Shares) -> Member {
        self.clone()
    }

    fn hash(&self, seed: u64) -> u64 {
        table::hash(seed, &self.0)
    }

    fn prefetch(&self) {
        self.0.prefetch();
    }
}

impl Default for Set {
    /// An empty set of integers.
    fn default() -> Set {
        Set(Form::Ints(IntSet::default()))
    }
}

impl Collection for Set {
    const TYPE: Type = Type::Set;
    const EMPTY: SmallForm = SmallForm::Ints;

    fn len(&self) -> usize {
        match &self.0 {
            Form::Ints(ints) => ints.len(),
            Form::Packed(packed) => packed.len(),
            Form::Large(large) => large.table.len() - large.deadlines.hidden(),
        }
    }

    fn small(&self) -> Option<Small<&[u8]>> {
        match &self.0 {
            Form::Ints(ints) => Some(ints.small()),
            Form::Packed(packed) => Some(packed.small()),
            Form::Large(_) => None,
        }
    }

    fn of_small(small: Small<Buffer>) -> Set {
        Set(match small.form {
            SmallForm::Ints => Form::Ints(IntSet::of_small(small)),
            SmallForm::Packed | SmallForm::Mortal => Form::Packed(Packed::of_small(small)),
        })
    }

    fn into_buffer(self) -> Option<Buffer> {
        match self.0 {
            Form::Ints(ints) => Some(ints.into_buffer()),
            Form::Packed(packed) => Some(packed.into_buffer()),
            Form::Large(_) => None,
        }
    }

    fn memory(&self) -> usize {
        match &self.0 {
            Form::Ints(ints) => ints.memory(),
            Form::Packed(packed) => packed.memory(),
            Form::Large(large) => {
                let own = size_class(size_of::<Large>()) + large.table.memory() + large.bytes;
                own + large.deadlines.memory()
            }
        }
    }

    fn pieces(&self) -> usize {
        match &self.0 {
            Form::Ints(_) | Form::Packed(_) => 1,
            Form::Large(large) => large.table.len() + large.deadlines.pieces(),
        }
    }

    fn freeze(&mut self) -> Frozen {
        Frozen::Set(Set(match &mut self.0 {
            Form::Large(large) => Form::Large(Box::new(large.freeze())),
            small => small.clone(),
        }))
    }

    fn lend(&self) -> View<'_> {
        View::Set(self)
    }

    fn parts(&self) -> Vec<Vec<u8>> {
        let mut parts: Vec<Vec<u8>> = self.iter().map(|member| member.to_vec()).collect();
        parts.sort_unstable();
        if let Form::Large(large) = &self.0 {
            parts.extend(large.deadlines.parts());
        }
        parts
    }

    fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Ints(_) => "intset",
            Form::Packed(_) => "listpack",
            Form::Large(_) => "hashtable",
        }
    }

    fn earliest(&self) -> Option<Millis> {
        match &self.0 {
            Form::Large(large) => large.deadlines.earliest(),
            _ => None,
        }
    }

    fn spent(&self, now: Millis) -> Option<usize> {
        let Form::Large(large) = &self.0 else { return None };
        let due = large.deadlines.deadlines()?.due(now);
        (due == large.table.len()).then_some(due)
    }

    fn expire(&mut self, due: Due, gone: &mut dyn FnMut(&[u8])) {
        let Form::Large(large) = &mut self.0 else { return };
        for member in large.deadlines.take_due(due) {
            gone(&member);
            large.take_out(&member);
        }
    }
}

impl Mortal for Set {
    fn deadline_of(&self, member: &[u8]) -> Option<Option<Millis>> {
        if !self.contains(Text::Bytes(member)) {
            return None;
        }
        let Form::Large(large) = &self.0 else { return Some(None) };
        Some(large.deadlines.get(member))
    }

    fn set_deadline(&mut self, member: &[u8], deadline: Option<Millis>, seed: u64) {
        if !self.contains(Text::Bytes(member)) {
            return;
        }
        if deadline.is_some() && !matches!(self.0, Form::Large(_)) {
            let packed = PackedLimits { seed, ..PackedLimits::default() };
            self.enlarge(0, &SetLimits { packed, ..SetLimits::default() });
        }
        let Form::Large(large) = &mut self.0 else { return };
        match deadline {
            Some(deadline) => large.deadlines.set(member, deadline, seed),
            None => large.deadlines.forget(member),
        }
    }

    fn drop_element(&mut self, member: &[u8]) -> bool {
        self.remove(Text::Bytes(member))
    }
}

impl Set {
    /// Takes, while it is empty, the form that suits its first member and so many that are about to
    /// come.
    pub fn begin_with(&mut self, first: Text, count: usize, limits: &SetLimits) {
        debug_assert!(self.is_empty());
        let buffer = std::mem::take(self).into_buffer().unwrap_or_default().into_owned();
        *self = if int_of(first).is_some() && count <= limits.intset_entries {
            Set::of_small(Small::empty(SmallForm::Ints, buffer))
        } else if count <= limits.packed.entries {
            Set::of_small(Small::empty(SmallForm::Packed, buffer))
        } else {
            Set(Form::Large(Box::new(Large::new(count, limits))))
        };
    }

    /// An empty set to be filled with members of this one: of integers if this one is, or else a
    /// packed block.
    pub fn fresh_like(&self) -> Set {
        match self.0 {
            Form::Ints(_) => Set::default(),
            _ => Set(Form::Packed(Packed::new())),
        }
    }

    /// Prepares for so many new members, which alone would be too many for a small form.
    pub fn expect(&mut self, count: usize, limits: &SetLimits) {
        let most = match self.0 {
            Form::Ints(_) => limits.intset_entries,
            Form::Packed(_) => limits.packed.entries,
            Form::Large(_) => return,
        };
        if count > most {
            self.enlarge(count, limits);
        }
    }

    /// Becomes a set of integers, if it is one and not too large.
    pub fn become_ints_if_possible(&mut self, limits: &SetLimits) {
        if matches!(self.0, Form::Ints(_)) || self.len() > ints_max(limits) {
            return;
        }
        let mut ints = IntSet::default();
        let only_ints =
            self.iter().all(|member| int_of(member).map(|int| ints.insert(int)).is_some());
        if only_ints {
            self.0 = Form::Ints(ints);
        }
    }

    pub fn contains(&self, member: Text) -> bool {
        match &self.0 {
            Form::Ints(ints) => int_of(member).is_some_and(|int| ints.contains(int)),
            Form::Packed(packed) => packed.find(member.bytes(&mut Digits::new()), 0, 1).is_some(),
            Form::Large(large) => large.contains(member.bytes(&mut Digits::new())),
        }
    }

    /// Says whether the member is new.
    pub fn insert(&mut self, member: Text, limits: &SetLimits) -> bool {
        let mut digits = Digits::new();
        match &mut self.0 {
            Form::Ints(ints) => {
                let Some(int) = int_of(member) else {
                    self.leave_ints(member.len(), limits);
                    return self.insert(member, limits);
                };
                let new = ints.insert(int);
                if new && ints.len() > ints_max(limits) {
                    self.enlarge(0, limits);
                }
                new
            }
            Form::Packed(packed) => {
                let bytes = member.bytes(&mut digits);
                if packed.find(bytes, 0, 1).is_some() {
                    return false;
                }
                if packed.len() < limits.packed.entries
                    && bytes.len() <= limits.packed.value
                    && packed.bytes() + Packed::size_of(bytes) <= PACKED_BYTES_MAX
                {
                    packed.push_back(bytes);
                } else {
                    let count = packed.len() + 1;
                    self.enlarge(count, limits);
                    self.insert(member, limits);
                }
                true
            }
            Form::Large(large) => large.insert(member.bytes(&mut digits)),
        }
    }

    /// Says whether the member was there.
    pub fn remove(&mut self, member: Text) -> bool {
        let mut digits = Digits::new();
        match &mut self.0 {
            Form::Ints(ints) => int_of(member).is_some_and(|int| ints.remove(int)),
            Form::Packed(packed) => match packed.find(member.bytes(&mut digits), 0, 1) {
                Some(at) => {
                    packed.remove(at);
                    true
                }
                None => false,
            },
            Form::Large(large) => large.remove(member.bytes(&mut digits)),
        }
    }

    /// All members: integers in ascending order, those of a packed block as they came, and others in
    /// an order that means nothing.
    pub fn iter(&self) -> impl Iterator<Item = Text<'_>> {
        let (ints, packed, large) = match &self.0 {
            Form::Ints(ints) => (Some(ints), None, None),
            Form::Packed(packed) => (None, Some(packed), None),
            Form::Large(large) => (None, None, Some(large)),
        };
        let ints = ints.into_iter().flat_map(|ints| ints.iter().map(Text::Int));
        let packed = packed.into_iter().flat_map(|packed| packed.iter());
        let large = large.into_iter().flat_map(|large| large.seen().map(Member::text));
        ints.chain(packed).chain(large)
    }

    /// As `iter`, with the deadlines of those members that have any.
    pub fn iter_with_deadlines(&self) -> impl Iterator<Item = (Text<'_>, Option<Millis>)> {
        let deadlines = match &self.0 {
            Form::Large(large) => Some(&large.deadlines),
            _ => None,
        };
        let of = Lifetimes::finder(deadlines);
        self.iter().map(move |member| (member, of(member)))
    }

    /// One step of a walk over all members, as SSCAN takes it: shows some, and returns the cursor for
    /// the next step. The walk begins with cursor 0 and is over when 0 is returned. A member that is
    /// there all the while is shown once at least. A small set is shown whole.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(Text)) -> u64 {
        match &self.0 {
            Form::Large(large) => large.table.scan(cursor, |member| {
                if !large.deadlines.is_hidden(&member.0) {
                    visit(member.text());
                }
            }),
            _ => {
                self.iter().for_each(visit);
                0
            }
        }
    }

    // ── chance ──────────────────────────────────────────────────────────────────────────────
    //
    // `below(n)` throws a number from 0 to n-1, and all choices are as fair as it is.

    /// A member.
    pub fn random(&self, below: &mut impl FnMut(u64) -> u64) -> Option<Text<'_>> {
        match &self.0 {
            _ if self.is_empty() => None,
            Form::Ints(ints) => ints.get(below(ints.len() as u64) as usize).map(Text::Int),
            Form::Packed(packed) => packed.get(below(packed.len() as u64) as usize),
            Form::Large(large) => large.random(below).map(Member::text),
        }
    }

    /// Shows so many members, the same ones again and again as chance will have it; `visit` says
    /// whether to go on.
    pub fn draw(
        &self,
        count: u64,
        below: &mut impl FnMut(u64) -> u64,
        mut visit: impl FnMut(Text) -> bool,
    ) {
        // A member of a block is found by walking to it, which is once enough for all.
        let block: Vec<Text> = match &self.0 {
            Form::Packed(packed) if count > 1 => packed.iter().collect(),
            _ => Vec::new(),
        };
        for _ in 0..count {
            let member = if block.is_empty() {
                self.random(below)
            } else {
                block.get(below(block.len() as u64) as usize).copied()
            };
            let Some(member) = member else { return };
            if !visit(member) {
                return;
            }
        }
    }

    /// Shows so many different members, or all if there are no more.
    pub fn sample(
        &self,
        count: usize,
        below: &mut impl FnMut(u64) -> u64,
        mut visit: impl FnMut(Text),
    ) {
        if let Form::Large(large) = &self.0
            && count < self.len() / SAMPLE_BY_WALK
        {
            let mut seen = map::Set::default();
            while seen.len() < count {
                let Some(member) = large.random(below) else { return };
                if seen.insert(std::ptr::from_ref(member)) {
                    visit(member.text());
                }
            }
            return;
        }
        let mut choice = Choice::new(count, self.len());
        self.iter().filter(|_| choice.falls_on_next(below)).for_each(visit);
    }

    /// Takes a member out.
    pub fn pop<R>(
        &mut self,
        below: &mut impl FnMut(u64) -> u64,
        visit: impl FnOnce(Text) -> R,
    ) -> Option<R> {
        match &mut self.0 {
            Form::Ints(ints) => {
                let index = (!ints.is_empty()).then(|| below(ints.len() as u64))?;
                ints.remove_at(index as usize).map(|int| visit(Text::Int(int)))
            }
            Form::Packed(packed) => {
                let index = (!packed.is_empty()).then(|| below(packed.len() as u64))?;
                let at = packed.seek(index as usize)?;
                let result = visit(packed.at(at));
                packed.remove(at);
                Some(result)
            }
            // One that is hidden is not for the client, and stays until it can be told that it went.
            Form::Large(large) if !large.deadlines.is_empty() => {
                let member = large.random(below)?.0.to_vec();
                large.remove(&member);
                Some(visit(Text::Bytes(&member)))
            }
            Form::Large(large) => large.pop(below).map(|member| visit(member.text())),
        }
    }

    /// Takes so many members out, or all if there are no more. What stays of a large set may be a
    /// small one then, and the large one is handed over, since freeing it may take long.
    #[must_use = "it may be much"]
    pub fn pop_many(
        &mut self,
        count: usize,
        below: &mut impl FnMut(u64) -> u64,
        limits: &SetLimits,
        mut visit: impl FnMut(Text),
    ) -> Option<Set> {
        let len = self.len();
        let count = count.min(len);
        let mut choice = Choice::new(count, len);
        match &mut self.0 {
            // Those that stay keep their deadlines.
            Form::Large(large) if !large.deadlines.is_empty() => {
                for _ in 0..count {
                    self.pop(below, &mut visit);
                }
            }
            Form::Ints(ints) => ints.retain(|int| {
                let taken = choice.falls_on_next(below);
                if taken {
                    visit(Text::Int(int));
                }
                !taken
            }),
            Form::Packed(packed) => {
                let mut rest = Packed::new();
                let mut digits = Digits::new();
                for member in packed.iter() {
                    if choice.falls_on_next(below) {
                        visit(member);
                    } else {
                        rest.push_back(member.bytes(&mut digits));
                    }
                }
                rest.shrink_to_fit();
                *packed = rest;
            }
            Form::Large(large) if (len - count).saturating_mul(TAKE_BY_REBUILDING) <= count => {
                let mut rest = Set(Form::Packed(Packed::new()));
                for member in large.table.iter().map(Member::text) {
                    if choice.falls_on_next(below) {
                        visit(member);
                    } else {
                        rest.insert(member, limits);
                    }
                }
                return Some(std::mem::replace(self, rest));
            }
            Form::Large(large) if count >= len / TAKE_BY_WALK => large.retain(|member| {
                let taken = choice.falls_on_next(below);
                if taken {
                    visit(member);
                }
                !taken
            }),
            Form::Large(large) => {
                for _ in 0..count {
                    large.pop(below).inspect(|member| visit(member.text()));
                }
            }
        }
        None
    }

    // ── moving on to another form ───────────────────────────────────────────────────────────

    /// A string of so many bytes is about to join the integers.
    fn leave_ints(&mut self, len: usize, limits: &SetLimits) {
        let Form::Ints(ints) = &self.0 else { return };
        let ends = [ints.min(), ints.max()];
        let longest = ends.iter().flatten().map(|&int| Text::Int(int).len()).max().unwrap_or(0);
        if ints.len() >= limits.packed.entries || len.max(longest) > limits.packed.value {
            let count = ints.len() + 1;
            return self.enlarge(count, limits);
        }
        let mut packed = Packed::new();
        let mut digits = Digits::new();
        for int in ints.iter() {
            packed.push_back(digits.format(int).as_bytes());
        }
        self.0 = Form::Packed(packed);
    }

    /// Becomes a large set, with room for so many members.
    #[cold]
    fn enlarge(&mut self, count: usize, limits: &SetLimits) {
        let mut large = Large::new(count.max(self.len()), limits);
        let mut digits = Digits::new();
        for member in self.iter() {
            large.insert(member.bytes(&mut digits));
        }
        self.0 = Form::Large(Box::new(large));
    }
}

impl Large {
    fn new(count: usize, limits: &SetLimits) -> Large {
        let table = Table::with_capacity(limits.packed.seed, count);
        Large { table, bytes: 0, deadlines: Lifetimes::default() }
    }

    fn freeze(&mut self) -> Large {
        Large { table: self.table.freeze(), bytes: self.bytes, deadlines: self.deadlines.freeze() }
    }

    fn contains(&self, member: &[u8]) -> bool {
        let hash = table::hash(self.table.seed(), member);
        self.table.find(hash, |other| *other.0 == *member).is_some()
            && !self.deadlines.is_hidden(member)
    }

    fn insert(&mut self, member: &[u8]) -> bool {
        let hash = table::hash(self.table.seed(), member);
        let new = self.table.find(hash, |other| *other.0 == *member).is_none();
        if new {
            let blob = Blob::new(member);
            self.bytes += blob.memory();
            self.table.insert_new(hash, Member(blob));
        }
        // One that is hidden comes back, and lives for ever.
        let returns = !new && self.deadlines.is_hidden(member);
        if returns {
            self.deadlines.forget(member);
        }
        new || returns
    }

    /// What is hidden stays, to be taken away when that is told.
    fn remove(&mut self, member: &[u8]) -> bool {
        if self.deadlines.is_hidden(member) {
            return false;
        }
        self.deadlines.forget(member);
        self.take_out(member)
    }

    /// All members that are not hidden.
    fn seen(&self) -> impl Iterator<Item = &Member> {
        let hides = self.deadlines.hidden() > 0;
        self.table.iter().filter(move |member| !hides || !self.deadlines.is_hidden(&member.0))
    }

    fn random(&self, below: &mut impl FnMut(u64) -> u64) -> Option<&Member> {
        let seen = self.table.len() - self.deadlines.hidden();
        for _ in 0..RANDOM_THROWS {
            let member = self.table.random(below)?;
            if !self.deadlines.is_hidden(&member.0) {
                return Some(member);
            }
        }
        // Nearly all are hidden, which does not last.
        if seen == 0 { None } else { self.seen().nth(below(seen as u64) as usize) }
    }

    fn take_out(&mut self, member: &[u8]) -> bool {
        let hash = table::hash(self.table.seed(), member);
        let removed = self.table.remove(hash, |other| *other.0 == *member);
        removed.inspect(|member| self.bytes -= member.0.memory()).is_some()
    }

    fn pop(&mut self, below: &mut impl FnMut(u64) -> u64) -> Option<Member> {
        self.table.pop(below).inspect(|member| self.bytes -= member.0.memory())
    }

    fn retain(&mut self, mut keep: impl FnMut(Text) -> bool) {
        let bytes = &mut self.bytes;
        self.table.retain(|member| {
            let kept = keep(member.text());
            if !kept {
                *bytes -= member.0.memory();
            }
            kept
        });
    }
}

impl Member {
    fn text(&self) -> Text<'_> {
        Text::Bytes(&self.0)
    }
}

/// A choice of some among many that are met one by one, each as likely as every other.
struct Choice {
    wanted: usize,
    left: usize,
}

impl Choice {
    fn new(wanted: usize, among: usize) -> Choice {
        Choice { wanted, left: among }
    }

    fn falls_on_next(&mut self, below: &mut impl FnMut(u64) -> u64) -> bool {
        let falls = self.wanted >= self.left
            || self.wanted > 0 && below(self.left as u64) < self.wanted as u64;
        self.left = self.left.saturating_sub(1);
        self.wanted -= usize::from(falls && self.wanted > 0);
        falls
    }
}

/// The integer that a member is, if it is written as one.
fn int_of(member: Text) -> Option<i64> {
    match member {
        Text::Int(int) => Some(int),
        Text::Bytes(bytes) => canonical_int(bytes),
    }
}

fn ints_max(limits: &SetLimits) -> usize {
    limits.intset_entries.min(INTS_MAX)
}
