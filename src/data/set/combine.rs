//! Intersection, union and difference of sets.
//!
//! `None` stands for a set that is not there, which is an empty one. `intersect`, `unite` and
//! `subtract` show the members of the result to `visit`, each once, until that says to break off.
//! `intersection`, `union` and `difference` make a set of them, in the form that Redis gives it.

use super::{Set, int_of};
use crate::base::map;
use crate::data::Collection;
use crate::data::limits::SetLimits;
use crate::data::string::Text;
use std::ops::ControlFlow::{self, Break, Continue};

/// What all sets have. It looks for each member of the smallest in the others, smaller ones first:
/// O(N·M), N being the size of the smallest and M the number of sets.
pub fn intersect(sets: &[Option<&Set>], mut visit: impl FnMut(Text) -> ControlFlow<()>) {
    let Some(sets) = by_size(sets) else { return };
    let Some((smallest, others)) = sets.split_first() else { return };
    for member in smallest.iter() {
        if others.iter().all(|other| is_same(other, smallest) || other.contains(member))
            && visit(member) == Break(())
        {
            return;
        }
    }
}

pub fn intersection(sets: &[Option<&Set>], limits: &SetLimits) -> Set {
    let smallest = by_size(sets).and_then(|sets| sets.first().copied());
    let mut result = smallest.map(Set::fresh_like).unwrap_or_default();
    intersect(sets, |member| {
        result.insert(member, limits);
        Continue(())
    });
    result.become_ints_if_possible(limits);
    result
}

/// What any set has. O(N), N being the members of all sets.
pub fn unite(sets: &[Option<&Set>], mut visit: impl FnMut(Text) -> ControlFlow<()>) {
    let sets: Vec<&Set> = sets.iter().copied().flatten().collect();
    let alone = sets.len() == 1;
    let mut seen = map::Set::default();
    for member in sets.iter().flat_map(|set| set.iter()) {
        if (alone || seen.insert(Name::of(member))) && visit(member) == Break(()) {
            return;
        }
    }
}

pub fn union(sets: &[Option<&Set>], limits: &SetLimits) -> Set {
    let mut result = Set::default();
    for member in sets.iter().copied().flatten().flat_map(Set::iter) {
        result.insert(member, limits);
    }
    result
}

/// What the first set has and no other.
pub fn subtract(sets: &[Option<&Set>], mut visit: impl FnMut(Text) -> ControlFlow<()>) {
    let Some((first, others, way)) = plan(sets) else { return };
    let mut left = map::Set::default();
    if way == Way::CrossOut {
        left.extend(first.iter().map(Name::of));
        for member in others.iter().flat_map(|other| other.iter()) {
            if left.is_empty() {
                return;
            }
            left.remove(&Name::of(member));
        }
    }
    let is_left = |member: &Text| match way {
        Way::LookUp => others.iter().all(|other| !other.contains(*member)),
        Way::CrossOut => left.contains(&Name::of(*member)),
    };
    for member in first.iter().filter(is_left) {
        if visit(member) == Break(()) {
            return;
        }
    }
}

pub fn difference(sets: &[Option<&Set>], limits: &SetLimits) -> Set {
    let mut result = Set::default();
    let Some((first, others, way)) = plan(sets) else { return result };
    match way {
        Way::LookUp => subtract(sets, |member| {
            result.insert(member, limits);
            Continue(())
        }),
        Way::CrossOut => {
            first.iter().for_each(|member| _ = result.insert(member, limits));
            for member in others.iter().flat_map(|other| other.iter()) {
                if result.is_empty() {
                    break;
                }
                result.remove(member);
            }
        }
    }
    result
}

/// How a difference is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Each member of the first set is looked for in the others: O(N·M), N being the size of the
    /// first and M the number of sets.
    LookUp,
    /// The members of the others are crossed out in a copy of the first set: O(N), N being the
    /// members of all sets.
    CrossOut,
}

/// The first set, the others, and how to go about it; `None` if nothing can be left.
fn plan<'a>(sets: &[Option<&'a Set>]) -> Option<(&'a Set, Vec<&'a Set>, Way)> {
    let (first, others) = sets.split_first()?;
    let first = (*first)?;
    let mut others: Vec<&Set> = others.iter().copied().flatten().collect();
    if others.iter().any(|other| is_same(other, first)) {
        return None;
    }
    // A look-up is the cheaper step, and one that succeeds ends the search for a member.
    let look_ups = first.len().saturating_mul(others.len() + 1) / 2;
    let members = first.len() + others.iter().map(|set| set.len()).sum::<usize>();
    let way = if look_ups <= members { Way::LookUp } else { Way::CrossOut };
    // It is most likely to succeed in the largest.
    others.sort_by_key(|set| std::cmp::Reverse(set.len()));
    Some((first, others, way))
}

/// The sets with the smallest first; `None` if one is not there.
fn by_size<'a>(sets: &[Option<&'a Set>]) -> Option<Vec<&'a Set>> {
    let mut sets = sets.iter().copied().collect::<Option<Vec<&Set>>>()?;
    sets.sort_by_key(|set| set.len());
    Some(sets)
}

fn is_same(left: &Set, right: &Set) -> bool {
    std::ptr::eq(left, right)
}

/// What tells a member from all others, borrowed from the set: a number is the same whether it is
/// kept as an integer or as its digits.
#[derive(PartialEq, Eq, Hash)]
enum Name<'a> {
    Int(i64),
    Bytes(&'a [u8]),
}

impl<'a> Name<'a> {
    fn of(member: Text<'a>) -> Name<'a> {
        match (int_of(member), member) {
            (Some(int), _) | (None, Text::Int(int)) => Name::Int(int),
            (None, Text::Bytes(bytes)) => Name::Bytes(bytes),
        }
    }
}
