//! Sorted sets: members with a score each, in the order of scores, and of bytes where scores are equal.
//!
//! A small one is one packed block (`small.rs`), a large one a counting tree beside a table
//! (`large.rs`). What to do with a range is always the same: find its ranks, which takes O(log n) in
//! the large form, then walk, count or remove them.
//!
//! A score is never NaN. Members may have deadlines, which lie beside the large form (`deadlines.rs`).

mod handover;
mod large;
mod members;
mod scores;
mod small;
#[cfg(test)]
mod tests;
mod tree;

use super::deadlines::Lifetimes;
use super::limits::{PACKED_BYTES_MAX, PackedLimits};
use super::packed::Packed;
use super::string::Text;
use super::{Buffer, Collection, Due, Frozen, Mortal, Type, View};
use crate::base::numbers;
use crate::world::Millis;
pub use handover::ScoreBatch;
use large::Large;
pub use scores::{Lookup, Scores};
use small::Small;
use std::ops::Range;
use tree::Probe;

#[derive(Clone)]
pub struct ZSet(Form);

#[derive(Clone)]
enum Form {
    Small(Small),
    Large(Box<Large>),
}

/// What ZADD may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Only new members (NX).
    pub new_only: bool,
    /// Only members that are there (XX).
    pub known_only: bool,
    /// Members that are there only get higher scores (GT).
    pub raise_only: bool,
    /// Members that are there only get lower scores (LT).
    pub lower_only: bool,
    /// The score is added to the one that is there (INCR).
    pub increment: bool,
}

/// What came of adding a member, with the score it has now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Added {
    New(f64),
    Updated(f64),
    /// It had this score.
    Same(f64),
    /// The rule did not let it.
    Held,
    /// The sum of the scores is not a number.
    Nan,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    pub min: f64,
    pub max: f64,
    /// Whether the ends are not part of the range.
    pub above_min: bool,
    pub below_max: bool,
}

/// An end of a range of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// Before all members.
    Lowest,
    /// After all members.
    Highest,
    Including(&'a [u8]),
    Excluding(&'a [u8]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LexRange<'a> {
    pub min: LexBound<'a>,
    pub max: LexBound<'a>,
}

impl ZSet {
    /// An empty set that is to take so many members of at most so many bytes. It is large from the
    /// start if they would make it so; nothing is allocated for them. That matters to a zero with a
    /// sign too, which only the large form keeps.
    pub fn for_some(count: usize, longest: usize, limits: PackedLimits) -> ZSet {
        if count > limits.entries || longest > limits.value {
            ZSet(Form::Large(Box::new(Large::new(limits.seed))))
        } else {
            ZSet::default()
        }
    }

    /// So many members are about to be added. If they alone are too many for the small form, it is
    /// given up at once.
    pub fn expect(&mut self, count: usize, limits: PackedLimits) {
        if count > limits.entries {
            self.enlarge(limits.seed);
        }
    }

    pub fn is_large(&self) -> bool {
        matches!(self.0, Form::Large(_))
    }

    /// Takes the small form, if it may have it: for a set that was made at once.
    pub fn settle(&mut self, limits: PackedLimits) {
        let bytes: usize = self.iter().map(|(member, _)| member.len()).sum();
        let fits = self.len() <= limits.entries
            && bytes <= PACKED_BYTES_MAX
            && self.iter().all(|(member, _)| member.len() <= limits.value);
        if self.is_large() && fits {
            let mut small = Small::default();
            for (member, score) in self.iter() {
                small.push(member.bytes(&mut itoa::Buffer::new()), score);
            }
            self.0 = Form::Small(small);
        }
    }

    /// Can it take so many more members? The limit is four thousand million short members, or
    /// sixteen million of more than four kilobytes.
    pub fn has_room_for(&self, more: usize) -> bool {
        match &self.0 {
            Form::Small(small) => more < (1 << 24) - small.len(),
            Form::Large(large) => large.has_room_for(more),
        }
    }

    // ── single members ──────────────────────────────────────────────────────────────────────

    /// O(1), or O(n) in the small form; so is everything that begins with a member.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.0 {
            Form::Small(small) => small.find(member).map(|at| small.score(at)),
            Form::Large(large) => large.find(member).map(|id| large.score(id)),
        }
    }

    /// How many members come before this one, and its score. O(log n).
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match &self.0 {
            Form::Small(small) => small.find(member).map(|at| (small.rank_of(at), small.score(at))),
            Form::Large(large) => large.find(member).map(|id| (large.rank_of(id), large.score(id))),
        }
    }

    /// Adds or updates a member, O(log n). The score is a number; room was asked for.
    pub fn add(&mut self, member: &[u8], score: f64, rule: Rule, limits: PackedLimits) -> Added {
        debug_assert!(!score.is_nan());
        match &mut self.0 {
            Form::Small(small) => match small.find(member) {
                Some(at) => {
                    let before = small.score(at);
                    let added = updated(before, score, rule);
                    if let Added::Updated(score) = added {
                        small.set_score(at, score);
                    }
                    return added;
                }
                None if rule.known_only => return Added::Held,
                None if small.len() < limits.entries
                    && member.len() <= limits.value
                    && small.bytes() + member.len() <= PACKED_BYTES_MAX =>
                {
                    small.insert(member, score);
                }
                None => self.enlarge(limits.seed).insert(member, score),
            },
            Form::Large(large) => match large.find(member) {
                Some(id) => {
                    let added = updated(large.score(id), score, rule);
                    if let Added::Updated(score) = added {
                        large.set_score(id, score);
                    }
                    return added;
                }
                None if rule.known_only => return Added::Held,
                None => large.insert(member, score),
            },
        }
        Added::New(score)
    }

    /// Gives a member the score that `score` makes of the one it has, if it is there. O(log n).
    pub fn merge(
        &mut self,
        member: &[u8],
        limits: PackedLimits,
        score: impl FnOnce(Option<f64>) -> f64,
    ) {
        let score = score(self.score(member));
        self.set(member, score, limits);
    }

    /// Sets a score, whatever was there. O(log n).
    pub fn set(&mut self, member: &[u8], score: f64, limits: PackedLimits) {
        self.add(member, score, Rule::default(), limits);
    }

    /// Removes a member; says its score. O(log n).
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.0 {
            Form::Small(small) => {
                let at = small.find(member)?;
                let score = small.score(at);
                small.remove(at);
                Some(score)
            }
            Form::Large(large) => {
                let id = large.find(member)?;
                let score = large.score(id);
                large.remove(id);
                Some(score)
            }
        }
    }

    // ── ranges ──────────────────────────────────────────────────────────────────────────────

    /// The ranks of these scores; O(log n).
    pub fn ranks_of_scores(&self, range: ScoreRange) -> Range<usize> {
        let start = self.before(Probe::Score { score: range.min, through: range.above_min });
        let end = self.before(Probe::Score { score: range.max, through: !range.below_max });
        start..end.max(start)
    }

    /// The ranks of these members, where all have the same score; O(log n).
    pub fn ranks_of_members(&self, range: LexRange) -> Range<usize> {
        let place = |bound, lower: bool| match bound {
            LexBound::Lowest => 0,
            LexBound::Highest => self.len(),
            LexBound::Including(member) => self.before(Probe::Member { member, through: !lower }),
            LexBound::Excluding(member) => self.before(Probe::Member { member, through: lower }),
        };
        let start = place(range.min, true);
        start..place(range.max, false).max(start)
    }

    /// The members of a range of ranks that all exist, with their scores, in order or backwards.
    /// O(log n) to begin, then O(1) each.
    pub fn walk(&self, ranks: Range<usize>, back: bool) -> Walk<'_> {
        debug_assert!(ranks.end <= self.len());
        match &self.0 {
            Form::Small(small) => Walk(Walks::Small(small.walk(ranks, back))),
            Form::Large(large) => Walk(Walks::Large(large.walk(ranks, back))),
        }
    }

    /// All members with their scores, in order.
    pub fn iter(&self) -> Walk<'_> {
        self.walk(0..self.len(), false)
    }

    /// As `iter`, with the deadlines of those members that have any.
    pub fn iter_with_deadlines(&self) -> impl Iterator<Item = (Text<'_>, f64, Option<Millis>)> {
        let deadlines = match &self.0 {
            Form::Small(_) => None,
            Form::Large(large) => Some(large.deadlines()),
        };
        let of = Lifetimes::finder(deadlines);
        self.iter().map(move |(member, score)| (member, score, of(member)))
    }

    /// What finds scores by members, as they are now, of a large set: to be read while the set goes on
    /// changing.
    pub fn freeze_lookup(&mut self) -> Option<Lookup> {
        match &mut self.0 {
            Form::Small(_) => None,
            Form::Large(large) => Some(large.freeze_with_table()),
        }
    }

    /// The member of a rank; O(log n). Of a random rank it is a fair pick.
    pub fn at(&self, rank: usize) -> Option<(Text<'_>, f64)> {
        if rank < self.len() { self.walk(rank..rank + 1, false).next() } else { None }
    }

    /// Removes a range of ranks; O(log n) for each member, or for each that stays where these are
    /// fewer. The members may be handed over, since freeing them may take long.
    #[must_use = "it may be much"]
    pub fn remove_range(&mut self, ranks: Range<usize>) -> Option<ZSet> {
        match &mut self.0 {
            Form::Small(small) => small.remove_range(ranks),
            Form::Large(large) => {
                let rest = large.rest_without(ranks.clone());
                if let Some(mut rest) = rest {
                    rest.members_mut().take_handover(large.members_mut());
                    return Some(ZSet(Form::Large(std::mem::replace(large, Box::new(rest)))));
                }
                large.remove_range(ranks);
            }
        }
        None
    }

    /// Begins to hand the set over to a snapshot, in parts, as it is now. Says no if it is not worth that, or
    /// cannot be: it is small, or has fewer members than this, or some have deadlines.
    pub fn begin_handover(&mut self, least: usize) -> bool {
        let Form::Large(large) = &mut self.0 else { return false };
        let is_fit = large.len() >= least && large.deadlines().deadlines().is_none();
        if is_fit {
            large.members_mut().begin_handover();
        }
        is_fit
    }

    /// Is the set on its way to a snapshot, or about to be?
    pub fn is_being_handed_over(&self) -> bool {
        matches!(&self.0, Form::Large(large) if large.members().is_being_handed_over())
    }

    /// The next part, of about so many bytes or none, in no order; nothing if there are no more.
    pub fn handover_part(&mut self, most: usize) -> Option<ScoreBatch> {
        match &mut self.0 {
            Form::Small(_) => None,
            Form::Large(large) => large.members_mut().handover_part(most),
        }
    }

    /// The snapshot was given up.
    pub fn end_handover(&mut self) {
        if let Form::Large(large) = &mut self.0 {
            large.members_mut().end_handover();
        }
    }

    /// One step of a walk that may be interrupted by changes. It begins with cursor 0 and is over
    /// when 0 is returned; members that are there all the while are visited exactly once.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(Text, f64)) -> u64 {
        match &self.0 {
            Form::Small(_) => {
                self.iter().for_each(|(member, score)| visit(member, score));
                0
            }
            Form::Large(large) => {
                large.scan(cursor, |member, score| visit(Text::Bytes(member), score))
            }
        }
    }

    fn before(&self, probe: Probe) -> usize {
        match &self.0 {
            Form::Small(small) => small.rank(probe),
            Form::Large(large) => large.rank(probe),
        }
    }

    /// Takes the large form; there is no way back.
    fn enlarge(&mut self, seed: u64) -> &mut Large {
        if let Form::Small(_) = self.0 {
            let mut large = Large::with_capacity(seed, self.len() + 1);
            for (member, score) in self.iter() {
                large.insert(member.bytes(&mut itoa::Buffer::new()), score);
            }
            self.0 = Form::Large(Box::new(large));
        }
        match &mut self.0 {
            Form::Large(large) => large,
            Form::Small(_) => unreachable!("it was made large"),
        }
    }
}

/// Members and scores, which come in their order, as `Collection::parts` has them.
fn parts_of(ordered: impl Iterator<Item = (Vec<u8>, f64)>) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    for (member, score) in ordered {
        let mut text = Vec::new();
        // Only the large form knows a zero with a sign.
        numbers::write_f64(score + 0.0, &mut text);
        parts.extend([member, text]);
    }
    parts
}

/// What a rule makes of a member that has a score.
fn updated(before: f64, score: f64, rule: Rule) -> Added {
    let score = if rule.increment { before + score } else { score };
    if rule.new_only {
        Added::Held
    } else if score.is_nan() {
        Added::Nan
    } else if (rule.raise_only && score <= before) || (rule.lower_only && score >= before) {
        Added::Held
    } else if score == before {
        Added::Same(before)
    } else {
        Added::Updated(score)
    }
}

impl Default for ZSet {
    fn default() -> ZSet {
        ZSet(Form::Small(Small::default()))
    }
}

impl Collection for ZSet {
    const TYPE: Type = Type::ZSet;

    fn len(&self) -> usize {
        match &self.0 {
            Form::Small(small) => small.len(),
            Form::Large(large) => large.len(),
        }
    }

    fn small(&self) -> Option<super::Small<&[u8]>> {
        match &self.0 {
            Form::Small(small) => Some(small.packed().small()),
            Form::Large(_) => None,
        }
    }

    fn of_small(small: super::Small<Buffer>) -> ZSet {
        ZSet(Form::Small(Small::of(Packed::of_small(small))))
    }

    fn into_buffer(self) -> Option<Buffer> {
        match self.0 {
            Form::Small(small) => Some(small.into_packed().into_buffer()),
            Form::Large(_) => None,
        }
    }

    fn memory(&self) -> usize {
        match &self.0 {
            Form::Small(small) => small.memory(),
            Form::Large(large) => large.memory(),
        }
    }

    fn pieces(&self) -> usize {
        match &self.0 {
            Form::Small(_) => 1,
            Form::Large(large) => large.pieces(),
        }
    }

    fn freeze(&mut self) -> Frozen {
        Frozen::ZSet(match &mut self.0 {
            Form::Small(small) => Scores::of_small(small.clone()),
            Form::Large(large) => Scores::of_records(large.freeze()),
        })
    }

    fn lend(&self) -> View<'_> {
        View::ZSet(self)
    }

    fn parts(&self) -> Vec<Vec<u8>> {
        let mut parts = parts_of(self.iter().map(|(member, score)| (member.to_vec(), score)));
        if let Form::Large(large) = &self.0 {
            parts.extend(large.deadlines().parts());
        }
        parts
    }

    fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Small(_) => "listpack",
            Form::Large(_) => "skiplist",
        }
    }

    fn earliest(&self) -> Option<Millis> {
        match &self.0 {
            Form::Small(_) => None,
            Form::Large(large) => large.deadlines().earliest(),
        }
    }

    fn spent(&self, now: Millis) -> Option<usize> {
        let Form::Large(large) = &self.0 else { return None };
        let deadlines = large.deadlines().deadlines()?;
        let due = deadlines.due(now);
        (due == large.len() + deadlines.hidden()).then_some(due)
    }

    fn expire(&mut self, due: Due, gone: &mut dyn FnMut(&[u8])) {
        if let Form::Large(large) = &mut self.0 {
            large.expire(due, gone);
        }
    }
}

impl Mortal for ZSet {
    fn deadline_of(&self, member: &[u8]) -> Option<Option<Millis>> {
        self.score(member)?;
        let Form::Large(large) = &self.0 else { return Some(None) };
        Some(large.deadlines().get(member))
    }

    fn set_deadline(&mut self, member: &[u8], deadline: Option<Millis>, seed: u64) {
        if self.score(member).is_none() {
            return;
        }
        match &mut self.0 {
            Form::Small(_) if deadline.is_none() => (),
            Form::Small(_) => self.enlarge(seed).set_deadline(member, deadline),
            Form::Large(large) => large.set_deadline(member, deadline),
        }
    }

    fn drop_element(&mut self, member: &[u8]) -> bool {
        self.remove(member).is_some()
    }
}

pub struct Walk<'a>(Walks<'a>);

enum Walks<'a> {
    Small(small::Walk<'a>),
    Large(large::Walk<'a>),
}

impl<'a> Iterator for Walk<'a> {
    type Item = (Text<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<(Text<'a>, f64)> {
        match &mut self.0 {
            Walks::Small(walk) => walk.next(),
            Walks::Large(walk) => walk.next().map(|(member, score)| (Text::Bytes(member), score)),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Walks::Small(walk) => walk.size_hint(),
            Walks::Large(walk) => walk.size_hint(),
        }
    }
}

impl ExactSizeIterator for Walk<'_> {}
