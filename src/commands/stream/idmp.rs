//! Entries that are added once, however often they are sent: what of XADD that takes, XCFGSET and
//! XIDMPRECORD.

use super::id;
use crate::data::stream::{Memory, Stream};
use crate::engine::Ctx;
use crate::error::Error;
use crate::keyspace::Event;
use crate::resp::{Args, Cursor, Done, Reply};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

const SECONDS_MAX: u32 = 86_400;
const ENTRIES_MAX: u32 = 10_000;

/// Who adds an entry, and under which name; without one it is called after its fields.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    pub producer: &'a [u8],
    name: Option<&'a [u8]>,
}

impl<'a> Origin<'a> {
    /// Takes `IDMP producer name` or `IDMPAUTO producer`, if that is next.
    pub fn take(words: &mut Cursor<'a>, origin: &mut Option<Origin<'a>>) -> Result<bool, Error> {
        const TWICE: Error = Error::Say("ERR IDMP/IDMPAUTO specified multiple times");
        const NO_PRODUCER: [Error; 2] = [
            Error::Say("ERR IDMP requires a non-empty producer ID"),
            Error::Say("ERR IDMPAUTO requires a non-empty producer ID"),
        ];
        const NO_NAME: Error = Error::Say("ERR IDMP requires a non-empty idempotent ID");
        let by_name = words.left() > 2 && words.take_word(b"IDMP");
        let by_fields = !by_name && words.left() > 1 && words.take_word(b"IDMPAUTO");
        if !by_name && !by_fields {
            return Ok(false);
        }
        if origin.is_some() {
            return Err(TWICE);
        }
        let producer = words.bytes()?;
        if producer.is_empty() {
            return Err(NO_PRODUCER[by_fields as usize].clone());
        }
        let name = if by_name { Some(words.bytes()?) } else { None };
        if name.is_some_and(<[u8]>::is_empty) {
            return Err(NO_NAME);
        }
        *origin = Some(Origin { producer, name });
        Ok(true)
    }

    /// What the producer calls an entry of these fields.
    pub fn name_for(&self, fields: Args<'a>) -> Cow<'a, [u8]> {
        match self.name {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(digest(fields).to_le_bytes().to_vec()),
        }
    }
}

/// The same for the same fields in any order.
fn digest(fields: Args) -> u128 {
    let mut sum = 0u128;
    for at in (0..fields.len()).step_by(2) {
        let (name, value) = (fields.get(at), fields.get(at + 1));
        let pair = Sha256::new()
            .chain_update((name.len() as u64).to_le_bytes())
            .chain_update(name)
            .chain_update(value)
            .finalize();
        let half: [u8; 16] = pair[..16].try_into().expect("half of a digest");
        sum = sum.wrapping_add(u128::from_le_bytes(half));
    }
    sum
}

pub fn xcfgset(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    const BAD_SECONDS: Error = Error::Say("ERR IDMP-DURATION must be between 1 and 86400 seconds");
    const BAD_ENTRIES: Error = Error::Say("ERR IDMP-MAXSIZE must be between 1 and 10000 entries");
    const NOTHING: Error = Error::Say("ERR At least one parameter must be specified");
    let directives = cx.limits.idmp;
    let (mut seconds, mut entries) = (None, None);
    let mut words = args.after(1);
    if words.left() == 0 {
        return Err(NOTHING.into());
    }
    while words.left() > 0 {
        if words.left() > 1 && words.take_word(b"IDMP-DURATION") {
            seconds = Some(within(words.int()?, SECONDS_MAX).ok_or(BAD_SECONDS)?);
        } else if words.left() > 1 && words.take_word(b"IDMP-MAXSIZE") {
            entries = Some(within(words.int()?, ENTRIES_MAX).ok_or(BAD_ENTRIES)?);
        } else {
            return Err(Error::Syntax.into());
        }
    }
    let mut stream = cx.edit::<Stream>(args.get(1))?.ok_or(Error::NoSuchKey)?;
    stream.producers_mut().set_memory(seconds, entries, directives);
    stream.done_aside(Event::SILENT);
    out.ok()
}

fn within(value: i64, most: u32) -> Option<u32> {
    u32::try_from(value).ok().filter(|value| (1..=most).contains(value))
}

/// Tells another server who has added an entry.
pub fn xidmprecord(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    const NO_PRODUCER: Error = Error::Say("ERR XIDMPRECORD requires a non-empty producer ID");
    const NO_NAME: Error = Error::Say("ERR XIDMPRECORD requires a non-empty idempotent ID");
    const NO_ENTRY: Error = Error::Say("ERR The specified stream ID was deleted or doesn't exist");
    const OTHER: Error = Error::Say(
        "ERR The specified IDMP producer-id/idempotent-id pair maps to a different stream ID",
    );
    let (producer, name) = (args.get(2), args.get(3));
    let (now_ms, directives) = (u64::try_from(cx.now.0).unwrap_or(0), cx.limits.idmp);
    if producer.is_empty() {
        return Err(NO_PRODUCER.into());
    }
    if name.is_empty() {
        return Err(NO_NAME.into());
    }
    let id = id(args.get(4), 0)?;
    let replays = cx.keyspace.sees_expired;
    let mut stream = cx.edit::<Stream>(args.get(1))?.ok_or(Error::NoSuchKey)?;
    if !stream.contains(id) {
        return Err(NO_ENTRY.into());
    }
    let memory = stream.idmp_memory(directives);
    match stream.find_added(producer, name, now_ms, memory) {
        // Where it was said first, the older one was forgotten by then: by another limit, or another clock.
        Some(known) if known != id && replays => {
            stream.producers_mut().record(producer, name, id, now_ms, memory);
        }
        Some(known) if known != id => return Err(OTHER.into()),
        Some(_) => return out.ok(),
        None => stream.producers_mut().record(producer, name, id, now_ms, memory),
    }
    stream.done_aside(Event::SILENT);
    out.ok()
}

/// What is known of producers, for XINFO: names and numbers.
pub fn facts(stream: &Stream, now_ms: i64, directives: Memory) -> [(&'static str, u64); 6] {
    let memory = stream.idmp_memory(directives);
    let now_ms = u64::try_from(now_ms).unwrap_or(0);
    let producers = stream.producers();
    let (pids, iids) = producers.map_or((0, 0), |it| it.tracked(now_ms, memory));
    let (added, duplicates) = producers.map_or((0, 0), |it| (it.added, it.duplicates));
    [
        ("idmp-duration", memory.seconds.into()),
        ("idmp-maxsize", memory.entries.into()),
        ("pids-tracked", pids as u64),
        ("iids-tracked", iids as u64),
        ("iids-added", added),
        ("iids-duplicates", duplicates),
    ]
}
