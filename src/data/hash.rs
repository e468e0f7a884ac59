//! Hashes: fields and their values.
//!
//! A small one is a packed block, field and value by turns, in the order in which the fields came;
//! it is searched from the front. A large one is a table, and each entry is one allocation that
//! holds the field together with its value:
//!
//! ```text
//!   | length of the field: 1 byte, or 1 + 4 | field … | value … |
//! ```
//! A hash becomes large when it has too many fields, or one that is too long, and stays so.
//!
//! Fields may have deadlines. In a block they are a third item of each entry from the time on that one is
//! given, in milliseconds or 0; that takes 8 bytes where there is one, and 1 where there is none. A large hash
//! has them beside its table (`deadlines.rs`).

use super::deadlines::{Deadlines, Lifetimes};
use super::limits::PackedLimits;
use super::packed::{Packed, Position};
use super::string::{Digits, Text};
use super::{Buffer, Collection, Due, Frozen, Mortal, Small, Type, View};
use crate::base::blob::Blob;
use crate::base::held::Shares;
use crate::base::map::Set;
use crate::base::memory_size::size_class;
use crate::base::table::{self, Table};
use crate::world::Millis;

#[derive(Clone, Debug, Default)]
pub struct Hash {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Small(Packed),
    Large(Box<Large>),
}

#[derive(Clone)]
struct Large {
    table: Table<Field>,
    /// Bytes of heap that the entries take together.
    bytes: usize,
    /// If fields have any.
    deadlines: Lifetimes,
}

/// A field and its value.
#[derive(Clone)]
struct Field(Blob);

/// A field's length that does not fit the first byte follows in four more.
const LONG: u8 = 0x40;

impl Hash {
    pub fn new() -> Hash {
        Hash::default()
    }

    /// O(1), and O(n) for a small hash, as everything that looks for a field.
    pub fn get(&self, field: &[u8]) -> Option<Text<'_>> {
        match &self.form {
            Form::Small(packed) => {
                let at = packed.find(field, 0, apiece(packed))?;
                packed.next(at).map(|value| packed.at(value))
            }
            Form::Large(large) => large.find(field).map(|own| Text::Bytes(own.value())),
        }
    }

    pub fn contains(&self, field: &[u8]) -> bool {
        match &self.form {
            Form::Small(packed) => packed.find(field, 0, apiece(packed)).is_some(),
            Form::Large(large) => large.find(field).is_some(),
        }
    }

    /// Gives a field a value, which lives for ever; says whether the field is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: PackedLimits) -> bool {
        self.put(field, value, false, limits)
    }

    /// As `set`, but a field that has a deadline keeps it.
    pub fn set_keeping(&mut self, field: &[u8], value: &[u8], limits: PackedLimits) -> bool {
        self.put(field, value, true, limits)
    }

    #[inline]
    fn put(&mut self, field: &[u8], value: &[u8], keep: bool, limits: PackedLimits) -> bool {
        if let Form::Small(packed) = &mut self.form {
            if field.len() <= limits.value && value.len() <= limits.value {
                let new = set_packed(packed, field, value, keep);
                if entries(packed) > limits.entries {
                    self.enlarge(0, limits.seed);
                }
                return new;
            }
            self.enlarge(1, limits.seed);
        }
        let Form::Large(large) = &mut self.form else { unreachable!("it was just enlarged") };
        large.set(field, value, keep)
    }

    /// So many fields are about to be set. If they are too many for a block, none is made.
    pub fn expect(&mut self, fields: usize, limits: PackedLimits) {
        if fields > limits.entries && matches!(self.form, Form::Small(_)) {
            self.enlarge(fields, limits.seed);
        }
    }

    /// Removes a field; says whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match &mut self.form {
            Form::Small(packed) => {
                let at = packed.find(field, 0, apiece(packed));
                at.inspect(|at| packed.remove_some(*at, apiece(packed))).is_some()
            }
            Form::Large(large) => large.remove(field),
        }
    }

    /// All fields with their values. Small hashes have them in the order in which they came, large
    /// ones in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Text<'_>, Text<'_>)> {
        let (small, large) = match &self.form {
            Form::Small(packed) => (Some(packed), None),
            Form::Large(large) => (None, Some(large)),
        };
        let small = small.into_iter().flat_map(pairs);
        let large = large.into_iter().flat_map(|large| large.seen().map(Field::pair));
        small.chain(large)
    }

    /// As `iter`, with the deadlines of those fields that have any.
    pub fn iter_with_deadlines(
        &self,
    ) -> impl Iterator<Item = (Text<'_>, Text<'_>, Option<Millis>)> {
        let (small, large) = match &self.form {
            Form::Small(packed) => (Some(packed), None),
            Form::Large(large) => (None, Some(&large.deadlines)),
        };
        let mut of_small = small.into_iter().flat_map(deadlines);
        let of_large = Lifetimes::finder(large);
        let mut of = move |field| of_small.next().unwrap_or_else(|| of_large(field));
        self.iter().map(move |(field, value)| (field, value, of(field)))
    }

    /// One step of a walk over all fields, as `Table::scan`; a small hash is visited in one step.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(Text, Text)) -> u64 {
        match &self.form {
            Form::Small(packed) => {
                pairs(packed).for_each(|(field, value)| visit(field, value));
                0
            }
            Form::Large(large) => large.table.scan(cursor, |own| {
                if !large.deadlines.is_hidden(own.name()) {
                    let (field, value) = own.pair();
                    visit(field, value);
                }
            }),
        }
    }

    /// A field chosen fairly. `below(n)` throws a number from 0 to n-1.
    pub fn random(&self, below: &mut impl FnMut(u64) -> u64) -> Option<(Text<'_>, Text<'_>)> {
        match &self.form {
            Form::Small(packed) if packed.is_empty() => None,
            Form::Small(packed) => {
                let at = packed.seek(below(entries(packed) as u64) as usize * apiece(packed))?;
                packed.next(at).map(|value| (packed.at(at), packed.at(value)))
            }
            Form::Large(large) => large.random(below).map(Field::pair),
        }
    }

    /// So many different fields, or all where there are not as many; every choice is as likely as
    /// every other. O(n) if much of the hash is wanted, O(count) if little is.
    pub fn sample(
        &self,
        count: usize,
        below: &mut impl FnMut(u64) -> u64,
    ) -> Vec<(Text<'_>, Text<'_>)> {
        let len = self.len();
        if count >= len {
            return self.iter().collect();
        }
        match &self.form {
            Form::Large(large) if count < len / SAMPLE_BY_THROWS => {
                let mut seen = Set::default();
                let mut throw = || large.random(below).filter(|own| seen.insert(own.name()));
                let mut chosen = Vec::with_capacity(count);
                while chosen.len() < count {
                    chosen.extend(throw().map(Field::pair));
                }
                chosen
            }
            _ => {
                // Each is taken with the chance that there is for it: wanted of those left.
                let (mut left, mut wanted) = (len as u64, count as u64);
                let mut take = |_: &(Text, Text)| {
                    let taken = below(left) < wanted;
                    left -= 1;
                    wanted -= u64::from(taken);
                    taken
                };
                self.iter().filter(|pair| take(pair)).collect()
            }
        }
    }

    /// Makes a table of a block, with room for some more fields.
    #[cold]
    fn enlarge(&mut self, more: usize, seed: u64) -> &mut Large {
        if let Form::Small(packed) = &self.form {
            self.form = Form::Large(Box::new(Large::of_block(packed, more, seed)));
        }
        match &mut self.form {
            Form::Large(large) => large,
            Form::Small(_) => unreachable!("it was just enlarged"),
        }
    }

    /// Makes room in a block for a deadline beside each field.
    #[cold]
    fn make_mortal(packed: &mut Packed) {
        let mut mortal = Packed::new();
        mortal.is_mortal = true;
        let mut digits = Digits::new();
        for (field, value) in pairs(packed) {
            mortal.push_back(field.bytes(&mut digits));
            mortal.push_back(value.bytes(&mut digits));
            mortal.push_back(NO_DEADLINE);
        }
        *packed = mortal;
    }
}

impl Mortal for Hash {
    fn deadline_of(&self, field: &[u8]) -> Option<Option<Millis>> {
        match &self.form {
            Form::Small(packed) => {
                let at = packed.find(field, 0, apiece(packed))?;
                Some(deadline_place(packed, at).and_then(|at| deadline(packed.at(at))))
            }
            Form::Large(large) => {
                large.find(field)?;
                Some(large.deadlines.get(field))
            }
        }
    }

    fn set_deadline(&mut self, field: &[u8], deadline: Option<Millis>, seed: u64) {
        match &mut self.form {
            Form::Small(packed) => {
                let found = packed.find(field, 0, apiece(packed));
                // A field that is not there gives the others no room for deadlines.
                let at = match deadline.is_some() && !packed.is_mortal && found.is_some() {
                    true => {
                        Self::make_mortal(packed);
                        packed.find(field, 0, apiece(packed))
                    }
                    false => found,
                };
                if let Some(at) = at.and_then(|at| deadline_place(packed, at)) {
                    let mut digits = Digits::new();
                    let text = deadline.map(|deadline| digits.format(deadline.0).as_bytes());
                    packed.replace(at, text.unwrap_or(NO_DEADLINE));
                }
            }
            Form::Large(large) if large.find(field).is_some() => match deadline {
                Some(deadline) => large.deadlines.set(field, deadline, seed),
                None => large.deadlines.forget(field),
            },
            Form::Large(_) => (),
        }
    }

    fn drop_element(&mut self, field: &[u8]) -> bool {
        self.remove(field)
    }
}

/// Below this part of a large hash, throwing again for what was thrown before is quicker than to
/// look at everything.
const SAMPLE_BY_THROWS: usize = 4;

impl Collection for Hash {
    const TYPE: Type = Type::Hash;

    fn len(&self) -> usize {
        match &self.form {
            Form::Small(packed) => entries(packed),
            Form::Large(large) => large.table.len() - large.deadlines.hidden(),
        }
    }

    fn small(&self) -> Option<Small<&[u8]>> {
        match &self.form {
            Form::Small(packed) => Some(packed.small()),
            Form::Large(_) => None,
        }
    }

    fn of_small(small: Small<Buffer>) -> Hash {
        Hash { form: Form::Small(Packed::of_small(small)) }
    }

    fn into_buffer(self) -> Option<Buffer> {
        match self.form {
            Form::Small(packed) => Some(packed.into_buffer()),
            Form::Large(_) => None,
        }
    }

    fn memory(&self) -> usize {
        match &self.form {
            Form::Small(packed) => packed.memory(),
            Form::Large(large) => {
                let own = size_class(size_of::<Large>()) + large.table.memory() + large.bytes;
                own + large.deadlines.memory()
            }
        }
    }

    fn pieces(&self) -> usize {
        match &self.form {
            Form::Small(_) => 1,
            Form::Large(large) => 1 + large.table.len() + large.deadlines.pieces(),
        }
    }

    fn freeze(&mut self) -> Frozen {
        let form = match &mut self.form {
            Form::Large(large) => Form::Large(Box::new(large.freeze())),
            small => small.clone(),
        };
        Frozen::Hash(Hash { form })
    }

    fn lend(&self) -> View<'_> {
        View::Hash(self)
    }

    fn parts(&self) -> Vec<Vec<u8>> {
        let mut pairs: Vec<_> =
            self.iter().map(|(field, value)| (field.to_vec(), value.to_vec())).collect();
        pairs.sort();
        let mut parts: Vec<_> =
            pairs.into_iter().flat_map(|(field, value)| [field, value]).collect();
        match &self.form {
            Form::Large(large) => parts.extend(large.deadlines.parts()),
            // As a large hash would say it, so that equal values agree.
            Form::Small(packed) if self.earliest().is_some() => {
                let mut order = Deadlines::new(0);
                for ((field, _), deadline) in self::pairs(packed).zip(deadlines(packed)) {
                    deadline.inspect(|deadline| order.set(&field.to_vec(), *deadline));
                }
                parts.extend(order.parts());
            }
            Form::Small(_) => (),
        }
        parts
    }

    fn encoding(&self) -> &'static str {
        match &self.form {
            Form::Small(packed) if packed.is_mortal => "listpackex",
            Form::Small(_) => "listpack",
            Form::Large(_) => "hashtable",
        }
    }

    fn earliest(&self) -> Option<Millis> {
        match &self.form {
            Form::Small(packed) => deadlines(packed).flatten().min(),
            Form::Large(large) => large.deadlines.earliest(),
        }
    }

    fn spent(&self, now: Millis) -> Option<usize> {
        match &self.form {
            Form::Small(packed) => {
                let due = |at: Option<Millis>| at.is_some_and(|deadline| deadline <= now);
                let is_mortal = packed.is_mortal && !packed.is_empty();
                (is_mortal && deadlines(packed).all(due)).then(|| entries(packed))
            }
            Form::Large(large) => {
                let due = large.deadlines.deadlines()?.due(now);
                (due == large.table.len()).then_some(due)
            }
        }
    }

    fn expire(&mut self, due: Due, gone: &mut dyn FnMut(&[u8])) {
        let is_due = |deadline: &Option<Millis>| deadline.is_some_and(|at| at <= due.now);
        let large = match &mut self.form {
            Form::Large(large) => large,
            // A block has no way to hide what is due and must stay.
            Form::Small(packed) if due.most == 0 => {
                if !deadlines(packed).any(|deadline| is_due(&deadline)) {
                    return;
                }
                self.enlarge(0, due.seed)
            }
            Form::Small(packed) => {
                let mut at = packed.first().filter(|_| packed.is_mortal);
                while let Some(here) = at {
                    let place = deadline_place(packed, here);
                    if is_due(&place.and_then(|place| deadline(packed.at(place)))) {
                        gone(packed.at(here).bytes(&mut Digits::new()));
                        packed.remove_some(here, 3);
                        at = (here < packed.bytes()).then_some(here);
                    } else {
                        at = place.and_then(|place| packed.next(place));
                    }
                }
                return;
            }
        };
        for field in large.deadlines.take_due(due) {
            gone(&field);
            large.take_out(&field);
        }
    }
}

/// The item in place of a deadline where there is none.
const NO_DEADLINE: &[u8] = b"0";

impl Default for Form {
    fn default() -> Form {
        Form::Small(Packed::new())
    }
}

/// How many items an entry of a block is.
#[inline]
fn apiece(packed: &Packed) -> usize {
    if packed.is_mortal { 3 } else { 2 }
}

/// How many entries a block has.
#[inline]
fn entries(packed: &Packed) -> usize {
    if packed.is_mortal { packed.len() / 3 } else { packed.len() / 2 }
}

fn pairs(packed: &Packed) -> impl Iterator<Item = (Text<'_>, Text<'_>)> {
    let mut items = packed.iter();
    let is_mortal = packed.is_mortal;
    std::iter::from_fn(move || {
        let pair = (items.next()?, items.next()?);
        if is_mortal {
            items.next();
        }
        Some(pair)
    })
}

/// The deadlines of a block's entries; nothing at all where there is no room for them.
fn deadlines(packed: &Packed) -> impl Iterator<Item = Option<Millis>> {
    let mut items = packed.iter_from(if packed.is_mortal { 0 } else { packed.bytes() });
    std::iter::from_fn(move || items.nth(2).map(deadline))
}

fn deadline(item: Text) -> Option<Millis> {
    item.as_int().filter(|deadline| *deadline != 0).map(Millis)
}

/// Where the deadline of the entry is that begins here.
fn deadline_place(packed: &Packed, at: Position) -> Option<Position> {
    if packed.is_mortal { packed.next(packed.next(at)?) } else { None }
}

fn set_packed(packed: &mut Packed, field: &[u8], value: &[u8], keep: bool) -> bool {
    let known = packed.find(field, 0, apiece(packed)).and_then(|at| packed.next(at));
    match known {
        Some(at) => {
            packed.replace(at, value);
            if packed.is_mortal
                && !keep
                && let Some(place) = packed.next(at)
            {
                packed.replace(place, NO_DEADLINE);
            }
        }
        None => {
            packed.push_back(field);
            packed.push_back(value);
            if packed.is_mortal {
                packed.push_back(NO_DEADLINE);
            }
        }
    }
    known.is_none()
}

impl Large {
    fn of_block(packed: &Packed, more: usize, seed: u64) -> Large {
        let table = Table::with_capacity(seed, entries(packed) + more);
        let mut large = Large { table, bytes: 0, deadlines: Lifetimes::default() };
        let mut deadlines = deadlines(packed);
        for (field, value) in pairs(packed) {
            let (mut field_digits, mut value_digits) = Default::default();
            let field = field.bytes(&mut field_digits);
            large.set(field, value.bytes(&mut value_digits), false);
            if let Some(deadline) = deadlines.next().flatten() {
                large.deadlines.set(field, deadline, seed);
            }
        }
        large
    }

    fn freeze(&mut self) -> Large {
        Large { table: self.table.freeze(), bytes: self.bytes, deadlines: self.deadlines.freeze() }
    }

    fn hash(&self, field: &[u8]) -> u64 {
        table::hash(self.table.seed(), field)
    }

    fn find(&self, field: &[u8]) -> Option<&Field> {
        let own = self.table.find(self.hash(field), |own| own.name() == field)?;
        (!self.deadlines.is_hidden(field)).then_some(own)
    }

    /// A field keeps its deadline only if that is wanted and the field is seen.
    fn set(&mut self, field: &[u8], value: &[u8], keep: bool) -> bool {
        let hash = self.hash(field);
        let was_hidden = self.deadlines.is_hidden(field);
        if !keep || was_hidden {
            self.deadlines.forget(field);
        }
        match self.table.find_mut(hash, |own| own.name() == field) {
            Some(own) => {
                self.bytes -= own.0.memory();
                own.set(value);
                self.bytes += own.0.memory();
                was_hidden
            }
            None => {
                let own = Field::new(field, value);
                self.bytes += own.0.memory();
                self.table.insert_new(hash, own);
                true
            }
        }
    }

    /// What is hidden stays, to be taken away when that is told.
    fn remove(&mut self, field: &[u8]) -> bool {
        if self.deadlines.is_hidden(field) {
            return false;
        }
        self.deadlines.forget(field);
        self.take_out(field)
    }

    fn take_out(&mut self, field: &[u8]) -> bool {
        let own = self.table.remove(self.hash(field), |own| own.name() == field);
        own.inspect(|own| self.bytes -= own.0.memory()).is_some()
    }

    /// All fields that are not hidden.
    fn seen(&self) -> impl Iterator<Item = &Field> {
        let hides = self.deadlines.hidden() > 0;
        self.table.iter().filter(move |own| !hides || !self.deadlines.is_hidden(own.name()))
    }

    fn random(&self, below: &mut impl FnMut(u64) -> u64) -> Option<&Field> {
        let seen = self.table.len() - self.deadlines.hidden();
        for _ in 0..RANDOM_THROWS {
            let own = self.table.random(below)?;
            if !self.deadlines.is_hidden(own.name()) {
                return Some(own);
            }
        }
        // Nearly all are hidden, which does not last.
        if seen == 0 { None } else { self.seen().nth(below(seen as u64) as usize) }
    }
}

/// So often a field is thrown for that is not hidden.
const RANDOM_THROWS: usize = 1000;

impl std::fmt::Debug for Large {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_list().entries(self.table.iter().map(Field::pair)).finish()
    }
}

impl Field {
    fn new(field: &[u8], value: &[u8]) -> Field {
        if field.len() < LONG as usize {
            return Field(Blob::of(&[&[field.len() as u8], field, value]));
        }
        let len = u32::try_from(field.len()).expect("it came in a frame, and frames are bounded");
        Field(Blob::of(&[&[LONG], &len.to_le_bytes(), field, value]))
    }

    #[inline]
    fn name(&self) -> &[u8] {
        let (start, end) = self.place();
        &self.0[start..end]
    }

    #[inline]
    fn value(&self) -> &[u8] {
        let (_, end) = self.place();
        &self.0[end..]
    }

    fn pair(&self) -> (Text<'_>, Text<'_>) {
        let (start, end) = self.place();
        (Text::Bytes(&self.0[start..end]), Text::Bytes(&self.0[end..]))
    }

    fn set(&mut self, value: &[u8]) {
        let (_, end) = self.place();
        // One that is shared would be copied first, to be overwritten then.
        if self.0.len() - end == value.len() && !self.0.is_shared() {
            self.0[end..].copy_from_slice(value);
        } else {
            self.0 = Blob::of(&[&self.0[..end], value]);
        }
    }

    /// Where the field begins and ends.
    #[inline]
    fn place(&self) -> (usize, usize) {
        match self.0[0] {
            len @ ..LONG => (1, 1 + len as usize),
            _ => {
                let len = self.0[1..5].try_into().expect("four bytes");
                (5, 5 + u32::from_le_bytes(len) as usize)
            }
        }
    }
}

impl table::Entry for Field {
    type Sharing = Shares;

    fn copied(&self, _: Shares) -> Field {
        self.clone()
    }

    fn hash(&self, seed: u64) -> u64 {
        table::hash(seed, self.name())
    }

    fn prefetch(&self) {
        self.0.prefetch();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};
    use std::collections::HashMap;

    const LIMITS: PackedLimits = PackedLimits { entries: 20, value: 30, seed: 7 };

    #[derive(Clone, Debug)]
    enum Step {
        Set(Vec<u8>, Vec<u8>),
        Remove(usize),
        RemoveUnknown(Vec<u8>),
        Expect(usize),
        Copy,
    }

    fn word() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            10 => "[a-d]{0,2}".prop_map(String::into_bytes),
            10 => (-200i64..200).prop_map(|int| int.to_string().into_bytes()),
            3 => any::<i64>().prop_map(|int| int.to_string().into_bytes()),
            3 => proptest::collection::vec(any::<u8>(), 0..30),
            1 => (0usize..300).prop_map(|len| vec![b'x'; len]),
        ]
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            8 => (word(), word()).prop_map(|(field, value)| Step::Set(field, value)),
            2 => any::<usize>().prop_map(Step::Remove),
            1 => word().prop_map(Step::RemoveUnknown),
            1 => (0usize..25).prop_map(Step::Expect),
            1 => Just(Step::Copy),
        ];
        proptest::collection::vec(step, 0..120)
    }

    fn plain(pair: (Text, Text)) -> (Vec<u8>, Vec<u8>) {
        (pair.0.to_vec(), pair.1.to_vec())
    }

    fn check(hash: &Hash, model: &HashMap<Vec<u8>, Vec<u8>>) {
        assert_eq!(hash.len(), model.len());
        let all: Vec<_> = hash.iter().map(plain).collect();
        assert_eq!(all.len(), model.len(), "nothing comes twice");
        assert_eq!(&all.into_iter().collect::<HashMap<_, _>>(), model);
        for (field, value) in model {
            assert_eq!(hash.get(field).map(|own| own.to_vec()).as_ref(), Some(value));
            assert!(hash.contains(field));
        }
        let mut parts: Vec<_> = model.iter().collect();
        parts.sort();
        let parts: Vec<_> = parts.into_iter().flat_map(|(field, value)| [field, value]).collect();
        assert!(hash.parts().iter().eq(parts), "equal hashes have equal parts");
        if let Form::Large(large) = &hash.form {
            let bytes: usize = large.table.iter().map(|own| own.0.memory()).sum();
            assert_eq!(large.bytes, bytes);
        }
    }

    proptest! {
        #[test]
        fn a_hash_is_a_map(steps in steps(), seed: u64) {
            let (mut hash, mut model) = (Hash::new(), HashMap::new());
            let mut dice = SmallRng::seed_from_u64(seed);
            // Once a field was set that must not be in a block, or so many of them, it is none.
            let mut large = false;
            for step in steps {
                match step {
                    Step::Set(field, value) => {
                        let new = hash.set(&field, &value, LIMITS);
                        large |= field.len().max(value.len()) > LIMITS.value;
                        prop_assert_eq!(new, model.insert(field, value).is_none());
                    }
                    Step::Remove(at) if !model.is_empty() => {
                        let at = at % model.len();
                        let field = model.keys().nth(at).expect("it is there").clone();
                        model.remove(&field);
                        prop_assert!(hash.remove(&field));
                    }
                    Step::Remove(_) => (),
                    Step::RemoveUnknown(field) => {
                        prop_assert_eq!(hash.remove(&field), model.remove(&field).is_some());
                        prop_assert!(!hash.contains(&field) && hash.get(&field).is_none());
                    }
                    Step::Expect(fields) => {
                        hash.expect(fields, LIMITS);
                        large |= fields > LIMITS.entries;
                    }
                    Step::Copy => hash = hash.clone(),
                }
                large |= model.len() > LIMITS.entries;
                prop_assert_eq!(hash.encoding(), if large { "hashtable" } else { "listpack" });
                check(&hash, &model);
            }
            let mut below = |bound: u64| dice.random_range(0..bound);
            match hash.random(&mut below).map(plain) {
                None => prop_assert!(model.is_empty()),
                Some((field, value)) => prop_assert_eq!(model.get(&field), Some(&value)),
            }
            for count in [0, 1, model.len() / 5, model.len() / 2, model.len(), model.len() + 1] {
                let chosen: Vec<_> = hash.sample(count, &mut below).into_iter().map(plain).collect();
                prop_assert_eq!(chosen.len(), count.min(model.len()));
                prop_assert!(chosen.iter().all(|(field, value)| model.get(field) == Some(value)));
                let different: HashMap<_, _> = chosen.into_iter().collect();
                prop_assert_eq!(different.len(), count.min(model.len()));
            }
        }

        /// What is there from the first step of a walk to the last is visited exactly once.
        #[test]
        fn a_scan_visits_what_stays(
            before in proptest::collection::hash_map(word(), word(), 0..100),
            during in proptest::collection::vec((word(), any::<bool>()), 0..100),
        ) {
            let mut hash = Hash::new();
            for (field, value) in &before {
                hash.set(field, value, LIMITS);
            }
            let mut stays = before.clone();
            let mut seen = HashMap::new();
            let mut during = during.into_iter();
            let mut cursor = 0;
            loop {
                cursor = hash.scan(cursor, |field, value| {
                    *seen.entry(plain((field, value))).or_insert(0) += 1;
                });
                if cursor == 0 {
                    break;
                }
                if let Some((field, set)) = during.next() {
                    stays.remove(&field);
                    if set {
                        hash.set(&field, b"changed", LIMITS);
                    } else {
                        hash.remove(&field);
                    }
                }
            }
            for pair in stays {
                prop_assert_eq!(seen.get(&pair), Some(&1));
            }
        }
    }

    /// Of 10 fields each is chosen in a tenth of all throws, whatever the form is.
    #[test]
    fn choices_are_fair() {
        let mut dice = SmallRng::seed_from_u64(1);
        let mut below = |bound: u64| dice.random_range(0..bound);
        for limits in [LIMITS, PackedLimits { entries: 0, ..LIMITS }] {
            let mut hash = Hash::new();
            for field in 0..10 {
                hash.set(field.to_string().as_bytes(), b"", limits);
            }
            let mut counts = [0; 10];
            let mut count = |field: Text| counts[field.as_int().expect("a digit") as usize] += 1;
            for _ in 0..10_000 {
                count(hash.random(&mut below).expect("there are some").0);
                hash.sample(2, &mut below).into_iter().for_each(|(field, _)| count(field));
                hash.sample(7, &mut below).into_iter().for_each(|(field, _)| count(field));
            }
            assert!(counts.iter().all(|count| (9_700..10_300).contains(count)), "{counts:?}");
        }
    }

    #[test]
    fn a_million_fields_take_little() {
        let mut hash = Hash::new();
        for number in 0..1_000_000 {
            let (field, value) = (format!("field:{number}"), format!("value:{number}"));
            hash.set(field.as_bytes(), value.as_bytes(), LIMITS);
        }
        let each = hash.memory() as f64 / 1e6;
        assert!(each < 46.0, "{each} bytes for a field");
    }
}
