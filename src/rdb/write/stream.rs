//! Streams, see `codes::stream`.
//!
//! Peers have no entries that are pending and nobody's. Those that were given back are written as somebody's
//! who is in the group already, or of a consumer who is made up for them; `extras.rs` says which they are.

use super::Version;
use super::value::Pen;
use crate::data::Collection;
use crate::data::stream::{Consumer, Entry, Group, Id, Stream};
use crate::rdb::codes::stream::SAME_FIELDS;
use crate::world::Millis;
use std::io;

/// Who has what was given back, if there is nobody else.
const MADE_UP: &[u8] = b"russet-nacked";

pub fn write(pen: &mut Pen, stream: &Stream) -> io::Result<()> {
    pen.sink.len(stream.nodes() as u64);
    for (live, entries) in stream.by_node() {
        node(pen, live, entries)?;
    }
    pen.sink.len(stream.len() as u64);
    for id in [stream.last_id(), stream.first_id().unwrap_or_default(), stream.max_deleted()] {
        pen.sink.len(id.ms);
        pen.sink.len(id.seq);
    }
    pen.sink.len(stream.added());
    pen.sink.len(stream.group_count() as u64);
    stream.groups().try_for_each(|(name, own)| group(pen, name, own))
}

/// How many entries of a group are pending and nobody's.
pub fn nacked(group: &Group) -> usize {
    group.pending() - group.consumers().map(|(_, consumer)| consumer.pending()).sum::<usize>()
}

/// Entries of a group that are pending and nobody's.
pub fn nacked_ids(group: &Group) -> impl Iterator<Item = Id> {
    let nacked = group.pending_from(Id::MIN).filter(|pending| pending.owner().is_none());
    nacked.map(|pending| pending.id())
}

/// Whose such entries are said to be, and whether he is made up.
pub fn adopter(group: &Group) -> (&[u8], bool) {
    group.consumers().next().map_or((MADE_UP, true), |(_, consumer)| (&consumer.name, false))
}

/// The bytes of an id in their order.
pub fn id_bytes(id: Id) -> [u8; 16] {
    (u128::from(id.ms) << 64 | u128::from(id.seq)).to_be_bytes()
}

fn node<'a>(
    pen: &mut Pen,
    live: usize,
    entries: impl Iterator<Item = Entry<'a>> + Clone,
) -> io::Result<()> {
    let mut ahead = entries.clone();
    let Some(first) = ahead.next() else { return Ok(()) };
    // If no entry has the names of the node, those of the first one stand there for nobody.
    let usual = entries.clone().find(|entry| entry.fields.are_usual()).unwrap_or(first).fields;
    pen.sink.plain(&id_bytes(first.id));
    pen.listpack(|out| {
        out.int(live as i64);
        out.int(0);
        out.int(usual.len() as i64 / 2);
        usual.step_by(2).for_each(|name| out.text(name));
        out.int(0);
        for Entry { id, fields } in entries {
            let pairs = fields.len() as i64 / 2;
            let is_usual = fields.are_usual();
            out.int(if is_usual { SAME_FIELDS } else { 0 });
            out.int(id.ms.wrapping_sub(first.id.ms) as i64);
            out.int(id.seq.wrapping_sub(first.id.seq) as i64);
            if is_usual {
                fields.skip(1).step_by(2).for_each(|value| out.text(value));
                out.int(pairs + 3);
            } else {
                out.int(pairs);
                fields.for_each(|item| out.text(item));
                out.int(2 * pairs + 4);
            }
        }
    })
}

fn group(pen: &mut Pen, name: &[u8], group: &Group) -> io::Result<()> {
    pen.sink.string(name);
    pen.sink.len(group.last_id.ms);
    pen.sink.len(group.last_id.seq);
    pen.sink.len(group.read.unwrap_or(u64::MAX));
    pen.sink.len(group.pending() as u64);
    for pending in group.pending_from(Id::MIN) {
        pen.sink.bytes(&id_bytes(pending.id()));
        pen.sink.millis(Millis(pending.time_ms()));
        pen.sink.len(pending.count());
        pen.spill()?;
    }
    let nacked = nacked(group);
    let (adopter, is_made_up) = adopter(group);
    let is_made_up = is_made_up && nacked > 0;
    pen.sink.len(group.consumers().len() as u64 + u64::from(is_made_up));
    for (_, own) in group.consumers() {
        let adopted = if *own.name == *adopter { nacked } else { 0 };
        consumer(pen, own, own.pending() + adopted);
        ids(pen, own.pending_ids())?;
        if adopted > 0 {
            ids(pen, nacked_ids(group))?;
        }
    }
    if is_made_up {
        let mut made_up = Group::default();
        if let Some((owner, _)) = made_up.admit(adopter, 0) {
            consumer(pen, made_up.consumer(owner), nacked);
        }
        ids(pen, nacked_ids(group))?;
    }
    pen.spill()
}

/// A consumer, of whom so many pending entries follow.
fn consumer(pen: &mut Pen, consumer: &Consumer, pending: usize) {
    pen.sink.string(&consumer.name);
    pen.sink.millis(Millis(consumer.seen_ms));
    if pen.version != Version::V10 {
        pen.sink.millis(Millis(consumer.active_ms.unwrap_or(-1)));
    }
    pen.sink.len(pending as u64);
}

fn ids(pen: &mut Pen, mut ids: impl Iterator<Item = Id>) -> io::Result<()> {
    ids.try_for_each(|id| {
        pen.sink.bytes(&id_bytes(id));
        pen.spill()
    })
}
