//! What is pending of one consumer becomes another's: XCLAIM, XAUTOCLAIM.

use super::group::CONSUMER_CREATED;
use super::{id, no_group, range_start, write_entry};
use crate::data::stream::{Group, Id, Owner, Pending, Stream};
use crate::engine::{Ctx, Effects};
use crate::error::Error;
use crate::keyspace::{Edit, Event};
use crate::resp::{Args, Done, List, Reply};
use smallvec::SmallVec;

/// What is told of an entry that is pending: whoever hears it knows all there is to know.
pub fn tell_claim(
    effects: &mut Effects,
    key: &[u8],
    name: &[u8],
    group: &Group,
    pending: &Pending,
) {
    let Some(owner) = pending.owner().filter(|_| effects.wanted) else { return };
    let (id, last_id) = (pending.id().text(), group.last_id.text());
    let (time, count) = (pending.time_ms().to_string(), pending.count().to_string());
    let consumer = &group.consumer(owner).name;
    let (time, count) = (time.as_bytes(), count.as_bytes());
    effects.instead(&[
        b"XCLAIM",
        key,
        name,
        consumer,
        b"0",
        &id,
        b"TIME",
        time,
        b"RETRYCOUNT",
        count,
        b"FORCE",
        b"JUSTID",
        b"LASTID",
        &last_id,
    ]);
}

/// What is told of how far a group has read.
pub fn tell_progress(effects: &mut Effects, key: &[u8], name: &[u8], group: &Group) {
    if effects.wanted {
        let (id, read) = (group.last_id.text(), group.read.map(|read| read.to_string()));
        let read = read.as_deref().unwrap_or("-1").as_bytes();
        effects.instead(&[b"XGROUP".as_slice(), b"SETID", key, name, &id, b"ENTRIESREAD", read]);
    }
}

/// What is told of a consumer of whom nothing else would be known.
pub fn tell_consumer(effects: &mut Effects, key: &[u8], name: &[u8], consumer: &[u8]) {
    effects.instead(&[b"XGROUP".as_slice(), b"CREATECONSUMER", key, name, consumer]);
}

/// How XCLAIM claims.
#[derive(Default)]
struct Options {
    time_ms: Option<i64>,
    count: Option<u64>,
    force: bool,
    ids_only: bool,
    last_id: Id,
}

pub fn xclaim(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    const BAD_IDLE: Error = Error::Say("ERR Invalid min-idle-time argument for XCLAIM");
    let (key, name, now_ms) = (args.get(1), args.get(2), cx.now.0);
    let stream = cx.keyspace.edit::<Stream>(cx.db, key)?;
    let stream = stream.filter(|stream| stream.group(name).is_some());
    let stream = stream.ok_or_else(|| no_group(key, name, ""))?;
    let idle_ms = args.after(3).int().map_err(|_| BAD_IDLE)?.max(0);
    let ids = args.tail(5).iter().map_while(|text| id(text, 0).ok());
    let ids = ids.collect::<SmallVec<[Id; 8]>>();
    let options = Options::read(args, 5 + ids.len(), now_ms)?;
    let mut claim = Claim::begin(stream, [key, name, args.get(3)], now_ms, cx.effects)?;
    // Whoever hears of a claim hears how far the group has read; where there is none, it is told.
    let mut is_ahead = false;
    if let Some(group) = claim.stream.group_mut(name)
        && group.last_id < options.last_id
    {
        group.last_id = options.last_id;
        is_ahead = true;
    }
    // A time that makes no sense is now, since clients reckon with clocks of their own.
    let time_ms = options.time_ms.filter(|time| (0..=now_ms).contains(time)).unwrap_or(now_ms);
    let mut list = out.list_of_some();
    for id in ids {
        let known = claim.known(id);
        if !claim.stream.contains(id) {
            if let Some(known) = known {
                claim.forget(known);
                is_ahead = false;
            }
            continue;
        }
        let forced = || options.force.then(|| Pending::new(id, None, 0, 1));
        let Some(before) = known.or_else(forced) else { continue };
        if before.owner().is_some() && before.idle_ms(now_ms) < idle_ms {
            continue;
        }
        let more = before.count().saturating_add(!options.ids_only as u64);
        claim.take(id, time_ms, options.count.unwrap_or(more));
        is_ahead = false;
        claim.write(&mut list, id, options.ids_only);
    }
    if is_ahead && let Some(group) = claim.stream.group(name) {
        tell_progress(claim.effects, key, name, group);
        claim.changed = true;
    }
    claim.end();
    list.end()
}

pub fn xautoclaim(cx: &mut Ctx, args: Args, out: Reply) -> Done {
    const BAD_IDLE: Error = Error::Say("ERR Invalid min-idle-time argument for XAUTOCLAIM");
    const BAD_COUNT: Error = Error::Say("ERR COUNT must be > 0");
    /// How many entries are looked at for each that may be claimed.
    const LOOKS: u64 = 10;
    /// More is refused, as Redis does: so many ids would not fit into its memory.
    const COUNT_MAX: u64 = i64::MAX as u64 / 16;
    let (key, name, now_ms) = (args.get(1), args.get(2), cx.now.0);
    let idle_ms = args.after(3).int().map_err(|_| BAD_IDLE)?.max(0);
    let start = range_start(args.get(5))?;
    let (mut most, mut ids_only) = (100, false);
    let mut words = args.after(5);
    while words.left() > 0 {
        if words.left() > 1 && words.take_word(b"COUNT") {
            let count = words.int().ok().and_then(|count| u64::try_from(count).ok());
            most = count.filter(|count| (1..=COUNT_MAX).contains(count)).ok_or(BAD_COUNT)?;
        } else if words.take_word(b"JUSTID") {
            ids_only = true;
        } else {
            return Err(Error::Syntax.into());
        }
    }
    let stream = cx.keyspace.edit::<Stream>(cx.db, key)?;
    let stream = stream.filter(|stream| stream.group(name).is_some());
    let stream = stream.ok_or_else(|| no_group(key, name, ""))?;
    let mut claim = Claim::begin(stream, [key, name, args.get(3)], now_ms, cx.effects)?;
    let (mut idle, mut dead) = (Vec::new(), Vec::new());
    let mut next = None;
    if let Some(group) = claim.stream.group(name) {
        let mut looks = most.saturating_mul(LOOKS);
        for pending in group.pending_from(start) {
            if looks == 0 || most == 0 {
                next = Some(pending.id());
                break;
            }
            looks -= 1;
            if !claim.stream.contains(pending.id()) {
                dead.push(*pending);
                most -= 1;
            } else if pending.idle_ms(now_ms) >= idle_ms {
                idle.push(*pending);
                most -= 1;
            }
        }
    }
    let mut answer = out.list(3);
    answer.bulk(&next.unwrap_or(Id::MIN).text());
    let mut list = answer.list(idle.len());
    let mut gone = dead.iter().peekable();
    for before in idle {
        while let Some(dead) = gone.next_if(|dead| dead.id() < before.id()) {
            claim.forget(*dead);
        }
        let count = before.count().saturating_add(!ids_only as u64);
        claim.take(before.id(), now_ms, count);
        claim.write(&mut list, before.id(), ids_only);
    }
    list.close();
    gone.for_each(|dead| claim.forget(*dead));
    let mut list = answer.list(dead.len());
    dead.iter().for_each(|dead| list.bulk(&dead.id().text()));
    list.close();
    claim.end();
    answer.end()
}

/// A consumer that claims: what is taken becomes his, and is told.
struct Claim<'a> {
    stream: Edit<'a, Stream>,
    effects: &'a mut Effects,
    /// Key, group and consumer.
    names: [&'a [u8]; 3],
    owner: Owner,
    is_new: bool,
    now_ms: i64,
    /// Something happened that is told.
    changed: bool,
    taken: bool,
}

impl<'a> Claim<'a> {
    fn begin(
        mut stream: Edit<'a, Stream>,
        names: [&'a [u8]; 3],
        now_ms: i64,
        effects: &'a mut Effects,
    ) -> Result<Claim<'a>, Error> {
        let admitted = stream.group_mut(names[1]).and_then(|group| {
            let (owner, is_new) = group.admit(names[2], now_ms)?;
            group.consumer_mut(owner).seen_ms = now_ms;
            Some((owner, is_new))
        });
        let Some((owner, is_new)) = admitted else {
            stream.done_if(false, Event::SILENT);
            return Err(TOO_MANY);
        };
        Ok(Claim { stream, effects, names, owner, is_new, now_ms, changed: false, taken: false })
    }

    fn known(&self, id: Id) -> Option<Pending> {
        self.stream.group(self.names[1])?.lookup(id).copied()
    }

    fn take(&mut self, id: Id, time_ms: i64, count: u64) {
        let [key, name, _] = self.names;
        let Some(group) = self.stream.group_mut(name) else { return };
        let pending = Pending::new(id, Some(self.owner), time_ms, count);
        group.put(pending);
        group.consumer_mut(self.owner).active_ms = Some(self.now_ms);
        tell_claim(self.effects, key, name, group, &pending);
        (self.changed, self.taken) = (true, true);
    }

    /// The entry is no longer there: nobody needs to acknowledge it.
    fn forget(&mut self, pending: Pending) {
        let [key, name, _] = self.names;
        let Some(group) = self.stream.group_mut(name) else { return };
        tell_claim(self.effects, key, name, group, &pending);
        group.remove(pending.id());
        self.changed = true;
    }

    fn write(&self, list: &mut List, id: Id, id_only: bool) {
        match self.stream.get(id) {
            Some(entry) if !id_only => write_entry(list, entry),
            _ => list.bulk(&id.text()),
        }
    }

    fn end(self) {
        let Claim { stream, effects, names: [key, name, consumer], .. } = self;
        if self.is_new && !self.taken {
            tell_consumer(effects, key, name, consumer);
        }
        match (self.is_new, self.changed) {
            (true, _) => stream.done_aside(CONSUMER_CREATED),
            (false, true) => stream.done_aside(Event::SILENT),
            (false, false) => stream.done_if(false, Event::SILENT),
        }
    }
}

impl Options {
    fn read(args: Args, from: usize, now_ms: i64) -> Result<Options, Error> {
        const BAD_IDLE: Error = Error::Say("ERR Invalid IDLE option argument for XCLAIM");
        const BAD_TIME: Error = Error::Say("ERR Invalid TIME option argument for XCLAIM");
        const BAD_COUNT: Error = Error::Say("ERR Invalid RETRYCOUNT option argument for XCLAIM");
        let mut options = Options::default();
        let mut words = args.after(from - 1);
        while let Some(word) = words.word() {
            let text = words.bytes()?;
            let is_followed = words.left() > 0;
            match &*word {
                b"FORCE" => options.force = true,
                b"JUSTID" => options.ids_only = true,
                b"IDLE" if is_followed => {
                    let idle = words.int().map_err(|_| BAD_IDLE)?;
                    options.time_ms = Some(now_ms.saturating_sub(idle));
                }
                b"TIME" if is_followed => {
                    options.time_ms = Some(words.int().map_err(|_| BAD_TIME)?);
                }
                b"RETRYCOUNT" if is_followed => {
                    options.count = u64::try_from(words.int().map_err(|_| BAD_COUNT)?).ok();
                }
                b"LASTID" if is_followed => options.last_id = id(words.bytes()?, 0)?,
                _ => return Err(Error::quote("ERR Unrecognized XCLAIM option '", text, "'")),
            }
        }
        Ok(options)
    }
}

pub const TOO_MANY: Error = Error::Say("ERR the group has too many consumers");
