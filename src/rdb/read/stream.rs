//! Streams, in the forms that they have had (`codes::stream`).

use super::error::{Error, Flaw};
use super::input::Input;
use super::listpack::{self, Elements};
use super::{Scratch, kind};
use crate::data::limits::StreamLimits;
use crate::data::stream::{Group, Id, Loading, Memory, Owner, Pending, Stream};
use crate::data::string::{Digits, Text};
use crate::rdb::codes::stream::{DELETED, SAME_FIELDS};
use std::io::Read;
use std::ops::Range;

/// STREAM_LISTPACKS and those that followed it.
pub fn stream<R: Read>(
    input: &mut Input<R>,
    scratch: &mut Scratch,
    kind: u8,
    limits: &StreamLimits,
) -> Result<Stream, Error> {
    let mut stream = entries(input, scratch, kind, limits)?;
    for _ in 0..input.len()? {
        group(input, &mut stream, kind)?;
    }
    if kind >= kind::STREAM_LISTPACKS_4 {
        producers(input, &mut stream)?;
    }
    Ok(stream)
}

/// The nodes, and what is remembered beside them.
fn entries<R: Read>(
    input: &mut Input<R>,
    scratch: &mut Scratch,
    kind: u8,
    limits: &StreamLimits,
) -> Result<Stream, Error> {
    let mut loading = Loading::default();
    let mut items = Items::default();
    for _ in 0..input.len()? {
        input.string_into(&mut scratch.item)?;
        let Ok(id) = scratch.item.as_slice().try_into().map(id_of) else {
            return Err(input.corrupt("Stream node key entry is not the size of a stream ID"));
        };
        input.string_into(&mut scratch.block)?;
        node(&mut loading, &mut items, id, &scratch.block, limits)
            .map_err(|flaw| input.flaw(flaw))?;
    }
    // How many entries there are was counted.
    input.len()?;
    let last_id = id(input)?;
    let (mut max_deleted, mut added) = (Id::MIN, None);
    if kind >= kind::STREAM_LISTPACKS_2 {
        // So was the id of the first one.
        id(input)?;
        max_deleted = id(input)?;
        added = Some(input.len()?);
    }
    loading
        .end(last_id, max_deleted, added)
        .ok_or_else(|| input.corrupt("a stream whose last id is below that of an entry"))
}

/// Strings of an entry, kept one behind another.
#[derive(Default)]
struct Items {
    bytes: Vec<u8>,
    spans: Vec<Range<usize>>,
    /// The names of the node's first entry.
    names: Vec<Range<usize>>,
    names_end: usize,
}

impl Items {
    fn push(&mut self, text: Text) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text.bytes(&mut Digits::new()));
        start..self.bytes.len()
    }
}

fn node(
    loading: &mut Loading,
    items: &mut Items,
    base: Id,
    block: &[u8],
    limits: &StreamLimits,
) -> Result<(), Flaw> {
    let mut elements = listpack::elements(block)?;
    let (live, dead) = (elements.int()?, elements.int()?);
    let fields = elements.int()?;
    items.bytes.clear();
    items.names.clear();
    for _ in 0..fields {
        let name = items.push(elements.need()?);
        items.names.push(name);
    }
    items.names_end = items.bytes.len();
    if elements.int()? != 0 {
        return Err(Flaw("a node of a stream whose first entry has no end"));
    }
    loading.begin_node();
    let mut seen = [0, 0];
    while !elements.is_over() {
        let is_deleted = entry(loading, items, base, &mut elements, limits)?;
        seen[usize::from(is_deleted)] += 1;
    }
    // The count of elements is told with the end.
    elements.next().transpose()?;
    if seen != [live, dead] {
        return Err(Flaw("a node of a stream with another number of entries than it says"));
    }
    match seen {
        [0, 0] => Err(Flaw("Empty listpack inside stream")),
        _ => Ok(()),
    }
}

/// Adds an entry; says whether it is deleted.
fn entry(
    loading: &mut Loading,
    items: &mut Items,
    base: Id,
    elements: &mut Elements,
    limits: &StreamLimits,
) -> Result<bool, Flaw> {
    let flags = elements.int()?;
    let id = Id {
        ms: base.ms.wrapping_add(elements.int()? as u64),
        seq: base.seq.wrapping_add(elements.int()? as u64),
    };
    items.bytes.truncate(items.names_end);
    items.spans.clear();
    let own = if flags & SAME_FIELDS != 0 {
        for at in 0..items.names.len() {
            let value = items.push(elements.need()?);
            items.spans.extend([items.names[at].clone(), value]);
        }
        items.names.len() as i64 + 3
    } else {
        let fields = elements.int()?;
        for _ in 0..fields {
            for _ in 0..2 {
                let item = items.push(elements.need()?);
                items.spans.push(item);
            }
        }
        2 * fields.max(0) + 4
    };
    if elements.int()? != own {
        return Err(Flaw("an entry of a stream with another number of items than it says"));
    }
    if items.spans.is_empty() {
        return Err(Flaw("an entry of a stream without fields"));
    }
    if !limits.admits(items.spans.iter().map(Range::len).sum()) {
        return Err(Flaw("an entry of a stream that is too large"));
    }
    let is_deleted = flags & DELETED != 0;
    let fields = items.spans.iter().map(|span| &items.bytes[span.clone()]);
    if !loading.add(id, fields, is_deleted) {
        return Err(Flaw("a stream whose entries are not in order"));
    }
    Ok(is_deleted)
}

/// What is pending in a group, to whom, and in which order it was read.
struct Waiting {
    id: Id,
    time_ms: i64,
    count: u64,
    owner: Option<Owner>,
    is_nobodys: bool,
}

fn group<R: Read>(input: &mut Input<R>, stream: &mut Stream, kind: u8) -> Result<(), Error> {
    let name = input.string()?;
    let last_id = id(input)?;
    let read = match kind {
        kind::STREAM_LISTPACKS => stream.estimate_read(last_id),
        // All bits are set where it is not known.
        _ => Some(input.len()?).filter(|read| i64::try_from(*read).is_ok()),
    };
    if !stream.create_group(&name, last_id, read) {
        return Err(input.corrupt("Duplicated consumer group name"));
    }
    let Some(group) = stream.group_mut(&name) else {
        return Err(input.corrupt("a consumer group that is not there"));
    };
    let mut waiting = Vec::new();
    for _ in 0..input.len()? {
        let id = input.array().map(id_of)?;
        let (time_ms, count) = (input.i64()?, input.len()?);
        waiting.push(Waiting { id, time_ms, count, owner: None, is_nobodys: false });
    }
    if !waiting.is_sorted_by(|one, other| one.id < other.id) {
        waiting.sort_by_key(|waiting| waiting.id);
        if waiting.windows(2).any(|pair| pair[0].id == pair[1].id) {
            return Err(input.corrupt("Duplicated global PEL entry loading stream consumer group"));
        }
    }
    for _ in 0..input.len()? {
        consumer(input, group, &mut waiting, kind)?;
    }
    if kind >= kind::STREAM_LISTPACKS_5 {
        for _ in 0..input.len()? {
            let waiting = find(input, &mut waiting)?;
            if waiting.owner.is_some() || waiting.is_nobodys {
                return Err(input.corrupt("a stream entry given back that somebody has"));
            }
            waiting.is_nobodys = true;
        }
    }
    for Waiting { id, time_ms, count, owner, is_nobodys } in waiting {
        if owner.is_none() && !is_nobodys {
            return Err(input.corrupt("Stream CG PEL entry without consumer"));
        }
        group.put(Pending::new(id, owner, time_ms, count));
    }
    Ok(())
}

fn consumer<R: Read>(
    input: &mut Input<R>,
    group: &mut Group,
    waiting: &mut [Waiting],
    kind: u8,
) -> Result<(), Error> {
    let name = input.string()?;
    let seen_ms = input.i64()?;
    let active_ms = if kind >= kind::STREAM_LISTPACKS_3 { input.i64()? } else { seen_ms };
    let Some((owner, true)) = group.admit(&name, seen_ms) else {
        return Err(input.corrupt("Duplicate stream consumer detected."));
    };
    group.consumer_mut(owner).active_ms = Some(active_ms).filter(|active_ms| *active_ms >= 0);
    for _ in 0..input.len()? {
        let waiting = find(input, waiting)?;
        // Whoever let two consumers share one would free it twice.
        if waiting.owner.replace(owner).is_some() {
            return Err(
                input.corrupt("Duplicated consumer PEL entry loading a stream consumer group")
            );
        }
    }
    Ok(())
}

/// Reads an id, and finds what is pending under it.
fn find<'a, R: Read>(
    input: &mut Input<R>,
    waiting: &'a mut [Waiting],
) -> Result<&'a mut Waiting, Error> {
    let id = input.array().map(id_of)?;
    match waiting.binary_search_by_key(&id, |waiting| waiting.id) {
        Ok(at) => Ok(&mut waiting[at]),
        Err(_) => Err(input.corrupt("Consumer entry not found in group global PEL")),
    }
}

/// What is known of those who have added entries.
fn producers<R: Read>(input: &mut Input<R>, stream: &mut Stream) -> Result<(), Error> {
    let (seconds, entries) = (input.len()?, input.len()?);
    let count = input.len()?;
    let own = [seconds, entries].map(|number| u32::try_from(number).ok());
    let [Some(seconds), Some(entries)] = own else {
        return Err(input.corrupt("a stream whose memory of producers has no bounds"));
    };
    // Each stream says these, also where they are those of the directives; then they decide.
    let directives = Memory { seconds: 0, entries: 0 };
    let own = [seconds, entries].map(|number| Some(number).filter(|number| *number > 0));
    if own != [None, None] || count > 0 {
        stream.producers_mut().set_memory(own[0], own[1], directives);
    }
    for _ in 0..count {
        let producer = input.string()?;
        for _ in 0..input.len()? {
            let name = input.string()?;
            let id = id(input)?;
            if !stream.producers_mut().know(&producer, &name, id) {
                return Err(input.corrupt("an entry of a stream that its producer added twice"));
            }
        }
    }
    let (added, duplicates) = (input.len()?, input.len()?);
    if added > 0 || duplicates > 0 {
        let producers = stream.producers_mut();
        (producers.added, producers.duplicates) = (added, duplicates);
    }
    Ok(())
}

/// An id as two lengths.
pub fn id<R: Read>(input: &mut Input<R>) -> Result<Id, Error> {
    Ok(Id { ms: input.len()?, seq: input.len()? })
}

/// An id as 16 bytes.
pub fn id_of(bytes: [u8; 16]) -> Id {
    let whole = u128::from_be_bytes(bytes);
    Id { ms: (whole >> 64) as u64, seq: whole as u64 }
}
