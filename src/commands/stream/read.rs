//! XREAD and XREADGROUP: what came after an id, in some streams, or what comes next; for oneself, or
//! for a group in which every entry is read by one consumer.

use super::claim::{TOO_MANY, tell_claim, tell_consumer, tell_progress};
use super::group::CONSUMER_CREATED;
use super::{id, no_group, write_entry};
use crate::commands::waiting::{self, wait_with};
use crate::data::Type;
use crate::data::stream::{Delivery, Entry, Id, Pending, Stream};
use crate::engine::Ctx;
use crate::error::Error;
use crate::keyspace::Event;
use crate::resp::{Args, ArgsBuf, Cursor, Done, List, Proto, Reply, Wait};
use smallvec::SmallVec;

/// What follows the name of the command.
struct Ask<'a> {
    /// Of each stream.
    most: usize,
    /// Of all of them.
    budget: Budget,
    /// How long to wait, if at all.
    block: Option<Option<u64>>,
    group: Option<(&'a [u8], &'a [u8])>,
    forgets: bool,
    /// What was pending for so long is read as well.
    claim_ms: Option<i64>,
    keys: Args<'a>,
    ids: Args<'a>,
}

/// How much may be read in all.
#[derive(Clone, Copy)]
struct Budget {
    entries: usize,
    bytes: usize,
    any: bool,
}

/// From where a stream is read.
#[derive(Clone, Copy)]
enum From {
    After(Id),
    /// Whatever entry is the last one.
    Last,
}

pub fn xread(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let ask = Ask::read(cx, args, false)?;
    let mut froms = SmallVec::<[From; 4]>::new();
    let mut any = false;
    for (key, text) in ask.keys.iter().zip(ask.ids.iter()) {
        let stream = cx.read::<Stream>(key)?;
        let from = match text {
            b"$" => From::After(stream.as_ref().map_or(Id::MIN, |stream| stream.last_id())),
            b"+" => From::Last,
            b">" => return Err(NOT_IN_XREAD.into()),
            _ => From::After(id(text, 0)?),
        };
        any |= stream.is_some_and(|stream| from.has_more(&stream));
        froms.push(from);
    }
    // Whether there is anything must be known before the answer begins.
    if !any {
        return match ask.block {
            None => out.null_array(),
            Some(timeout_us) => {
                wait_with(ask.resolved(args, &froms), Type::Stream, ask.keys, timeout_us)
            }
        };
    }
    let mut answer = Answer::begin(out);
    let mut budget = ask.budget;
    for (key, from) in ask.keys.iter().zip(&froms) {
        let Some(stream) = cx.peek::<Stream>(key)? else { continue };
        if !from.has_more(&stream) {
            continue;
        }
        let (start, most) = match *from {
            From::After(id) => (id.next(), ask.most),
            From::Last => (stream.top_id(), 1),
        };
        let entries = start.into_iter().flat_map(|start| stream.range(start, Id::MAX)).take(most);
        let mut entries = entries.take_while(|entry| budget.admits(entry)).peekable();
        if entries.peek().is_some() {
            answer.stream(key, |list| entries.for_each(|entry| write_entry(list, entry)));
        }
    }
    answer.list.end()
}

pub fn xreadgroup(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    let ask = Ask::read(cx, args, true)?;
    let Some((name, consumer)) = ask.group else {
        return Err(Error::Say("ERR Missing GROUP option for XREADGROUP").into());
    };
    // Where nothing is said, new entries are meant; else those of an own past.
    let mut pasts = SmallVec::<[Option<Id>; 4]>::new();
    let mut any = false;
    for (key, text) in ask.keys.iter().zip(ask.ids.iter()) {
        let stream = cx.read::<Stream>(key)?;
        let group = stream.as_ref().and_then(|stream| Some((stream, stream.group(name)?)));
        let (stream, group) =
            group.ok_or_else(|| no_group(key, name, " in XREADGROUP with GROUP option"))?;
        let past = match text {
            b">" => None,
            b"$" | b"+" => return Err(Error::text(meaningless(text[0] as char)).into()),
            // The greatest id there is has the meaning of `>`.
            _ => Some(id(text, 0)?).filter(|id| *id != Id::MAX),
        };
        any |= past.is_some() || stream.top_id().is_some_and(|top| top > group.last_id);
        pasts.push(past);
    }
    if let Some(claim_ms) = ask.claim_ms
        && !any
    {
        any = ask.keys.iter().any(|key| !idle(cx, key, name, claim_ms, 1).is_empty());
    }
    if !any {
        for key in ask.keys.iter() {
            serve(cx, key, (name, consumer), None, &ask, (&mut ask.budget.clone(), None))?;
        }
        return match ask.block {
            None => out.null_array(),
            Some(timeout_us) => ask.wait(cx, name, timeout_us),
        };
    }
    let (mut answer, mut budget) = (Answer::begin(out), ask.budget);
    for (key, past) in ask.keys.iter().zip(&pasts) {
        serve(cx, key, (name, consumer), *past, &ask, (&mut budget, Some(&mut answer)))?;
    }
    answer.list.end()
}

/// Serves a consumer from one stream: what he got before, or what nobody got yet.
fn serve(
    cx: &mut Ctx,
    key: &[u8],
    (name, consumer): (&[u8], &[u8]),
    past: Option<Id>,
    ask: &Ask,
    (budget, answer): (&mut Budget, Option<&mut Answer>),
) -> Result<(), Error> {
    let now_ms = cx.now.0;
    let claim_ms = ask.claim_ms.filter(|_| past.is_none());
    let idle = match (claim_ms, &answer) {
        (Some(claim_ms), Some(_)) => idle(cx, key, name, claim_ms, ask.most),
        _ => Vec::new(),
    };
    let Some(mut stream) = cx.keyspace.edit::<Stream>(cx.db, key)? else { return Ok(()) };
    let top = stream.top_id();
    let Some(group) = stream.group_mut(name) else {
        stream.done_if(false, Event::SILENT);
        return Ok(());
    };
    let Some((owner, is_new)) = group.admit(consumer, now_ms) else {
        stream.done_if(false, Event::SILENT);
        return Err(TOO_MANY);
    };
    group.consumer_mut(owner).seen_ms = now_ms;
    let has_new = past.is_none() && top.is_some_and(|top| top > group.last_id);
    let before = group.last_id;
    let mut has_claimed = false;
    // Of whom nothing else is told, this is.
    if is_new && (ask.forgets || !has_new) && idle.is_empty() {
        tell_consumer(cx.effects, key, name, consumer);
    }
    if let Some(past) = past
        && let Some(answer) = answer
    {
        let mine: Vec<Pending> = match past.next() {
            Some(start) => {
                let most = ask.most.min(budget.entries);
                group.pending_of(owner, start).take(most).copied().collect()
            }
            None => Vec::new(),
        };
        answer.stream(key, |list| {
            for pending in mine {
                let id = pending.id();
                match stream.get(id) {
                    Some(entry) if !budget.admits(&entry) => break,
                    Some(entry) => write_entry(list, entry),
                    None => {
                        let mut pair = list.list(2);
                        pair.bulk(&id.text());
                        pair.null_array();
                        pair.close();
                        budget.entries = budget.entries.saturating_sub(1);
                        continue;
                    }
                }
                let again =
                    Pending::new(id, Some(owner), now_ms, pending.count().saturating_add(1));
                if let Some(group) = stream.group_mut(name) {
                    group.put(again);
                }
            }
        });
    } else if let Some(answer) = answer {
        let mut told = Vec::new();
        let starts = stream.group(name).and_then(|group| group.last_id.next());
        let first = match idle.first() {
            Some(first) => stream.get(first.id()),
            None => starts.and_then(|start| stream.range(start, Id::MAX).next()),
        };
        if first.is_some_and(|entry| budget.clone().admits(&entry)) {
            answer.stream(key, |list| {
                for before in &idle {
                    let Some(entry) = stream.get(before.id()) else { continue };
                    if !budget.admits(&entry) {
                        break;
                    }
                    write_claimed(list, entry, before.idle_ms(now_ms), before.count());
                    let count = before.count().saturating_add(1);
                    told.push(Pending::new(before.id(), Some(owner), now_ms, count));
                }
                if let Some(group) = stream.group_mut(name) {
                    told.iter().for_each(|pending| group.put(*pending));
                    if !told.is_empty() {
                        group.consumer_mut(owner).active_ms = Some(now_ms);
                    }
                }
                // Whoever has no room for what is pending has none for what is new.
                let most = if told.len() < idle.len() { 0 } else { ask.most - idle.len() };
                let how = Delivery { to: owner, most, now_ms, forgets: ask.forgets };
                let admits = |entry: &Entry| budget.admits(entry);
                stream.deliver(name, how, admits, |entry, pending| {
                    match claim_ms {
                        Some(_) => write_claimed(list, entry, 0, 0),
                        None => write_entry(list, entry),
                    }
                    if !ask.forgets {
                        told.push(*pending);
                    }
                });
            });
        }
        has_claimed = !idle.is_empty() && !told.is_empty();
        if let Some(group) = stream.group(name) {
            told.iter().for_each(|pending| tell_claim(cx.effects, key, name, group, pending));
            if group.last_id != before {
                tell_progress(cx.effects, key, name, group);
            }
        }
    }
    let has_moved = stream.group(name).is_some_and(|group| group.last_id != before);
    match (is_new, has_moved || has_claimed) {
        (true, _) => stream.done_aside(CONSUMER_CREATED),
        (false, true) => stream.done_aside(Event::SILENT),
        (false, false) => stream.done_if(false, Event::SILENT),
    }
    Ok(())
}

/// What of a group is pending for so long, and may be claimed.
fn idle(cx: &mut Ctx, key: &[u8], name: &[u8], claim_ms: i64, most: usize) -> Vec<Pending> {
    // What was given back is pending since the beginning of time.
    let since_ms = cx.now.0.saturating_sub(claim_ms).max(0);
    let Ok(Some(mut stream)) = cx.keyspace.edit::<Stream>(cx.db, key) else { return Vec::new() };
    let idle = stream.idle_since(name, since_ms, most);
    stream.done_if(false, Event::SILENT);
    idle
}

/// An entry, for how long it was pending, and how often it was delivered before.
fn write_claimed(list: &mut List, entry: Entry, idle_ms: i64, count: u64) {
    let mut parts = list.list(4);
    parts.bulk(&entry.id.text());
    let mut items = parts.list(entry.fields.len());
    entry.fields.for_each(|item| items.text(item));
    items.close();
    parts.int(idle_ms);
    parts.int(count as i64);
    parts.close();
}

/// Streams by their keys, each with entries.
struct Answer<'a> {
    list: List<'a>,
    proto: Proto,
}

impl<'a> Answer<'a> {
    fn begin(out: Reply<'a>) -> Answer<'a> {
        let proto = out.proto();
        let list = match proto {
            Proto::Resp3 => out.map_of_some(),
            Proto::Resp2 => out.list_of_some(),
        };
        Answer { list, proto }
    }

    fn stream(&mut self, key: &[u8], write: impl FnOnce(&mut List)) {
        if self.proto == Proto::Resp3 {
            self.list.bulk(key);
            let mut items = self.list.list_of_some();
            write(&mut items);
            return items.close();
        }
        let mut pair = self.list.list(2);
        pair.bulk(key);
        let mut items = pair.list_of_some();
        write(&mut items);
        items.close();
        pair.close();
    }
}

const NOT_IN_XREAD: Error = Error::Say(
    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> \
     option.",
);

/// What is said of an id that would only be of use to XREAD.
fn meaningless(id: char) -> String {
    format!(
        "ERR The {id} ID is meaningless in the context of XREADGROUP: you want to read the history of \
         this consumer by specifying a proper ID, or use the > ID to get new messages. The {id} ID \
         would just return an empty result set."
    )
}

impl<'a> Ask<'a> {
    fn read(cx: &Ctx, args: Args<'a>, for_group: bool) -> Result<Ask<'a>, Error> {
        let mut words = args.after(0);
        let (mut most, mut block) = (usize::MAX, None);
        let (mut group, mut forgets, mut claim_ms) = (None, false, None);
        let mut budget = Budget { entries: usize::MAX, bytes: usize::MAX, any: false };
        while let Some(word) = words.word() {
            words.skip();
            let is_followed = words.left() > 0;
            match &*word {
                b"BLOCK" if is_followed => {
                    block = Some(waiting::timeout_ms(cx.now, words.bytes()?)?)
                }
                b"COUNT" if is_followed => most = bound(&mut words)?,
                b"MAXCOUNT" if is_followed => budget.entries = bound(&mut words)?,
                b"MAXSIZE" if is_followed => budget.bytes = bound(&mut words)?,
                b"STREAMS" if is_followed => {
                    let rest = args.tail(words.index());
                    if !rest.len().is_multiple_of(2) {
                        return Err(unbalanced(for_group));
                    }
                    let (keys, ids) = (rest.head(rest.len() / 2), rest.tail(rest.len() / 2));
                    return Ok(Ask { most, budget, block, group, forgets, claim_ms, keys, ids });
                }
                b"GROUP" if words.left() > 1 && for_group => {
                    group = Some((words.bytes()?, words.bytes()?));
                }
                b"GROUP" if words.left() > 1 => return Err(ONLY_IN_XREADGROUP[0].clone()),
                b"CLAIM" if is_followed && for_group => {
                    const NOT_INTEGER: Error = Error::Say("ERR min-idle-time is not an integer");
                    const NEGATIVE: Error =
                        Error::Say("ERR min-idle-time must be a positive integer");
                    let idle = words.int().map_err(|_| NOT_INTEGER)?;
                    claim_ms = Some(if idle < 0 { return Err(NEGATIVE) } else { idle });
                }
                b"CLAIM" if is_followed => return Err(ONLY_IN_XREADGROUP[2].clone()),
                b"NOACK" if for_group => forgets = true,
                b"NOACK" => return Err(ONLY_IN_XREADGROUP[1].clone()),
                _ => return Err(Error::Syntax),
            }
        }
        Err(Error::Syntax)
    }

    /// The command line for the next time: `$` is what it was when waiting began.
    fn resolved(&self, args: Args, froms: &[From]) -> ArgsBuf {
        let mut line = ArgsBuf::default();
        args.head(args.len() - self.ids.len()).iter().for_each(|word| line.push(word));
        for (text, from) in self.ids.iter().zip(froms) {
            match from {
                From::After(id) => line.push(&id.text()),
                From::Last => line.push(text),
            }
        }
        line
    }

    /// Waits for new entries; or until there is no group any longer that they could be for, or something
    /// has been pending for so long that it may be claimed.
    fn wait(&self, cx: &mut Ctx, name: &[u8], timeout_us: Option<u64>) -> Done {
        /// Where nothing is pending, there may be something after as long as that takes; but nobody looks
        /// more often than this.
        const PAUSE_MS: i64 = 100;
        let now_ms = cx.now.0;
        let again_ms = self.claim_ms.map(|claim_ms| {
            let oldest = |key| idle(cx, key, name, i64::MIN, 1).first().map(Pending::time_ms);
            let oldest = self.keys.iter().filter_map(oldest).min();
            let due = |time: i64| time.saturating_add(claim_ms).saturating_sub(now_ms).max(1);
            oldest.map_or(claim_ms.max(PAUSE_MS), due)
        });
        let again_us = again_ms.map(|ms| (ms as u64).saturating_mul(1000));
        let keys = self.keys.iter().map(Box::from).collect();
        let wait = Wait::new(Type::Stream, keys, timeout_us, |out| out.null_array());
        Err(Wait { minds_loss: true, again_us, ..wait }.into())
    }
}

const ONLY_IN_XREADGROUP: [Error; 3] = [
    Error::Say("ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead."),
    Error::Say("ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead."),
    Error::Say("ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead."),
];

fn unbalanced(for_group: bool) -> Error {
    Error::Say(match for_group {
        true => {
            "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be \
             specified."
        }
        false => {
            "ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be \
             specified."
        }
    })
}

/// A number of which zero and less is no bound.
fn bound(words: &mut Cursor) -> Result<usize, Error> {
    Ok(match super::count(words)? {
        0 => usize::MAX,
        count => usize::try_from(count).unwrap_or(usize::MAX),
    })
}

impl Budget {
    /// Is there room for this one too? The first one always has it, or nobody would ever get on.
    fn admits(&mut self, entry: &Entry) -> bool {
        let bytes = match self.bytes {
            usize::MAX => 0,
            _ => entry.fields.map(|item| item.len()).sum(),
        };
        if self.entries == 0 || (self.any && bytes > self.bytes) {
            self.entries = 0;
            return false;
        }
        self.entries -= (self.entries != usize::MAX) as usize;
        self.bytes = self.bytes.saturating_sub(bytes);
        self.any = true;
        true
    }
}

impl From {
    fn has_more(self, stream: &Stream) -> bool {
        let last = stream.top_id();
        match self {
            From::After(id) => last.is_some_and(|last| last > id),
            From::Last => last.is_some(),
        }
    }
}
